package nftables_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// enforcerContract is what any sessions.Enforcer must do, without traffic. restart returns one that knows nothing of what
// the one before it did; the stations are in a zone that it has.
func enforcerContract(t *testing.T, restart func() sessions.Enforcer, stations [3]sessions.Station) {
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
		if diff := gocmp.Diff(append([]string{}, states...), got); diff != "" {
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
	if diff := gocmp.Diff([]sessions.Reading{{}, {Station: stations[0], AcctSessionID: "a", IdleLeft: -1}, {}}, readings); diff != "" {
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
	eventually(ctx, t, func() error { return liveness(ctx, e, "c", false, false) })
	must(e.Admit(ctx, c)) // an ended session goes on
	must(liveness(ctx, e, "c", true, false))
	must(e.Admit(ctx, short))
	eventually(ctx, t, func() error { return liveness(ctx, e, "c", false, false) })
	must(e.Release(ctx, c.Station))

	idle := c
	idle.IdleTimeout = 50 * time.Millisecond
	must(e.Admit(ctx, idle))
	eventually(ctx, t, func() error { return liveness(ctx, e, "c", false, true) })
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

func TestEnforcerContract(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	var stations [3]sessions.Station
	for i := range stations {
		stations[i] = crowd(i).Station
	}
	enforcerContract(t, func() sessions.Enforcer {
		g.restart()
		return inGateway{g.fw, g}
	}, stations)
}

// inGateway is the firewall whose programs run in the gateway.
type inGateway struct {
	*nftables.Firewall
	g *gate
}

func (i inGateway) Reconcile(ctx context.Context, want []sessions.Grant) error {
	return i.g.Gateway.Do(func() error { return i.Firewall.Reconcile(ctx, want) })
}

// crowd is the grant number n of many.
func crowd(n int) sessions.Grant {
	return sessions.Grant{Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x40, byte(n >> 8), byte(n)}},
		AcctSessionID: fmt.Sprintf("0123456789abcdef-%08d", n), Timeout: time.Hour, IdleTimeout: 10 * time.Minute}
}

func TestFull(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	const most = 1<<15 - 1
	all := make([]sessions.Grant, most)
	for i := range all {
		all[i] = crowd(i)
	}
	if err := g.fw.Admit(t.Context(), append(slices.Clone(all), crowd(most))...); !errors.Is(err, nftables.ErrFull) {
		t.Fatalf("one grant too many: %v", err)
	}
	if readings, err := g.fw.Usage(t.Context()); err != nil || len(readings) != 0 {
		t.Fatalf("all or none, but %d are in: %v", len(readings), err)
	}
	g.admit(all...)
	if err := g.fw.Admit(t.Context(), crowd(most)); !errors.Is(err, nftables.ErrFull) {
		t.Fatalf("one grant too many: %v", err)
	}
	g.restart()
	readings, err := g.fw.Usage(t.Context())
	if err != nil || len(readings) != most {
		t.Fatalf("%d of %d grants are in: %v", len(readings), most, err)
	}
	slices.SortFunc(readings, func(a, b sessions.Reading) int { return cmp.Compare(a.AcctSessionID, b.AcctSessionID) })
	for i, r := range readings {
		if r.AcctSessionID != all[i].AcctSessionID || r.Station != all[i].Station || !r.Live {
			t.Fatalf("grant %d is %+v", i, r)
		}
	}
	if err := g.tryReconcile(all[1:]...); err != nil {
		t.Fatal(err)
	}
	g.admit(crowd(most)) // with the id that was freed
}

// TestRouterStates walks at random through what may happen to a station and asks after each step by packets.
func TestRouterStates(t *testing.T) { inBothForms(t, testRouterStates) }

func testRouterStates(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var want []sessions.Grant // what the station should have: one grant or none
	session := 0
	steps := map[string]func(){
		"admit": func() {
			session++
			want = []sessions.Grant{grant(s, fmt.Sprintf("s%d", session))}
			want[0].Timeout = time.Duration(random.IntN(2)) * time.Hour
			want[0].IdleTimeout = time.Duration(random.IntN(3)) * time.Minute
			g.admit(want...)
		},
		"extend": func() {
			for i := range want {
				want[i].Timeout, want[i].IdleTimeout = time.Hour, time.Duration(random.IntN(2))*time.Hour
			}
			g.admit(want...)
		},
		"cut":     func() { g.cut(s); want = nil },
		"release": func() { _ = g.fw.Release(t.Context(), in("guest", s)) },
		"time out": func() {
			session++
			want = []sessions.Grant{grant(s, fmt.Sprintf("s%d", session))}
			want[0].Timeout = time.Millisecond
			g.admit(want...)
			want = nil
			g.wait(10 * time.Millisecond)
		},
		"restart":  func() { g.restart(); g.reconcile(want...) },
		"clean up": func() { _ = g.fw.CleanUp(t.Context()); g.reconcile(want...) },
		"vanish": func() {
			g.nft("delete", "table", "inet", "gatehouse")
			if _, err := g.fw.Usage(t.Context()); !errors.Is(err, sessions.ErrEnforcerLost) {
				t.Errorf("usage without a table: %v", err)
			}
			g.reconcile(want...)
		},
	}
	names := []string{"admit", "extend", "cut", "release", "time out", "restart", "clean up", "vanish"}
	var path []string
	for range 60 {
		name := names[random.IntN(len(names))]
		path = append(path, name)
		steps[name]()
		outcome := lab.Refused
		if len(want) > 0 {
			outcome = lab.Connected
		}
		for _, addr := range web {
			g.wantTCP(s.Host, addr, "443", outcome)
		}
		if t.Failed() {
			t.Fatalf("after %v", path)
		}
	}
}
