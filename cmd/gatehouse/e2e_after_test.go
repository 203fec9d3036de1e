package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/browser"
	"gatehouse/lab/venue"
	"gatehouse/sessions"
)

const afterZone = `methods = ["click"]
terms = "Be kind."
session_timeout = "%s"
extend = "1m"
extend_times = 1
max_pause = "1h"
`

// kept is a connection that stays open, and asks again and again.
type kept struct{ net.Conn }

func keep(t *testing.T, g *venue.Guest) kept {
	t.Helper()
	c, err := g.Dial(t.Context(), "tcp", lab.WebAddr4+":80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return kept{c}
}

func (c kept) ask(within time.Duration) error {
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, "GET /generate_204 HTTP/1.1\r\nHost: "+lab.WebAddr4+"\r\n\r\n"); err != nil {
		return err
	}
	var buf [4096]byte
	n, err := c.Read(buf[:])
	if err == nil && !strings.Contains(string(buf[:n]), " 204 ") {
		err = fmt.Errorf("answered %q", buf[:n])
	}
	return err
}

// press sends a form of the portal's page at path, and returns where that leads.
func press(t *testing.T, g *venue.Guest, path, action string) venue.Page {
	t.Helper()
	page, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+":2080"+path)
	if err == nil && page.Status == http.StatusSeeOther {
		page, err = g.Follow(t.Context(), page)
	}
	if err == nil {
		page, err = g.Submit(t.Context(), page, action, nil)
	}
	if err != nil || page.Status != http.StatusOK {
		t.Fatalf("%s: %d %v", action, page.Status, err)
	}
	return page
}

// TestExtendAndPause has a guest extend a session by one tap, and the connection of before goes on beyond its first end; pause
// it, and nothing passes and the clock stops, also while the daemon is killed; and go on with the same one tap.
func TestExtendAndPause(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: fmt.Sprintf(afterZone, "8s")})
	g := newGuest(t, v)
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("login: %d %v", p.Status, err)
	}
	first := running(t, v)
	over := time.Now().Add(9 * time.Second)
	c := keep(t, g)
	if err := c.ask(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if p, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+"/status"); err != nil || p.Status != http.StatusFound || p.Location != "http://"+lab.GuestGateway4+":2080/" {
		t.Errorf("the router's address in a browser's address line: %d to %q, %v", p.Status, p.Location, err)
	}
	press(t, g, "/status", "/extend")
	for time.Now().Before(over) {
		if err := c.ask(5 * time.Second); err != nil {
			t.Fatalf("the connection of before the extension: %v", err)
		}
		pause(t, 100*time.Millisecond)
	}
	s := running(t, v)
	if s.AcctSessionID != first.AcctSessionID || s.SessionTimeout != 68 {
		t.Errorf("extended as session %s of %d s, was %s", s.AcctSessionID, s.SessionTimeout, first.AcctSessionID)
	}
	page := press(t, g, "/status", "/pause")
	if !strings.Contains(page.Body, "of your time are kept for you") {
		t.Errorf("the page of a pause:\n%s", page.Body)
	}
	if err := c.ask(time.Second); err == nil {
		t.Error("the connection of before passes during the pause")
	}
	answered(t, g, http.StatusFound)
	left := pausedLeft(t, v, g)
	v.Daemon.Kill()
	start(t, v.StartGateway)
	answered(t, g, http.StatusFound)
	page = press(t, g, "/", "/resume")
	answered(t, g, http.StatusNoContent)
	if s = running(t, v); s.AcctMultiSessionID != first.AcctSessionID || s.AcctSessionID == first.AcctSessionID || s.SessionTimeout != left {
		t.Errorf("resumed as session %s of %s with %d s, want %d", s.AcctSessionID, s.AcctMultiSessionID, s.SessionTimeout, left)
	}
	if _, err := v.CLI(t.Context(), "", "pause", g.MAC.String()); err != nil {
		t.Fatal(err)
	}
	answered(t, g, http.StatusFound)
	if out, err := v.CLI(t.Context(), "", "pause", "--resume", g.MAC.String()); err != nil || !strings.Contains(out, "goes on") {
		t.Errorf("pause --resume: %v %s", err, out)
	}
	answered(t, g, http.StatusNoContent)

	code := regexp.MustCompile(`<bdi class="code">(\w{5})</bdi>`).FindStringSubmatch(page.Body)
	if code == nil {
		t.Fatal("no support code on the page")
	}
	out, err := v.CLI(t.Context(), "", "explain", "--json", code[1])
	var visit sessions.Visit
	if err != nil || json.Unmarshal([]byte(out), &visit) != nil {
		t.Fatalf("explain: %v %s", err, out)
	}
	var story []string
	for _, e := range visit.Events {
		if e.Kind != sessions.EventPage && e.Kind != sessions.EventRedirected && e.Kind != sessions.EventSeen {
			story = append(story, strings.TrimSpace(string(e.Kind)+" "+e.What+" "+e.Why))
		}
	}
	// What happened in the last minute before the daemon was killed is lost.
	if got := strings.Join(story, ", "); got != "admitted resume, ended User-Request Paused by the guest, admitted resume" {
		t.Errorf("explained as %q", got)
	}
}

