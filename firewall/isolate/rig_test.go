package isolate_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/firewall/isolate"
	"gatehouse/internal/clock"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// open is the enforcer inside, which holds nobody back: isolation is all that is tested here.
type open struct{}

func (open) Reconcile(context.Context, []sessions.Grant) error { return nil }
func (open) Admit(context.Context, ...sessions.Grant) error    { return nil }
func (open) Cut(_ context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	return make([]sessions.Reading, len(stations)), nil
}
func (open) SetBlocked(context.Context, []sessions.Station) error { return nil }
func (open) Release(context.Context, ...sessions.Station) error   { return nil }
func (open) Usage(context.Context) ([]sessions.Reading, error)    { return nil, nil }
func (open) CleanUp(context.Context) error                        { return nil }

// rig is a lab whose gateway isolates.
type rig struct {
	*lab.Lab
	t    testing.TB
	cfg  isolate.Config
	i    *isolate.Isolator
	log  lockedBuffer
	stop func()
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// newRig has one zone on the lab's bridge.
func newRig(t testing.TB, zone isolate.Zone) *rig {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Lab: l, t: t, stop: func() {}}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("the log:\n%s", r.log.String())
		}
		if r.i != nil {
			r.i.Close()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := clock.System()
	if err != nil {
		t.Fatal(err)
	}
	zone.Name = "guest"
	if zone.Interfaces == nil {
		zone.Interfaces = []string{lab.GuestBridge}
	}
	r.cfg = isolate.Config{Zones: []isolate.Zone{zone}, Clock: c, Logger: slog.New(slog.NewTextHandler(&r.log, nil))}
	r.restart()
	return r
}

// restart puts a new Isolator in the place of the old one, as a new daemon would.
func (r *rig) restart(grants ...sessions.Grant) {
	r.t.Helper()
	r.stop()
	if r.i != nil {
		r.i.Close()
	}
	r.do(func() (err error) {
		if r.i, err = isolate.Around(open{}, r.cfg); err != nil {
			return err
		}
		return r.i.Reconcile(r.t.Context(), grants)
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Gateway.Do(func() error { return r.i.Run(ctx) }) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) do(f func() error) {
	r.t.Helper()
	if err := r.Gateway.Do(f); err != nil {
		r.t.Fatal(err)
	}
}

// station is a new one, with its wire.
func (r *rig) station() *wire {
	r.t.Helper()
	s, err := r.AddStation(r.t.Context(), lab.StationOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.wire(s)
}

// run runs a program on the gateway and returns what it printed.
func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := r.Gateway.Run(r.t.Context(), name, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func grant(s *wire, account string) sessions.Grant {
	return sessions.Grant{Station: station(s), AcctSessionID: "s" + s.Port, Account: account}
}

func station(s *wire) sessions.Station {
	return sessions.Station{Zone: "guest", MAC: sessions.MAC(s.MAC)}
}

func (r *rig) admit(grants ...sessions.Grant) {
	r.t.Helper()
	if err := r.i.Admit(r.t.Context(), grants...); err != nil {
		r.t.Fatal(err)
	}
}

// block makes exactly these blocked.
func (r *rig) block(all ...*wire) {
	r.t.Helper()
	var stations []sessions.Station
	for _, w := range all {
		stations = append(stations, station(w))
	}
	if err := r.i.SetBlocked(r.t.Context(), stations); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) cut(s *wire) {
	r.t.Helper()
	if _, err := r.i.Cut(r.t.Context(), station(s)); err != nil {
		r.t.Fatal(err)
	}
}

// wantPass checks what arrives of all that one station sends to another, and that both reach the router and it them.
func (r *rig) wantPass(what string, from, to *wire, want ...string) {
	r.t.Helper()
	wanted := map[string]bool{}
	for _, name := range want {
		wanted[name] = true
	}
	if diff := cmp.Diff(wanted, tries(r.t, from, to)); diff != "" {
		r.t.Errorf("%s: what arrives (-want +got):\n%s", what, diff)
	}
	for _, addr := range []string{lab.GuestGateway4, lab.GuestGateway6} {
		if err := from.Ping(r.t.Context(), addr); err != nil {
			r.t.Errorf("%s: the router: %v", what, err)
		}
	}
}

func (r *rig) wantMechanism(kind isolate.Kind, why string) {
	r.t.Helper()
	all := r.i.Mechanisms()
	if len(all) != 1 || all[0].Kind != kind || !strings.Contains(all[0].Why, why) {
		r.t.Errorf("the mechanism is %+v, want %s with %q", all, kind, why)
	}
}

// eventually polls until check returns nil.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if err := lab.WaitFor(t.Context(), within, check); err != nil {
		t.Error(err)
	}
}

// everything is all that stations may try.
func everything() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}
