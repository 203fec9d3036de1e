package sessions

import (
	"testing"
	"time"
)

func TestVoucherState(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hour := Plan{Time: time.Hour}
	tests := map[string]struct {
		v    Voucher
		want VoucherState
		end  time.Time
	}{
		"new":                        {Voucher{Plan: hour}, VoucherUnused, time.Time{}},
		"revoked":                    {Voucher{Plan: hour, Revoked: true, FirstUsed: now}, VoucherRevoked, time.Time{}},
		"used":                       {Voucher{Plan: hour, FirstUsed: now.Add(-24 * time.Hour), Used: VoucherUse{Time: 59 * time.Minute}}, VoucherActive, time.Time{}},
		"used up":                    {Voucher{Plan: hour, FirstUsed: now.Add(-time.Hour), Used: VoucherUse{Time: time.Hour}}, VoucherUsedUp, time.Time{}},
		"used up, extended":          {Voucher{Plan: hour, FirstUsed: now, Used: VoucherUse{Time: time.Hour}, Extra: Extension{Time: 1}}, VoucherActive, time.Time{}},
		"data used up":               {Voucher{Plan: Plan{Data: 5}, FirstUsed: now, Used: VoucherUse{Data: 9}}, VoucherUsedUp, time.Time{}},
		"data extended":              {Voucher{Plan: Plan{Data: 5}, FirstUsed: now, Used: VoucherUse{Data: 9}, Extra: Extension{Data: 5}}, VoucherActive, time.Time{}},
		"elapsed, not begun":         {Voucher{Plan: Plan{Time: time.Hour, Elapsed: true}}, VoucherUnused, time.Time{}},
		"elapsed":                    {Voucher{Plan: Plan{Time: time.Hour, Elapsed: true}, FirstUsed: now.Add(-time.Hour)}, VoucherExpired, now},
		"elapsed, extended":          {Voucher{Plan: Plan{Time: time.Hour, Elapsed: true}, FirstUsed: now.Add(-time.Hour), Extra: Extension{Time: 1}}, VoucherActive, now.Add(1)},
		"elapsed, little used":       {Voucher{Plan: Plan{Time: time.Hour, Elapsed: true}, FirstUsed: now, Used: VoucherUse{Time: 2 * time.Hour}}, VoucherActive, now.Add(time.Hour)},
		"valid from the first use":   {Voucher{Plan: Plan{ValidFor: time.Hour}, FirstUsed: now.Add(1 - time.Hour)}, VoucherActive, now.Add(1)},
		"valid no longer":            {Voucher{Plan: Plan{ValidFor: time.Hour}, FirstUsed: now.Add(-time.Hour)}, VoucherExpired, now},
		"valid for, not begun":       {Voucher{Plan: Plan{ValidFor: time.Hour}}, VoucherUnused, time.Time{}},
		"until, not begun":           {Voucher{Plan: Plan{ValidUntil: now}}, VoucherExpired, now},
		"the earlier end counts":     {Voucher{Plan: Plan{ValidUntil: now.Add(2), ValidFor: time.Hour}, FirstUsed: now.Add(1 - time.Hour)}, VoucherActive, now.Add(1)},
		"its own end, later":         {Voucher{Plan: Plan{ValidUntil: now, ValidFor: 1}, ValidUntil: now.Add(9), FirstUsed: now.Add(-time.Hour)}, VoucherActive, now.Add(9)},
		"its own end, earlier":       {Voucher{Plan: Plan{ValidUntil: now.Add(9)}, ValidUntil: now}, VoucherExpired, now},
		"its own end, elapsed first": {Voucher{Plan: Plan{Time: 1, Elapsed: true}, ValidUntil: now.Add(9), FirstUsed: now.Add(-1)}, VoucherExpired, now},
		"no bounds":                  {Voucher{FirstUsed: now.AddDate(-9, 0, 0), Used: VoucherUse{Time: 1 << 60, Data: 1 << 60}}, VoucherActive, time.Time{}},
	}
	for name, test := range tests {
		if got := test.v.State(now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if end := test.v.Expires(); !end.Equal(test.end) {
			t.Errorf("%s: ends at %s, want %s", name, end, test.end)
		}
	}
}

func TestVoucherName(t *testing.T) {
	if id, ok := VoucherID(VoucherName(42)); !ok || id != 42 {
		t.Errorf("id %d, %t", id, ok)
	}
	for _, name := range []string{"", "42", "voucher#", "voucher#0", "voucher#-1", "voucher#x", "Voucher#1"} {
		if id, ok := VoucherID(name); ok {
			t.Errorf("%q is voucher %d", name, id)
		}
	}
}
