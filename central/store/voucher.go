package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/sessions"
)

const voucherColumns = `t.id, t.organization_id, t.batch_id, t.plan_id, t.hash, t.sealed, t.created, t.revoked, t.valid_until,
	t.extra_seconds, t.extra_octets, t.first_used, t.last_used, t.used_seconds, t.used_octets, t.doubled`

// Voucher is a row of vouchers. Its code is encrypted, or nowhere.
type Voucher struct {
	admin.Voucher        // without Code, and what follows from the plan only once it is joined
	Sealed        []byte // the code, as it was given to CreateVouchers
	hash          []byte
	plan          admin.Plan
}

func scanVoucher(row scanner) (Voucher, error) {
	var v Voucher
	var created int64
	var revoked, until, first, last *int64
	err := row.Scan(&v.ID, &v.Organization, &v.Batch, &v.Plan, &v.hash, &v.Sealed, &created, &revoked, &until,
		&v.ExtraSeconds, &v.ExtraOctets, &first, &last, &v.UsedSeconds, &v.UsedOctets, &v.DoubleRedeemed)
	v.Created, v.Revoked, v.ValidUntil, v.FirstUsed, v.LastUsed = *timeOf(&created), timeOf(revoked), timeOf(until), timeOf(first), timeOf(last)
	return v, err
}

// join adds what follows from the plan, by the rules that gateways have too.
func (v *Voucher) join(p admin.Plan, now time.Time) {
	r := v.rules(p)
	v.plan, v.PlanName, v.State, v.Expires = p, p.Name, string(r.State(now)), nil
	if end := r.Expires(); !end.IsZero() {
		v.Expires = new(end.UTC())
	}
	if left, ok := r.TimeLeft(); ok {
		v.SecondsLeft = new(int64(left / time.Second))
	}
	if left, ok := r.DataLeft(); ok {
		v.OctetsLeft = new(int64(left))
	}
}

func (v *Voucher) rules(p admin.Plan) sessions.Voucher {
	r := sessions.Voucher{ID: v.ID, Plan: rules(p), Revoked: v.Revoked != nil,
		Extra: sessions.Extension{Time: time.Duration(v.ExtraSeconds) * time.Second, Data: sessions.Bytes(v.ExtraOctets)},
		Used:  sessions.VoucherUse{Time: time.Duration(v.UsedSeconds) * time.Second, Data: sessions.Bytes(v.UsedOctets)}}
	if v.ValidUntil != nil {
		r.ValidUntil = *v.ValidUntil
	}
	if v.FirstUsed != nil {
		r.FirstUsed = *v.FirstUsed
	}
	return r
}

// joinPlans joins vouchers with their plans.
func (s *Store) joinPlans(ctx context.Context, q querier, list []Voucher) error {
	ids := make(map[int64]bool)
	var in []string
	for _, v := range list {
		if !ids[v.Plan] {
			ids[v.Plan], in = true, append(in, fmt.Sprint(v.Plan))
		}
	}
	if len(in) == 0 {
		return nil
	}
	rows, err := q.QueryContext(ctx, "SELECT "+planColumns+" FROM plans t WHERE t.id IN ("+strings.Join(in, ",")+")")
	plans, err := collect(rows, err, scanPlan)
	if err != nil {
		return err
	}
	byID := make(map[int64]admin.Plan, len(plans))
	for _, p := range plans {
		byID[p.ID] = p
	}
	now := s.now()
	for i := range list {
		list[i].join(byID[list[i].Plan], now)
	}
	return nil
}

// VoucherFilter narrows a list of vouchers. Zero fields do not.
type VoucherFilter struct {
	Organization, Batch, Plan int64
	State                     sessions.VoucherState
	Hash                      *sessions.VoucherHash // of one code
	Doubled                   bool
}

// Vouchers lists vouchers, the newest first. more tells whether there is something beyond the page.
func (s *Store) Vouchers(ctx context.Context, scope Scope, f VoucherFilter, p Page) (list []Voucher, more bool, err error) {
	q := keyset{d: s.d, table: "vouchers", time: "created", id: "id", columns: voucherColumns}
	switch scope = scope.only(f.Organization); {
	case f.Batch != 0:
		q.within(scope, "", "vouchers_batch")
	case f.Plan != 0:
		q.within(scope, "", "vouchers_plan")
	default:
		q.within(scope, "vouchers_organization", "vouchers_time")
	}
	q.equal("t.batch_id", f.Batch)
	q.equal("t.plan_id", f.Plan)
	if f.Hash != nil {
		q.and("t.hash = ?", f.Hash[:])
	}
	if f.Doubled {
		q.and("t.doubled")
	}
	if f.State != "" {
		condition, times := stateSQL(f.State)
		args := make([]any, times)
		for i := range args {
			args[i] = micros(s.now())
		}
		q.and(condition, args...)
	}
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	if list, err = collect(rows, err, scanVoucher); err == nil {
		list, more = cutPage(p, list)
		err = s.joinPlans(ctx, s.lists(), list)
	}
	return list, more, s.err("listing vouchers", err)
}

