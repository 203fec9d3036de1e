package central

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"gatehouse/api/admin"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// VoucherImport says what vouchers of a file become: one batch of a plan.
type VoucherImport struct {
	Plan    string // its name
	Note    string // of the batch; empty: none
	Secrets *seal.Key
}

// ImportVouchers makes vouchers with the codes of a file, as another centre has exported them, by the rules of ImportUsers.
// ExistingUpdate is ExistingSkip: a voucher has nothing but its code.
func (v VoucherImport) ImportVouchers(ctx context.Context, db *store.Store, in io.Reader, o ImportOptions) (ImportResult, error) {
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	var result ImportResult
	plan, err := db.PlanNamed(ctx, store.Scope{o.Organization}, v.Plan)
	if errors.Is(err, store.ErrNotFound) {
		return result, fmt.Errorf("the organisation has no plan %q", v.Plan)
	}
	if err != nil {
		return result, err
	}
	key, err := db.VoucherKey(ctx)
	if err != nil {
		return result, err
	}
	t, err := readTable(in, []string{"code"}, o.Columns)
	if err != nil {
		return result, err
	}
	if !slices.Contains(t.header, "code") {
		return result, errors.New("no column is code: rename one, or say --map COLUMN=code")
	}
	result.table = t
	kept, err := v.voucherRows(ctx, db, t, key, o, &result)
	result.Faults = t.faults()
	if err != nil || len(result.Faults) > 0 && !o.Continue {
		result.Skipped = 0
		return result, err
	}
	if !o.DryRun && len(kept) > 0 {
		b := admin.VoucherBatch{Organization: o.Organization, Plan: plan.ID}
		if v.Note != "" {
			b.Note = &v.Note
		}
		if _, err := db.CreateVouchers(ctx, b, kept); err != nil {
			return result, err
		}
	}
	result.Created = len(kept)
	return result, nil
}

// voucherRows checks every row: by itself, against the others, and against what is in the database.
func (v VoucherImport) voucherRows(ctx context.Context, db *store.Store, t *table, key []byte, o ImportOptions, result *ImportResult) ([]store.NewVoucher, error) {
	var kept []store.NewVoucher
	lines := make(map[sessions.VoucherHash]int)
	for i := range t.rows {
		r := &t.rows[i]
		o.Progress("checking", i+1, len(t.rows))
		if len(r.faults) > 0 {
			continue
		}
		code, err := sessions.ParseVoucherCode(t.cell(r, "code"))
		if err != nil {
			t.wrong(r, "code", err.Error())
			continue
		}
		hash := code.Hash(key)
		if first, twice := lines[hash]; twice {
			t.wrong(r, "code", fmt.Sprintf("the code of line %d once more", first))
			continue
		}
		lines[hash] = r.line
		there, err := db.HasVoucher(ctx, hash)
		switch {
		case err != nil:
			return nil, err
		case there && o.Existing == ExistingError:
			t.wrong(r, "code", "there is a voucher with this code already: say --existing skip")
		case there:
			result.Skipped++
		default:
			n := store.NewVoucher{Hash: hash}
			if v.Secrets != nil {
				n.Sealed = v.Secrets.Seal(codePurpose(hash[:]), []byte(code))
			}
			kept = append(kept, n)
		}
	}
	return kept, nil
}
