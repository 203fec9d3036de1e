package shape_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/shape"
	"gatehouse/sessions"
)

func TestRates(t *testing.T) {
	r := newRig(t, shape.Zone{})
	s, other := r.station(), r.station()
	r.reconcile()
	r.admit(grant(other, 0, 0))
	if found := r.traces(); found != "" || r.kind("up") != shape.Idle || r.kind("down") != shape.Idle {
		t.Errorf("nobody has a rate, and there is\n%s", found)
	}
	for _, way := range []string{"down", "up"} {
		r.admit(grant(s, 2e6, 2e6))
		x := r.transfer(s, way)
		for _, rate := range []sessions.BitRate{2e6, 10e6, 50e6} { // changed while the transfer runs
			r.admit(grant(s, rate, rate))
			wantRate(t, way, x, rate)
		}
		x.end()
	}
	if r.kind("up") != shape.HTB || r.kind("down") != shape.HTB {
		t.Errorf("mechanisms are %+v", r.s.Mechanisms())
	}
	for _, way := range []string{"down", "up"} {
		free := r.transfer(other, way)
		if got := payload(t, free); got < 200e6 {
			t.Errorf("%s of a station without a rate: %.1f Mbit/s", way, got/1e6)
		}
		free.end()
	}
	r.admit(grant(s, 0, 2e6)) // one way is free now
	x := r.transfer(s, "down")
	wantRate(t, "down", x, 2e6)
	x.end()
	x = r.transfer(s, "up") // its acknowledgements come down at 2 Mbit/s
	if got := payload(t, x); got < 20e6 {
		t.Errorf("up without a rate: %.1f Mbit/s", got/1e6)
	}
	r.cut(s)
	if found := r.traces(); found != "" {
		t.Errorf("after the last station with a rate:\n%s", found)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	a, b, gone := r.station(), r.station(), r.station()
	r.reconcile()
	r.admit(grant(a, 10e6, 10e6), grant(b, 5e6, 0), grant(gone, 1e6, 1e6))
	before := r.run("nft", "list", "table", "netdev", "gatehouse")
	x := r.transfer(a, "down")
	pings := make(chan error, 1)
	go func() { // none of them may be lost
		for range 60 {
			if err := b.Ping(t.Context(), "2001:db8:f::10"); err != nil {
				pings <- err
				return
			}
			wait(t, 10*time.Millisecond)
		}
		pings <- nil
	}()
	for range 10 {
		r.restart()
		r.reconcile(grant(a, 10e6, 10e6), grant(b, 5e6, 0), grant(gone, 1e6, 1e6))
	}
	if err := <-pings; err != nil {
		t.Errorf("lost at a restart: %v", err)
	}
	if after := r.run("nft", "list", "table", "netdev", "gatehouse"); after != before {
		t.Errorf("restarts changed the table from\n%s\nto\n%s", before, after)
	}
	wantRate(t, "down", x, 10e6)
	r.restart()
	r.reconcile(grant(a, 10e6, 4e6), grant(b, 0, 5e6)) // as the journal has it now
	wantRate(t, "down", x, 4e6)
	if text := r.run("nft", "list", "table", "netdev", "gatehouse"); strings.Contains(text, gone.MAC.String()) {
		t.Errorf("whoever is not wanted is still there:\n%s", text)
	}
}

func TestZoneCap(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{CapUp: 20e6, CapDown: 20e6})
	a, b, slow := r.station(), r.station(), r.station()
	r.reconcile()
	r.admit(grant(a, 0, 0), grant(b, 0, 0), grant(slow, 2e6, 2e6))
	for _, way := range []string{"down", "up"} {
		alone := r.transfer(a, way)
		wantRate(t, way+", alone", alone, 20e6)
		second, more, third := r.transfer(b, way), r.transfer(b, way), r.transfer(slow, way)
		got := rates(t, 4*time.Second, alone, second, more, third)
		ofB := got[1] + got[2]
		within(t, way+", all", got[0]+ofB+got[3], 20e6, 0.8)
		within(t, way+", with a rate of its own", got[3], 2e6, 0.75)
		if share := got[0] / (got[0] + ofB); share < 0.4 || share > 0.6 {
			t.Errorf("%s: one connection of a station has %.2f of what it shares with another's two", way, share)
		}
		for _, x := range []*transfer{alone, second, more, third} {
			x.end()
		}
	}
	r.cut(a, b, slow)
	if r.traces() == "" {
		t.Error("without stations the zone's cap is gone")
	}
	// A zone whose cap is gone from the configuration.
	r.cfg.Zones[0].CapUp, r.cfg.Zones[0].CapDown = 0, 0
	r.restart()
	r.reconcile()
	if found := r.traces(); found != "" {
		t.Errorf("without the cap:\n%s", found)
	}
}

func TestForeignQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	s := r.station()
	r.run("tc", "qdisc", "add", "dev", "br-guest", "root", "handle", "1:", "htb")
	r.run("tc", "qdisc", "add", "dev", "wan0", "root", "handle", "2:", "tbf", "rate", "1gbit", "burst", "128k", "limit", "1m")
	const foreign = "qdisc htb 1: dev br-guest root"
	r.reconcile()
	r.admit(grant(s, 10e6, 10e6))
	if r.kind("down") != shape.Limit || r.kind("up") != shape.HTB {
		t.Errorf("mechanisms are %+v", r.s.Mechanisms())
	}
	x, y := r.transfer(s, "down"), r.transfer(s, "up")
	got := rates(t, 4*time.Second, x, y)
	t.Logf("a limit of 10 Mbit/s lets %.1f Mbit/s through", got[0]/1e6)
	if got[0] < 5e6 || got[0] > 13e6 {
		t.Errorf("down: %.1f Mbit/s", got[0]/1e6)
	}
	within(t, "up", got[1], 10e6, 0.8)
	r.admit(grant(s, 10e6, 20e6))
	got = rates(t, 4*time.Second, x)
	if got[0] < 12e6 || got[0] > 26e6 {
		t.Errorf("down at 20 Mbit/s: %.1f Mbit/s", got[0]/1e6)
	}
	r.restart()
	r.reconcile(grant(s, 10e6, 20e6))
	r.do(func() error { return r.s.CleanUp(t.Context()) })
	queues := r.run("tc", "qdisc", "show")
	if found := r.traces(); found != "" || !strings.Contains(queues, foreign) || !strings.Contains(queues, "qdisc tbf 2: dev wan0 root") {
		t.Errorf("left behind:\n%s\nqueues:\n%s", found, queues)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	s := r.station()
	r.reconcile()
	r.admit(grant(s, 10e6, 10e6))
	x := r.transfer(s, "down")
	for what, lose := range map[string][]string{
		"the table": {"nft", "delete", "table", "netdev", "gatehouse"},
		"a queue":   {"tc", "qdisc", "del", "dev", "br-guest", "root"},
		"the IFB":   {"ip", "link", "del", "gh-ifb0"},
	} {
		if _, err := r.s.Usage(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.run(lose[0], lose[1:]...)
		if _, err := r.s.Usage(t.Context()); !errors.Is(err, sessions.ErrEnforcerLost) {
			t.Errorf("without %s: %v", what, err)
		}
		r.reconcile(grant(s, 10e6, 10e6))
		wantRate(t, "down after the loss of "+what, x, 10e6)
	}
	// Somebody's own queue, put in the place of ours, stays.
	r.run("tc", "qdisc", "replace", "dev", "br-guest", "root", "handle", "1:", "htb")
	if _, err := r.s.Usage(t.Context()); !errors.Is(err, sessions.ErrEnforcerLost) {
		t.Errorf("with a foreign queue: %v", err)
	}
	r.reconcile(grant(s, 10e6, 10e6))
	if r.kind("down") != shape.Limit || r.kind("up") != shape.HTB {
		t.Errorf("mechanisms are %+v", r.s.Mechanisms())
	}
	r.admit(grant(s, 0, 0))
	if found := r.traces(); found != "" {
		t.Errorf("left behind:\n%s", found)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	s := r.station()
	r.reconcile()
	r.inner.refuse = errors.New("no")
	r.inner.calls = nil
	err := r.Gateway.Do(func() error { return r.s.Admit(t.Context(), grant(s, 1e6, 1e6)) })
	if !errors.Is(err, r.inner.refuse) || len(r.inner.calls) != 1 {
		t.Errorf("%v, after %v", err, r.inner.calls)
	}
	if found := r.traces(); found != "" {
		t.Errorf("a station that was not admitted left behind:\n%s", found)
	}
	r.inner.refuse = nil
	r.admit(grant(s, 1e6, 1e6))
	if r.traces() == "" {
		t.Error("a rate leaves no trace")
	}
}

// TestLimits holds rates on a kernel without IFB, by a stand-in: the name of the IFB is taken.
func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{CapUp: 20e6})
	a, b := r.station(), r.station()
	r.run("ip", "link", "add", "gh-ifb0", "type", "bridge")
	r.reconcile()
	r.admit(grant(a, 5e6, 5e6), grant(b, 0, 0))
	if r.kind("up") != shape.Limit || r.kind("down") != shape.HTB {
		t.Errorf("mechanisms are %+v", r.s.Mechanisms())
	}
	got := rates(t, 4*time.Second, r.transfer(a, "up"), r.transfer(b, "up"))
	t.Logf("a limit of 5 Mbit/s lets %.1f Mbit/s through; beside it, in a zone of 20 Mbit/s, %.1f", got[0]/1e6, got[1]/1e6)
	if got[0] > 6.5e6 || got[0] < 1e6 || got[0]+got[1] > 26e6 {
		t.Errorf("%.1f and %.1f Mbit/s", got[0]/1e6, got[1]/1e6)
	}
	wantRate(t, "down", r.transfer(a, "down"), 5e6)
	r.cut(a, b)
	r.do(func() error { return r.s.CleanUp(t.Context()) })
	if r.run("ip", "link", "show", "gh-ifb0") == "" || strings.Contains(r.run("nft", "list", "tables"), "netdev") {
		t.Error("cleaning up took too much or too little")
	}
}

