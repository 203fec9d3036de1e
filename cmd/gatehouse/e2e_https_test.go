package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/browser"
)

// TestBrowserOverHTTPS walks through a portal that has a name and a certificate: caught on plain HTTP, led to where a password may be
// typed, online, and out again. The browser knows the authority and checks the certificate like any other. Once it has expired, and
// once it is gone, the portal is there as before, without a field for passwords; and with one where the house allows them in the clear.
func TestBrowserOverHTTPS(t *testing.T) {
	t.Parallel()
	s := newSecureSite(t, time.Now().Add(24*time.Hour), "", "")
	browser.Require(t)
	s.reword(t, `["click"]`, `["password", "voucher"]`)
	p := s.start(t)
	out, err := s.cli(t, "account", "add", "ann", "--generate")
	_, password, ok := strings.Cut(strings.TrimSpace(out), "password: ")
	if err != nil || !ok {
		t.Fatalf("account add: %v\n%s", err, out)
	}
	phone := func(t *testing.T, o browser.Options) *browser.Browser {
		t.Helper()
		o.Host, o.Authority, o.Resolver = s.guest(t).Host, s.CAFile, lab.GuestGateway4
		return browser.Open(t, o)
	}
	for _, o := range []browser.Options{{}, {NoScript: true, Language: "ar", Dark: true}} {
		t.Run(fmt.Sprintf("script=%t,%s", !o.NoScript, o.Language), func(t *testing.T) {
			b := phone(t, o)
			b.Go(probe)
			b.See(logIn)
			if got := b.Address(); !strings.HasPrefix(got, portalHome+"/?u=") {
				t.Errorf("the probe leads to %s", got)
			}
			b.WantLight(maxPage)
			b.Check("1-login")
			b.Fill("#username", "ann")
			b.Fill("#password", "wrong")
			b.Click(logIn)
			b.See("#problem")
			b.Check("2-error")
			b.Fill("#password", password)
			b.Click(logIn)
			b.See(logOut)
			if got := b.Address(); !strings.HasPrefix(got, portalHome+"/status") {
				t.Errorf("the login leads to %s", got)
			}
			b.Check("3-status")
			b.Go("http://" + lab.WebAddr4 + "/echo")
			b.WantText("body", lab.GatewayWAN4)
			b.Go(portalHome) // by its name, which the router's resolver tells
			b.Click(logOut)
			b.WantPath("/logged-out")
			b.Check("4-logged-out")
			b.Go(probe)
			b.See(logIn)
		})
	}

	b := phone(t, browser.Options{})
	withoutPassword := func(name string) {
		t.Helper()
		b.Go(probe)
		b.See("#voucher")
		if got := b.Address(); !strings.HasPrefix(got, "http://"+lab.GuestGateway4+":2080/?u=") {
			t.Errorf("%s: the probe leads to %s", name, got)
		}
		b.Gone("#password")
		b.WantText(".note", "not encrypted")
		b.WantLight(maxPage)
		b.Check(name)
	}
	s.certify(t, time.Now().Add(-time.Minute), portalName)
	s.says(t, p, "the portal is plain HTTP")
	withoutPassword("5-expired")
	by := s.guest(t) // somebody who sends the form all the same
	sheet, err := by.Sheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := by.Submit(t.Context(), sheet, "voucher", url.Values{"method": {"password"}, "username": {"ann"}, "password": {password}})
	if err != nil || !strings.Contains(at.Body, "not encrypted") {
		t.Errorf("a password in the clear: %d %v\n%s", at.Status, err, at.Body)
	}
	answered(t, by, http.StatusFound)

	for _, name := range []string{"portal.pem", "portal.key"} {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
	p = s.start(t)
	withoutPassword("6-none")
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
	s.reword(t, `terms = `, "allow_cleartext = true\nterms = ")
	s.start(t)
	b.Go(probe)
	b.Fill("#username", "ann")
	b.Fill("#password", password)
	b.Click(logIn)
	b.See(logOut)
}

// reword puts something else into the configuration, for the next start.
func (s *site) reword(t *testing.T, from, to string) {
	t.Helper()
	text := s.text(t)
	if !strings.Contains(text, from) {
		t.Fatalf("the configuration does not say %s:\n%s", from, text)
	}
	s.write(t, "gatehouse.toml", strings.Replace(text, from, to, 1))
}

// text is the configuration.
func (s *site) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
