package portal

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

const (
	realBrowser = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
	appleSheet  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
	droidSheet  = "Mozilla/5.0 (Linux; Android 15; Pixel 8 Build/AP3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36"
)

// oidcBench is a portal with two providers, and what it asked for.
type oidcBench struct {
	*bench
	proofs []sessions.ProofRequest
	opened []sessions.Reach
	logins []sessions.LoginRequest
	answer error // of a login
	agent  string
}

func startOIDC(t *testing.T) *oidcBench {
	b := &oidcBench{agent: realBrowser}
	b.bench = start(t, func(c *Config) {
		c.Providers = func() []sessions.Provider {
			return []sessions.Provider{{Name: "google", Title: "Google"}, {Name: "work", Title: "R & D"}}
		}
	})
	b.manager.zone.Methods = []sessions.Method{sessions.MethodOIDC, sessions.MethodClick}
	b.manager.begin = func(req sessions.ProofRequest) (sessions.Proof, error) {
		b.proofs = append(b.proofs, req)
		return sessions.Proof{Ticket: "ghp_ticket", URL: "https://accounts.example/auth?a=1&b=2", Names: []string{"accounts.example", "centre.example"},
			ExpiresIn: 10 * time.Minute}, nil
	}
	b.manager.reach = func(r sessions.Reach) (time.Duration, error) {
		b.opened = append(b.opened, r)
		return r.For, nil
	}
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		b.logins = append(b.logins, req)
		return sessions.Session{}, b.answer
	}
	return b
}

func (b *oidcBench) press(provider string, more ...string) answered {
	form := values(append([]string{"method", "oidc", "provider", provider, "token", b.token(), "u", "http://www.example.com/x"}, more...)...).Encode()
	return b.raw("POST /oidc HTTP/1.1\r\nHost: " + b.addr + "\r\nUser-Agent: " + b.agent + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
		strconv.Itoa(len(form)) + "\r\nConnection: close\r\n\r\n" + form)
}

