package store

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/api/admin"
)

// deliverFor is for how long a delivery is tried.
const deliverFor = 24 * time.Hour

// event is something that webhooks are told of.
type event struct {
	kind         string
	organization int64
	user         int64  // whom it is about; 0: nobody
	once         string // names what can happen once only, whoever notices it; empty: each is another one
	data         any
}

// subscriber is a webhook that is told of what happens in an organisation.
type subscriber struct {
	id     int64
	events []string
}

// subscribers are the webhooks of an organisation and of those above it.
func subscribers(tx *dbTx, organization int64) ([]subscriber, error) {
	rows, err := tx.Query(`WITH RECURSIVE above (id, parent_id) AS (
			SELECT id, parent_id FROM organizations WHERE id = ?
			UNION SELECT o.id, o.parent_id FROM organizations o JOIN above ON o.id = above.parent_id)
		SELECT w.id, w.events FROM webhooks w WHERE w.is_active AND w.organization_id IN (SELECT id FROM above) ORDER BY w.id`, organization)
	return collect(rows, err, func(row scanner) (s subscriber, err error) {
		var events string
		if err := row.Scan(&s.id, &events); err != nil {
			return s, err
		}
		return s, json.Unmarshal([]byte(events), &s.events)
	})
}

// wanted tells whether somebody asks for one of the kinds.
func wanted(list []subscriber, kinds ...string) bool {
	return slices.ContainsFunc(list, func(s subscriber) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(s.events, k) })
	})
}

// tell puts an event into the outbox, in the transaction in which it happens, where somebody asks for it.
func (s *Store) tell(tx *dbTx, e event) error {
	list, err := subscribers(tx, e.organization)
	if err != nil {
		return err
	}
	return s.tellAll(tx, list, []event{e})
}

