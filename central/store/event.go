package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// An event is something that one gateway shall do once. It stands open until the gateway has said what became of it, or
// until its time is over; then what it said is forgotten, because it may name a person. The change feed has one row per gateway for all of its events and its settings: it moves to the
// end when there is a new one, and brings all that are open.

const gatewayKind kind = "gateway"

// maxOpenEvents is how many a gateway may have open; the feed brings them in one answer.
const maxOpenEvents = 10_000

// ErrTooMany says that a gateway has more to do than it can be told.
type ErrTooMany struct{}

// Error implements error.
func (ErrTooMany) Error() string { return "the gateway has too many things to do already" }

// order puts an event in a gateway's way.
func (s *Store) order(tx *dbTx, gateway, organization int64, session *int64, action string, e edge.Event, within time.Duration) (id int64, err error) {
	var open int64
	if err := tx.QueryRow("SELECT count(*) FROM events WHERE gateway_id = ? AND ended IS NULL", gateway).Scan(&open); err != nil {
		return 0, err
	}
	if open >= maxOpenEvents {
		return 0, ErrTooMany{}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	now := s.now()
	const insert = `INSERT INTO events (key, organization_id, gateway_id, radacctid, action, body, state, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	err = tx.QueryRow(insert, rand.Text(), organization, gateway, session, action, string(body), admin.ActionPending,
		micros(now), micros(now.Add(within))).Scan(&id)
	if err != nil {
		return 0, err
	}
	if err := changed(tx, gatewayKind, gateway, organization); err != nil {
		return 0, err
	}
	return id, tx.audit("action", id, organization, nil, map[string]any{"action": action, "gateway": gateway, "session": session})
}

// openEvents are those that a gateway has still to be told, or to say what became of them.
func openEvents(ctx context.Context, q querier, gateway int64, now time.Time) ([]edge.Change, error) {
	const find = "SELECT key, body, expires FROM events WHERE gateway_id = ? AND ended IS NULL AND expires > ? ORDER BY id"
	rows, err := q.QueryContext(ctx, find, gateway, micros(now))
	return collect(rows, err, func(row scanner) (edge.Change, error) {
		var key, body string
		var expires int64
		if err := row.Scan(&key, &body, &expires); err != nil {
			return edge.Change{}, err
		}
		e := edge.Event{}
		err := json.Unmarshal([]byte(body), &e)
		e.ID, e.SecondsLeft = key, (expires-micros(now))/1e6
		return edge.Change{Event: &e}, err
	})
}

// Delivered notes that a gateway is being told of events.
func (s *Store) Delivered(ctx context.Context, g Gateway, keys []string) error {
	err := s.write(ctx, "noting that events are told", func(tx *dbTx) error {
		condition, args := among(tx.d, "key", keys)
		_, err := tx.Exec("UPDATE events SET state = ?, delivered = ? WHERE state = ? AND gateway_id = ? AND "+condition,
			append([]any{admin.ActionDelivered, micros(s.now()), admin.ActionPending, g.ID}, args...)...)
		return err
	})
	s.wake(err)
	return err
}

// SettleEvents takes in what became of a gateway's events; news tells per outcome whether it was not known. The first
// outcome of an event stays, also against the end of its time: it was done, if late.
func (s *Store) SettleEvents(ctx context.Context, g Gateway, outcomes []edge.Outcome) (news []bool, err error) {
	if len(outcomes) == 0 {
		return nil, nil
	}
	err = s.write(ctx, "settling events", func(tx *dbTx) error {
		news = make([]bool, len(outcomes))
		for i, o := range outcomes {
			n, err := settleEvent(tx, g, o, micros(s.now()))
			if err != nil {
				return err
			}
			news[i] = n > 0
		}
		return changed(tx, gatewayKind, g.ID, g.Scope.Own()) // whoever waits for it may ask another process
	})
	s.wake(err)
	return news, err
}

func settleEvent(tx *dbTx, g Gateway, o edge.Outcome, now int64) (changed int64, err error) {
	state, reason := admin.ActionDone, o.Reason
	if o.Status != edge.Done {
		state = admin.ActionFailed
	}
	if o.Status == edge.NotFound {
		reason = admin.ReasonNotFound
	}
	return tx.affected(`UPDATE events SET state = ?, reason = ?, ended = ?, body = '{}' WHERE key = ? AND gateway_id = ?
		AND (ended IS NULL OR reason = ? AND state = ?)`, state, text(reason), now, o.Event, g.ID, admin.ReasonExpired, admin.ActionFailed)
}

// EndEvents gives up events whose time is over.
func (s *Store) EndEvents(ctx context.Context) error {
	return s.write(ctx, "giving up events", func(tx *dbTx) error {
		now := micros(s.now())
		_, err := tx.Exec("UPDATE events SET state = ?, reason = ?, ended = expires, body = '{}' WHERE ended IS NULL AND expires <= ?",
			admin.ActionFailed, admin.ReasonExpired, now)
		return err
	})
}

// admitStation has a gateway let a station in, within that time. An account is told to the gateway before it.
func (s *Store) admitStation(tx *dbTx, gateway, organization int64, a edge.Admit, within time.Duration) (id int64, err error) {
	if a.UserID != 0 {
		if _, err := tx.Exec("INSERT INTO gateway_users (gateway_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", gateway, a.UserID); err != nil {
			return 0, err
		}
		if err := changed(tx, userKind, a.UserID, organization); err != nil {
			return 0, err
		}
	}
	return s.order(tx, gateway, organization, nil, admin.ActionAdmit, edge.Event{Admit: &a}, within)
}

// eraseWithin is how long a gateway that is away has to forget a person: longer than any journal keeps one.
const eraseWithin = 365 * 24 * time.Hour

// eraseAtGateways has all gateways that have seen a user forget the person. It is for the transaction that erases the user.
func (s *Store) eraseAtGateways(tx *dbTx, user int64, username string) error {
	rows, err := tx.Query("SELECT g.id, g.organization_id FROM gateway_users s JOIN gateways g ON g.id = s.gateway_id WHERE s.user_id = ? ORDER BY g.id", user)
	gateways, err := collect(rows, err, func(row scanner) (g [2]int64, err error) {
		err = row.Scan(&g[0], &g[1])
		return g, err
	})
	if err != nil {
		return err
	}
	for _, g := range gateways {
		e := edge.Event{Erase: &edge.Erase{UserID: user, Username: username}}
		if _, err := s.order(tx, g[0], g[1], nil, admin.ActionErase, e, eraseWithin); err != nil {
			return err
		}
	}
	return nil
}

const actionColumns = "t.id, t.organization_id, t.gateway_id, t.radacctid, t.action, t.state, t.reason, t.created, t.expires, t.delivered, t.ended"

func (s *Store) scanAction(row scanner) (a admin.Action, err error) {
	var created, expires int64
	var delivered, ended *int64
	err = row.Scan(&a.ID, &a.Organization, &a.Gateway, &a.Session, &a.Action, &a.State, &a.Reason, &created, &expires, &delivered, &ended)
	a.Created, a.Expires = utc(created), utc(expires)
	a.Delivered, a.Ended = utcOrNil(delivered), utcOrNil(ended)
	if a.Ended == nil && !s.now().Before(a.Expires) { // nobody has got round to it yet
		a.State, a.Reason, a.Ended = admin.ActionFailed, new(admin.ReasonExpired), &a.Expires
	}
	return a, err
}

// Action is one thing that a gateway of the scope was asked to do.
func (s *Store) Action(ctx context.Context, scope Scope, id int64) (admin.Action, error) {
	q := "SELECT " + actionColumns + " FROM events t WHERE t.id = ? AND " + scope.in("t.organization_id")
	a, err := s.scanAction(s.read().QueryRowContext(ctx, q, id))
	return a, s.err("reading action", err)
}

// Actions lists what gateways of the scope were asked to do, the last first. gateway and session narrow it unless 0.
func (s *Store) Actions(ctx context.Context, scope Scope, gateway, session int64, p Page) (list []admin.Action, more bool, err error) {
	q := keyset{d: s.d, table: "events", index: "events_organization", time: "created", id: "id", columns: actionColumns}
	q.and(scope.in("t.organization_id"))
	q.equal("t.gateway_id", gateway)
	q.equal("t.radacctid", session)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, s.scanAction)
	list, more = cutPage(p, list)
	return list, more, s.err("listing actions", err)
}

func utc(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func utcOrNil(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	return new(utc(*micros))
}
