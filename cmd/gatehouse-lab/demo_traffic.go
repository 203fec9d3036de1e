package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// accounted compares what is accounted to A with what was captured on the WAN side while A used it.
func (d *stage) accounted(ctx context.Context) error {
	d.scene("What A uses is accounted to the octet")
	// A new session, so that all of it is captured.
	if _, err := d.CLI(ctx, "", "logout", d.a.MAC.String()); err != nil {
		return err
	}
	wire, err := d.Gateway.Capture(ctx, lab.WANInterface, ofWeb)
	if err != nil {
		return err
	}
	if _, err := d.a.Password(ctx, "ann", "ann's secret"); err != nil {
		return err
	}
	for _, host := range []string{lab.WebAddr4, "[" + lab.WebAddr6 + "]"} {
		if _, err := d.a.Get(ctx, "http://"+host+"/bytes?n=800000"); err != nil {
			return err
		}
		resp, err := d.a.HTTPClient().Post("http://"+host+"/sink", "application/octet-stream", strings.NewReader(strings.Repeat("x", 300000)))
		if err != nil {
			return err
		}
		resp.Body.Close()
	}
	if err := quiet(ctx, wire); err != nil {
		return err
	}
	if _, err := d.CLI(ctx, "", "logout", d.a.MAC.String()); err != nil {
		return err
	}
	packets, err := wire.Stop()
	if err != nil {
		return err
	}
	in, out := toAndFromWeb(packets)
	var row venue.Accounting
	err = lab.WaitFor(ctx, 10*time.Second, func() error {
		rows, err := d.Accounting(ctx, "session_status=inactive")
		if err != nil {
			return err
		}
		if len(rows) != 2 {
			return fmt.Errorf("%d ended sessions at the centre, want 2", len(rows))
		}
		row = rows[0]
		return nil
	})
	if err != nil {
		return err
	}
	if row.AcctInputOctets != in || row.AcctOutputOctets != out {
		return fmt.Errorf("accounted %d in and %d out, captured %d and %d", row.AcctInputOctets, row.AcctOutputOctets, in, out)
	}
	seen("octets accounted: %d from A, %d to A; captured on %s: %d and %d", row.AcctInputOctets, row.AcctOutputOctets, lab.WANInterface, in, out)
	return nil
}

// quiet waits until nothing more is on the wires, so that no packet falls between the last count and the cut.
func quiet(ctx context.Context, wires ...*lab.Capture) error {
	last, since := uint64(0), time.Now()
	return lab.WaitFor(ctx, 10*time.Second, func() error {
		n := uint64(0)
		for _, wire := range wires {
			sent, received := wire.Octets()
			n += sent + received
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < 400*time.Millisecond {
			return fmt.Errorf("the wire is not quiet")
		}
		return nil
	})
}

// ofWeb picks the packets of the web server; only guests talk to it.
func ofWeb(p lab.Packet) bool { return isWeb(p.Src) || isWeb(p.Dst) }

func isWeb(a netip.AddrPort) bool {
	return a.Addr().String() == lab.WebAddr4 || a.Addr().String() == lab.WebAddr6
}

// toAndFromWeb sums octets of IP packets sent to and received from the web server.
func toAndFromWeb(packets []lab.Packet) (in, out uint64) {
	for _, p := range packets {
		if isWeb(p.Dst) {
			in += uint64(p.Octets)
		} else {
			out += uint64(p.Octets)
		}
	}
	return in, out
}

// download streams from the internet until ctx ends or the way is cut.
func download(ctx context.Context, g *venue.Guest) (started <-chan struct{}, done <-chan struct{}) {
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		client := g.HTTPClient()
		client.Timeout = 0
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+lab.WebAddr4+"/stream?rate=500000", nil)
		if err != nil {
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		first := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			return
		}
		close(begun)
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return begun, ended
}

// lastFromWeb is when the last packet of the web server was seen.
func lastFromWeb(packets []lab.Packet) (last time.Time) {
	for _, p := range packets {
		if isWeb(p.Src) && p.At.After(last) {
			last = p.At
		}
	}
	return last
}

// firstHeldBack is when the first packet of the web server came to the gateway that did not get to the station, which
// got its last one at last. The gateway takes well under a millisecond to pass one on.
func firstHeldBack(arrived []lab.Packet, last time.Time) (first time.Time) {
	for _, p := range arrived {
		if isWeb(p.Src) && p.At.After(last.Add(time.Millisecond)) && (first.IsZero() || p.At.Before(first)) {
			first = p.At
		}
	}
	return first
}

func (d *stage) loggedOut(ctx context.Context) error {
	d.scene("A is logged out by the operator in the middle of a download")
	if _, err := d.a.Password(ctx, "ann", "ann's secret"); err != nil {
		return err
	}
	wire, err := d.a.Capture(ctx, lab.PeerInterface, ofWeb)
	if err != nil {
		return err
	}
	dctx, stop := context.WithCancel(ctx)
	started, done := download(dctx, d.a)
	defer func() { stop(); <-done }()
	select {
	case <-started:
	case <-time.After(5 * time.Second):
		return fmt.Errorf("the download does not begin")
	}
	asked := time.Now()
	if _, err := d.CLI(ctx, "", "logout", d.a.MAC.String()); err != nil {
		return err
	}
	if err := quiet(ctx, wire); err != nil {
		return err
	}
	packets, err := wire.Stop()
	if err != nil {
		return err
	}
	late := lastFromWeb(packets).Sub(asked)
	if late > 100*time.Millisecond {
		return fmt.Errorf("the last packet of the download came %v after the command was begun", late)
	}
	seen("gatehouse logout: the last packet came %.1f ms after the command was begun", late.Seconds()*1000)
	if p, err := d.a.Probe(ctx); err != nil || p.Status != http.StatusFound {
		return fmt.Errorf("after logout the probe is answered %d (%v)", p.Status, err)
	}
	seen("A's next probe is redirected again")
	return nil
}

