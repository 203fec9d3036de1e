package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/sessions"
)

// lookBack is how far back an account's sessions are looked at.
const lookBack = 30 * 24 * time.Hour

// AccountFilter narrows a list of accounts. Zero fields do not.
type AccountFilter struct {
	Organization, Plan int64
	Username           string // part of it, in either case
	State              string // of admin
}

// accountColumns are those of an account at a time; sessions from since on are looked at.
func accountColumns(d dialect, since int64) string {
	recent := fmt.Sprintf(" FROM aaa_accounting a WHERE a.user_id = t.id AND a.acctstarttime >= %d", since)
	return `t.id, t.organization_id, t.username, t.email, t.first_name, t.last_name, t.is_active, t.expiration, t.plan_id,
		(SELECT p.name FROM plans p WHERE p.id = t.plan_id), t.date_joined, t.last_login,
		(SELECT count(*) ` + recent + ` AND a.acctstoptime IS NULL),
		(SELECT max(a.acctupdatetime) ` + recent + `),
		(SELECT ` + d.sum("a.acctsessiontime") + recent + `),
		(SELECT ` + d.sum("a.acctinputoctets + a.acctoutputoctets") + recent + `)`
}

func (s *Store) scanAccount(row scanner) (a admin.Account, err error) {
	var expiration, login, update *int64
	var joined int64
	err = row.Scan(&a.ID, &a.Organization, &a.Username, &a.Email, &a.FirstName, &a.LastName, &a.IsActive, &expiration, &a.Plan,
		&a.PlanName, &joined, &login, &a.Sessions, &update, &a.UsedSeconds, &a.UsedOctets)
	a.Expiration, a.Created, a.LastSeen = timeOf(expiration), *timeOf(&joined), timeOf(login)
	if update != nil && (login == nil || *update > *login) {
		a.LastSeen = timeOf(update)
	}
	switch {
	case !a.IsActive:
		a.State = admin.AccountInactive
	case a.Expiration != nil && !s.now().Before(*a.Expiration):
		a.State = admin.AccountExpired
	case a.Sessions > 0:
		a.State = admin.AccountOnline
	default:
		a.State = admin.AccountOffline
	}
	return a, err
}

func (s *Store) since() int64 { return micros(s.now().Add(-lookBack)) }

// Accounts lists users as the front desk sees them, the newest first. more tells whether there is something beyond the page.
func (s *Store) Accounts(ctx context.Context, scope Scope, f AccountFilter, p Page) (list []admin.Account, more bool, err error) {
	q := keyset{d: s.d, table: "users", time: "date_joined", id: "id", columns: accountColumns(s.d, s.since())}
	q.within(scope.only(f.Organization), "users_joined", "users_joined")
	q.equal("t.plan_id", f.Plan)
	if f.Username != "" {
		q.and(`t.username_folded LIKE ? ESCAPE '\'`, like(strings.ToLower(f.Username)))
	}
	now := micros(s.now())
	const online = `EXISTS (SELECT 1 FROM aaa_accounting a WHERE a.user_id = t.id AND a.acctstarttime >= ? AND a.acctstoptime IS NULL)`
	const usable = "t.is_active AND (t.expiration IS NULL OR t.expiration > ?)"
	switch f.State {
	case admin.AccountInactive:
		q.and("NOT t.is_active")
	case admin.AccountExpired:
		q.and("t.is_active AND t.expiration <= ?", now)
	case admin.AccountOnline:
		q.and(usable+" AND "+online, now, s.since())
	case admin.AccountOffline:
		q.and(usable+" AND NOT "+online, now, s.since())
	}
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, s.scanAccount)
	list, more = cutPage(p, list)
	return list, more, s.err("listing accounts", err)
}

// Account returns one user of the scope as the front desk sees it.
func (s *Store) Account(ctx context.Context, scope Scope, id int64) (admin.Account, error) {
	q := "SELECT " + accountColumns(s.d, s.since()) + " FROM users t WHERE t.id = ? AND " + scope.in("t.organization_id")
	a, err := s.scanAccount(s.read().QueryRowContext(ctx, q, id))
	return a, s.err("reading account", err)
}

// NewPlan is what becomes of an account's plan.
type NewPlan struct {
	ID             int64 // 0: the account has none from now on
	KeepExpiration bool  // it was given apart
}

// SaveAccount is SaveUser, with a plan; nil leaves the one that there is. A user who gets a plan gets what it gives from this
// moment on: its end becomes the expiration, running time goes into the balance. ErrNotFound also says that the user's
// organisation has no such plan.
func (s *Store) SaveAccount(ctx context.Context, scope Scope, id int64, change func(*gate.User), hash *string, next *NewPlan) (saved gate.User, err error) {
	err = s.write(ctx, "saving account", func(tx *dbTx) error {
		var p admin.Plan
		var unknown error
		saved, err = s.saveUser(tx, scope, id, func(u *gate.User) {
			change(u)
			if next == nil || next.ID == 0 {
				return
			}
			if p, unknown = plan(tx.ctx, tx, Scope{*u.Organization}, next.ID); unknown == nil && !next.KeepExpiration {
				u.Expiration = s.endOfPlan(p)
			}
		}, hash)
		if err != nil || unknown != nil || next == nil {
			return orElse(unknown, err)
		}
		return s.assignPlan(tx, saved, p)
	})
	s.wake(err)
	return saved, err
}

// endOfPlan is when somebody's right to a plan ends who gets it now; nil: never.
func (s *Store) endOfPlan(p admin.Plan) *gate.Time {
	v := sessions.Voucher{Plan: rules(p), FirstUsed: s.now()} // an account is used from its beginning
	return gate.NewTime(v.Expires().UTC())
}

// assignPlan gives a user a plan, or takes it away when p is none.
func (s *Store) assignPlan(tx *dbTx, u gate.User, p admin.Plan) error {
	var before *int64
	if err := tx.QueryRow("SELECT plan_id FROM users WHERE id = ?", u.ID).Scan(&before); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE users SET plan_id = ? WHERE id = ?", number(p.ID), u.ID); err != nil {
		return err
	}
	if p.TimeSeconds != nil && p.TimeMode == admin.TimeRunning {
		if err := s.openWallet(tx, u.ID); err != nil {
			return err
		}
		e := TimeEntry{UserID: u.ID, Kind: TimeGrant, Seconds: *p.TimeSeconds, At: s.now(), Reason: new("plan " + p.Name), Actor: "centre"}
		if _, err := addTime(tx, e); err != nil {
			return err
		}
		if _, err := s.lendAnew(tx, []int64{u.ID}); err != nil {
			return err
		}
	}
	type planOf struct {
		Plan *int64 `json:"plan"`
	}
	return tx.auditPerson("account", u.ID, *u.Organization, planOf{before}, planOf{number(p.ID)})
}
