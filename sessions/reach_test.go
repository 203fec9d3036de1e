package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// ways remembers the ways out that were opened.
type ways []sessions.Reach

func (w *ways) OpenReach(_ context.Context, r sessions.Reach) error {
	*w = append(*w, r)
	return nil
}

// TestReach: a station has a way out for minutes, then none for a while, and never one beside a session.
func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened ways
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) { c.Reaches = &opened })
		defer r.stop()
		st := sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0, 0, 0, 9}}
		open := func(want string, names ...string) {
			t.Helper()
			lasts, err := r.OpenReach(t.Context(), sessions.Reach{Station: st, Names: names, Ports: []uint16{443}, For: 8 * time.Minute})
			got := lasts.String()
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) {
				got = fmt.Sprintf("%s for %v", refusal.Reason, refusal.RetryAfter)
			} else if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("after %d ways out: %s, want %s", len(opened), got, want)
			}
		}
		open("8m0s", "login.example")
		time.Sleep(5 * time.Minute)
		open("3m0s", "other.example") // another provider, no more time
		time.Sleep(4 * time.Minute)
		open("too_many_attempts for 4m0s", "login.example")
		time.Sleep(4 * time.Minute)
		open("8m0s") // to any address
		time.Sleep(20 * time.Minute)
		open("too_many_attempts for 23h48m0s") // the mail of a day
		open("8m0s", "login.example")
		open("too_many_attempts for 23h48m0s")
		time.Sleep(2 * time.Hour)
		r.click(t, st)
		open("0s", "login.example")
		if diff := cmp.Diff([]time.Duration{8 * time.Minute, 3 * time.Minute, 8 * time.Minute, 8 * time.Minute}, durations(opened)); diff != "" {
			t.Errorf("opened (-want +got):\n%s", diff)
		}
		for i := range 10000 { // random MACs
			other := sessions.Station{Zone: "guests", MAC: sessions.MAC{6, 0, 0, 0, byte(i >> 8), byte(i)}}
			if _, err := r.OpenReach(t.Context(), sessions.Reach{Station: other, Ports: []uint16{443}, For: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		if got := opened[len(opened)-1].For; got != 10*time.Minute {
			t.Errorf("an hour was asked for, %v opened", got)
		}
		none := newRig(t, zone(sessions.Limits{}))
		defer none.stop()
		if _, err := none.OpenReach(t.Context(), sessions.Reach{Station: st}); !errors.Is(err, sessions.ErrNoReach) {
			t.Errorf("without a firewall that can: %v", err)
		}
	})
}

func durations(all []sessions.Reach) (ds []time.Duration) {
	for _, r := range all {
		ds = append(ds, r.For)
	}
	return ds
}