// pausedLeft is what the paused session had left when it was stopped, in whole seconds.
func pausedLeft(t *testing.T, v *venue.Venue, g *venue.Guest) int64 {
	t.Helper()
	page, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+":2080/")
	m := regexp.MustCompile(`(\d+)\x{a0}s of your time`).FindStringSubmatch(page.Body)
	if err != nil || m == nil {
		t.Fatalf("the page of a pause: %v\n%s", err, page.Body)
	}
	var n int64
	_, _ = fmt.Sscan(m[1], &n)
	return n
}

// TestEndIsTold has a session end of its time: the page that comes back says so and offers more, by one tap.
func TestEndIsTold(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: fmt.Sprintf(afterZone, "2s") + "after_login = \"original\"\n"})
	g := newGuest(t, v)
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK || p.Header.Get("Refresh") != "" {
		t.Fatalf("login: %d %v, on to %q", p.Status, err, p.Header.Get("Refresh"))
	}
	answered(t, g, http.StatusFound)
	sheet, err := g.Sheet(t.Context())
	if err != nil || !strings.Contains(sheet.Body, "Your time is used up.") {
		t.Fatalf("the page after the end: %d to %q from %s, %v\n%s", sheet.Status, sheet.Location, sheet.URL, err, sheet.Body)
	}
	if p, err := g.Submit(t.Context(), sheet, "/extend", nil); err != nil || p.Status != http.StatusOK || !strings.Contains(p.Body, "You are online") {
		t.Fatalf("extended after the end: %d %v\n%s", p.Status, err, p.Body)
	}
	answered(t, g, http.StatusNoContent)
}

