package store

import (
	"context"
	"slices"
	"time"

	"gatehouse/api/edge"
)

const (
	leaseLife  = 24 * time.Hour      // how long a gateway that says nothing keeps what it was lent
	staleAfter = 24 * time.Hour      // a session without a record for so long has ended, and nobody said so
	longest    = 31 * 24 * time.Hour // sessions that began earlier are not looked for
)

// spendTime takes what the sessions of a batch have used out of the balances of those who pay with time. Whatever records come,
// in any order and however often: a session's seconds are taken once, because the ledger knows how many of them it has
// counted, and all of it happens in the transaction that merges. told is whether gateways have something to hear.
func (s *Store) spendTime(tx *dbTx, b *batch) (told bool, err error) {
	users, unique := make([]int64, 0, len(b.sessions)), make([]string, len(b.sessions))
	var first, last time.Time
	for i, m := range b.sessions {
		if m.acct.UserID != 0 {
			users = append(users, m.acct.UserID)
		}
		unique[i] = m.acct.AcctUniqueID
		if start := m.acct.AcctStartTime; i == 0 || start.Before(first) {
			first = start
		}
		if start := m.acct.AcctStartTime; i == 0 || start.After(last) {
			last = start
		}
	}
	if users = distinct(users); len(users) == 0 {
		return false, nil
	}
	among1, args := among(tx.d, "user_id", users)
	rows, err := tx.Query("UPDATE wallets SET changes = changes + 1 WHERE "+among1+" RETURNING user_id", args...)
	paying, err := collect(rows, err, scanID)
	if err != nil || len(paying) == 0 {
		return false, err
	}
	among2, args := among(tx.d, "a.acctuniqueid", unique)
	args = append([]any{micros(s.now()), b.organization, micros(first), micros(last)}, args...)
	_, err = tx.Exec(`INSERT INTO user_time (user_id, kind, seconds, at, actor, session_id, session, began, counted, lease_id)
		SELECT x.user_id, 'spend', x.had - x.used, CAST(? AS BIGINT), x.actor, x.radacctid, x.acctuniqueid, x.acctstarttime, x.used, x.lease_id FROM (
			SELECT a.user_id, a.radacctid, a.acctuniqueid, a.acctstarttime, l.id AS lease_id,
				CASE WHEN g.id IS NULL THEN 'nas ' || coalesce(a.nasidentifier, a.nasipaddress) ELSE 'gateway ' || CAST(g.id AS TEXT) END AS actor,
				a.acctsessiontime - CASE WHEN w.since > a.acctstarttime THEN (w.since - a.acctstarttime) / 1000000 ELSE 0 END AS used,
				coalesce((SELECT max(t.counted) FROM user_time t
					WHERE t.session = a.acctuniqueid AND t.began = a.acctstarttime AND t.user_id = a.user_id), 0) AS had
			FROM aaa_accounting a
			JOIN wallets w ON w.user_id = a.user_id
			LEFT JOIN gateways g ON g.organization_id = a.organization_id AND g.nas_identifier = a.nasidentifier
			LEFT JOIN time_leases l ON l.user_id = a.user_id AND l.gateway_id = g.id AND l.is_open
			WHERE a.organization_id = ? AND a.acctstarttime BETWEEN ? AND ? AND `+among2+`) x
		WHERE x.used > x.had`, args...)
	if err != nil {
		return false, err
	}
	if err := s.openLeases(tx, paying); err != nil {
		return false, err
	}
	if err := s.keepLeases(tx, b, paying); err != nil {
		return false, err
	}
	for _, user := range paying {
		settled, err := s.settleLeases(tx, user)
		if err != nil {
			return false, err
		}
		told = told || settled
	}
	lent, err := s.lendAnew(tx, paying)
	return told || lent, err
}

// runningAt is the condition that user_id of x has a session at gateway g.
const runningAt = `EXISTS (SELECT 1 FROM aaa_accounting a WHERE a.user_id = l.user_id AND a.acctstoptime IS NULL
	AND a.acctstarttime >= ? AND a.acctupdatetime >= ? AND a.organization_id = g.organization_id AND a.nasidentifier = g.nas_identifier)`

