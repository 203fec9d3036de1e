package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/sessions"
)

// codeKey is the name of the key that codes are hashed with.
const codeKey = "codes"

// key is the key of that name; it is made with its first use.
func (j *Journal) key(ctx context.Context, name string) (key []byte, err error) {
	const query = "SELECT value FROM keys WHERE name = ?"
	err = j.db.Read().QueryRowContext(ctx, query, name).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails since Go 1.24
		err = j.db.Write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.Exec("INSERT INTO keys (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", name, fresh); err != nil {
				return err
			}
			return tx.QueryRow(query, name).Scan(&key)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", j.db.Err(err))
	}
	return key, nil
}

// CreateVouchers keeps a batch and the hashes of its codes, and returns the batch with its number and the first of the numbers of its
// vouchers, which follow on one another. The error may be sessions.ErrManyVouchers.
func (j *Journal) CreateVouchers(ctx context.Context, b sessions.VoucherBatch, codes []sessions.VoucherCode) (sessions.VoucherBatch, int64, error) {
	key, err := j.key(ctx, codeKey)
	if err != nil {
		return b, 0, err
	}
	hashes := make([]string, len(codes))
	for i, c := range codes {
		hashes[i] = hashText(c, key)
	}
	list, _ := json.Marshal(hashes) // texts
	plan, err := json.Marshal(b.Plan)
	if err != nil {
		return b, 0, fmt.Errorf("saving vouchers: %w", err)
	}
	var first int64
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		if err := makeRoom(tx, len(codes)); err != nil {
			return err
		}
		err := tx.QueryRow("INSERT INTO voucher_batches (plan, note, made_at) VALUES (?, ?, ?) RETURNING id", string(plan), b.Note, b.MadeAt.UTC().Format(time.RFC3339Nano)).Scan(&b.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO vouchers (batch, hash) SELECT ?, value FROM json_each(?) ORDER BY key", b.ID, string(list)); err != nil {
			return err
		}
		return tx.QueryRow("SELECT min(id) FROM vouchers WHERE batch = ?", b.ID).Scan(&first)
	})
	if err != nil && !errors.Is(err, sessions.ErrManyVouchers) {
		err = fmt.Errorf("saving vouchers: %w", err)
	}
	b.Plan.ID, b.Vouchers = b.ID, len(codes)
	return b, first, err
}

// makeRoom forgets what is revoked where that takes up as much room as what is not.
func makeRoom(tx *sql.Tx, more int) error {
	var open, all int
	if err := tx.QueryRow("SELECT coalesce(sum(revoked = 0), 0), count(*) FROM vouchers").Scan(&open, &all); err != nil {
		return err
	}
	if open+more > sessions.MaxOwnVouchers {
		return sessions.ErrManyVouchers
	}
	if all+more <= 2*sessions.MaxOwnVouchers {
		return nil
	}
	if _, err := tx.Exec("DELETE FROM vouchers WHERE revoked <> 0"); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM voucher_batches WHERE NOT EXISTS (SELECT 1 FROM vouchers v WHERE v.batch = voucher_batches.id)")
	return err
}

func hashText(c sessions.VoucherCode, key []byte) string {
	h := c.Hash(key)
	return hex.EncodeToString(h[:])
}

// VoucherBatches are all batches, the oldest first.
func (j *Journal) VoucherBatches(ctx context.Context) ([]sessions.VoucherBatch, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT b.id, b.plan, b.note, b.made_at, count(v.id), coalesce(sum(v.revoked), 0)
		FROM voucher_batches b LEFT JOIN vouchers v ON v.batch = b.id GROUP BY b.id ORDER BY b.id`)
	if err != nil {
		return nil, fmt.Errorf("listing vouchers: %w", j.db.Err(err))
	}
	defer rows.Close()
	var all []sessions.VoucherBatch
	for rows.Next() {
		var b sessions.VoucherBatch
		var plan []byte
		var madeAt string
		err := rows.Scan(&b.ID, &plan, &b.Note, &madeAt, &b.Vouchers, &b.Revoked)
		if err == nil {
			err = json.Unmarshal(plan, &b.Plan)
		}
		if err == nil {
			b.MadeAt, err = time.Parse(time.RFC3339Nano, madeAt)
		}
		if err != nil {
			return nil, fmt.Errorf("listing vouchers: %w", j.db.Err(err))
		}
		b.Plan.ID = b.ID
		all = append(all, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing vouchers: %w", j.db.Err(err))
	}
	return all, nil
}

const selectVouchers = "SELECT v.id, v.revoked, v.batch, b.plan FROM vouchers v JOIN voucher_batches b ON b.id = v.batch WHERE "

// VouchersOf are the vouchers of a batch in their order; of all batches where it is 0.
func (j *Journal) VouchersOf(ctx context.Context, batch int64) ([]sessions.KnownVoucher, error) {
	return j.vouchers(ctx, "?1 = 0 OR v.batch = ?1", batch)
}

// VoucherByCode implements sessions.Vouchers.
func (j *Journal) VoucherByCode(ctx context.Context, code sessions.VoucherCode) (sessions.KnownVoucher, error) {
	key, err := j.key(ctx, codeKey)
	if err != nil {
		return sessions.KnownVoucher{}, err
	}
	return j.voucher(ctx, "v.hash = ?", hashText(code, key))
}

// VoucherByID implements sessions.Vouchers.
func (j *Journal) VoucherByID(ctx context.Context, id int64) (sessions.KnownVoucher, error) {
	return j.voucher(ctx, "v.id = ?", id)
}

func (j *Journal) voucher(ctx context.Context, where string, arg any) (sessions.KnownVoucher, error) {
	all, err := j.vouchers(ctx, where, arg)
	if err == nil && len(all) == 0 {
		err = sessions.ErrNoVoucher
	}
	if err != nil {
		return sessions.KnownVoucher{}, err
	}
	return all[0], nil
}

func (j *Journal) vouchers(ctx context.Context, where string, arg any) ([]sessions.KnownVoucher, error) {
	rows, err := j.db.Read().QueryContext(ctx, selectVouchers+where+" ORDER BY v.id", arg)
	if err != nil {
		return nil, fmt.Errorf("reading vouchers: %w", j.db.Err(err))
	}
	defer rows.Close()
	var all []sessions.KnownVoucher
	for rows.Next() {
		var k sessions.KnownVoucher
		var batch int64
		var plan []byte
		err := rows.Scan(&k.ID, &k.Revoked, &batch, &plan)
		if err == nil {
			err = json.Unmarshal(plan, &k.Plan)
		}
		if err != nil {
			return nil, fmt.Errorf("reading vouchers: %w", j.db.Err(err))
		}
		k.Plan.ID = batch
		all = append(all, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading vouchers: %w", j.db.Err(err))
	}
	return all, nil
}

// RevokeVouchers ends what these vouchers are good for; those that are revoked already stay so.
func (j *Journal) RevokeVouchers(ctx context.Context, ids []int64) error {
	list, _ := json.Marshal(ids) // numbers
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE vouchers SET revoked = 1 WHERE id IN (SELECT value FROM json_each(?))", string(list))
		return err
	})
	if err != nil {
		return fmt.Errorf("revoking vouchers: %w", err)
	}
	return nil
}
