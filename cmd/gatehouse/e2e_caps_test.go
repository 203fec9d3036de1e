package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestDataCap has two stations of one account use up its day, by packets counted in the internet: exactly what the cap
// says passes, exactly what an extension adds, and the daemon's death in the middle changes nothing of it.
func TestDataCap(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{})
	if _, err := v.CLI(t.Context(), "secret\n", "account", "add", "--password-stdin", "--cap-day", "up=1MB", "ann"); err != nil {
		t.Fatal(err)
	}
	passed, err := v.WAN.Count(t.Context(), lab.PeerInterface, func(p lab.Packet) bool { return !p.Sent && p.Dst.Port() == 7 })
	if err != nil {
		t.Fatal(err)
	}
	wantPassed := func(octets uint64) {
		t.Helper()
		err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
			if _, got := passed.Octets(); got != octets {
				return fmt.Errorf("%d octets have passed, want %d", got, octets)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	a, b := guestOf(t, v), guestOf(t, v)
	logInAnn(t, a)
	logInAnn(t, b)
	thousands(t, a, 400)
	thousands(t, b, 900)
	wantPassed(1_000_000)
	wantOut(t, v)
	wantCapped(t, a)
	wantCapped(t, b)

	extendAnn(t, v, "500kB")
	logInAnn(t, b)
	thousands(t, b, 100)
	wantPassed(1_100_000)
	v.Daemon.Kill()
	thousands(t, b, 1000) // with the daemon dead
	wantPassed(1_500_000)
	start(t, v.StartGateway)
	wantOut(t, v)
	wantCapped(t, b)
	if err := v.Daemon.Terminate(); err != nil {
		t.Fatal(err)
	}
	start(t, v.StartGateway)
	extendAnn(t, v, "200kB")
	logInAnn(t, a)
	thousands(t, a, 1000)
	wantPassed(1_700_000)
	wantOut(t, v)
}

// TestSlowAtDataCap downloads beyond a cap behind which it goes on slowly, and with an extension fast again.
func TestSlowAtDataCap(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: `
methods = ["click"]
terms = "Be kind."
bandwidth_down = "20Mbit"
[zone.caps]
session = { down = "3MB" }
slow_down = "2Mbit"
`})
	g := guestOf(t, v)
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	before := running(t, v)
	if before.Slow || before.DataLeft == nil || *before.DataLeft != 3e6 || before.BandwidthDown != 20e6 {
		t.Errorf("the session begins with %+v", before)
	}
	download(t, g)
	wantDownload(t, g, 2e6)
	now := running(t, v)
	if !now.Slow || *now.DataLeft != 0 || now.BandwidthDown != 2e6 || now.AcctSessionID != before.AcctSessionID {
		t.Errorf("slow: %+v", now)
	}
	out, err := v.CLI(t.Context(), "", "extend", before.AcctSessionID, "--data", "100MB")
	if err != nil || !strings.Contains(out, "has left: time unlimited, data ") {
		t.Fatalf("extending: %v %s", err, out)
	}
	wantDownload(t, g, 20e6)
}

func guestOf(t *testing.T, v *venue.Venue) *venue.Guest {
	t.Helper()
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func logInAnn(t *testing.T, g *venue.Guest) {
	t.Helper()
	if p, err := g.Password(t.Context(), "ann", "secret"); err != nil || p.Status != http.StatusOK || !strings.Contains(p.Body, "Data left") {
		t.Fatalf("logging in: %d %v\n%s", p.Status, err, p.Body)
	}
}

func wantCapped(t *testing.T, g *venue.Guest) {
	t.Helper()
	if p, err := g.Password(t.Context(), "ann", "secret"); err != nil || !strings.Contains(p.Body, "data allowance is used up") {
		t.Errorf("logging in with nothing left: %d %v\n%s", p.Status, err, p.Body)
	}
}

func extendAnn(t *testing.T, v *venue.Venue, data string) {
	t.Helper()
	if out, err := v.CLI(t.Context(), "", "extend", "--account", "ann", "--data", data); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// wantOut waits until nobody is in, by his data.
func wantOut(t *testing.T, v *venue.Venue) {
	t.Helper()
	err := lab.WaitFor(t.Context(), 4*time.Second, func() error { // less than the daemon polls: the kernel tells
		out, err := v.CLI(t.Context(), "", "sessions", "--json")
		if err != nil {
			return err
		}
		var all []admin.Session
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) > 0 {
			return fmt.Errorf("sessions: %v %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// thousands sends so many packets of a thousand octets.
func thousands(t *testing.T, g *venue.Guest, n int) {
	t.Helper()
	c, err := g.Dial(t.Context(), "udp", net.JoinHostPort(lab.WebAddr4, "7"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // not before: late echoes would be answered by ICMP, and that counts
	payload := make([]byte, 1000-20-8)
	for i := range n {
		if i%50 == 49 { // the queues between are short
			pause(t, 2*time.Millisecond)
		}
		if _, err := c.Write(payload); err != nil { // what was refused before is told by the next write, which then sends nothing
			_, _ = c.Write(payload)
		}
	}
}