func (d *stage) cutOnTime(ctx context.Context) error {
	d.scene("B has five seconds, and the daemon is killed meanwhile")
	wire, err := d.b.Capture(ctx, lab.PeerInterface, ofWeb)
	if err != nil {
		return err
	}
	outside, err := d.Gateway.Capture(ctx, lab.WANInterface, ofWeb)
	if err != nil {
		return err
	}
	if p, err := d.b.Password(ctx, "bob", "bob's secret"); err != nil || p.Status != http.StatusOK {
		return fmt.Errorf("bob's login: %d (%v)\n%s", p.Status, err, p.Body)
	}
	dctx, stop := context.WithCancel(ctx)
	started, done := download(dctx, d.b)
	defer func() { stop(); <-done }()
	select {
	case <-started:
	case <-time.After(5 * time.Second):
		return fmt.Errorf("the download does not begin")
	}
	d.Daemon.Kill()
	seen("kill -9 while B downloads; what remains is the kernel")
	if err := quiet(ctx, wire); err != nil {
		return err
	}
	packets, err := wire.Stop()
	if err != nil {
		return err
	}
	arrived, err := outside.Stop()
	if err != nil {
		return err
	}
	last := lastFromWeb(packets)
	held := firstHeldBack(arrived, last)
	if err := d.StartGateway(ctx); err != nil {
		return err
	}
	seen("the daemon is started again")
	return lab.WaitFor(ctx, 10*time.Second, func() error {
		rows, err := d.Accounting(ctx, "session_status=inactive")
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Username != "bob" {
			return fmt.Errorf("bob's Stop is not at the centre")
		}
		r := rows[0]
		lasted := r.AcctStopTime.Sub(r.AcctStartTime)
		late, early := last.Sub(*r.AcctStopTime), r.AcctStopTime.Sub(held)
		if r.AcctTerminateCause != "Session-Timeout" || r.AcctSessionTime != 5 || (lasted-5*time.Second).Abs() > time.Millisecond {
			return fmt.Errorf("bob's Stop: %s after %d s, from %v to %v", r.AcctTerminateCause, r.AcctSessionTime, r.AcctStartTime, r.AcctStopTime)
		}
		if late > 100*time.Millisecond || early > 100*time.Millisecond {
			return fmt.Errorf("the last packet came %v after the recorded end, the first was held back %v before it", late, early)
		}
		seen("the last packet that B got came %+.0f ms, the first held back %+.0f ms off the end of the five seconds",
			late.Seconds()*1000, -early.Seconds()*1000)
		seen("accounting: %s, %d s, %s to %s", r.AcctTerminateCause, r.AcctSessionTime,
			r.AcctStartTime.Format("15:04:05.000"), r.AcctStopTime.Format("15:04:05.000"))
		return nil
	})
}

func (d *stage) wrongPassword(ctx context.Context) error {
	d.scene("C types a wrong password")
	p, err := d.c.Password(ctx, "ann", "guess")
	if err != nil {
		return err
	}
	if !strings.Contains(p.Body, `role="alert"`) || !strings.Contains(p.Body, "password") {
		return fmt.Errorf("the page after a wrong password (%d) does not tell:\n%s", p.Status, p.Body)
	}
	seen("the page says: %s", alert(p.Body))
	if p, err = d.c.Probe(ctx); err != nil || p.Status != http.StatusFound {
		return fmt.Errorf("the next probe of C is answered %d (%v)", p.Status, err)
	}
	seen("C stays captive")
	return nil
}

// alert is the text of the page's error.
func alert(body string) string {
	_, rest, _ := strings.Cut(body, `role="alert"`)
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "<")
	return strings.TrimSpace(text)
}

func (d *stage) centreAway(ctx context.Context) error {
	d.scene("The centre is away, and comes back")
	if err := d.Centre.Terminate(); err != nil {
		return fmt.Errorf("stopping the centre: %w\n%s", err, d.Centre.Log())
	}
	p, err := d.a.Password(ctx, "ann", "ann's secret")
	if err != nil {
		return err
	}
	if !strings.HasSuffix(p.URL.Path, "/status") {
		return fmt.Errorf("with the centre away ann's login ends at %s\n%s", p.URL, p.Body)
	}
	if p, err = d.a.Probe(ctx); err != nil || p.Status != http.StatusNoContent {
		return fmt.Errorf("with the centre away ann's request is answered %d (%v)", p.Status, err)
	}
	seen("with the centre stopped ann logs in again, and is on the internet")
	if err := d.StartCentre(ctx); err != nil {
		return err
	}
	if err := d.wantAccounting(ctx, "session_status=active", func(r venue.Accounting) error {
		if r.Username != "ann" {
			return fmt.Errorf("the active session is of %q", r.Username)
		}
		seen("the centre is started: the record of %s arrived, once", r.AcctSessionID)
		return nil
	}); err != nil {
		return err
	}
	return d.onceEach(ctx)
}

// onceEach checks that every session is at the centre once, and every login transaction too.
func (d *stage) onceEach(ctx context.Context) error {
	rows, err := d.Accounting(ctx, "session_status=all")
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, r := range rows {
		ids[r.AcctSessionID] = true
	}
	txs, err := d.Transactions(ctx, "type=ui")
	if err != nil {
		return err
	}
	if len(rows) != 5 || len(ids) != 5 || len(txs) != 5 {
		return fmt.Errorf("%d rows of %d sessions and %d logins at the centre, want 5 each", len(rows), len(ids), len(txs))
	}
	seen("in all 5 logins, 5 sessions, 5 rows")
	return nil
}
