package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

const (
	printerMAC    = "02:00:5e:99:00:01"
	televisionMAC = "02:00:5e:99:00:02"
)

// guestWith is a station with a MAC address of its choice.
func (s *site) guestWith(t *testing.T, mac string) *venue.Guest {
	t.Helper()
	st, err := s.AddStation(t.Context(), lab.StationOptions{MAC: mac})
	if err != nil {
		t.Fatal(err)
	}
	return (&venue.Venue{Lab: s.Lab}).GuestAt(st)
}

// answered waits until the probe is answered like that. One that was under way as the packets stopped gets no answer, and is
// asked again as phones do.
func answered(t *testing.T, g *venue.Guest, status int) {
	t.Helper()
	err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		p, err := g.Probe(ctx)
		if err == nil && p.Status != status {
			err = fmt.Errorf("the probe is answered %d, want %d", p.Status, status)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", g.MAC, err)
	}
}

// reachesNothing: neither the internet nor anything of the router answers a station.
func reachesNothing(t *testing.T, g *venue.Guest) {
	t.Helper()
	for _, addr := range []string{
		net.JoinHostPort(lab.WebAddr4, "80"), net.JoinHostPort(lab.WebAddr6, "80"), net.JoinHostPort(lab.WebAddr4, "443"),
		net.JoinHostPort(lab.GuestGateway4, "2080"), net.JoinHostPort(lab.GuestGateway6, "2080"), net.JoinHostPort(lab.GuestGateway4, "53"),
	} {
		// Unreachable: the router is no longer found as a neighbour either.
		if got, err := g.ProbeTCP(t.Context(), addr, 300*time.Millisecond); err != nil || got != lab.TimedOut && got != lab.Unreachable {
			t.Errorf("%s: %s answers: %v %v", g.MAC, addr, got, err)
		}
	}
	if err := g.Ping(t.Context(), lab.GuestGateway4); err == nil {
		t.Errorf("%s: the router answers its ping", g.MAC)
	}
}

