package portal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/sessions"
)

var tokenField = regexp.MustCompile(`name="token" value="([^"]*)"`)

func (b *bench) token() string {
	b.Helper()
	m := tokenField.FindStringSubmatch(b.get("/").body)
	if m == nil {
		b.Fatal("no form with a token")
	}
	return m[1]
}

func (b *bench) post(path, header string, form url.Values) answered {
	b.Helper()
	return b.raw(b.postText(path, header, form))
}

func (b *bench) postText(path, header string, form url.Values) string {
	body := form.Encode()
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n%sContent-Length: %d\r\n\r\n%s",
		path, b.addr, header, len(body), body)
}

func values(kv ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v
}

func TestLogin(t *testing.T) {
	var steps []string
	b := start(t, func(c *Config) {
		c.Step = func(p string) { steps = append(steps, p) }
		c.Forget = func(_ context.Context, f []Flow) error { steps = append(steps, "forget"); return nil }
	})
	var got sessions.LoginRequest
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = req
		steps = append(steps, "login")
		s := sessions.Session{StartedAt: sessions.Stamp{BootID: "boot", Mono: b.clock.Mono()}}
		b.manager.set(&s)
		return s, nil
	}
	b.raw("GET /generate_204 HTTP/1.1\r\nHost: www.gstatic.com\r\n\r\n")
	token := b.token()
	a := b.post("/login", "Origin: http://"+b.addr+"\r\nUser-Agent: phone\r\n", values("method", "password", "token", token,
		"username", " anna ", "password", " s3cret ", "u", "http://example.com/news?a=1&b=2"))
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/status?u=http%3A%2F%2Fexample.com%2Fnews%3Fa%3D1%26b%3D2" {
		t.Errorf("answer %d to %q", a.status, a.header.Get("Location"))
	}
	want := sessions.LoginRequest{Station: phone, Addr: netip.MustParseAddr("127.0.0.1"), Method: sessions.MethodPassword,
		Credentials: sessions.Credentials{Username: "anna", Password: " s3cret "}, PageURL: "http://" + b.addr + "/", UserAgent: "phone"}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(sessions.LoginRequest{})); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	wantSteps := []string{"login", "forget", "portal.before_answer", "portal.after_answer"}
	if s := b.get("/"); s.status != http.StatusSeeOther || s.header.Get("Location") != "/status" {
		t.Errorf("the login page of a station that is online: %d to %q", s.status, s.header.Get("Location"))
	}
	b.stop() // the last handler has returned
	if d := cmp.Diff(wantSteps, steps); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

// What comes after "portal.after_answer" cannot take the answer back.
func TestAnswerIsOutAtAfterAnswer(t *testing.T) {
	read := make(chan struct{})
	b := start(t, func(c *Config) {
		c.Step = func(p string) {
			if p == "portal.after_answer" {
				<-read
			}
		}
	})
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) { return sessions.Session{}, nil }
	request := b.postText("/login", "", values("method", "click", "token", b.token(), "accept", "2026-11"))
	a := b.over(dial(t, b.addr, "127.0.0.1"), strings.Replace(request, "Connection: close\r\n", "", 1))
	close(read)
	if a.status != http.StatusSeeOther || a.header.Get("Content-Length") != "0" {
		t.Errorf("answer %d %v", a.status, a.header)
	}
}

func TestClickThrough(t *testing.T) {
	b := start(t, nil)
	var got []sessions.LoginRequest
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = append(got, req)
		if req.AcceptedTerms == "" {
			return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedTerms}
		}
		return sessions.Session{}, nil
	}
	token := b.token()
	a := b.post("/login", "", values("method", "click", "token", token))
	if a.status != http.StatusOK || !strings.Contains(a.body, "please tick the box") {
		t.Errorf("without the box: %d %s", a.status, a.body)
	}
	a = b.post("/login", "", values("method", "click", "token", token, "accept", "2026-11", "username", "x", "password", "y"))
	if a.status != http.StatusSeeOther || len(got) != 2 || got[1].AcceptedTerms != "2026-11" || got[1].Credentials.Username != "" {
		t.Errorf("with the box: %d, requests %+v", a.status, got)
	}
}

