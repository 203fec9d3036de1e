package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// demo plays the main job scene by scene. Every line it prints as seen is an observation; the first that does not hold
// ends it with an error.
func demo(ctx context.Context, p programs, hold bool) error {
	begun := time.Now()
	d := &stage{}
	d.scene("A centre, a gateway and three guests")
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Central: p.central})
	if err != nil {
		return err
	}
	defer v.Close()
	d.Venue = v
	for _, scene := range []func(context.Context) error{
		d.open, d.caught, d.logsIn, d.accounted, d.loggedOut, d.cutOnTime, d.wrongPassword, d.centreAway,
	} {
		if err := scene(ctx); err != nil {
			return errors.Join(err, errors.New(d.logs()))
		}
	}
	fmt.Printf("\nEvery observation held, in %.0f s.\n", time.Since(begun).Seconds())
	if hold {
		fmt.Printf("\nThe lab stays up until you press Ctrl-C. From another shell, as root:\n  nsenter -t %d -m -n -p -- ip netns list\n", os.Getpid())
		<-ctx.Done()
	}
	return nil
}

// stage is where the demo plays.
type stage struct {
	*venue.Venue
	a, b, c *venue.Guest
	scenes  int
}

func (d *stage) scene(title string) {
	d.scenes++
	fmt.Printf("\n%d. %s\n", d.scenes, title)
}

// seen prints an observation that held.
func seen(format string, args ...any) { fmt.Printf("   ✓ "+format+"\n", args...) }

// logs are what the daemons said, for a scene that failed.
func (d *stage) logs() string {
	return "gatehouse said:\n" + d.Daemon.Log() + "\ngatehouse-central said:\n" + d.Centre.Log()
}

func (d *stage) open(ctx context.Context) (err error) {
	type object = map[string]any
	for _, call := range []struct {
		path string
		body object
	}{
		{"/aaa_profile/", object{"name": "Five seconds", "short_name": "five",
			"reply_attribute": []object{{"attribute": "Session-Timeout", "op": ":=", "value": "5"}}, "check_attribute": []object{}}},
		{"/user/", object{"username": "ann", "password": "ann's secret"}},
		{"/user/", object{"username": "bob", "password": "bob's secret", "profile": []string{"five"}}},
	} {
		if _, err := d.API(ctx, http.MethodPost, call.path, call.body, nil); err != nil {
			return err
		}
	}
	seen("the admin made ann, and bob who may stay five seconds, through the GATE API")
	for _, g := range []**venue.Guest{&d.a, &d.b, &d.c} {
		if *g, err = d.AddGuest(ctx); err != nil {
			return err
		}
	}
	seen("stations A %s, B %s, C %s have their leases, and IPv6 (A: %s)", d.a.Addr4, d.b.Addr4, d.c.Addr4, d.a.Addr6)
	return nil
}

func (d *stage) caught(ctx context.Context) error {
	d.scene("A joins and is caught")
	p, err := d.a.Probe(ctx)
	if err != nil {
		return err
	}
	if p.Status != http.StatusFound || !strings.HasPrefix(p.Location, "http://"+lab.GuestGateway4+":2080/") {
		return fmt.Errorf("probe of generate_204 answered %d, Location %q", p.Status, p.Location)
	}
	seen("GET generate_204 → %d, Location %s", p.Status, p.Location)
	if p, err = d.a.Get(ctx, "http://["+lab.WebAddr6+"]/generate_204"); err != nil {
		return err
	}
	if p.Status != http.StatusFound || !strings.HasPrefix(p.Location, "http://[") {
		return fmt.Errorf("probe over IPv6 answered %d, Location %q", p.Status, p.Location)
	}
	seen("the same over IPv6 → %d, Location %s", p.Status, p.Location)
	for _, addr := range []string{lab.WebAddr4 + ":443", "[" + lab.WebAddr6 + "]:443", "[" + lab.WebAddr6 + "]:8080"} {
		got, err := d.a.ProbeTCP(ctx, addr, 3*time.Second)
		if err != nil {
			return err
		}
		if got != lab.Refused {
			return fmt.Errorf("tcp to %s: %v, want a reset", addr, got)
		}
		seen("tcp to %s → reset", addr)
	}
	return d.adminPortClosed(ctx, "before login")
}