func TestSignIn(t *testing.T) {
	b := startOIDC(t)
	if page := b.get("/").body; !strings.Contains(page, "Continue with Google") || !strings.Contains(page, "Continue with R &amp; D") {
		t.Errorf("the page:\n%s", page)
	}
	if len(b.opened) != 0 {
		t.Error("something is open before the button")
	}
	a := b.press("google")
	if a.status != http.StatusOK || a.header.Get("Refresh") != "0;url=https://accounts.example/auth?a=1&b=2" ||
		!strings.Contains(a.body, `href="https://accounts.example/auth?a=1&amp;b=2"`) {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	want := []sessions.Reach{{Station: b.proofs[0].Station, Names: []string{"accounts.example", "centre.example"}, Ports: []uint16{443}, For: 10 * time.Minute}}
	if diff := cmp.Diff(want, b.opened); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	if p := b.proofs[0]; p.Provider != "google" || p.Method != sessions.MethodOIDC || p.ReturnURL != "http://"+b.addr+"/oidc" || p.Locale != "en" {
		t.Errorf("asked for %+v", p)
	}
	if strings.Contains(a.body, "ghp_ticket") {
		t.Error("the ticket left the router")
	}
	b.answer = &sessions.Refusal{Reason: sessions.RefusedAnswer}
	if a := b.get("/oidc?h=123"); a.status != http.StatusOK || !strings.Contains(a.body, "the answer was not right") || strings.Contains(a.body, "h=123") {
		t.Errorf("a wrong handle: %d %s", a.status, a.body)
	}
	b.answer = nil
	if a := b.get("/oidc?h=456"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/status?u=http%3A%2F%2Fwww.example.com%2Fx" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if l := b.logins[1]; l.Method != sessions.MethodOIDC || l.Proof != "ghp_ticket" || l.Code != "456" {
		t.Errorf("login %+v", l)
	}
	if a := b.get("/oidc?h=456"); !strings.Contains(a.body, "begin again") || len(b.logins) != 2 { // replayed
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestSignInFails: what comes back with bad news, late, or from nowhere.
func TestSignInFails(t *testing.T) {
	b := startOIDC(t)
	for _, step := range []struct{ path, want string }{
		{"/oidc?h=1", "taken too long"}, // nobody began
		{"/oidc?e=denied", "taken too long"},
		{"/oidc", "Continue with Google"},
	} {
		if a := b.get(step.path); a.status != http.StatusOK || !strings.Contains(a.body, step.want) {
			t.Errorf("%s: %d %s", step.path, a.status, a.body)
		}
	}
	b.press("work")
	for path, want := range map[string]string{"/oidc?e=denied": "not signed in there", "/oidc?e=failed": "answer was not right",
		"/oidc?e=elsewhere": "may not be used here", "/oidc?e=%3Cscript%3E": "answer was not right"} {
		a := b.get(path)
		if a.status != http.StatusOK || !strings.Contains(a.body, want) || strings.Contains(a.body, "<script") || !strings.Contains(a.body, "Go online") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	b.answer = sessions.ErrProofPending
	if a := b.get("/oidc?h=1"); !strings.Contains(a.body, "answer was not right") {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.clock.Advance(10 * time.Minute)
	if a := b.get("/oidc?h=1"); !strings.Contains(a.body, "taken too long") || len(b.logins) != 1 {
		t.Errorf("after the time: %d %s", a.status, a.body)
	}
	if a := b.press("evil"); a.status != http.StatusOK || len(b.proofs) != 1 {
		t.Errorf("an unknown provider: %d, %d proofs", a.status, len(b.proofs))
	}
	b.manager.reach = func(sessions.Reach) (time.Duration, error) {
		return 0, &sessions.Refusal{Reason: sessions.RefusedTooOften, RetryAfter: time.Minute}
	}
	if a := b.press("google"); a.header.Get("Refresh") != "" || !strings.Contains(a.body, "1\u00a0min") {
		t.Errorf("too often: %d %v %s", a.status, a.header, a.body)
	}
	b.manager.zone.Methods = []sessions.Method{sessions.MethodClick}
	if a := b.press("google"); a.header.Get("Refresh") != "" {
		t.Errorf("a zone without: %d %v", a.status, a.header)
	}
}

// TestSignInSheet: who is in a sign-in sheet is shown the way to the browser, and may stay.
func TestSignInSheet(t *testing.T) {
	b := startOIDC(t)
	for agent, want := range map[string]string{appleSheet: "Use Without Internet", droidSheet: "Use this network as is"} {
		b.agent = agent
		a := b.press("google")
		if a.status != http.StatusOK || !strings.Contains(a.body, want) || !strings.Contains(a.body, "http://"+b.addr+"/") || len(b.proofs) != 0 {
			t.Errorf("%s: %d %s", want, a.status, a.body)
		}
	}
	if a := b.press("google", "here", "yes"); a.header.Get("Refresh") == "" || len(b.opened) != 1 {
		t.Errorf("here all the same: %d %v", a.status, a.header)
	}
}

func TestSignInsAreBounded(t *testing.T) {
	var s signIns
	for i := range maxSignIns + 10 {
		s.keep(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}}, signIn{ticket: "t", until: time.Duration(i)})
	}
	if len(s.begun) > maxSignIns {
		t.Errorf("%d are kept", len(s.begun))
	}
	if _, ok := s.of(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, 0, 0}}, 0); ok {
		t.Error("the oldest is kept")
	}
}

// Who signs in elsewhere is led where all others are.
func TestSignInLeadsOn(t *testing.T) {
	b := startOIDC(t)
	b.portal.cfg.After = map[string]After{"guest": {Login: "https://hotel.example/welcome"}}
	b.press("google")
	if a := b.get("/oidc?h=456"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/status?go=1") {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}