func TestRefusals(t *testing.T) {
	b := start(t, nil)
	token := b.token()
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{&sessions.Refusal{Reason: sessions.RefusedCredentials}, 200, "User name or password is not right"},
		{fmt.Errorf("wrapped: %w", &sessions.Refusal{Reason: sessions.RefusedTooOften, RetryAfter: 41200 * time.Millisecond}), 200, "wait 42\u00a0s"},
		{&sessions.Refusal{Reason: sessions.RefusedCentreAway}, 200, "cannot be reached right now"},
		{errors.New("disk full of s3cret"), 500, "went wrong on our side"},
	} {
		b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
			return sessions.Session{}, c.err
		}
		a := b.post("/login", "Accept-Language: en\r\n", values("method", "password", "token", token, "username", `<b>"anna`,
			"password", "s3cret", "u", "http://example.com/\"><script>"))
		if a.status != c.status || !strings.Contains(a.body, c.says) || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%v: %d %s", c.err, a.status, a.body)
		}
		if !strings.Contains(a.body, `value="&lt;b&gt;&#34;anna"`) || !strings.Contains(a.body, `value="http://example.com/%22%3E%3Cscript%3E"`) {
			t.Errorf("%v: user name or target is not kept, or not escaped: %s", c.err, a.body)
		}
		if strings.Contains(a.body, "s3cret") {
			t.Errorf("%v: the password or an internal detail is on the page", c.err)
		}
	}
	b.stop()
	if l := b.log.String(); !strings.Contains(l, "disk full") || strings.Count(l, "\n") != 1 || strings.Contains(l, phone.MAC.String()) {
		t.Errorf("log: %s", l)
	}
}

// What the form says that no guest may ask for never reaches the manager, whose login is not set here and panics.
func TestFormIsChecked(t *testing.T) {
	b := start(t, nil)
	token := b.token()
	other := b.portal.tokens.issue(sessions.Station{Zone: "guest", MAC: sessions.MAC{2}}, b.clock.Mono())
	zone := b.portal.tokens.issue(sessions.Station{Zone: "staff", MAC: phone.MAC}, b.clock.Mono())
	restarted := New(Config{}).tokens.issue(phone, b.clock.Mono())
	good := func(kv ...string) url.Values {
		v := values("method", "password", "token", token, "username", "anna", "password", "s3cret")
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v
	}
	const again, wrong, method = "Please try again", "User name or password is not right", "not offered here"
	for name, c := range map[string]struct {
		header string
		form   url.Values
		status int
		says   string
	}{
		"no token":             {"", good("token", ""), 200, again},
		"garbled token":        {"", good("token", "AAAA"+token[4:]), 200, again},
		"another's token":      {"", good("token", other), 200, again},
		"another zone's token": {"", good("token", zone), 200, again},
		"token from before":    {"", good("token", restarted), 200, again},
		"another origin":       {"Origin: http://evil.example\r\n", good(), 403, again},
		"opaque origin":        {"Origin: null\r\n", good(), 403, again},
		"cross-site":           {"Sec-Fetch-Site: cross-site\r\n", good(), 403, again},
		"method admin":         {"", good("method", "admin"), 200, method},
		"method resume":        {"", good("method", "resume"), 200, method},
		"no method":            {"", good("method", ""), 200, method},
		"no user name":         {"", good("username", "  "), 200, wrong},
		"no password":          {"", good("password", ""), 200, wrong},
		"long user name":       {"", good("username", strings.Repeat("a", 254)), 200, wrong},
		"long password":        {"", good("password", strings.Repeat("a", 1025)), 200, wrong},
		"NUL in the user name": {"", good("username", "an\x00na"), 200, wrong},
		"not UTF-8":            {"", good("username", "an\xffna"), 200, wrong},
		"too large":            {"", good("password", strings.Repeat("a", 17<<10)), 400, again},
	} {
		a := b.post("/login", c.header, c.form)
		if a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %.2000s", name, a.status, a.body)
		}
		if u := c.form.Get("username"); u == "anna" && c.status != 400 && !strings.Contains(a.body, `value="anna"`) {
			t.Errorf("%s: the user name is not kept", name)
		}
	}
	if a := b.raw("POST /login?token=" + token + "&method=click HTTP/1.1\r\nHost: " + b.addr + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"); a.status != 200 || !strings.Contains(a.body, again) {
		t.Errorf("a form in the address: %d", a.status)
	}
	b.clock.Advance(tokenLife + time.Second)
	if a := b.post("/login", "", good()); !strings.Contains(a.body, again) {
		t.Errorf("old token: %d %s", a.status, a.body)
	}
}

