package mirror

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/sessions"
)

var _ sessions.Vouchers = (*Mirror)(nil)

// PutPlan keeps a plan as the centre has it now, and returns the names of the accounts that have it.
func (m *Mirror) PutPlan(ctx context.Context, p sessions.Plan) (users []string, err error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("mirroring plan: %w", err)
	}
	err = m.write(ctx, "mirroring plan", func(tx *sql.Tx) error {
		const put = "INSERT INTO plans (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body, stale = 0"
		if _, err := tx.Exec(put, p.ID, string(body)); err != nil {
			return err
		}
		users, err = names(tx.Query("SELECT username FROM accounts WHERE plan_id = ? ORDER BY username", p.ID))
		return err
	})
	return users, err
}

// DeletePlan forgets a plan. One that is not known is no error.
func (m *Mirror) DeletePlan(ctx context.Context, id int64) error {
	return m.write(ctx, "deleting mirrored plan", func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM plans WHERE id = ?", id)
		return err
	})
}

// PutVouchers keeps vouchers as the centre has them now, their plans by ID alone, and forgets others, all in one transaction. key is
// that of their hashes; empty: as before.
func (m *Mirror) PutVouchers(ctx context.Context, key []byte, put []sessions.KnownVoucher, gone []int64) error {
	return m.write(ctx, "mirroring vouchers", func(tx *sql.Tx) error {
		if len(key) > 0 {
			_, err := tx.Exec("INSERT INTO voucher_key (id, key) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET key = excluded.key", key)
			if err != nil {
				return err
			}
		}
		for _, v := range put {
			if err := putVoucher(tx, v); err != nil {
				return err
			}
		}
		for _, id := range gone {
			if _, err := tx.Exec("DELETE FROM vouchers WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
}

func putVoucher(tx *sql.Tx, v sessions.KnownVoucher) error {
	hash, plan := v.Hash, v.Plan.ID
	v.Hash, v.Plan = sessions.VoucherHash{}, sessions.Plan{}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM vouchers WHERE hash = ? AND id <> ?", hash[:], v.ID); err != nil { // of another centre
		return err
	}
	_, err = tx.Exec(`INSERT INTO vouchers (id, hash, plan_id, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, plan_id = excluded.plan_id, body = excluded.body, stale = 0`,
		v.ID, hash[:], plan, string(body))
	return err
}

// VoucherByCode finds the voucher with this code.
func (m *Mirror) VoucherByCode(ctx context.Context, code sessions.VoucherCode) (sessions.KnownVoucher, error) {
	var key []byte
	err := m.db.Read().QueryRowContext(ctx, "SELECT key FROM voucher_key").Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return sessions.KnownVoucher{}, sessions.ErrNoVoucher
	}
	if err != nil {
		return sessions.KnownVoucher{}, fmt.Errorf("reading voucher key: %w", m.db.Err(err))
	}
	hash := code.Hash(key)
	return m.voucher(ctx, "v.hash = ?", hash[:])
}

// VoucherByID finds a voucher by the centre's number.
func (m *Mirror) VoucherByID(ctx context.Context, id int64) (sessions.KnownVoucher, error) {
	return m.voucher(ctx, "v.id = ?", id)
}

// voucher is one whose plan is known: without that nobody could say what it gives.
func (m *Mirror) voucher(ctx context.Context, where string, arg any) (v sessions.KnownVoucher, err error) {
	var body, plan, hash []byte
	err = m.db.Read().QueryRowContext(ctx, "SELECT v.body, v.hash, p.body FROM vouchers v JOIN plans p ON p.id = v.plan_id WHERE "+where, arg).
		Scan(&body, &hash, &plan)
	if errors.Is(err, sql.ErrNoRows) {
		return v, sessions.ErrNoVoucher
	}
	if err != nil {
		return v, fmt.Errorf("reading mirrored voucher: %w", m.db.Err(err))
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("reading mirrored voucher: %w", err)
	}
	if err := json.Unmarshal(plan, &v.Plan); err != nil {
		return v, fmt.Errorf("reading mirrored plan: %w", err)
	}
	copy(v.Hash[:], hash)
	return v, nil
}