// tellAll is tell for events of one organisation, whose subscribers are known.
func (s *Store) tellAll(tx *dbTx, list []subscriber, events []event) error {
	for _, e := range events {
		if !wanted(list, e.kind) {
			continue
		}
		id, news, err := s.putEvent(tx, e)
		if err != nil || !news {
			if err != nil {
				return err
			}
			continue
		}
		for _, w := range list {
			if slices.Contains(w.events, e.kind) {
				if _, err := s.putDelivery(tx, w.id, id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) putEvent(tx *dbTx, e event) (id string, news bool, err error) {
	data, err := json.Marshal(e.data)
	if err != nil {
		return "", false, err
	}
	now := s.now()
	id = "evt_" + strings.ToLower(rand.Text())
	if e.once != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", e.kind, e.organization, e.once))
		id = "evt_" + hex.EncodeToString(sum[:16])
	}
	body, err := json.Marshal(admin.Event{ID: id, Type: e.kind, Created: now.UTC().Truncate(time.Microsecond), Organization: e.organization, Data: data})
	if err != nil {
		return "", false, err
	}
	n, err := tx.affected(`INSERT INTO webhook_events (id, organization_id, kind, at, user_id, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`, id, e.organization, e.kind, micros(now), number(e.user), string(body))
	return id, n > 0, err
}

func (s *Store) putDelivery(tx *dbTx, webhook int64, event string) (id int64, err error) {
	now := s.now()
	err = tx.QueryRow(`INSERT INTO webhook_deliveries (webhook_id, event_id, state, attempts, next_at, deadline, created)
		VALUES (?, ?, '`+admin.DeliveryWaiting+`', 0, ?, ?, ?) RETURNING id`, webhook, event, micros(now), micros(now.Add(deliverFor)), micros(now)).Scan(&id)
	return id, err
}

// sessionEvents are what a batch brings of news for those who ask: sessions that the table does not have yet, and those that
// it has not stopped. It looks before the merge.
func sessionEvents(tx *dbTx, b *batch, list []subscriber) ([]event, error) {
	if len(b.sessions) == 0 || !wanted(list, admin.SessionStarted, admin.SessionStopped) {
		return nil, nil
	}
	type key struct {
		unique string
		start  int64
	}
	stopped := make(map[key]bool) // of those that the table has
	unique := make([]string, len(b.sessions))
	first, last := b.sessions[0].acct.AcctStartTime, b.sessions[0].acct.AcctStartTime
	for i, m := range b.sessions {
		unique[i] = m.acct.AcctUniqueID
		if start := m.acct.AcctStartTime; start.Before(first) {
			first = start
		} else if start.After(last) {
			last = start
		}
	}
	condition, args := among(tx.d, "acctuniqueid", distinct(unique))
	rows, err := tx.Query(`SELECT acctuniqueid, acctstarttime, acctstoptime IS NOT NULL FROM aaa_accounting
		WHERE organization_id = ? AND acctstarttime BETWEEN ? AND ? AND `+condition,
		append([]any{b.organization, micros(first), micros(last)}, args...)...)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var k key
		var ended bool
		err := row.Scan(&k.unique, &k.start, &ended)
		stopped[k] = ended
		return struct{}{}, err
	})
	if err != nil {
		return nil, err
	}
	var events []event
	for _, m := range b.sessions {
		k := key{m.acct.AcctUniqueID, micros(m.acct.AcctStartTime)}
		ended, there := stopped[k]
		e := event{organization: b.organization, user: m.acct.UserID, once: fmt.Sprintf("%s %d", k.unique, k.start), data: sessionOf(m)}
		if !there {
			e.kind = admin.SessionStarted
			events = append(events, e)
		}
		if m.acct.AcctStopTime != nil && !ended {
			e.kind = admin.SessionStopped
			events = append(events, e)
		}
	}
	return events, nil
}

// endedColumns are what scanEnded wants of a session that nobody stopped, once it is concluded that it has ended.
const endedColumns = `organization_id, acctsessionid, acctuniqueid, username, coalesce(user_id, 0), coalesce(nasidentifier, ''), nasipaddress,
	coalesce(callingstationid, ''), coalesce(framedipaddress, ''), coalesce(location_id, 0), coalesce(access_point_id, 0), coalesce(ssid, ''),
	acctstarttime, acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets, acctterminatecause`

func scanEnded(row scanner) (e event, err error) {
	var a admin.Session
	var start int64
	var stop *int64
	err = row.Scan(&e.organization, &a.AcctSessionID, &a.AcctUniqueID, &a.Username, &a.UserID, &a.NASIdentifier, &a.NASIPAddress,
		&a.CallingStationID, &a.FramedIPAddress, &a.LocationID, &a.AccessPointID, &a.SSID,
		&start, &stop, &a.AcctSessionTime, &a.AcctInputOctets, &a.AcctOutputOctets, &a.AcctTerminateCause)
	a.AcctStartTime, a.AcctStopTime = *timeOf(&start), timeOf(stop)
	e.kind, e.user, e.once, e.data = admin.SessionStopped, a.UserID, fmt.Sprintf("%s %d", a.AcctUniqueID, start), a
	return e, err
}

// tellEnded is tell for many sessions.
func (s *Store) tellEnded(tx *dbTx, ended []event) error {
	slices.SortStableFunc(ended, func(a, b event) int { return cmp.Compare(a.organization, b.organization) })
	for len(ended) > 0 {
		n := 1
		for n < len(ended) && ended[n].organization == ended[0].organization {
			n++
		}
		list, err := subscribers(tx, ended[0].organization)
		if err != nil {
			return err
		}
		if err := s.tellAll(tx, list, ended[:n]); err != nil {
			return err
		}
		ended = ended[n:]
	}
	return nil
}

func sessionOf(m *session) admin.Session {
	a := &m.acct
	return admin.Session{AcctSessionID: a.AcctSessionID, AcctUniqueID: a.AcctUniqueID, Username: a.Username, UserID: a.UserID,
		NASIdentifier: a.NASIdentifier, NASIPAddress: a.NASIPAddress, CallingStationID: a.CallingStationID, FramedIPAddress: a.FramedIPAddress,
		LocationID: a.LocationID, AccessPointID: a.AccessPointID, SSID: a.SSID, AcctStartTime: a.AcctStartTime.UTC(), AcctStopTime: a.AcctStopTime,
		AcctSessionTime: a.AcctSessionTime, AcctInputOctets: a.AcctInputOctets, AcctOutputOctets: a.AcctOutputOctets,
		AcctTerminateCause: a.AcctTerminateCause}
}
