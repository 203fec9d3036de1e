package mirror

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestVouchers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	m, _ := open(t, path)
	code, other, key := sessions.NewVoucherCode(), sessions.NewVoucherCode(), []byte("key")
	if _, err := m.VoucherByCode(t.Context(), code); !errors.Is(err, sessions.ErrNoVoucher) {
		t.Errorf("without a key: %v", err)
	}
	v := sessions.KnownVoucher{Voucher: sessions.Voucher{ID: 7, Plan: sessions.Plan{ID: 3}, FirstUsed: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Extra: sessions.Extension{Time: time.Second}, Used: sessions.VoucherUse{Time: time.Minute, Data: 5}}, Hash: code.Hash(key),
		Here: sessions.VoucherUse{Data: 9}}
	must(t, m.PutVouchers(t.Context(), key, []sessions.KnownVoucher{v, {Voucher: sessions.Voucher{ID: 8}, Hash: other.Hash(key)}}, nil))
	known := func(want bool) {
		t.Helper()
		got, err := m.VoucherByCode(t.Context(), code)
		if errors.Is(err, sessions.ErrNoVoucher) != !want {
			t.Fatal(err)
		}
		byID, err := m.VoucherByID(t.Context(), 7)
		if errors.Is(err, sessions.ErrNoVoucher) != !want {
			t.Fatal(err)
		}
		if want {
			equal(t, "by code", v, got)
			equal(t, "by id", v, byID)
		}
	}
	known(false) // its plan is not there
	v.Plan = sessions.Plan{ID: 3, Name: "Day", Time: time.Hour, Zones: []string{"lobby"}, Limits: limits(-1, time.Minute)}
	putPlan := func(want ...string) {
		t.Helper()
		users, err := m.PutPlan(t.Context(), v.Plan)
		must(t, err)
		equal(t, "users", want, users)
	}
	putPlan()
	known(true)
	must(t, m.Close())
	m, _ = open(t, path)
	known(true)
	v.Plan.Name, v.Revoked = "Days", true
	putPlan()
	must(t, m.PutVouchers(t.Context(), nil, []sessions.KnownVoucher{v}, []int64{8}))
	known(true)
	if _, err := m.VoucherByCode(t.Context(), other); !errors.Is(err, sessions.ErrNoVoucher) {
		t.Errorf("deleted: %v", err)
	}

	must(t, m.Reset(t.Context()))
	known(true)
	putPlan()
	gone, err := m.Sweep(t.Context())
	must(t, err)
	equal(t, "swept", []string{sessions.AnyVoucher}, gone)
	known(false)
	must(t, m.PutVouchers(t.Context(), nil, []sessions.KnownVoucher{v}, nil))
	known(true) // the plan was told again

	anna := user(1, "anna")
	anna.PlanID, anna.Limits = 3, limits(time.Minute, -1)
	must(t, m.PutAccount(t.Context(), anna, nil))
	v.Plan.Data = 9
	putPlan("anna")
	anna.Limits.IdleTimeout, anna.Zones = new(time.Minute), []string{"lobby"}
	anna.Limits.Caps.Life.Total = new(sessions.Bytes(9))
	equal(t, "account with a plan", anna, account(t, m, "anna"))
	must(t, m.DeletePlan(t.Context(), 3))
	known(false)
}
