package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// inFor is a running session of which used have passed.
func (b *bench) inFor(timeout, used time.Duration) *sessions.Session {
	s := &sessions.Session{StartedAt: sessions.Stamp{BootID: "boot", Mono: b.clock.Mono()}, Used: used,
		Limits: sessions.Effective{SessionTimeout: timeout, BandwidthDown: 20e6, BandwidthUp: 2.5e6}}
	b.manager.set(s)
	return s
}

func TestExtendPauseResume(t *testing.T) {
	var called []string
	b := start(t, func(c *Config) { c.After = map[string]After{"guest": {Warn: 5 * time.Minute}} })
	b.manager.zone.MaxPause = 72 * time.Hour
	b.manager.change = func(what string) (sessions.Session, error) {
		called = append(called, what)
		if what == "pause" {
			b.manager.set(nil)
			return sessions.Session{StoppedAt: &sessions.Stamp{}}, nil
		}
		return *b.inFor(time.Hour, 0), nil
	}
	token := b.token()
	b.inFor(time.Hour, 56*time.Minute)
	b.manager.view = sessions.StationView{More: 30 * time.Minute, CanPause: true}
	page := b.get("/status").body
	for _, part := range []string{"Only 4\u00a0min left", "Get 30\u00a0min more", `name="nth" value="1"`, `action="/pause"`, "kept for 3\u00a0days",
		"↓\u00a020\u00a0Mbit/s ↑\u00a02.5\u00a0Mbit/s", `<a href="http://127.0.0.1">`, `href="/terms"`} {
		if !strings.Contains(page, part) {
			t.Errorf("the status page lacks %q", part)
		}
	}
	for _, step := range []struct{ path, to string }{{"/extend", "/status"}, {"/pause", "/"}, {"/resume", "/status"}} {
		if a := b.post(step.path, "Origin: http://"+b.addr+"\r\n", values("token", token, "nth", "1")); a.status != http.StatusSeeOther || a.header.Get("Location") != step.to {
			t.Errorf("%s: %d to %q", step.path, a.status, a.header.Get("Location"))
		}
	}
	if d := cmp.Diff([]string{"extend 1", "pause", "resume"}, called); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	called = nil
	for name, form := range map[string]url.Values{
		"no token": values("nth", "1"), "no number": values("token", token), "words": values("token", token, "nth", "one"),
	} {
		if a := b.post("/extend", "", form); a.status != http.StatusOK || !strings.Contains(a.body, "This page was open for a while") {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := b.post("/pause", "Origin: http://evil.example\r\n", values("token", token)); a.status != http.StatusForbidden {
		t.Errorf("another site pauses a session: %d", a.status)
	}
	if called != nil {
		t.Errorf("forms that are none called %v", called)
	}
	b.manager.change = func(string) (sessions.Session, error) {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedElapsed}
	}
	if a := b.post("/pause", "", values("token", token)); a.status != http.StatusOK || !strings.Contains(a.body, "a pause would not save any") ||
		!strings.Contains(a.body, "You are online") {
		t.Errorf("a refused pause: %d\n%s", a.status, a.body)
	}
}

func TestWhatWasBefore(t *testing.T) {
	b := start(t, nil)
	for name, v := range map[string]struct {
		view  sessions.StationView
		parts []string
	}{
		"time": {sessions.StationView{More: time.Hour, Ended: &sessions.Session{TerminateCause: sessions.SessionTimeout, Prolonged: sessions.Prolonging{Times: 1}}},
			[]string{"Your time is used up.", "Get 1\u00a0h 0\u00a0min more", `name="nth" value="2"`, `action="/login"`}},
		"data":   {sessions.StationView{Ended: &sessions.Session{TerminateCause: sessions.NASRequest}}, []string{"Your data allowance is used up."}},
		"idle":   {sessions.StationView{Ended: &sessions.Session{TerminateCause: sessions.IdleTimeout}}, []string{"silent for a while"}},
		"kicked": {sessions.StationView{Ended: &sessions.Session{TerminateCause: sessions.AdminReset}}, []string{"ended by the house"}},
		"paused": {sessions.StationView{PauseLeft: 2 * time.Hour, Paused: &sessions.Session{Limits: sessions.Effective{SessionTimeout: time.Hour}, Used: 20 * time.Minute}},
			[]string{"40\u00a0min of your time are kept for you, for 2\u00a0h 0\u00a0min from now", `action="/resume"`, `action="/login"`}},
	} {
		b.manager.view = v.view
		page := b.get("/").body
		for _, part := range v.parts {
			if !strings.Contains(page, part) {
				t.Errorf("%s: the login page lacks %q", name, part)
			}
		}
	}
	b.manager.view = sessions.StationView{Ended: &sessions.Session{TerminateCause: sessions.UserRequest}}
	if page := b.get("/").body; strings.Contains(page, `class="before"`) {
		t.Error("who logged out is told why he is not online")
	}
}

// TestWhereTheLoginLeads: nowhere that the gateway has not caught the guest on the way to, whatever the address or the form says.
func TestWhereTheLoginLeads(t *testing.T) {
	const news = "http://news.example/today?page=2"
	for name, v := range map[string]struct {
		after string
		u     string
		want  string // of the Refresh header; empty: none
	}{
		"status":                      {"", news, ""},
		"page of the house":           {"https://hotel.example/welcome", news, "0;url=https://hotel.example/welcome"},
		"page of the house, no u":     {"https://hotel.example/welcome", "", "0;url=https://hotel.example/welcome"},
		"original":                    {AfterOriginal, news, "0;url=" + news},
		"original, none":              {AfterOriginal, "", ""},
		"original, of somebody else":  {AfterOriginal, "http://evil.example/", ""},
		"original, a probe":           {AfterOriginal, "http://captive.apple.com/hotspot-detect.html", ""},
		"original, no page":           {AfterOriginal, "javascript:alert(1)", ""},
		"original, and a header more": {AfterOriginal, news + "\r\nX-Evil: 1", ""},
	} {
		b := start(t, func(c *Config) { c.After = map[string]After{"guest": {Login: v.after}} })
		b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) { return *b.inFor(0, 0), nil }
		b.raw("GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n")
		b.raw("GET /today?page=2 HTTP/1.1\r\nHost: news.example\r\n\r\n")
		for i := range maxWanted - 2 { // apps in the background
			b.raw("GET /" + strings.Repeat("a", i) + " HTTP/1.1\r\nHost: app.example\r\n\r\n")
		}
		a := b.post("/login", "", values("method", "click", "token", b.token(), "accept", "2026-11", "u", v.u))
		to := a.header.Get("Location")
		if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/status") {
			t.Fatalf("%s: %d to %q", name, a.status, to)
		}
		page := b.get(to)
		if got := page.header.Get("Refresh"); page.status != http.StatusOK || got != v.want {
			t.Errorf("%s: %d, goes on to %q, want %q", name, page.status, got, v.want)
		}
		if again := b.get("/status").header.Get("Refresh"); again != "" {
			t.Errorf("%s: the status page leads on to %q for ever", name, again)
		}
		b.stop()
	}
}

