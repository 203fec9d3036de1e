package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestTrial(t *testing.T) {
	b := start(t, nil)
	free := 15 * time.Minute
	b.manager.zone.Methods = []sessions.Method{sessions.MethodTrial}
	b.manager.zone.Trial = &sessions.Trial{Limits: sessions.Limits{SessionTimeout: &free}, PerDay: 1}
	if page := b.get("/").body; !strings.Contains(page, "Go online for 15\u00a0min") || !strings.Contains(page, `value="2026-11"`) {
		t.Errorf("the page:\n%s", page)
	}
	var got sessions.LoginRequest
	answer := error(&sessions.Refusal{Reason: sessions.RefusedTrialUsed, Until: time.Date(2026, 11, 22, 0, 0, 0, 0, time.FixedZone("venue", 3600))})
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = req
		return sessions.Session{}, answer
	}
	form := values("method", "trial", "token", b.token(), "accept-trial", "2026-11")
	if a := b.post("/login", "", form); a.status != http.StatusOK || !strings.Contains(a.body, "Next free use: Sunday 22/11 at 0:00.") {
		t.Errorf("%d %s", a.status, a.body)
	}
	answer = nil
	if a := b.post("/login", "", form); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got.Method != sessions.MethodTrial || got.AcceptedTerms != "2026-11" || got.Terms.Locale != "en" || !strings.Contains(got.Terms.Text, "considerately") {
		t.Errorf("request: %+v", got)
	}
}

// What a guest accepts with the first step of a way in holds for the last, and for no other device.
func TestTermsForAll(t *testing.T) {
	b := start(t, nil)
	b.manager.zone.TermsForAll = true
	page := b.get("/").body
	if strings.Count(page, `name="accept"`) != 2 || !strings.Contains(page, "By going online you accept the") {
		t.Errorf("not every way in asks for the terms:\n%s", page)
	}
	var got []string
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = append(got, req.AcceptedTerms+" "+req.Terms.Locale)
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedCredentials}
	}
	form := values("method", "password", "token", b.token(), "username", "anna", "password", "x")
	b.post("/login", "", form)
	form.Set("accept", "2026-11")
	b.post("/login", "", form)
	form.Del("accept")
	b.post("/login", "", form)
	b.clock.Advance(tokenLife + time.Second)
	form.Set("token", b.token())
	b.post("/login", "", form)
	if want := []string{" ", "2026-11 en", "2026-11 en", " "}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("accepted: %q, want %q", got, want)
	}
}

func TestClosed(t *testing.T) {
	b := start(t, nil)
	token := b.token()
	b.manager.opens = time.Date(2026, 11, 23, 8, 0, 0, 0, time.FixedZone("venue", 3600))
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedClosed, Until: b.manager.opens}
	}
	for name, a := range map[string]answered{
		"page": b.get("/"), "login": b.post("/login", "", values("method", "click", "token", token, "accept", "2026-11")),
	} {
		if a.status != http.StatusOK || !strings.Contains(a.body, "Monday 23/11 at 8:00.") || strings.Contains(a.body, "<input") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := b.raw("GET / HTTP/1.1\r\nHost: " + b.addr + "\r\nAccept-Language: de\r\nConnection: close\r\n\r\n"); !strings.Contains(a.body, "Montag, 23.11., 8:00 Uhr") {
		t.Errorf("in German: %s", a.body)
	}
}