func TestPasswordNeedsCleartextAllowed(t *testing.T) {
	b := start(t, nil)
	b.manager.zone.AllowCleartext = false
	a := b.get("/")
	if strings.Contains(a.body, `type="password"`) || !strings.Contains(a.body, "not encrypted") || !strings.Contains(a.body, `value="click"`) {
		t.Errorf("login page over plain HTTP: %s", a.body)
	}
	if !b.manager.zone.Offers(sessions.MethodPassword) {
		t.Error("showing the page changed the zone")
	}
}

func TestForget(t *testing.T) {
	forgotten := make(chan []Flow, 4)
	fail := errors.New("netlink is tired")
	b := start(t, func(c *Config) { c.Forget = func(_ context.Context, f []Flow) error { forgotten <- f; return fail } })
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) { return sessions.Session{}, nil }
	var want []netip.AddrPort
	for i := range maxFlows + 3 {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		if b.over(c, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"); i >= 3 {
			want = append(want, netip.MustParseAddrPort(c.LocalAddr().String()))
		}
		c.Close()
	}
	click := values("method", "click", "token", b.token(), "accept", "2026-11")
	if a := b.post("/login", "", click); a.status != http.StatusSeeOther {
		t.Errorf("a login fails with Forget: %d", a.status)
	}
	var got []netip.AddrPort
	for _, f := range <-forgotten {
		if got = append(got, f.Client); f.Portal.String() != b.addr {
			t.Errorf("portal's end is %s", f.Portal)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("forgotten %v, want the last %d: %v", got, maxFlows, want)
	}
	if a := b.post("/login", "", click); a.status != http.StatusSeeOther || len(forgotten) != 0 {
		t.Errorf("a second time: %d, forgets %d more", a.status, len(forgotten))
	}
	b.raw("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	b.clock.Advance(flowLife + time.Second)
	if a := b.post("/login", "", click); a.status != http.StatusSeeOther || len(forgotten) != 0 {
		t.Errorf("long after: %d, forgets %d more", a.status, len(forgotten))
	}
}

func TestFlowsAreBounded(t *testing.T) {
	var f flows
	for i := range 3 * maxStations {
		f.add(sessions.Station{MAC: sessions.MAC{0, 0, 0, 0, byte(i >> 8), byte(i)}}, Flow{}, time.Duration(i)*time.Millisecond)
	}
	if len(f.by) > maxStations {
		t.Errorf("%d stations are remembered", len(f.by))
	}
	except := netip.MustParseAddrPort("192.0.2.7:1234")
	f.add(phone, Flow{Client: except}, 0)
	f.add(phone, Flow{Client: netip.MustParseAddrPort("192.0.2.7:1235")}, 0)
	if got := f.take(phone, except, 0); len(got) != 1 || got[0].Client == except {
		t.Errorf("take = %v", got)
	}
}

func TestLogout(t *testing.T) {
	var steps []string
	b := start(t, func(c *Config) { c.Step = func(p string) { steps = append(steps, p) } })
	session := &sessions.Session{Username: "<anna>", Source: sessions.SourceLocal}
	b.raw("GET /%3Cb%3E HTTP/1.1\r\nHost: example.com\r\n\r\n")
	b.raw("GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n")
	b.manager.set(session)
	page := b.get("/status?u=" + url.QueryEscape("http://example.com/<b>"))
	if page.status != http.StatusOK || !strings.Contains(page.body, "&lt;anna&gt;") || !strings.Contains(page.body, `href="http://example.com/%3Cb%3E"`) {
		t.Errorf("status page: %d %s", page.status, page.body)
	}
	for _, to := range []string{"http://captive.apple.com/hotspot-detect.html", "http://evil.example/"} {
		if p := b.get("/status?u=" + url.QueryEscape(to)); p.status != http.StatusOK || strings.Contains(p.body, "Continue to") {
			t.Errorf("the status page offers a link to %s", to)
		}
	}
	form := values("token", tokenField.FindStringSubmatch(page.body)[1])
	if a := b.post("/logout", "", values()); a.status != http.StatusSeeOther || a.header.Get("Location") != "/status" {
		t.Errorf("without a token: %d to %q", a.status, a.header.Get("Location"))
	}
	b.manager.logout = func(context.Context, sessions.Station, sessions.TerminateCause) (sessions.Session, error) {
		return sessions.Session{}, errors.New("journal is away")
	}
	if a := b.post("/logout", "", form); a.status != 500 || !strings.Contains(a.body, "went wrong on our side") {
		t.Errorf("a logout that failed: %d %s", a.status, a.body)
	}
	b.manager.logout = func(_ context.Context, st sessions.Station, c sessions.TerminateCause) (sessions.Session, error) {
		if st != phone || c != sessions.UserRequest {
			t.Errorf("Logout(%v, %s)", st, c)
		}
		if b.manager.View(st).Session == nil {
			return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedNotLoggedIn}
		}
		b.manager.set(nil)
		return *session, nil
	}
	for range 2 { // the second tap of a double tap finds nothing to end
		if a := b.post("/logout", "", form); a.status != http.StatusSeeOther || a.header.Get("Location") != "/logged-out" {
			t.Errorf("logout: %d to %q", a.status, a.header.Get("Location"))
		}
	}
	if a := b.get("/logged-out"); a.status != http.StatusOK || !strings.Contains(a.body, "You are logged out") {
		t.Errorf("logged-out page: %d", a.status)
	}
	if a := b.get("/status"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Errorf("status of a captive station: %d to %q", a.status, a.header.Get("Location"))
	}
	b.stop()
	if want := []string{"portal.before_answer", "portal.after_answer", "portal.before_answer", "portal.after_answer"}; !slices.Equal(steps, want) {
		t.Errorf("steps %v", steps)
	}
}