func TestLiveStatusPage(t *testing.T) {
	b := start(t, nil)
	b.inFor(time.Hour, 0)
	if a := b.get("/status"); a.header.Get("Refresh") != "" || !strings.Contains(a.body, `href="/status?live=1"`) {
		t.Errorf("the page loads itself again unasked, or cannot be asked: %q", a.header.Get("Refresh"))
	}
	if a := b.get("/status?live=1"); a.header.Get("Refresh") != "60" || !strings.Contains(a.body, "Stop updating this page") {
		t.Errorf("asked to keep itself up to date: %q", a.header.Get("Refresh"))
	}
}

func TestWantedIsBounded(t *testing.T) {
	w := newWanted()
	for i := range maxStations + 100 {
		w.add(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}}, "http://example.com/")
	}
	for i := range 100 {
		w.add(phone, "http://example.com/"+strings.Repeat("a", i))
	}
	if len(w.by) > maxStations || len(w.by[phone]) != maxWanted {
		t.Errorf("%d stations, %d addresses of one", len(w.by), len(w.by[phone]))
	}
}

func TestPasswordPage(t *testing.T) {
	b := start(t, nil)
	var got []string
	fail := sessions.Reason("")
	b.manager.renew = func(passwords string) error {
		got = append(got, passwords)
		if fail != "" {
			return &sessions.Refusal{Reason: fail}
		}
		return nil
	}
	token := b.token()
	if a := b.get("/password"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Errorf("without a session: %d to %q", a.status, a.header.Get("Location"))
	}
	s := b.inFor(0, 0)
	if page := b.get("/status").body; strings.Contains(page, "/password") {
		t.Error("nobody's session offers to change a password")
	}
	s.Source, s.Username = sessions.SourceLocal, "anna"
	if page := b.get("/status").body; !strings.Contains(page, `href="/password"`) {
		t.Error("the status page does not lead to the password")
	}
	if page := b.get("/password").body; !strings.Contains(page, `name="old"`) || !strings.Contains(page, `autocomplete="new-password"`) {
		t.Errorf("the page:\n%s", page)
	}
	form := values("token", token, "old", "present 1", "new", "changed 1")
	if a := b.post("/password", "", form); a.status != http.StatusSeeOther || a.header.Get("Location") != "/password?changed=1" {
		t.Errorf("changed: %d to %q", a.status, a.header.Get("Location"))
	}
	if page := b.get("/password?changed=1").body; !strings.Contains(page, "Your password is changed") {
		t.Errorf("the page after:\n%s", page)
	}
	fail = sessions.RefusedCredentials
	a := b.post("/password", "", form)
	if a.status != http.StatusOK || !strings.Contains(a.body, "Your present password is not right") || strings.Contains(a.body, "present 1") {
		t.Errorf("a wrong one: %d\n%s", a.status, a.body)
	}
	form.Set("token", "made up")
	b.post("/password", "", form)
	if d := cmp.Diff([]string{"false present 1 changed 1", "false present 1 changed 1"}, got); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	b.manager.zone.AllowCleartext = false
	if a := b.get("/password"); a.status != http.StatusSeeOther {
		t.Errorf("asks for passwords in the clear: %d", a.status)
	}
	if strings.Contains(b.log.String(), "present 1") {
		t.Error("a password is in the log")
	}
}