// TestNoEgress is a kernel before 5.16, by an nft that knows no egress hook.
func TestNoEgress(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	s := r.station()
	r.cfg.NFT = filepath.Join(t.TempDir(), "nft")
	old := "#!/bin/sh\ntext=$(cat)\ncase $text in *'hook egress'*) echo 'unknown chain type' >&2; exit 1 ;; esac\necho \"$text\" | exec nft \"$@\"\n"
	if err := os.WriteFile(r.cfg.NFT, []byte(old), 0o755); err != nil {
		t.Fatal(err)
	}
	r.restart()
	r.reconcile()
	r.admit(grant(s, 5e6, 5e6))
	if r.kind("down") != shape.None || r.kind("up") != shape.HTB {
		t.Errorf("mechanisms are %+v", r.s.Mechanisms())
	}
	if found := r.traces(); strings.Contains(found, "br-guest") {
		t.Errorf("a queue that nothing is led to:\n%s", found)
	}
	wantRate(t, "up", r.transfer(s, "up"), 5e6)
	r.admit(grant(s, 4e6, 4e6))
	if _, err := r.s.Usage(t.Context()); err != nil {
		t.Error(err)
	}
	r.restart()
	r.reconcile(grant(s, 4e6, 4e6))
	r.cut(s)
	if found := r.traces(); found != "" {
		t.Errorf("left behind:\n%s", found)
	}
}