// openLeases begins a lease where a user who pays with time has a session and none: one was settled just when the session
// began, or he has not paid with time before.
func (s *Store) openLeases(tx *dbTx, users []int64) error {
	now := s.now()
	condition, args := among(tx.d, "a.user_id", users)
	args = append([]any{micros(now), micros(now.Add(leaseLife)), true, micros(now.Add(-longest)), micros(now.Add(-staleAfter))}, args...)
	_, err := tx.Exec(`INSERT INTO time_leases (user_id, gateway_id, seconds, grace, began, ends, is_open)
		SELECT DISTINCT a.user_id, g.id, 0, 0, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BOOLEAN)
		FROM aaa_accounting a JOIN gateways g ON g.organization_id = a.organization_id AND g.nas_identifier = a.nasidentifier
		WHERE a.acctstoptime IS NULL AND a.acctstarttime >= ? AND a.acctupdatetime >= ? AND `+condition+`
		ON CONFLICT (user_id, gateway_id) WHERE is_open DO NOTHING`, args...)
	return err
}

// keepLeases lets the leases of gateways that a batch is from run on: they live.
func (s *Store) keepLeases(tx *dbTx, b *batch, users []int64) error {
	var names []string
	for _, m := range b.sessions {
		names = append(names, m.acct.NASIdentifier)
	}
	mine, args := among(tx.d, "l.user_id", users)
	theirs, more := among(tx.d, "g.nas_identifier", distinct(names))
	ends := s.now().Add(leaseLife)
	args = append(append([]any{micros(ends), micros(ends.Add(-leaseLife / 2)), b.organization}, args...), more...)
	_, err := tx.Exec(`UPDATE time_leases SET ends = ? WHERE is_open AND ends < ? AND id IN (SELECT l.id FROM time_leases l
		JOIN gateways g ON g.id = l.gateway_id WHERE l.is_open AND g.organization_id = ? AND `+mine+" AND "+theirs+")", args...)
	return err
}

// settleLeases ends the leases of a user at gateways where no session of his runs and some has ended.
func (s *Store) settleLeases(tx *dbTx, user int64) (told bool, err error) {
	now := s.now()
	return s.closeLeases(tx, user, `id IN (SELECT l.id FROM time_leases l JOIN gateways g ON g.id = l.gateway_id
		WHERE l.user_id = ? AND l.is_open AND NOT `+runningAt+` AND EXISTS (SELECT 1 FROM user_time t WHERE t.lease_id = l.id))`,
		user, micros(now.Add(-longest)), micros(now.Add(-staleAfter)))
}

// closeLeases ends the open leases of a user for which condition holds: what was not spent is free again. The grace stays with
// the gateway, for a guest who comes back while the centre is away.
func (s *Store) closeLeases(tx *dbTx, user int64, condition string, args ...any) (told bool, err error) {
	has, err := ledgerSum(tx.ctx, tx, user)
	if err != nil {
		return false, err
	}
	n, err := tx.affected(`UPDATE time_leases SET is_open = ?,
			seconds = (SELECT coalesce(-sum(t.seconds), 0) FROM user_time t WHERE t.lease_id = time_leases.id),
			grace = (SELECT `+tx.d.least("o.lease_grace", "CAST(? AS BIGINT)")+` FROM gateways g
				JOIN organizations o ON o.id = g.organization_id WHERE g.id = time_leases.gateway_id)
		WHERE user_id = ? AND is_open AND `+condition, append([]any{false, max(0, has), user}, args...)...)
	if err != nil || n == 0 {
		return false, err
	}
	return true, accountChanged(tx, user)
}

// accountChanged has gateways told of a user; one who is gone they have been told of.
func accountChanged(tx *dbTx, user int64) error {
	rows, err := tx.Query("SELECT organization_id FROM users WHERE id = ?", user)
	organizations, err := collect(rows, err, scanID)
	for _, o := range organizations {
		err = changed(tx, userKind, user, o)
	}
	return err
}

// timeLease is an open one.
type timeLease struct {
	id, user, seconds, spent, grace int64
	slice, mostGrace                int64 // what the gateway's organisation lends at once, and lets be overdrawn
}

// lendAnew makes the open leases of users fit their balances: all of them together are never more than there is, and one that
// is more than half spent gets more where there is more. Gateways are told of what changes.
func (s *Store) lendAnew(tx *dbTx, users []int64) (told bool, err error) {
	condition, args := among(tx.d, "l.user_id", users)
	rows, err := tx.Query(`SELECT l.id, l.user_id, l.seconds, l.grace, o.lease_time, o.lease_grace,
			(SELECT coalesce(-sum(t.seconds), 0) FROM user_time t WHERE t.lease_id = l.id)
		FROM time_leases l JOIN gateways g ON g.id = l.gateway_id JOIN organizations o ON o.id = g.organization_id
		WHERE l.is_open AND `+condition+" ORDER BY l.user_id, l.id", args...)
	open, err := collect(rows, err, func(row scanner) (l timeLease, err error) {
		err = row.Scan(&l.id, &l.user, &l.seconds, &l.grace, &l.slice, &l.mostGrace, &l.spent)
		return l, err
	})
	if err != nil || len(open) == 0 {
		return false, err
	}
	condition, args = among(tx.d, "user_id", users)
	rows, err = tx.Query("SELECT user_id, sum(seconds) FROM user_time WHERE "+condition+" GROUP BY user_id", args...)
	type sum struct{ user, seconds int64 }
	sums, err := collect(rows, err, func(row scanner) (v sum, err error) { err = row.Scan(&v.user, &v.seconds); return v, err })
	if err != nil {
		return false, err
	}
	for _, v := range sums {
		mine := slices.DeleteFunc(slices.Clone(open), func(l timeLease) bool { return l.user != v.user })
		news, err := s.storeLeases(tx, v.user, mine, allot(v.seconds, mine))
		if err != nil {
			return false, err
		}
		told = told || news
	}
	return told, nil
}