// A router keeps universal time; its guests look at the clock on the wall.
func TestTimeOfTheVenue(t *testing.T) {
	b := start(t, func(c *Config) { c.TimeZone = time.FixedZone("", 2*60*60) })
	b.inFor(time.Hour, 0)
	if page := b.get("/status").body; !strings.Contains(page, `<time datetime="2026-11-21T21:00:00+02:00">21:00:00</time>`) {
		t.Errorf("not the venue's time in\n%s", page)
	}
}

// What the page and the API say of a balance is what the sessions say, also where the lease has less for now.
func TestBalanceIsTold(t *testing.T) {
	b := startSecure(t)
	b.inFor(time.Hour, 0) // what is lent
	balance := &sessions.Balance{Left: 11 * time.Hour, Told: time.Date(2026, 11, 21, 18, 5, 0, 0, time.UTC)}
	for _, step := range []struct {
		left         time.Duration
		away         bool
		api          string
		says, leaves []string
	}{
		{10 * time.Hour, false, `"seconds-remaining":36000`, []string{"<bdi>10\u00a0h 0\u00a0min</bdi>", "Time balance", "<bdi>11\u00a0h 0\u00a0min</bdi>"}, []string{"cannot be looked up", "<small>"}},
		{time.Hour, true, `"seconds-remaining":3600`, []string{"cannot be looked up at the moment. You stay online for 1\u00a0h 0\u00a0min", "<bdi>11\u00a0h 0\u00a0min</bdi>", "As of Saturday 21/11 at 18:05"}, nil},
	} {
		balance.Away = step.away
		b.manager.view = sessions.StationView{Limited: true, Left: step.left, Balance: balance}
		if got := b.ask("").body; !strings.Contains(got, step.api) {
			t.Errorf("the API says %s", got)
		}
		page := b.get("/status").body
		for _, part := range step.says {
			if !strings.Contains(page, part) {
				t.Errorf("the page lacks %q", part)
			}
		}
		for _, part := range step.leaves {
			if strings.Contains(page, part) {
				t.Errorf("the page has %q", part)
			}
		}
	}
}

