package lab_test

import (
	"testing"
	"time"

	"gatehouse/lab"
)

func TestSoak(t *testing.T) {
	for _, test := range []struct {
		soak, duration string
		want           time.Duration
	}{
		{"", "5m", time.Second},
		{"1", "", 10 * time.Minute},
		{"1", "90s", 90 * time.Second},
		{"1", "never", 10 * time.Minute},
	} {
		t.Setenv("GATEHOUSE_SOAK", test.soak)
		t.Setenv("DURATION", test.duration)
		if got := lab.Soak(time.Second); got != test.want {
			t.Errorf("GATEHOUSE_SOAK=%s DURATION=%s: %v, want %v", test.soak, test.duration, got, test.want)
		}
	}
}

func TestTickLag(t *testing.T) {
	if lag := lab.TickLag(); lag < 0 || lag > 10*time.Second {
		t.Errorf("the last tick was %v ago", lag)
	}
}
