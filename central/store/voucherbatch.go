package store

import (
	"context"
	"fmt"

	"gatehouse/api/admin"
	"gatehouse/sessions"
)

const batchColumns = `t.id, t.organization_id, t.plan_id, (SELECT p.name FROM plans p WHERE p.id = t.plan_id), t.note, t.quantity, t.created`

func scanBatch(row scanner) (b admin.VoucherBatch, err error) {
	var created int64
	err = row.Scan(&b.ID, &b.Organization, &b.Plan, &b.PlanName, &b.Note, &b.Quantity, &created)
	b.Created = *timeOf(&created)
	return b, err
}

// VoucherBatches lists batches, the newest first. more tells whether there is something beyond the page.
func (s *Store) VoucherBatches(ctx context.Context, scope Scope, organization, plan int64, p Page) (list []admin.VoucherBatch, more bool, err error) {
	q := keyset{d: s.d, table: "voucher_batches", index: "voucher_batches_organization", time: "created", id: "id", columns: batchColumns}
	q.and(scope.in("t.organization_id"))
	q.equal("t.organization_id", organization)
	q.equal("t.plan_id", plan)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanBatch)
	list, more = cutPage(p, list)
	return list, more, s.err("listing voucher batches", err)
}

// VoucherBatch returns one batch of the scope.
func (s *Store) VoucherBatch(ctx context.Context, scope Scope, id int64) (admin.VoucherBatch, error) {
	b, err := voucherBatch(ctx, s.read(), scope, id)
	return b, s.err("reading voucher batch", err)
}

func voucherBatch(ctx context.Context, q querier, scope Scope, id int64) (admin.VoucherBatch, error) {
	return scanBatch(q.QueryRowContext(ctx, "SELECT "+batchColumns+" FROM voucher_batches t WHERE t.id = ? AND "+scope.in("t.organization_id"), id))
}

// NewVoucher is a code to be kept: its hash, and encrypted, if there is a key for that.
type NewVoucher struct {
	Hash   sessions.VoucherHash
	Sealed []byte
}

// TooManyError says that an organisation would have more than Most vouchers that can still be used.
type TooManyError struct{ Open, Most int64 }

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("the organisation has %d vouchers that can still be used, and may have %d", e.Open, e.Most)
}

// CreateVouchers makes a batch with these codes in the organisation that b names, of a plan of that organisation; ErrNotFound
// says that it has no such plan. A code that another voucher has is a *DuplicateError.
func (s *Store) CreateVouchers(ctx context.Context, b admin.VoucherBatch, codes []NewVoucher) (made admin.VoucherBatch, err error) {
	err = s.write(ctx, "creating vouchers", func(tx *dbTx) error {
		own := Scope{b.Organization}
		if _, err := plan(tx.ctx, tx, own, b.Plan); err != nil {
			return err
		}
		now := micros(s.now())
		var open int64
		find := "SELECT count(*) FROM vouchers t WHERE t.organization_id = ? AND " + openSQL
		if err := tx.QueryRow(find, b.Organization, now, now, now).Scan(&open); err != nil {
			return err
		}
		if open+int64(len(codes)) > admin.MaxOpenVouchers {
			return &TooManyError{Open: open, Most: admin.MaxOpenVouchers}
		}
		var id int64
		const insert = `INSERT INTO voucher_batches (organization_id, plan_id, note, quantity, created) VALUES (?, ?, ?, ?, ?) RETURNING id`
		if err := tx.QueryRow(insert, b.Organization, b.Plan, b.Note, len(codes), now).Scan(&id); err != nil {
			return err
		}
		for _, c := range codes {
			const insert = `INSERT INTO vouchers (organization_id, batch_id, plan_id, hash, sealed, created) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (hash) DO NOTHING`
			n, err := tx.affected(insert, b.Organization, id, b.Plan, c.Hash[:], c.Sealed, now)
			if err != nil || n == 0 {
				return orElse(err, &DuplicateError{Field: "code"})
			}
		}
		if made, err = voucherBatch(tx.ctx, tx, own, id); err != nil {
			return err
		}
		if err := changedBatch(tx, id); err != nil {
			return err
		}
		return tx.audit("voucher_batch", id, b.Organization, nil, made)
	})
	s.wake(err)
	return made, err
}

// HasVoucher tells whether any organisation has a voucher with the code of this hash.
func (s *Store) HasVoucher(ctx context.Context, hash sessions.VoucherHash) (there bool, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM vouchers WHERE hash = ?)", hash[:]).Scan(&there)
	return there, s.err("looking for voucher", err)
}

// changedBatch moves all vouchers of a batch to the end of the feed.
func changedBatch(tx *dbTx, batch int64) error {
	return changedSome(tx, voucherKind, "vouchers WHERE batch_id = ?", batch)
}

// revokedBatch is a batch for the audit log.
type revokedBatch struct {
	admin.VoucherBatch
	Revoked int64 `json:"revoked"`
}

// RevokeBatch revokes every voucher of a batch of the scope that is not revoked yet, and says how many.
func (s *Store) RevokeBatch(ctx context.Context, scope Scope, id int64) (n int64, err error) {
	err = s.write(ctx, "revoking vouchers", func(tx *dbTx) error {
		b, err := voucherBatch(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if n, err = tx.affected("UPDATE vouchers SET revoked = ? WHERE batch_id = ? AND revoked IS NULL", micros(s.now()), id); err != nil {
			return err
		}
		if err := changedBatch(tx, id); err != nil {
			return err
		}
		return tx.audit("voucher_batch", id, b.Organization, b, revokedBatch{b, n})
	})
	s.wake(err)
	return n, err
}

// DeleteBatch removes a batch of the scope with all its vouchers. An *InUseError says that some can still be used.
func (s *Store) DeleteBatch(ctx context.Context, scope Scope, id int64) error {
	err := s.write(ctx, "deleting vouchers", func(tx *dbTx) error {
		b, err := voucherBatch(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		var open bool
		now := micros(s.now())
		find := "SELECT EXISTS (SELECT 1 FROM vouchers t WHERE t.batch_id = ? AND " + openSQL + ")"
		if err := tx.QueryRow(find, id, now, now, now).Scan(&open); err != nil {
			return err
		}
		if open {
			return &InUseError{By: "vouchers that can still be used"}
		}
		if err := changedBatch(tx, id); err != nil {
			return err
		}
		for _, table := range []string{"voucher_sessions WHERE voucher_id IN (SELECT id FROM vouchers WHERE batch_id = ?)",
			"vouchers WHERE batch_id = ?", "voucher_batches WHERE id = ?"} {
			if _, err := tx.Exec("DELETE FROM "+table, id); err != nil {
				return err
			}
		}
		return tx.audit("voucher_batch", id, b.Organization, b, nil)
	})
	s.wake(err)
	return err
}

// BatchVouchers are the vouchers of a batch of the scope, in the order in which they were made.
func (s *Store) BatchVouchers(ctx context.Context, scope Scope, id int64) ([]Voucher, error) {
	q := "SELECT " + voucherColumns + " FROM vouchers t WHERE t.batch_id = ? AND " + scope.in("t.organization_id") + " ORDER BY t.id"
	rows, err := s.read().QueryContext(ctx, q, id)
	list, err := collect(rows, err, scanVoucher)
	if err == nil {
		err = s.joinPlans(ctx, s.read(), list)
	}
	return list, s.err("reading vouchers of batch", err)
}
