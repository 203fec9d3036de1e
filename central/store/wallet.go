package store

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// TimeKind is what a line of the ledger of time is.
type TimeKind string

// The kinds of lines.
const (
	TimeGrant  TimeKind = "grant"  // given
	TimeSpend  TimeKind = "spend"  // used by a session, as accounting tells
	TimeExpire TimeKind = "expire" // taken away unused
	TimeRefund TimeKind = "refund" // given back
)

// TimeEntry is a line of a user's ledger of time.
type TimeEntry struct {
	ID        int64
	UserID    int64
	Kind      TimeKind
	Seconds   int64 // negative where they are taken
	At        time.Time
	Expires   *time.Time // of a grant; nil: never
	GrantID   int64      // of an expire: what expired; 0: nothing in particular
	Reason    *string
	Reference *string // the giver's own, as a receipt's number
	Actor     string  // who did it
	SessionID int64   // of a spend: radacctid
}

// AddTime puts a grant or a refund into the ledger of a user of the scope, who pays with time from then on, and returns it as
// stored. Gateways where the user is online are told.
func (s *Store) AddTime(ctx context.Context, scope Scope, e TimeEntry) (TimeEntry, error) {
	err := s.write(ctx, "granting time", func(tx *dbTx) error {
		var organization int64
		q := "SELECT organization_id FROM users WHERE id = ? AND " + scope.in("organization_id")
		if err := tx.QueryRow(q, e.UserID).Scan(&organization); err != nil {
			return err
		}
		if err := s.openWallet(tx, e.UserID); err != nil {
			return err
		}
		e.At = s.now().UTC()
		var err error
		if e.ID, err = addTime(tx, e); err != nil {
			return err
		}
		if _, err := s.lendAnew(tx, []int64{e.UserID}); err != nil {
			return err
		}
		return tx.auditPerson("user_time", e.UserID, organization, nil,
			map[string]any{"status": e.Kind, "seconds": e.Seconds, "expiration": e.Expires})
	})
	s.wake(err)
	return e, err
}

// setBalance brings a user's balance to so many seconds by a line in the ledger. It does not make a user pay with time for
// having been told that he has none.
func (s *Store) setBalance(tx *dbTx, user, seconds int64, actor string) error {
	var pays bool
	if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM wallets WHERE user_id = ?)", user).Scan(&pays); err != nil {
		return err
	}
	if !pays && seconds == 0 {
		return nil
	}
	if err := s.openWallet(tx, user); err != nil {
		return err
	}
	has, err := ledgerSum(tx.ctx, tx, user)
	if err != nil || seconds == has {
		return err
	}
	e := TimeEntry{UserID: user, Kind: TimeGrant, Seconds: seconds - has, At: s.now(), Reason: new("user_time was set"), Actor: actor}
	if e.Seconds < 0 {
		e.Kind = TimeExpire
	}
	if _, err := addTime(tx, e); err != nil {
		return err
	}
	_, err = s.lendAnew(tx, []int64{user})
	return err
}

// openWallet makes the user one who pays with time, and keeps others from writing to the ledger until the transaction ends.
func (s *Store) openWallet(tx *dbTx, user int64) error {
	_, err := tx.Exec(`INSERT INTO wallets (user_id, since, changes) VALUES (?, ?, 0)
		ON CONFLICT (user_id) DO UPDATE SET changes = wallets.changes + 1`, user, micros(s.now()))
	return err
}

