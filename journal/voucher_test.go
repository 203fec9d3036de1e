package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/sessions"
)

func newCodes(n int) (codes []sessions.VoucherCode) {
	for range n {
		codes = append(codes, sessions.NewVoucherCode())
	}
	return codes
}

func TestVouchers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, file, Options{Standalone: true})
	two := 2
	plan := sessions.Plan{Name: "Day", Time: 24 * time.Hour, Elapsed: true, Data: 5e9, Zones: []string{"guest"}, Limits: sessions.Limits{SimultaneousUse: &two}}
	codes := newCodes(30)
	b, first, err := j.CreateVouchers(t.Context(), sessions.VoucherBatch{Plan: plan, Note: "desk", MadeAt: wall}, codes)
	must(t, err)
	_, next, err := j.CreateVouchers(t.Context(), sessions.VoucherBatch{MadeAt: wall}, newCodes(1))
	must(t, err)
	if first <= 1_000_000_000 || next != first+30 {
		t.Errorf("the vouchers have the numbers %d and %d", first, next)
	}
	plan.ID = b.ID
	for i, code := range codes {
		k, err := j.VoucherByCode(t.Context(), code)
		must(t, err)
		equal(t, "voucher", sessions.KnownVoucher{Voucher: sessions.Voucher{ID: first + int64(i), Plan: plan}}, k)
	}
	if _, err := j.VoucherByCode(t.Context(), sessions.NewVoucherCode()); !errors.Is(err, sessions.ErrNoVoucher) {
		t.Errorf("an unknown code: %v", err)
	}
	must(t, j.RevokeVouchers(t.Context(), []int64{first, first + 1}))
	must(t, j.RevokeVouchers(t.Context(), []int64{first}))
	k, err := j.VoucherByID(t.Context(), first)
	must(t, err)
	of, err := j.VouchersOf(t.Context(), b.ID)
	must(t, err)
	all, err := j.VouchersOf(t.Context(), 0)
	must(t, err)
	batches, err := j.VoucherBatches(t.Context())
	must(t, err)
	equal(t, "what is there", []any{true, 30, 31, 2}, []any{k.Revoked, len(of), len(all), len(batches)})
	equal(t, "batch", sessions.VoucherBatch{ID: b.ID, Plan: plan, Note: "desk", MadeAt: wall, Vouchers: 30, Revoked: 2}, batches[0])

	must(t, j.Close())
	for _, name := range []string{file, file + "-wal"} {
		raw, err := os.ReadFile(name)
		if err == nil && (bytes.Contains(raw, []byte(codes[0])) || bytes.Contains(raw, []byte(codes[0].Text()))) {
			t.Errorf("%s has a code", name)
		}
	}
	j = mustOpen(t, file, Options{Standalone: true})
	if k, err := j.VoucherByCode(t.Context(), codes[29]); err != nil || k.ID != first+29 {
		t.Errorf("after a restart: %v, %v", k.ID, err)
	}
}

func TestVouchersAreBounded(t *testing.T) {
	j := newJournal(t, Options{Standalone: true})
	create := func(n int) (sessions.VoucherBatch, error) {
		b, _, err := j.CreateVouchers(t.Context(), sessions.VoucherBatch{}, newCodes(n))
		return b, err
	}
	revoke := func(b sessions.VoucherBatch) {
		t.Helper()
		of, err := j.VouchersOf(t.Context(), b.ID)
		must(t, err)
		var ids []int64
		for _, k := range of {
			ids = append(ids, k.ID)
		}
		must(t, j.RevokeVouchers(t.Context(), ids))
	}
	full, err := create(sessions.MaxOwnVouchers)
	must(t, err)
	if _, err := create(1); !errors.Is(err, sessions.ErrManyVouchers) {
		t.Errorf("one too many: %v", err)
	}
	revoke(full)
	full, err = create(sessions.MaxOwnVouchers)
	must(t, err)
	revoke(full)
	_, err = create(1)
	must(t, err)
	batches, err := j.VoucherBatches(t.Context())
	must(t, err)
	if len(batches) != 1 || batches[0].Vouchers != 1 {
		t.Errorf("what was revoked takes up room: %+v", batches)
	}
}

// TestUsedVouchersStayUsed: the ledger of data caps is trimmed, and who knows no centre has nobody else to ask.
func TestUsedVouchersStayUsed(t *testing.T) {
	j := newJournal(t, Options{Standalone: true, KeepSpent: 10})
	_, id, err := j.CreateVouchers(t.Context(), sessions.VoucherBatch{}, newCodes(1))
	must(t, err)
	own, theirs := "voucher/"+sessions.VoucherName(id), "voucher/"+sessions.VoucherName(7)
	for _, account := range []string{own, theirs} {
		must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{{Account: account, Period: sessions.Life, Start: "life", Seconds: 5}}}))
	}
	for i := range 20 {
		must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{{Account: string(rune('a' + i)), Start: "2026-11-01", Up: 1}}}))
	}
	must(t, j.Tidy(t.Context()))
	equal(t, "lines", []int{1, 0, 0, 1}, []int{len(ledger(t, j, own)), len(ledger(t, j, theirs)), len(ledger(t, j, "a")), len(ledger(t, j, "t"))})
}

// BenchmarkVoucherByCode is the look-up of a login among as many vouchers as there may be.
func BenchmarkVoucherByCode(b *testing.B) {
	j := newJournal(b, Options{Standalone: true})
	codes := newCodes(sessions.MaxOwnVouchers)
	if _, _, err := j.CreateVouchers(b.Context(), sessions.VoucherBatch{}, codes); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := j.VoucherByCode(b.Context(), codes[i%len(codes)]); err != nil {
			b.Fatal(err)
		}
	}
}
