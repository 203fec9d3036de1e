package store

import (
	"context"
	"database/sql"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// DefaultInterval is how often a session is taken to be reported on where it does not say.
const DefaultInterval = 10 * time.Minute

// SessionFilter narrows a list of running sessions. Zero fields do not.
type SessionFilter struct {
	Organization, Gateway, Location, AccessPoint, User int64
	Username                                           string
	MAC                                                string // as in Calling-Station-Id
	MatchesNothing                                     bool
}

const sessionColumns = `t.radacctid, t.acctsessionid, t.acctuniqueid, t.organization_id, t.username, t.user_id, t.callingstationid,
	t.framedipaddress, g.id, t.nasidentifier, t.location_id, t.location_name, t.access_point_id, t.access_point_name, t.ssid,
	t.acctstarttime, t.acctupdatetime, t.acctsessiontime, t.acctinputoctets, t.acctoutputoctets, t.acctinterval, t.acctstoptime,
	t.acctterminatecause, t.stop_inferred, g.last_seen`

// sessionGateway joins the gateway of a session.
const sessionGateway = " LEFT JOIN gateways g ON g.organization_id = t.organization_id AND g.nas_identifier = t.nasidentifier"

func (s *Store) scanSession(row scanner) (v admin.LiveSession, err error) {
	var start, update int64
	var interval, stop, seen *int64
	err = row.Scan(&v.ID, &v.AcctSessionID, &v.AcctUniqueID, &v.Organization, &v.Username, &v.User, &v.MAC,
		&v.Address, &v.Gateway, &v.NASIdentifier, &v.Location, &v.LocationName, &v.AccessPoint, &v.AccessPointName, &v.SSID,
		&start, &update, &v.SessionTime, &v.InputOctets, &v.OutputOctets, &interval, &stop, &v.TerminateCause, &v.StopInferred, &seen)
	v.Started, v.Updated, v.Stopped = utc(start), utc(update), utcOrNil(stop)
	now := s.now()
	switch {
	case v.Stopped != nil:
	case interval != nil:
		v.Stale = now.Sub(v.Updated) > 2*time.Duration(*interval)*time.Second
	default: // no interim records are sent: it is as fresh as its gateway
		v.Stale = seen == nil || now.Sub(utc(*seen)) > SilentAfter
	}
	return v, err
}

// Sessions lists running sessions, those that began last first.
func (s *Store) Sessions(ctx context.Context, scope Scope, f SessionFilter, p Page) (list []admin.LiveSession, more bool, err error) {
	if f.MatchesNothing {
		return []admin.LiveSession{}, false, nil
	}
	q := keyset{d: s.d, table: "aaa_accounting", time: "acctstarttime", id: "radacctid", columns: sessionColumns, join: sessionGateway}
	q.and("t.acctstoptime IS NULL")
	q.equal("t.location_id", f.Location)
	q.equal("t.access_point_id", f.AccessPoint)
	q.equal("t.user_id", f.User)
	if f.Username != "" {
		q.and("t.username = ?", f.Username)
	}
	if f.MAC != "" {
		q.and("t.callingstationid = ?", f.MAC)
	}
	scope = scope.only(f.Organization)
	if f.Gateway != 0 {
		var organization int64
		var nas string
		find := "SELECT organization_id, nas_identifier FROM gateways WHERE id = ? AND " + scope.in("organization_id")
		err := s.read().QueryRowContext(ctx, find, f.Gateway).Scan(&organization, &nas)
		if err == sql.ErrNoRows {
			return []admin.LiveSession{}, false, nil
		}
		if err != nil {
			return nil, false, s.err("looking for gateway", err)
		}
		q.and("t.nasidentifier = ?", nas)
		q.within(scope.only(organization), "aaa_accounting_open_gateway", "")
	} else {
		acct := AcctFilter{User: f.User, Location: f.Location, AccessPoint: f.AccessPoint, Status: Active}
		q.within(scope, acct.ownIndex(), acct.index())
	}
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, s.scanSession)
	list, more = cutPage(p, list)
	return list, more, s.err("listing sessions", err)
}