func addTime(tx *dbTx, e TimeEntry) (id int64, err error) {
	err = tx.QueryRow(`INSERT INTO user_time (user_id, kind, seconds, at, expires, grant_id, reason, reference, actor)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, e.UserID, string(e.Kind), e.Seconds, micros(e.At), moment(e.Expires),
		number(e.GrantID), e.Reason, e.Reference, e.Actor).Scan(&id)
	if err == nil && e.Expires != nil {
		_, err = tx.Exec("UPDATE wallets SET due = "+tx.d.least("coalesce(due, ?1)", "?1")+" WHERE user_id = ?2", micros(*e.Expires), e.UserID)
	}
	return id, err
}

// ledgerSum is a user's balance in seconds, below zero where more was spent than there was.
func ledgerSum(ctx context.Context, q querier, user int64) (sum int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(sum(seconds), 0) FROM user_time WHERE user_id = ?", user).Scan(&sum)
	return sum, err
}

// balance is what is shown of a ledger: what is left, never below zero.
const balance = `(SELECT CASE WHEN sum(t.seconds) > 0 THEN sum(t.seconds) ELSE 0 END FROM user_time t WHERE t.user_id = u.id)`

// TimeLedger lists the ledger of a user of the scope, the newest first, and what remains after all of it.
func (s *Store) TimeLedger(ctx context.Context, scope Scope, user int64, p Page) (list []TimeEntry, more bool, left int64, err error) {
	err = s.snapshot(ctx, func(q querier) error {
		var found int64
		find := "SELECT id FROM users WHERE id = ? AND " + scope.in("organization_id")
		if err := q.QueryRowContext(ctx, find, user).Scan(&found); err != nil {
			return err
		}
		if left, err = ledgerSum(ctx, q, user); err != nil {
			return err
		}
		where, args, order := "user_id = ?", []any{user}, "DESC"
		if p.From != nil {
			compare := "<"
			if p.Backward {
				compare, order = ">", "ASC"
			}
			where, args = where+" AND id "+compare+" ?", append(args, p.From.ID)
		}
		list, err = timeEntries(ctx, q, where+" ORDER BY id "+order+" LIMIT ?", append(args, p.Limit+1)...)
		list, more = cutPage(p, list)
		return err
	})
	return list, more, left, s.err("reading ledger of time", err)
}

func timeEntries(ctx context.Context, q querier, where string, args ...any) ([]TimeEntry, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, user_id, kind, seconds, at, expires, coalesce(grant_id, 0), reason, reference,
		actor, coalesce(session_id, 0) FROM user_time WHERE `+where, args...)
	return collect(rows, err, func(row scanner) (e TimeEntry, err error) {
		var at int64
		var expires *int64
		err = row.Scan(&e.ID, &e.UserID, &e.Kind, &e.Seconds, &at, &expires, &e.GrantID, &e.Reason, &e.Reference, &e.Actor, &e.SessionID)
		e.At = time.UnixMicro(at).UTC()
		if expires != nil {
			e.Expires = new(time.UnixMicro(*expires).UTC())
		}
		return e, err
	})
}

// ExpireTime takes away what has expired and what was lent for longer than it may be, and tells how many users it was about.
// Call it every now and then.
func (s *Store) ExpireTime(ctx context.Context) (n int, err error) {
	const find = `SELECT user_id FROM wallets WHERE due <= ?1 UNION SELECT user_id FROM time_leases WHERE is_open AND ends <= ?1 LIMIT 1000`
	rows, err := s.read().QueryContext(ctx, find, micros(s.now()))
	users, err := collect(rows, err, func(row scanner) (id int64, err error) { err = row.Scan(&id); return id, err })
	if err != nil {
		return 0, s.err("looking for time that expires", err)
	}
	for _, user := range users {
		err := s.write(ctx, "expiring time", func(tx *dbTx) error { return s.expireTime(tx, user) })
		s.wake(err)
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *Store) expireTime(tx *dbTx, user int64) error {
	if err := s.openWallet(tx, user); err != nil { // it is there: this waits for others who write to the ledger
		return err
	}
	entries, err := timeEntries(tx.ctx, tx, "user_id = ? ORDER BY id", user)
	if err != nil {
		return err
	}
	now := s.now()
	var due *time.Time
	for _, l := range lots(entries) {
		switch {
		case l.left == 0 || l.expires == nil:
		case l.expires.After(now):
			if due == nil || l.expires.Before(*due) {
				due = l.expires
			}
		default:
			e := TimeEntry{UserID: user, Kind: TimeExpire, Seconds: -l.left, At: now, GrantID: l.grant, Actor: "centre"}
			if _, err := addTime(tx, e); err != nil {
				return err
			}
		}
	}
	if _, err := tx.Exec("UPDATE wallets SET due = ? WHERE user_id = ?", moment(due), user); err != nil {
		return err
	}
	if _, err := s.closeLeases(tx, user, "ends <= ?", micros(now)); err != nil {
		return err
	}
	_, err = s.lendAnew(tx, []int64{user})
	return err
}

// lot is what is left of one grant.
type lot struct {
	grant   int64
	left    int64
	expires *time.Time // nil: never
}

// lots follows a ledger from its beginning: what is spent comes out of the grant that expires first, and what was overdrawn is
// paid by the next grant.
func lots(entries []TimeEntry) []lot {
	var list []lot
	var debt int64
	take := func(n int64) {
		for i := range list {
			part := min(n, list[i].left)
			list[i].left, n = list[i].left-part, n-part
		}
		debt += n
	}
	for _, e := range entries {
		if e.Seconds >= 0 {
			paid := min(debt, e.Seconds)
			debt -= paid
			list = append(list, lot{grant: e.ID, left: e.Seconds - paid, expires: e.Expires})
			slices.SortStableFunc(list, func(a, b lot) int { return compareExpiry(a.expires, b.expires) })
			continue
		}
		n := -e.Seconds
		if i := slices.IndexFunc(list, func(l lot) bool { return l.grant == e.GrantID }); i >= 0 && e.Kind == TimeExpire {
			part := min(n, list[i].left)
			list[i].left, n = list[i].left-part, n-part
		}
		take(n)
	}
	return list
}

func compareExpiry(a, b *time.Time) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(boolNumber(a == nil), boolNumber(b == nil))
	default:
		return a.Compare(*b)
	}
}

func boolNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}