// The rules of sessions.Voucher in SQL, for lists. A test holds the two together.
const (
	expiredSQL = `EXISTS (SELECT 1 FROM plans p WHERE p.id = t.plan_id AND (coalesce(t.valid_until, p.valid_until) <= ?
		OR t.valid_until IS NULL AND t.first_used + p.valid_seconds * 1000000 <= ?
		OR p.elapsed AND p.time_seconds > 0 AND t.first_used + (p.time_seconds + t.extra_seconds) * 1000000 <= ?))`
	usedUpSQL = `EXISTS (SELECT 1 FROM plans p WHERE p.id = t.plan_id AND
		(NOT p.elapsed AND p.time_seconds > 0 AND t.used_seconds >= p.time_seconds + t.extra_seconds
		OR p.data_octets > 0 AND t.used_octets >= p.data_octets + t.extra_octets))`
	openSQL = "t.revoked IS NULL AND NOT " + expiredSQL + " AND NOT " + usedUpSQL
)

// stateSQL is the condition for vouchers in this state, and how often it wants to know the time.
func stateSQL(state sessions.VoucherState) (condition string, times int) {
	switch state {
	case sessions.VoucherRevoked:
		return "t.revoked IS NOT NULL", 0
	case sessions.VoucherExpired:
		return "t.revoked IS NULL AND " + expiredSQL, 3
	case sessions.VoucherUsedUp:
		return "t.revoked IS NULL AND NOT " + expiredSQL + " AND " + usedUpSQL, 3
	case sessions.VoucherActive:
		return openSQL + " AND t.first_used IS NOT NULL", 3
	}
	return openSQL + " AND t.first_used IS NULL", 3
}

// Voucher returns one voucher of the scope.
func (s *Store) Voucher(ctx context.Context, scope Scope, id int64) (Voucher, error) {
	v, err := s.voucher(ctx, s.read(), scope, id)
	return v, s.err("reading voucher", err)
}

func (s *Store) voucher(ctx context.Context, q querier, scope Scope, id int64) (Voucher, error) {
	find := "SELECT " + voucherColumns + " FROM vouchers t WHERE t.id = ? AND " + scope.in("t.organization_id")
	v, err := scanVoucher(q.QueryRowContext(ctx, find, id))
	if err != nil {
		return v, err
	}
	list := []Voucher{v}
	err = s.joinPlans(ctx, q, list)
	return list[0], err
}

// VoucherSessions are the sessions of a voucher, the first one first.
func (s *Store) VoucherSessions(ctx context.Context, id int64) ([]admin.VoucherSession, error) {
	const q = `SELECT coalesce(g.nas_identifier, ''), v.station, v.acctstarttime, v.stopped, v.seconds, v.octets, v.claimed
		FROM voucher_sessions v LEFT JOIN gateways g ON g.id = v.gateway_id WHERE v.voucher_id = ? ORDER BY v.acctstarttime, v.acctuniqueid`
	rows, err := s.read().QueryContext(ctx, q, id)
	list, err := collect(rows, err, func(row scanner) (v admin.VoucherSession, err error) {
		var start int64
		var stop *int64
		err = row.Scan(&v.Gateway, &v.Station, &start, &stop, &v.Seconds, &v.Octets, &v.FirstUse)
		v.Started, v.Stopped = *timeOf(&start), timeOf(stop)
		return v, err
	})
	return list, s.err("reading sessions of voucher", err)
}

// ChangeVoucher lets change alter a voucher of the scope: Revoked, ValidUntil, ExtraSeconds and ExtraOctets.
func (s *Store) ChangeVoucher(ctx context.Context, scope Scope, id int64, change func(v *Voucher) error) (saved Voucher, err error) {
	err = s.write(ctx, "changing voucher", func(tx *dbTx) error {
		if err := tx.lock("vouchers", "id = ?", id); err != nil {
			return err
		}
		v, err := s.voucher(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		before := v.Voucher
		if err := change(&v); err != nil {
			return err
		}
		const update = "UPDATE vouchers SET revoked = ?, valid_until = ?, extra_seconds = ?, extra_octets = ? WHERE id = ?"
		if _, err := tx.Exec(update, moment(v.Revoked), moment(v.ValidUntil), v.ExtraSeconds, v.ExtraOctets, id); err != nil {
			return err
		}
		if saved, err = s.voucher(tx.ctx, tx, scope, id); err != nil {
			return err
		}
		if err := changed(tx, voucherKind, id, v.Organization); err != nil {
			return err
		}
		return tx.audit("voucher", id, v.Organization, before, saved.Voucher)
	})
	s.wake(err)
	return saved, err
}

// voucherKey names the key of the codes' hashes in the table meta.
const voucherKey = "voucher_key"

// VoucherKey is the key of the hashes that gateways know codes by. It is made at the first asking.
func (s *Store) VoucherKey(ctx context.Context) ([]byte, error) {
	text, err := s.meta(ctx, s.read(), voucherKey)
	if err = s.err("reading voucher key", err); errors.Is(err, ErrNotFound) {
		var key [32]byte
		_, _ = rand.Read(key[:]) // never fails
		err = s.write(ctx, "making voucher key", func(tx *dbTx) error {
			const insert = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
			if _, err := tx.Exec(insert, voucherKey, base64.StdEncoding.EncodeToString(key[:])); err != nil {
				return err
			}
			text, err = s.meta(tx.ctx, tx, voucherKey)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// Hash is what gateways know the code by.
func (v *Voucher) Hash() []byte { return v.hash }

// Terms is the voucher's plan.
func (v *Voucher) Terms() admin.Plan { return v.plan }