func TestOwnPages(t *testing.T) {
	b := start(t, nil)
	for _, path := range []string{"/", "/login", "/terms", "/logged-out"} {
		a := b.raw("GET " + path + " HTTP/1.1\r\nHost: " + b.addr + "\r\nAccept-Language: de-CH\r\nConnection: close\r\n\r\n")
		if a.status != http.StatusOK || !strings.Contains(a.body, `lang="de"`) || !strings.Contains(a.body, "Hotel Seeblick") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		h := a.header
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Set-Cookie") != "" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
			t.Errorf("%s: header %v", path, h)
		}
		head := b.raw("HEAD " + path + " HTTP/1.1\r\nHost: " + b.addr + "\r\nConnection: close\r\n\r\n")
		if head.status != http.StatusOK || head.body != "" {
			t.Errorf("HEAD %s: %d %q", path, head.status, head.body)
		}
	}
	for request, want := range map[string]int{"GET /favicon.ico": 404, "DELETE /": 405, "PUT /login": 405, "DELETE /logout": 405} {
		if a := b.raw(request + " HTTP/1.1\r\nHost: " + b.addr + "\r\nConnection: close\r\n\r\n"); a.status != want {
			t.Errorf("%s: %d, want %d", request, a.status, want)
		}
	}
}

// The answer to a form has the form's address. A browser that loads it again asks with GET, as telephones do with tabs that they
// have put aside.
func TestAnswersLoadedAgain(t *testing.T) {
	b := start(t, func(c *Config) { c.WISPr = map[string]WISPr{"guest": {}} })
	for _, page := range b.portal.pages() {
		path, isForm := strings.CutPrefix(page.pattern, "POST ")
		if a := b.get(path); isForm && a.status >= http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := b.get("/logout?u=http%3A%2F%2Fwww.example.com%2F&lang=de"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/?lang=de&u=http%3A%2F%2Fwww.example.com%2F" {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}
