package central

import (
	"strconv"
	"testing"
	"time"
)

func TestLimiterForgets(t *testing.T) {
	t.Parallel()
	l, p := newLimiter(), pace{name: "x", burst: 2, interval: time.Second}
	keep := allowance{"kept", p}
	l.take(0, keep)
	l.take(0, keep)
	for i := range 3 * maxLimitKeys {
		l.take(0, allowance{strconv.Itoa(i), p})
		if len(l.tat) > maxLimitKeys {
			t.Fatalf("%d keys", len(l.tat))
		}
	}
	l.take(2*time.Second, keep)
	for i := range maxLimitKeys { // all earlier ones limit nothing any more
		l.take(2*time.Second, allowance{"late " + strconv.Itoa(i), p})
	}
	if len(l.tat) > maxLimitKeys {
		t.Errorf("%d keys", len(l.tat))
	}
}

// Of two allowances none is used when the other is spent, and giving one back makes room for one.
func TestLimiterTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	narrow, wide := allowance{"narrow", pace{"narrow", 1, time.Second}}, allowance{"wide", pace{"wide", 3, time.Second}}
	if wait, _ := l.take(0, narrow, wide); wait != 0 {
		t.Fatalf("waits %v", wait)
	}
	for range 5 {
		wait, by := l.take(0, narrow, wide)
		if wait != time.Second || by.pace.name != "narrow" || by.remaining != 0 {
			t.Fatalf("waits %v by %+v", wait, by)
		}
	}
	if _, left := l.take(0, wide); left.remaining != 1 || left.reset != 2*time.Second {
		t.Errorf("%+v", left)
	}
	l.giveBack(narrow)
	if wait, _ := l.take(0, narrow); wait != 0 {
		t.Errorf("waits %v", wait)
	}
}
