package sessions_test

import (
	"testing"

	"gatehouse/sessions"
)

func TestBytes(t *testing.T) {
	for text, want := range map[string]sessions.Bytes{
		"0": 0, "1B": 1, "500MB": 500e6, "500 MB": 500e6, "2gib": 2 << 30, "1kb": 1000, "3KiB": 3072, "1000TB": sessions.MaxBytes,
	} {
		if got, err := sessions.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "MB", "-1MB", "1.5GB", "1001TB", "99999999999999999999B", "10Mbit", "500 MB ", "5 M B"} {
		if got, err := sessions.ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for b, want := range map[sessions.Bytes]string{0: "0", 500e6: "500MB", 2 << 30: "2GiB", 1536: "1536B", 1e12: "1TB", 2048: "2KiB"} {
		got := b.String()
		if again, err := sessions.ParseBytes(got); got != want || err != nil || again != b {
			t.Errorf("%d is spelled %q, want %q; read again as %d, %v", uint64(b), got, want, again, err)
		}
	}
}