func (d *stage) adminPortClosed(ctx context.Context, when string) error {
	for _, addr := range []string{lab.GuestGateway4, lab.GatewayWAN4} {
		p, err := d.a.Get(ctx, "http://"+addr+"/")
		if err == nil && strings.Contains(p.Body, lab.AdminPageText) {
			return fmt.Errorf("%s the router's admin page is served to a guest at %s", when, addr)
		}
		if when == "after login" && addr == lab.GuestGateway4 && (err != nil || !strings.HasPrefix(p.Location, "http://"+lab.GuestGateway4+":2080/")) {
			return fmt.Errorf("%s a guest does not find the portal at the router's address: %d, Location %q (%v)", when, p.Status, p.Location, err)
		}
		what := "refused"
		if err == nil {
			what = fmt.Sprintf("%d, Location %s", p.Status, p.Location)
		}
		seen("the router's own port 80 at %s, %s → %s", addr, when, what)
	}
	return nil
}

func (d *stage) logsIn(ctx context.Context) error {
	d.scene("A logs in through the form")
	begun := time.Now()
	p, err := d.a.Password(ctx, "ann", "ann's secret")
	if err != nil {
		return err
	}
	if p.Status != http.StatusOK || !strings.HasSuffix(p.URL.Path, "/status") {
		return fmt.Errorf("after login: %d at %s\n%s", p.Status, p.URL, p.Body)
	}
	seen("ann is on the status page, %d ms after the probe; the centre was asked once", time.Since(begun).Milliseconds())
	for _, url := range []string{"http://" + lab.WebAddr4, "http://[" + lab.WebAddr6 + "]"} {
		if p, err = d.a.Get(ctx, url+"/generate_204"); err != nil {
			return err
		}
		if p.Status != http.StatusNoContent {
			return fmt.Errorf("the next request to %s is answered %d", url, p.Status)
		}
		seen("the next GET %s/generate_204 → %d, by the internet itself", url, p.Status)
	}
	if err := d.adminPortClosed(ctx, "after login"); err != nil {
		return err
	}
	if err := d.wantAccounting(ctx, "session_status=active", func(r venue.Accounting) error {
		if r.Username != "ann" || r.AcctStopTime != nil || r.CallingStationID != strings.ToUpper(strings.ReplaceAll(d.a.MAC.String(), ":", "-")) {
			return fmt.Errorf("active session of %q from %q", r.Username, r.CallingStationID)
		}
		seen("GET /aaa_accounting/?session_status=active shows %s of %s from %s", r.AcctSessionID, r.Username, r.CallingStationID)
		return nil
	}); err != nil {
		return err
	}
	txs, err := d.Transactions(ctx, "type=ui")
	if err != nil {
		return err
	}
	if len(txs) != 1 || txs[0].Username == nil || *txs[0].Username != "ann" {
		return fmt.Errorf("ui transactions: %+v", txs)
	}
	seen("GET /txlog_portal/?type=ui shows ann's login, %s", txs[0].Status)
	return nil
}

// wantAccounting waits until the query lists exactly one row and hands it over.
func (d *stage) wantAccounting(ctx context.Context, query string, check func(venue.Accounting) error) error {
	var rows []venue.Accounting
	err := lab.WaitFor(ctx, 10*time.Second, func() (err error) {
		if rows, err = d.Accounting(ctx, query); err == nil && len(rows) != 1 {
			err = fmt.Errorf("%d rows for %q, want 1", len(rows), query)
		}
		return err
	})
	if err != nil {
		return err
	}
	return check(rows[0])
}
