package sessions_test

import (
	"testing"

	"gatehouse/sessions"
)

func TestBitRate(t *testing.T) {
	for text, want := range map[string]sessions.BitRate{
		"0": 0, "64kbit": 64e3, "10Mbit": 10e6, "10mbit": 10e6, "1Gbit": 1e9, "1500KBIT": 1.5e6, "100Gbit": 100e9,
	} {
		got, err := sessions.ParseBitRate(text)
		if err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, uint64(got), err, uint64(want))
		}
		if again, err := sessions.ParseBitRate(got.String()); err != nil || again != want {
			t.Errorf("%q is spelled %q, which is %d, %v", text, got, uint64(again), err)
		}
	}
	for _, text := range []string{"", "10", "Mbit", "10 Mbit", "10MB", "10Mbit/s", "-1Mbit", "+1Mbit", "1.5Mbit", "101Gbit", "4294967296kbit", "00x1Mbit"} {
		if got, err := sessions.ParseBitRate(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	if got := sessions.BitRate(1234).String(); got != "1234bit" {
		t.Errorf("1234 bit/s is spelled %q", got)
	}
}

func FuzzParseBitRate(f *testing.F) {
	for _, text := range []string{"0", "10Mbit", "1500KBIT", "100Gbit", "1.5Mbit", "4294967296kbit"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := sessions.ParseBitRate(text)
		if err != nil {
			return
		}
		if again, err := sessions.ParseBitRate(r.String()); r > sessions.MaxBitRate || err != nil || again != r {
			t.Errorf("%q is %d bit/s, spelled %s, which is %d, %v", text, uint64(r), r, uint64(again), err)
		}
	})
}
