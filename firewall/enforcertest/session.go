package enforcertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"gatehouse/lab"
)

// Admitted is a station that is online, alone, counted to the octet, and then not any more.
func Admitted(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s := g.Station(lab.StationOptions{})
	other := g.Station(lab.StationOptions{})
	// Neighbour discovery has the gateway at its other end.
	count, err := g.WAN.Count(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		ends := []string{p.Src.Addr().String(), p.Dst.Addr().String()}
		return slices.Contains(ends, s.Addr6.String()) || slices.Contains(ends, lab.WebAddr4)
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Admit(Grant(s, "s1"))
	g.WantOnline(s)
	for _, addr := range Web() {
		if err := s.Ping(t.Context(), addr); err != nil {
			t.Error(err)
		}
		if got := Fetch(s.Host, Bracket(addr), "/bytes?n=300000"); len(got) == 0 {
			t.Error("no download")
		}
	}
	g.WantPage(s, lab.GuestGateway4, PortalText) // the router stays closed
	g.WantTCP(s.Host, lab.GatewayWAN4, "22", lab.Refused)
	g.WantCaptive(other)
	g.Steady("s1")
	r := g.Settled("s1", count)
	if !r.Live || r.Idled || r.IdleLeft >= 0 || r.Station != In("guest", s) {
		t.Errorf("reading is %+v", r)
	}
	// Nothing new from outside: the internet cannot begin to talk to a station.
	g.WantTCP(g.WAN, s.Addr6.String(), "22", lab.Refused)
	final := g.Cut(s)
	if final.Live || final.AcctSessionID != "s1" || final.Usage != r.Usage {
		t.Errorf("final reading %+v differs from %+v", final, r)
	}
	g.WantCaptive(s)
	if err := g.Firewall.Release(t.Context(), In("guest", s)); err != nil {
		t.Fatal(err)
	}
	if _, ok := g.Reading("s1"); ok {
		t.Error("a released grant is still read")
	}
}

// Revoked cuts established flows, both ways, also one on which the station has fallen silent.
func Revoked(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s := g.Station(lab.StationOptions{})
	g.Admit(Grant(s, "s1"))
	var flows []*Traffic
	for _, addr := range Web() {
		flows = append(flows, g.StartTraffic(s, addr, "9000"))
	}
	silent := g.StartTraffic(s, lab.WebAddr6, "9001")
	g.Wait(200 * time.Millisecond)
	silent.Up.Silence()
	g.Wait(20 * time.Millisecond)
	before := time.Now()
	g.Cut(s)
	g.Wait(300 * time.Millisecond)
	ways := []*Way{&silent.Down}
	silent.End()
	for _, f := range flows {
		f.End()
		ways = append(ways, f.Ways()...)
	}
	for _, w := range ways {
		w.WantCut(t, before, 10*time.Millisecond, 100*time.Millisecond)
	}
	g.WantCaptive(s)
	g.Admit(Grant(s, "s2"))
	g.WantOnline(s)
}

// SessionTimeout ends flows on time, where the backend can with nobody there.
func SessionTimeout(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s := g.Station(lab.StationOptions{})
	const timeout = 2 * time.Second
	timed := Grant(s, "s1")
	timed.Timeout = time.Hour
	g.Admit(timed)
	var flows []*Traffic
	for _, addr := range Web() {
		flows = append(flows, g.StartTraffic(s, addr, "9000"))
	}
	timed.Timeout = timeout // the same session gets a new end, and keeps its counters
	before := time.Now()
	g.Admit(timed)
	took := time.Since(before)
	if r, _ := g.Reading("s1"); r.Usage.InputPackets == 0 {
		t.Error("admitting again reset the counters")
	}
	stop := func() {}
	if g.Unattended {
		if err := g.Firewall.Close(); err != nil { // nobody is there when it ends
			t.Fatal(err)
		}
		g.Firewall = nil
	} else {
		stop = g.watch()
	}
	g.Wait(timeout + 500*time.Millisecond + g.Late)
	for _, f := range flows {
		f.End()
		for _, w := range f.Ways() {
			w.WantCut(t, before.Add(timeout), 10*time.Millisecond, 10*time.Millisecond+took+g.Late)
		}
	}
	stop()
	g.Restart()
	r, ok := g.Reading("s1")
	if !ok || r.Live || r.Idled || r.Usage.OutputPackets == 0 {
		t.Errorf("what the kernel left behind: %+v", r)
	}
	g.Reconcile()
	if _, ok := g.Reading("s1"); ok {
		t.Error("the ended session was not released")
	}
	g.WantCaptive(s)
}

// Restart loses no packet and no octet, and adopts what it finds.
func Restart(t *testing.T, newGate Maker) {
	g := newGate(t, lab.Options{}, GuestZone())
	s, gone := g.Station(lab.StationOptions{}), g.Station(lab.StationOptions{})
	keep := Grant(s, "s1")
	keep.Timeout, keep.IdleTimeout = time.Hour, time.Minute
	g.Admit(keep, Grant(gone, "s2"))
	var flows []*Traffic
	for _, addr := range Web() {
		flows = append(flows, g.StartTraffic(s, addr, "9000"))
	}
	g.Wait(100 * time.Millisecond)
	before, _ := g.Reading("s1")
	for range 5 {
		g.Restart()
		if r, ok := g.Reading("s1"); !ok || !r.Live || r.Usage.InputPackets < before.Usage.InputPackets || r.IdleLeft > time.Minute {
			t.Fatalf("before Reconcile: %+v", r)
		}
		again := keep
		again.Timeout = 30 * time.Minute // what agrees is left alone
		g.Reconcile(again)
	}
	g.Wait(100 * time.Millisecond)
	var up, down uint64
	for _, f := range flows {
		f.End()
		up += f.Up.WantLossless(t)
		down += f.Down.WantLossless(t)
	}
	if r, _ := g.Reading("s1"); r.Usage.InputPackets != up || r.Usage.OutputPackets != down {
		t.Errorf("counted %d up, %d down; passed %d, %d", r.Usage.InputPackets, r.Usage.OutputPackets, up, down)
	}
	if _, ok := g.Reading("s2"); ok {
		t.Error("a session that nobody wants is still there")
	}
	g.WantCaptive(gone)
	g.WantOnline(s)
}

// watch has the firewall watch until the function that it returns is called.
func (g *Gate) watch() (stop func()) {
	ctx, cancel := context.WithCancel(g.t.Context())
	done := make(chan error, 1)
	fw := g.Firewall
	go func() { done <- fw.Watch(ctx, func() {}) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			g.t.Error(err)
		}
	}
}