func (s *Store) sessionOf(ctx context.Context, q querier, scope Scope, id int64) (admin.LiveSession, error) {
	find := "SELECT " + sessionColumns + " FROM aaa_accounting t" + sessionGateway +
		" WHERE t.radacctid = ? AND t.acctstarttime >= ? AND t.acctstarttime < ? AND " + scope.in("t.organization_id")
	second := secondOf(id)
	return s.scanSession(q.QueryRowContext(ctx, find, id, second, second+1e6))
}

// Session is one session of the scope, running or not.
func (s *Store) Session(ctx context.Context, scope Scope, id int64) (admin.LiveSession, error) {
	v, err := s.sessionOf(ctx, s.read(), scope, id)
	return v, s.err("reading session", err)
}

// OrderSession asks the gateway of a running session of the scope to do something to it within that time. make is given the
// session and says what, or why not; its error is returned as it is.
func (s *Store) OrderSession(ctx context.Context, scope Scope, id int64, action string, within time.Duration, make func(v admin.LiveSession) (edge.Event, error)) (a admin.Action, err error) {
	err = s.write(ctx, "ordering", func(tx *dbTx) error {
		v, err := s.sessionOf(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		e, err := make(v)
		if err != nil {
			return err
		}
		event, err := s.order(tx, *v.Gateway, v.Organization, &v.ID, action, e, within)
		if err != nil {
			return err
		}
		a, err = s.scanAction(tx.QueryRow("SELECT "+actionColumns+" FROM events t WHERE t.id = ?", event))
		return err
	})
	s.wake(err)
	return a, err
}

// lostPage is how many sessions are closed in one transaction.
const lostPage = 500

// CloseLost closes sessions of which nothing has been heard for twice their interval and whose gateway is silent since: at that
// bound, with the cause Lost-Carrier and the note that nobody said so. A session without interim records is given twice
// the default. With all also those of gateways that are there, have nothing more to tell, and do not speak of them: they
// have lost them. That looks at all running sessions. What comes later counts instead. It returns how many were closed.
func (s *Store) CloseLost(ctx context.Context, all bool) (closed int64, err error) {
	interval, now := DefaultInterval.Microseconds(), micros(s.now())
	bound := "(t.acctupdatetime + 2 * coalesce(t.acctinterval * 1000000, CAST(? AS BIGINT)))"
	find := "SELECT t.radacctid, t.acctstarttime, " + bound + ` FROM gateways g JOIN aaa_accounting t
		ON t.organization_id = g.organization_id AND t.nasidentifier = g.nas_identifier AND t.acctstoptime IS NULL WHERE ` + bound + " < ?"
	args := []any{interval, interval, now}
	if all {
		find += " AND g.last_seen >= ? AND g.backlog = 0 AND t.acctinterval IS NOT NULL"
		args = append(args, now-SilentAfter.Microseconds())
	} else {
		find += " AND g.last_seen < ? AND g.last_seen < " + bound
		args = append(args, now-SilentAfter.Microseconds(), interval)
	}
	for {
		var n int64
		err := s.write(ctx, "closing lost sessions", func(tx *dbTx) error {
			rows, err := tx.Query(find+" ORDER BY t.radacctid LIMIT ?", append(args, lostPage)...)
			type lost struct{ id, start, until int64 }
			list, err := collect(rows, err, func(row scanner) (l lost, err error) {
				err = row.Scan(&l.id, &l.start, &l.until)
				return l, err
			})
			if err != nil {
				return err
			}
			n = int64(len(list))
			var ended []event
			for _, l := range list {
				rows, err := tx.Query(`UPDATE aaa_accounting SET acctstoptime = ?, acctterminatecause = 'Lost-Carrier', stop_inferred = ?
					WHERE radacctid = ? AND acctstarttime = ? AND acctstoptime IS NULL RETURNING `+endedColumns, l.until, true, l.id, l.start)
				one, err := collect(rows, err, scanEnded)
				if err != nil {
					return err
				}
				ended = append(ended, one...)
			}
			return s.tellEnded(tx, ended)
		})
		if closed += n; err != nil || n < lostPage {
			return closed, err
		}
	}
}