// Somebody online types a voucher: the form is that of a login, and what is refused is told on the page that he was on.
func TestVoucherOnline(t *testing.T) {
	b, got, say := voucherBench(t)
	token, code := b.token(), sessions.NewVoucherCode()
	b.inFor(0, 0)
	if page := b.get("/status").body; strings.Contains(page, "/voucher") {
		t.Error("who may stay without end is offered less")
	}
	b.inFor(time.Hour, 0)
	b.manager.zone.TermsForAll = true
	page := b.get("/status").body
	for _, part := range []string{`<details><summary>`, `action="/voucher"`, `name="accept" value="2026-11"`, "kept for later", `name="code"`} {
		if !strings.Contains(page, part) {
			t.Errorf("the status page lacks %q", part)
		}
	}
	post := func(typed string) answered {
		return b.post("/voucher", "", values("method", "voucher", "token", token, "code", typed, "accept", "2026-11"))
	}
	for typed, want := range map[string]struct {
		reason sessions.Reason
		words  string
	}{
		"nonsense": {"", "A character of this code is missing"}, string(code): {sessions.RefusedNothingLeft, "This voucher is used up"},
		code.Text(): {sessions.RefusedTooMany, "This voucher is already in use"}, strings.ToLower(code.Text()): {sessions.RefusedTooOften, "Too many attempts"},
	} {
		say(&sessions.Refusal{Reason: want.reason, RetryAfter: time.Minute})
		a := post(typed)
		if a.status != http.StatusOK || !strings.Contains(a.body, want.words) || !strings.Contains(a.body, "You are online") || !strings.Contains(a.body, `<details open>`) || !strings.Contains(a.body, `value="`+typed+`"`) {
			t.Errorf("%s: %d\n%s", want.words, a.status, a.body)
		}
	}
	if len(*got) != 3 {
		t.Errorf("%d codes were tried", len(*got))
	}
	*got = nil
	say(nil)
	if a := b.post("/voucher", "Origin: http://evil.example\r\n", values("method", "voucher", "token", token, "code", string(code))); a.status != http.StatusForbidden || len(*got) != 0 {
		t.Errorf("another site spends a voucher: %d", a.status)
	}
	if a := b.post("/voucher", "", values("method", "voucher", "code", string(code))); a.status != http.StatusOK || len(*got) != 0 {
		t.Errorf("without a form of ours: %d", a.status)
	}
	if a := post(code.Text()); a.status != http.StatusSeeOther || a.header.Get("Location") != "/status" || len(*got) != 1 || !(*got)[0].Instead || (*got)[0].AcceptedTerms != "2026-11" || (*got)[0].Code != sessions.Password(code) {
		t.Errorf("a good one: %d, %+v", a.status, *got)
	}
	b.manager.zone.Methods = []sessions.Method{sessions.MethodClick}
	if page := b.get("/status").body; strings.Contains(page, "/voucher") {
		t.Error("a zone without vouchers offers them")
	}
	b.manager.set(nil) // the session ended meanwhile
	if a := post("nonsense"); a.status != http.StatusOK || !strings.Contains(a.body, `action="/login"`) {
		t.Errorf("after the end: %d", a.status)
	}
	b.stop()
	if strings.Contains(b.log.String(), string(code)) {
		t.Error("the log has a code")
	}
}