// allot shares a balance among leases, the oldest first, and says of each what it should be.
func allot(left int64, open []timeLease) []timeLease {
	out := slices.Clone(open)
	for i := range out {
		l := &out[i]
		lent := l.seconds - l.spent
		if lent < l.slice/2 || lent > left {
			lent = max(0, min(l.slice, left))
		}
		l.seconds = l.spent + lent
		left -= lent
	}
	for i := range out { // with nothing behind it an overdraft would be a gift
		out[i].grace = max(0, min(out[i].mostGrace, left))
	}
	return out
}

func (s *Store) storeLeases(tx *dbTx, user int64, was, now []timeLease) (news bool, err error) {
	for i, l := range now {
		graceNews := (l.grace == 0) != (was[i].grace == 0)
		if l.seconds == was[i].seconds && !graceNews {
			continue
		}
		news = true
		_, err := tx.Exec("UPDATE time_leases SET seconds = ?, grace = ? WHERE id = ?", l.seconds, l.grace, l.id)
		if err != nil {
			return false, err
		}
	}
	if !news {
		return false, nil
	}
	return true, accountChanged(tx, user)
}

// lend opens a lease for a gateway that has just seen the user, if he pays with time.
func (s *Store) lend(tx *dbTx, g Gateway, user int64) (told bool, err error) {
	n, err := tx.affected("UPDATE wallets SET changes = changes + 1 WHERE user_id = ?", user)
	if err != nil || n == 0 {
		return false, err
	}
	now := s.now()
	_, err = tx.Exec(`INSERT INTO time_leases (user_id, gateway_id, seconds, grace, began, ends, is_open) VALUES (?, ?, 0, 0, ?, ?, ?)
		ON CONFLICT (user_id, gateway_id) WHERE is_open DO UPDATE SET ends = excluded.ends`,
		user, g.ID, micros(now), micros(now.Add(leaseLife)), true)
	if err != nil {
		return false, err
	}
	return s.lendAnew(tx, []int64{user})
}

func paysWithTime(ctx context.Context, q querier, user int64) (pays bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM wallets WHERE user_id = ?)", user).Scan(&pays)
	return pays, err
}

// timeBalance is what of a user's balance the gateway may spend; nil when he does not pay with time. The last lease is told
// also when it is settled: the gateway asks for another one then, and has its grace until it can.
func timeBalance(ctx context.Context, q querier, g Gateway, user int64) (*edge.TimeBalance, error) {
	if pays, err := paysWithTime(ctx, q, user); err != nil || !pays {
		return nil, err
	}
	const find = `SELECT l.id, l.seconds, l.grace, l.ends, (SELECT coalesce(-sum(t.seconds), 0) FROM user_time t WHERE t.lease_id = l.id),
			(SELECT coalesce(sum(t.seconds), 0) FROM user_time t WHERE t.user_id = l.user_id),
			(SELECT coalesce(sum(o.seconds + (SELECT coalesce(sum(t.seconds), 0) FROM user_time t WHERE t.lease_id = o.id)), 0)
				FROM time_leases o WHERE o.user_id = l.user_id AND o.is_open)
		FROM time_leases l WHERE l.user_id = ? AND l.gateway_id = ? ORDER BY l.id DESC LIMIT 1`
	rows, err := q.QueryContext(ctx, find, user, g.ID)
	list, err := collect(rows, err, func(row scanner) (b edge.TimeBalance, err error) {
		var ends, balance, lent int64
		err = row.Scan(&b.Lease, &b.Seconds, &b.Grace, &ends, &b.Spent, &balance, &lent)
		b.Ends, b.Balance, b.Behind = time.UnixMicro(ends).UTC(), &balance, max(0, balance-lent)
		return b, err
	})
	if err != nil || len(list) == 0 {
		return &edge.TimeBalance{}, err
	}
	return &list[0], nil
}
