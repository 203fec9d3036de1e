package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// countsTime is the condition that profile p may count how long its users are online; who reads its attributes knows.
const countsTime = `lower(p.check_attribute) LIKE '%"max-%-session"%'`

// elsewhere is what a user's sessions at other gateways and NASes have lasted in the periods that run in the time zone of the gateway's
// organisation; nothing where no profile of his counts that.
func (s *Store) elsewhere(ctx context.Context, q querier, g Gateway, user int64) ([]edge.Elsewhere, error) {
	var counts, ever bool
	const find = `SELECT
		EXISTS (SELECT 1 FROM user_profiles u JOIN profiles p ON p.id = u.profile_id WHERE u.user_id = ? AND ` + countsTime + `),
		EXISTS (SELECT 1 FROM user_profiles u JOIN profiles p ON p.id = u.profile_id WHERE u.user_id = ? AND lower(p.check_attribute) LIKE '%"max-all-session"%')`
	if err := q.QueryRowContext(ctx, find, user, user).Scan(&counts, &ever); err != nil || !counts {
		return nil, err
	}
	place, err := timeZone(ctx, q, g.Scope.Own())
	if err != nil {
		return nil, err
	}
	now := s.now().In(place)
	starts := make([]time.Time, sessions.Life+1) // Life began with everything
	for p := range sessions.Life {
		if starts[p], err = time.ParseInLocation(time.DateOnly, p.Start(now), place); err != nil {
			return nil, err
		}
	}
	since := micros(starts[sessions.Month].Add(-longest))
	if ever {
		since = 0
	}
	type lasted struct{ from, to time.Time }
	rows, err := q.QueryContext(ctx, `SELECT acctstarttime, acctsessiontime FROM aaa_accounting
		WHERE user_id = ? AND acctstarttime >= ? AND NOT (organization_id = ? AND coalesce(nasidentifier, '') = ?)`,
		user, since, g.Scope.Own(), g.NASIdentifier)
	all, err := collect(rows, err, func(row scanner) (l lasted, err error) {
		var start, seconds int64
		err = row.Scan(&start, &seconds)
		l.from = time.UnixMicro(start)
		l.to = l.from.Add(time.Duration(seconds) * time.Second)
		return l, err
	})
	if err != nil {
		return nil, err
	}
	var list []edge.Elsewhere
	for p, start := range starts {
		var sum time.Duration
		for _, l := range all {
			if l.from.Before(start) {
				l.from = start
			}
			sum += max(0, l.to.Sub(l.from))
		}
		if sum > 0 {
			list = append(list, edge.Elsewhere{Period: p, Start: sessions.Period(p).Start(now), Seconds: int64(sum / time.Second)})
		}
	}
	return list, nil
}

// TimeZone is that of an organisation; UTC where this machine does not know it.
func (s *Store) TimeZone(ctx context.Context, organization int64) (*time.Location, error) {
	zone, err := timeZone(ctx, s.read(), organization)
	return zone, s.err("reading a time zone", err)
}

func timeZone(ctx context.Context, q querier, organization int64) (*time.Location, error) {
	var name string
	if err := q.QueryRowContext(ctx, "SELECT timezone FROM organizations WHERE id = ?", organization).Scan(&name); err != nil {
		return time.UTC, err
	}
	if zone, err := time.LoadLocation(name); err == nil {
		return zone, nil
	}
	return time.UTC, nil
}

// tellElsewhere has gateways hear of users whose profiles count how long they are online and who were online at another one.
func tellElsewhere(tx *dbTx, b *batch) (told bool, err error) {
	at := map[int64]string{} // where each was
	for _, m := range b.sessions {
		if m.acct.UserID != 0 && m.acct.AcctSessionTime > 0 {
			at[m.acct.UserID] = m.acct.NASIdentifier
		}
	}
	if len(at) == 0 {
		return false, nil
	}
	// Who counts time is asked by itself: most batches end here. Asking four tables at once took PostgreSQL a third of a batch's time.
	condition, args := among(tx.d, "u.user_id", slices.Sorted(maps.Keys(at)))
	rows, err := tx.Query("SELECT DISTINCT u.user_id FROM user_profiles u JOIN profiles p ON p.id = u.profile_id WHERE "+condition+" AND "+countsTime, args...)
	counted, err := collect(rows, err, scanID)
	if err != nil || len(counted) == 0 {
		return false, err
	}
	type sight struct {
		user int64
		nas  string
	}
	condition, args = among(tx.d, "s.user_id", counted)
	rows, err = tx.Query("SELECT s.user_id, g.nas_identifier FROM gateway_users s JOIN gateways g ON g.id = s.gateway_id WHERE "+condition, args...)
	seen, err := collect(rows, err, func(row scanner) (v sight, err error) { err = row.Scan(&v.user, &v.nas); return v, err })
	if err != nil {
		return false, err
	}
	var users []int64
	for _, v := range seen {
		if v.nas != at[v.user] {
			users = append(users, v.user)
		}
	}
	if len(users) == 0 {
		return false, nil
	}
	return true, changedUsers(tx, distinct(users))
}