// TestAccess: a trusted device is online without a login, a pre-authorized one as its account, and a blocked one gets
// nothing, all the same after the daemon was killed; unblocking brings the portal back.
func TestAccess(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", s.settings(`
trusted = ["`+printerMAC+` printer in the lobby"]
session_timeout = "8h"
[[zone.preauthorized]]
mac = "`+strings.ToUpper(strings.ReplaceAll(televisionMAC, ":", "-"))+`"
account = "anna"
`))
	p := s.start(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := s.cli(t, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		return out
	}
	television, printer, bad := s.guestWith(t, televisionMAC), s.guestWith(t, printerMAC), s.guest(t)
	answered(t, television, http.StatusFound) // there is no such account yet, and the portal works for it
	if out := run("stations"); !strings.Contains(out, "preauthorized as anna by configuration; not let in: unknown_account") {
		t.Errorf("stations:\n%s", out)
	}
	run("account", "add", "anna", "--generate", "--session-timeout", "2h")
	answered(t, television, http.StatusNoContent)
	answered(t, printer, http.StatusNoContent)
	if at, err := bad.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	before := s.running(t)
	if one := before[televisionMAC]; one.Username != "anna" || one.Method != "preauthorized" || one.SessionTimeout != 7200 {
		t.Errorf("the television's session: %+v", one)
	}
	if one := before[printerMAC]; one.Method != "trusted" || one.SessionTimeout != 0 {
		t.Errorf("the printer's session: %+v", one)
	}

	if out := run("block", bad.MAC.String(), "--reason", "a chair"); out != bad.MAC.String()+" in every zone is blocked by operator: a chair\n" {
		t.Errorf("block: %s", out)
	}
	reachesNothing(t, bad)
	if out, err := bad.Run(t.Context(), "udhcpc", "-n", "-q", "-f", "-i", lab.PeerInterface, "-s", "/bin/true", "-t", "2", "-T", "1"); err == nil {
		t.Errorf("a blocked station gets an address: %s", out)
	}
	p.Kill()
	reachesNothing(t, bad)
	p = s.start(t)
	reachesNothing(t, bad)
	answered(t, television, http.StatusNoContent)
	answered(t, printer, http.StatusNoContent)
	after := s.running(t)
	for _, mac := range []string{televisionMAC, printerMAC} {
		if after[mac].AcctSessionID != before[mac].AcctSessionID {
			t.Errorf("%s: session %+v became %+v", mac, before[mac], after[mac])
		}
	}
	if _, in := after[bad.MAC.String()]; in {
		t.Error("the blocked station has a session")
	}
	if out := run("stations"); !strings.Contains(out, "trusted by configuration: printer in the lobby") {
		t.Errorf("stations:\n%s", out)
	}
	if out := run("block", "list"); !strings.Contains(out, bad.MAC.String()+"  blocked  -        operator") || !strings.Contains(out, "no end  a chair") {
		t.Errorf("block list:\n%s", out)
	}
	if out, err := s.cli(t, "login", "guests/"+bad.MAC.String()); err == nil || !strings.Contains(out+err.Error(), "the station is blocked") {
		t.Errorf("login of a blocked station: %v %s", err, out)
	}
	if out, err := s.cli(t, "untrust", printerMAC); err == nil || !strings.Contains(out+err.Error(), "the configuration says so") {
		t.Errorf("untrust: %v %s", err, out)
	}

	run("unblock", bad.MAC.String())
	if at, err := bad.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Errorf("login after unblocking: %d %v", at.Status, err)
	}
	answered(t, bad, http.StatusNoContent)
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// running are the sessions by MAC.
func (s *site) running(t *testing.T) map[string]admin.Session {
	t.Helper()
	out, err := s.cli(t, "sessions", "--json")
	if err != nil {
		t.Fatal(err)
	}
	return byMAC(t, out)
}

func byMAC(t *testing.T, out string) map[string]admin.Session {
	t.Helper()
	var all []admin.Session
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	by := map[string]admin.Session{}
	for _, one := range all {
		by[one.MAC.String()] = one
	}
	return by
}

// TestImpostorsBlocked: who says that the router's address is his, and who takes the address with which another has logged
// in, are shut out where the zone wants it, and they alone.
func TestImpostorsBlocked(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", s.settings(`spoofing = "block"`))
	p := s.start(t)
	rogue, honest := s.guest(t), s.guest(t)
	for _, g := range []*venue.Guest{rogue, honest} {
		if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
			t.Fatalf("login: %d %v", at.Status, err)
		}
	}
	st, err := s.AddStation(t.Context(), lab.StationOptions{Static: []netip.Prefix{netip.PrefixFrom(honest.Addr4, 20)},
		Routers: []netip.Addr{netip.MustParseAddr(lab.GuestGateway4)}})
	if err != nil {
		t.Fatal(err)
	}
	thief := (&venue.Venue{Lab: s.Lab}).GuestAt(st)
	blocked := func(who *venue.Guest, stir func()) {
		t.Helper()
		err := lab.WaitFor(t.Context(), 20*time.Second, func() error {
			stir()
			out, err := s.cli(t, "block", "list")
			if err == nil && !strings.Contains(out, who.MAC.String()+"  blocked  -        spoofing") {
				err = fmt.Errorf("not blocked:\n%s", out)
			}
			if strings.Contains(out, honest.MAC.String()) {
				t.Fatalf("the honest one is treated:\n%s", out)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
	}
	neighbour := 100
	blocked(thief, func() {
		for _, g := range []*venue.Guest{thief, honest} { // looking for neighbours, both say who they are
			neighbour++
			if err := say(t, g, "", fmt.Sprintf("192.168.70.%d:9", neighbour%200)); err != nil {
				t.Fatal(err)
			}
		}
	})
	s.ip(t, "link", "set", thief.Port, "down")
	answered(t, honest, http.StatusNoContent)

	blocked(rogue, func() { claimRouter(t, rogue) })
	reachesNothing(t, rogue)
	answered(t, honest, http.StatusNoContent)
	if _, err := s.cli(t, "unblock", "guests/"+rogue.MAC.String()); err != nil {
		t.Error(err)
	}
	answered(t, rogue, http.StatusFound)
}

// claimRouter makes a station look for a neighbour as if it were the router: it says that the router's address is its own.
func claimRouter(t *testing.T, g *venue.Guest) {
	t.Helper()
	from := lab.GuestGateway4 + "/24"
	ip := func(do string) error {
		_, err := g.Run(t.Context(), "ip", "addr", do, from, "dev", lab.PeerInterface)
		return err
	}
	if err := ip("add"); err != nil {
		t.Fatal(err)
	}
	err := say(t, g, lab.GuestGateway4, "192.168.77.251:9")
	if err := errors.Join(err, ip("del")); err != nil {
		t.Fatal(err)
	}
}

// say sends a datagram, from an address if one is given.
func say(t *testing.T, g *venue.Guest, from, to string) error {
	t.Helper()
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
	}
	return g.Do(func() error {
		c, err := d.DialContext(t.Context(), "udp", to)
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("who is there?"))
		return errors.Join(err, c.Close())
	})
}

// TestCopiedMAC: what a copy of his MAC address says in a guest's name does not cut him. While both use it, he is made to
// log in again, once.
func TestCopiedMAC(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", s.settings(`spoofing = "captive"`))
	p := s.start(t)
	guest := s.guest(t)
	if at, err := guest.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	stations := func(want string, stir func()) string {
		t.Helper()
		var out string
		err := lab.WaitFor(t.Context(), 15*time.Second, func() (err error) {
			stir()
			if out, err = s.cli(t, "stations"); err == nil && !strings.Contains(out, want) {
				err = fmt.Errorf("%q is not in\n%s", want, out)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		return out
	}

	// While one of them talks the bridge sends him what is for the other, so only one is there where it matters.
	cable := func(g *venue.Guest, state string) { s.ip(t, "link", "set", g.Port, state) }
	cable(guest, "down")
	twin := s.guestWith(t, guest.MAC.String())
	stations("as-router", func() { claimRouter(t, twin) })
	cable(twin, "down")
	cable(guest, "up")
	until := time.Now().Add(3 * time.Second) // it would be judged within two
	for time.Now().Before(until) {
		answered(t, guest, http.StatusNoContent)
	}
	if out := stations("as-router", func() {}); strings.Contains(out, "suspended") {
		t.Errorf("cut on the word of another:\n%s", out)
	}

	byTurns := func() {
		for range 3 {
			for _, g := range []*venue.Guest{guest, twin} {
				if err := say(t, g, "", lab.WebAddr4+":9"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	cable(twin, "up")
	stations("suspended by spoofing", byTurns)
	cable(twin, "down")
	answered(t, guest, http.StatusFound)
	if at, err := guest.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Errorf("logging in again: %d %v", at.Status, err)
	}
	cable(twin, "up")
	byTurns()
	cable(twin, "down")
	answered(t, guest, http.StatusNoContent)
}
