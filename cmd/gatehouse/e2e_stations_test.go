package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestStationsShown: what a station calls itself is shown, and can do no harm where it is.
func TestStationsShown(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	hostile := "<b>\x1b[31m" + strings.Repeat("x", 200)
	station, err := s.AddStation(t.Context(), lab.StationOptions{DHCP: []string{"-x", "hostname:" + hostile, "-V", "MSFT 5.0"}})
	if err != nil {
		t.Fatal(err)
	}
	var shown admin.Station
	err = lab.WaitFor(t.Context(), 10*time.Second, func() error {
		out, err := s.cli(t, "stations", "--json")
		if err != nil {
			return err
		}
		var all []admin.Station
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return err
		}
		for _, st := range all {
			if st.MAC.String() == station.MAC.String() && len(st.Addresses) > 0 {
				shown = st
				return nil
			}
		}
		return fmt.Errorf("%s is not shown:\n%s", station.MAC, out)
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Log())
	}
	if want := "_b___31m" + strings.Repeat("x", 63-len("_b___31m")); shown.Name != want || shown.Vendor != "MSFT 5.0" || len(shown.Suspicions) > 0 {
		t.Errorf("name %q, vendor %q, suspicions %q", shown.Name, shown.Vendor, shown.Suspicions)
	}
	if shown.LastSeen == nil || *shown.LastSeen > 60 {
		t.Errorf("last seen %v", shown.LastSeen)
	}
	out, err := s.cli(t, "stations")
	if err != nil || !strings.Contains(out, "ago  _b___31mxx") || strings.ContainsAny(out, "\x1b<") {
		t.Errorf("stations: %v\n%s", err, out)
	}
}

// TestResumesAtFirstDHCP: after a reboot, what the session had left begins before the station has an address again.
func TestResumesAtFirstDHCP(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t), Zone: `
methods = ["click"]
terms = "Be kind."
terms_version = "1"
session_timeout = "1h"
`})
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	first := running(t, v)
	v.Daemon.Kill()
	if _, err := v.Gateway.Run(t.Context(), v.Gatehouse(), "cleanup"); err != nil {
		t.Fatal(err)
	}
	// The router has forgotten its neighbours, and its DHCP server does not answer yet: it would make it ask for them.
	v.DNSMasq.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { v.DNSMasq.Signal(syscall.SIGCONT) })
	if _, err := v.Gateway.Run(t.Context(), "ip", "neigh", "flush", "dev", lab.GuestBridge); err != nil {
		t.Fatal(err)
	}
	v.SetDaemon(append(anotherBoot(t), v.Gatehouse(), "run"))
	start(t, v.StartGateway)
	_, _ = g.Run(t.Context(), "udhcpc", "-n", "-q", "-f", "-i", lab.PeerInterface, "-s", "/bin/true", "-t", "1", "-T", "1")
	err = lab.WaitFor(t.Context(), 10*time.Second, func() error {
		out, err := v.CLI(t.Context(), "", "sessions")
		if err == nil && !strings.Contains(out, g.MAC.String()) {
			err = fmt.Errorf("no session:\n%s", out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	second := running(t, v)
	if second.AcctMultiSessionID != first.AcctSessionID || second.MAC != first.MAC {
		t.Errorf("resumed as %+v after %+v", second, first)
	}
	known, err := v.Gateway.Run(t.Context(), "ip", "neigh", "show", "dev", lab.GuestBridge)
	if err != nil || strings.Contains(known, g.MAC.String()) {
		t.Errorf("the neighbour table knew it, which proves nothing: %v\n%s", err, known)
	}
}
