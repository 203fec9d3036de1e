package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestIsolation has two devices of an account that reach one another while both are logged in, also over a restart and with
// the daemon dead, and a stranger whom nobody reaches. The cleanup verb takes all of it away.
func TestIsolation(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: `methods = ["password", "click"]
terms = "Be kind."
allow_cleartext = true
casting = true
`})
	addAccount(t, v, "ann", "ann's secret")
	var guests [3]*venue.Guest
	for i := range guests {
		var err error
		if guests[i], err = v.AddGuest(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	phone, screen, stranger := guests[0], guests[1], guests[2]
	for _, g := range []*venue.Guest{phone, screen} {
		if p, err := g.Password(t.Context(), "ann", "ann's secret"); err != nil || p.Status != http.StatusOK {
			t.Fatalf("logging in: %d %v", p.Status, err)
		}
	}
	if p, err := stranger.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	want := func(what string, meet bool) {
		t.Helper()
		for _, addr := range []string{screen.Addr4.String(), screen.Addr6.String()} {
			if err := phone.Ping(t.Context(), addr); (err == nil) != meet {
				t.Errorf("%s: the phone's ping of the screen: %v", what, err)
			}
			if err := stranger.Ping(t.Context(), addr); err == nil {
				t.Errorf("%s: a stranger reaches the screen", what)
			}
		}
	}
	want("logged in", true)
	status, err := v.CLI(t.Context(), "", "status")
	if err != nil || !strings.Contains(status, "isolation in guests on br-guest: table (") {
		t.Errorf("status says %v\n%s", err, status)
	}
	v.Daemon.Kill()
	want("with the daemon dead", true)
	if err := v.StartGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("after a restart", true)
	if out, err := v.CLI(t.Context(), "", "logout", screen.MAC.String()); err != nil {
		t.Fatal(out, err)
	}
	want("logged out", false)
	if err := v.Daemon.Terminate(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Gateway.Run(t.Context(), v.Gatehouse(), "cleanup"); err != nil {
		t.Fatal(err)
	}
	err = lab.WaitFor(t.Context(), 5*time.Second, func() error { return stranger.Ping(t.Context(), screen.Addr4.String()) })
	if err != nil {
		t.Errorf("after cleanup: %v", err)
	}
}