// TestOwnPassword has guests change their passwords on the portal, of an account of the gateway and of one of the centre.
func TestOwnPassword(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t)})
	addAccount(t, v, "ann", "present-1")
	if _, err := v.API(t.Context(), "POST", "/user/", map[string]any{"username": "carl", "password": "present-1"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann", "carl"} {
		g := newGuest(t, v)
		login := func(password string) venue.Page {
			t.Helper()
			p, err := g.Password(t.Context(), who, password)
			if err != nil || p.Status != http.StatusOK {
				t.Fatalf("%s: %d %v", who, p.Status, err)
			}
			return p
		}
		login("present-1")
		page, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+":2080/password")
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range []struct{ old, changed, said string }{
			{"wrong", "changed-1", "Your present password is not right"},
			{"present-1", "short", "eight characters or more"},
			{"present-1", "changed-1", "Your password is changed"},
		} {
			p, err := g.Submit(t.Context(), page, "/password", url.Values{"old": {typed.old}, "new": {typed.changed}})
			if err != nil || !strings.Contains(p.Body, typed.said) {
				t.Fatalf("%s, %s to %s: %v\n%s", who, typed.old, typed.changed, err, p.Body)
			}
		}
		if _, err := v.CLI(t.Context(), "", "logout", g.MAC.String()); err != nil {
			t.Fatal(err)
		}
		if p := login("present-1"); !strings.Contains(p.Body, "password is not right") {
			t.Errorf("%s is in by the old password", who)
		}
		if p := login("changed-1"); !strings.Contains(p.Body, "You are online") {
			t.Errorf("%s is not in by the new password:\n%s", who, p.Body)
		}
		if _, err := v.CLI(t.Context(), "", "logout", g.MAC.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBrowserAfter walks through what comes after the login by clicks.
func TestBrowserAfter(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{Zone: fmt.Sprintf(afterZone, "270s")})
	for _, o := range []browser.Options{{}, {Language: "ar", NoScript: true, Dark: true}} {
		t.Run(fmt.Sprintf("%s,script=%t", o.Language, !o.NoScript), func(t *testing.T) {
			g := newGuest(t, v)
			o.Host = g.Host
			b := browser.Open(t, o)
			b.Go(probe)
			b.Click("#accept")
			b.Click("#accept ~ label ~ button, form p ~ button")
			b.See(logOut)
			b.See(`p[role=status]`) // less than five minutes are left
			b.Check("1-warned")
			b.Click(`form[action^="/extend"] button`)
			b.Gone(`form[action^="/extend"]`)
			b.Gone(`p[role=status]`)
			b.Check("2-extended")
			b.Click(`form[action^="/pause"] button`)
			b.See(`form[action^="/resume"] button`)
			b.Check("3-paused")
			b.Go(probe) // whoever comes back later
			b.WantLight(maxPage)
			b.Click(`form[action^="/resume"] button`)
			b.See(logOut)
			b.Click(`a[href^="/status?live"]`)
			b.See(`a[href="/status"], a[href^="/status?lang"]`)
			b.Check("4-live")
			if out, err := v.CLI(t.Context(), "", "logout", g.MAC.String()); err != nil {
				t.Fatal(err, out)
			}
			b.Go(probe)
			b.See(".before")
			b.Check("5-ended-by-the-house")
		})
	}
}

// TestVoucherWhileOnline has a guest type a voucher while he is online: connections and packets do not notice, the time is the
// voucher's from then on, and a voucher that is no good changes nothing.
func TestVoucherWhileOnline(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: strings.Replace(fmt.Sprintf(afterZone, "10m"), `["click"]`, `["click", "voucher"]`, 1) + "idle_timeout = \"30m\"\n"})
	var batch admin.VoucherBatch
	out, err := v.CLI(t.Context(), "", "voucher", "create", "--count", "3", "--time", "2h", "--json")
	if err != nil || json.Unmarshal([]byte(out), &batch) != nil || len(batch.Codes) != 3 {
		t.Fatalf("voucher create: %v %s", err, out)
	}
	g := newGuest(t, v)
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("login: %d %v", p.Status, err)
	}
	first := running(t, v)
	page, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+":2080/status")
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := g.Submit(t.Context(), page, "/voucher", url.Values{"code": {sessions.NewVoucherCode().Text()}})
	if err != nil || !strings.Contains(wrong.Body, "There is no voucher with this code") || running(t, v).AcctSessionID != first.AcctSessionID {
		t.Fatalf("a code that is none: %d %v\n%s", wrong.Status, err, wrong.Body)
	}
	passed, err := v.WAN.Count(t.Context(), lab.PeerInterface, func(p lab.Packet) bool { return !p.Sent && p.Dst.Port() == 7 })
	if err != nil {
		t.Fatal(err)
	}
	stream, err := g.Dial(t.Context(), "udp", lab.WebAddr4+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	c, done, sent, loaded := keep(t, g), make(chan struct{}), make(chan uint64, 1), make(chan error, 1)
	go func() {
		for n, tick := uint64(0), time.NewTicker(2*time.Millisecond); ; n++ {
			select {
			case <-done:
				sent <- n
				return
			case <-tick.C:
				_, _ = stream.Write(make([]byte, 100))
			}
		}
	}()
	go func() { loaded <- downloading(t, g, done) }()
	if err := c.ask(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	page, err = g.Submit(t.Context(), wrong, "/voucher", url.Values{"code": {strings.ToLower(batch.Codes[0].Code)}})
	if err != nil || !strings.Contains(page.Body, "<bdi>1\u00a0h 59\u00a0min</bdi>") {
		t.Errorf("the page after the voucher: %d %v\n%s", page.Status, err, page.Body)
	}
	if err := c.ask(time.Second); err != nil {
		t.Errorf("the connection of before: %v", err)
	}
	answered(t, g, http.StatusNoContent)
	close(done)
	if err := <-loaded; err != nil {
		t.Errorf("a download of before: %v", err)
	}
	want := <-sent * (100 + 28)
	if err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
		if _, got := passed.Octets(); got != want {
			return fmt.Errorf("%d octets arrived of %d", got, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s := running(t, v)
	if s.AcctSessionID == first.AcctSessionID || s.SessionTimeout != 7200 || s.Source != sessions.SourceVoucher || s.InputOctets >= want {
		t.Errorf("the session: %+v", s)
	}
	t.Run("browser", func(t *testing.T) { voucherOnline(t, v, batch.Codes[1:]) })
	if strings.Contains(v.Daemon.Log(), batch.Codes[0].Code) {
		t.Error("the log has a code")
	}
}

// downloading reads from the internet, packet upon packet, until done.
func downloading(t *testing.T, g *venue.Guest, done <-chan struct{}) error {
	c, err := g.Dial(t.Context(), "tcp", lab.WebAddr4+":80")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /bytes?n=4000000000 HTTP/1.1\r\nHost: "+lab.WebAddr4+"\r\n\r\n"); err != nil {
		return err
	}
	buf := make([]byte, 1<<16)
	for {
		select {
		case <-done:
			return nil
		default:
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(buf); err != nil {
			return err
		}
	}
}

// voucherOnline goes by clicks, in English with scripts and in Arabic without.
func voucherOnline(t *testing.T, v *venue.Venue, codes []admin.VoucherSlip) {
	browser.Require(t)
	for i, o := range []browser.Options{{}, {Language: "ar", NoScript: true, Dark: true}} {
		o.Host = newGuest(t, v).Host
		b := browser.Open(t, o)
		b.Go(probe)
		b.Click("#way-click summary, #accept")
		b.Click("#accept ~ label ~ button, form p ~ button")
		b.See(logOut)
		b.Click("main details summary")
		b.See("#voucher ~ button")
		b.Check(fmt.Sprint(i, "-1-form"))
		b.Fill("#voucher", codes[i].Code[:13])
		b.Click("#voucher ~ button")
		b.See("#problem")
		b.See("#voucher ~ button") // open, with what was typed
		b.Check(fmt.Sprint(i, "-2-mistyped"))
		b.Fill("#voucher", codes[i].Code)
		b.Click("#voucher ~ button")
		b.Gone("#problem")
		b.WantPath("/status")
		b.See(logOut)
		b.Check(fmt.Sprint(i, "-3-done"))
	}
}
