package portal

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gatehouse/sessions"
)

// A language that was chosen by hand goes along in every link, form and redirect, and the choice keeps where the guest is.
func TestLanguageByHand(t *testing.T) {
	b := start(t, nil)
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) { return sessions.Session{}, nil }
	a := b.get("/?lang=de&u=http%3A%2F%2Fexample.com%2Fa%3Fb%3Dc")
	for _, want := range []string{`<html lang="de"`, `action="/login?lang=de"`, `href="/terms?lang=de&amp;u=http%3A%2F%2Fexample.com%2Fa%3Fb%3Dc"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q:\n%s", want, a.body)
		}
	}
	choice := regexp.MustCompile(`(?s)<footer>.*</footer>`).FindString(a.body)
	for _, want := range []string{`<form action="/">`, `name="u" value="http://example.com/a?b=c"`, `<button name="lang" value="en" lang="en">English</button>`,
		`<button name="lang" value="de" lang="de" aria-current>Deutsch</button>`} {
		if !strings.Contains(choice, want) {
			t.Errorf("the choice of languages lacks %q:\n%s", want, choice)
		}
	}
	if strings.Contains(choice, `name="lang" value="de">`) {
		t.Errorf("the language goes along twice:\n%s", choice)
	}
	a = b.post("/login?lang=de", "", values("method", "click", "accept", "2026-11", "token", b.token(), "u", "http://example.com/"))
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != "/status?lang=de&u=http%3A%2F%2Fexample.com%2F" {
		t.Errorf("the login answers %d to %q", a.status, got)
	}
	a = b.post("/login?lang=de", "", values("method", "click", "token", "old"))
	if !strings.Contains(a.body, `<html lang="de"`) || !strings.Contains(a.body, `<form action="/">`) {
		t.Errorf("an answer to a form:\n%s", a.body)
	}
	if a := b.get("/?lang=xx"); !strings.Contains(a.body, `<html lang="en"`) || strings.Contains(a.body, "lang=xx") {
		t.Errorf("a language that nobody speaks:\n%s", a.body)
	}
}
