package enforcertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// Contract is what any sessions.Enforcer must do, without traffic.
func Contract(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	var stations [3]sessions.Station
	for i := range stations {
		stations[i] = Crowd(i).Station
	}
	contract(t, func() sessions.Enforcer { g.Restart(); return g.Firewall }, stations)
}

// contract judges what restart returns: an Enforcer that knows nothing of what the one before it did; the stations are in a
// zone that it has.
func contract(t *testing.T, restart func() sessions.Enforcer, stations [3]sessions.Station) {
	ctx := t.Context()
	e := restart()
	a := sessions.Grant{Station: stations[0], AcctSessionID: "a", Timeout: time.Hour}
	b := sessions.Grant{Station: stations[1], AcctSessionID: "b", IdleTimeout: time.Minute}
	c := sessions.Grant{Station: stations[2], AcctSessionID: "c"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(states ...string) { // as in "a live", in order
		t.Helper()
		readings, err := e.Usage(ctx)
		must(err)
		got := []string{}
		for _, r := range readings {
			state := r.AcctSessionID + map[bool]string{true: " live", false: " ended"}[r.Live]
			if r.Idled {
				state += " idled"
			}
			got = append(got, state)
			if (r.IdleLeft >= 0) != (r.Live && r.AcctSessionID == "b") {
				t.Errorf("session %s: IdleLeft is %v", r.AcctSessionID, r.IdleLeft)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(append([]string{}, states...), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}

	must(e.CleanUp(ctx))
	want()
	must(e.Reconcile(ctx, nil))
	want()
	must(e.Admit(ctx))
	must(e.Admit(ctx, a, b))
	want("a live", "b live")

	bad := c
	bad.Station.Zone = "no such zone"
	if err := e.Admit(ctx, c, bad); err == nil {
		t.Error("a grant in no zone is taken")
	}
	want("a live", "b live") // all or none

	readings, err := e.Cut(ctx, stations[2], stations[0], stations[2])
	must(err)
	if diff := cmp.Diff([]sessions.Reading{{}, {Station: stations[0], AcctSessionID: "a", IdleLeft: -1}, {}}, readings); diff != "" {
		t.Errorf("readings of a cut (-want +got):\n%s", diff)
	}
	want("a ended", "b live")
	_, err = e.Cut(ctx, stations[0]) // once more
	must(err)
	must(e.Release(ctx, stations[1], stations[0]))
	want("b live") // a live grant is not touched
	must(e.Release(ctx, stations[0]))

	must(e.Admit(ctx, a)) // again
	must(e.Admit(ctx, a))
	a2 := a
	a2.AcctSessionID = "a2"
	must(e.Admit(ctx, a2)) // another session takes its place
	want("a ended", "a2 live", "b live")
	must(e.Release(ctx, a.Station))
	want("a2 live", "b live")

	short := c
	short.Timeout = 50 * time.Millisecond
	must(e.Admit(ctx, short))
	Eventually(t, func() error { return liveness(ctx, e, "c", false, false) })
	must(e.Admit(ctx, c)) // an ended session goes on
	must(liveness(ctx, e, "c", true, false))
	must(e.Admit(ctx, short))
	Eventually(t, func() error { return liveness(ctx, e, "c", false, false) })
	must(e.Release(ctx, c.Station))

	idle := c
	idle.IdleTimeout = 50 * time.Millisecond
	must(e.Admit(ctx, idle))
	Eventually(t, func() error { return liveness(ctx, e, "c", false, true) })
	must(e.Admit(ctx, c)) // without an idle timeout now
	want("a2 live", "b live", "c live")

	e = restart()
	want("a2 live", "b live", "c live")
	must(e.Reconcile(ctx, []sessions.Grant{b, a}))
	want("a live", "b live")
	must(e.Reconcile(ctx, []sessions.Grant{b, a}))
	want("a live", "b live")
	must(e.CleanUp(ctx))
	must(e.CleanUp(ctx))
	want()
	must(e.Reconcile(ctx, []sessions.Grant{c}))
	want("c live")

	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.Admit(canceled, a); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func liveness(ctx context.Context, e sessions.Enforcer, session string, live, idled bool) error {
	readings, err := e.Usage(ctx)
	if err != nil {
		return err
	}
	for _, r := range readings {
		if r.AcctSessionID == session && r.Live == live && r.Idled == idled {
			return nil
		}
	}
	return fmt.Errorf("session %s is not live %v, idled %v: %+v", session, live, idled, readings)
}
