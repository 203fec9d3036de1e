package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/lab"
	"gatehouse/lab/browser"
	"gatehouse/lab/venue"
)

// maxPage is DESIGN §6: what a guest's phone loads before he can log in.
const maxPage = 30_000

// probe is what a phone asks for first.
const probe = "http://" + lab.WebAddr4 + "/generate_204"

// TestBrowser walks through the portal by clicks: caught, a wrong password, the right one, the internet, and out again.
func TestBrowser(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{})
	addAccount(t, v, "ann", "correct horse")
	for _, o := range []browser.Options{
		{},
		{Dark: true, NoScript: true, Language: "ar"},
		{Width: 1280, Height: 800, NoScript: true},
		{Width: 1280, Height: 800, Dark: true},
	} {
		t.Run(fmt.Sprintf("%dx%d,dark=%t,script=%t", o.Width, o.Height, o.Dark, !o.NoScript), func(t *testing.T) {
			o.Host = newGuest(t, v).Host
			b := browser.Open(t, o)
			b.Go(probe)
			b.See(logIn)
			b.WantLight(maxPage)
			b.Check("1-login")
			b.Fill("#username", "ann")
			b.Fill("#password", "wrong")
			b.Click(logIn)
			b.See("#problem")
			b.Check("2-error")
			b.Fill("#password", "correct horse") // the user name is still there
			b.Click(logIn)
			b.See(logOut)
			b.WantPath("/status")
			b.Check("3-status")
			b.Go("http://" + lab.WebAddr4 + "/echo")
			b.WantText("body", lab.GatewayWAN4)
			b.Go("http://" + lab.GuestGateway4 + ":2080/")
			b.Click(logOut)
			b.Gone(logOut)
			b.WantPath("/logged-out")
			b.Check("4-logged-out")
			b.Go(probe)
			b.See(logIn)
		})
	}
}

const (
	logIn  = "#password ~ button"
	logOut = `form[action^="/logout"] button`
)

// newGuest is a station for a browser.
func newGuest(t *testing.T, v *venue.Venue) *venue.Guest {
	t.Helper()
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestLanguageAndTheme has a guest choose a language by hand, without JavaScript and cookies, in a house with a look of its own: both
// stay with him through the terms and the login.
func TestLanguageAndTheme(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{Zone: `
methods = ["password", "click", "voucher"]
terms = "Be kind."
allow_cleartext = true
[zone.theme]
accent = "#7a1f2b"
background = "#e9eef2"
style = "` + write(t, "style.css", "h1{font-style:italic}") + `"
logo = "` + write(t, "logo.svg", drawing) + `"
[zone.theme.texts.ja.common]
go_online = "つなぐ"
`})
	b := browser.Open(t, browser.Options{Host: newGuest(t, v).Host, NoScript: true})
	b.Go(probe)
	b.See("#way-click") // one of three: folded
	b.WantLight(maxPage)
	b.Check("1-login")
	b.Click("footer summary")
	b.Check("2-languages")
	b.Click("footer button[lang=ja]")
	b.WantText("footer summary", "日本語")
	b.Click("#way-click summary")
	b.Check("3-japanese")
	b.Click(`#way-click a[href^="/terms"]`)
	b.WantPath("/terms")
	b.Check("4-terms")
	b.Click("main .button")
	b.Click("#way-click summary")
	b.WantText("#way-click button", "つなぐ")
	b.Click("#accept")
	b.Click("#way-click button")
	b.See(logOut)
	if got := b.Value("html", "lang"); got != "ja" {
		t.Errorf("after the login the language is %q", got)
	}
	b.Check("5-status")
}

// write makes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTrialByClicks: free for a while, in parts, in two languages.
func TestTrialByClicks(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{Zone: "methods = [\"trial\"]\nterms = \"Be kind.\"\n[zone.trial]\ntime = \"5m\"\n"})
	const try = `form[action^="/login"] button`
	for _, o := range []browser.Options{{}, {NoScript: true, Language: "ar"}} {
		t.Run(fmt.Sprintf("script=%t", !o.NoScript), func(t *testing.T) {
			g := newGuest(t, v)
			o.Host = g.Host
			b := browser.Open(t, o)
			b.Go(probe)
			b.See(try)
			b.WantLight(maxPage)
			b.Check("trial")
			b.Click("#accept-trial")
			b.Click(try)
			b.See(logOut)
			b.WantPath("/status")
			answered(t, g, http.StatusNoContent)
			b.Go("http://" + lab.GuestGateway4 + ":2080/status")
			b.Click(logOut)
			b.Gone(logOut)
			answered(t, g, http.StatusFound)
			b.Go(probe)
			b.Click("#accept-trial")
			b.Click(try)
			b.See(logOut) // the rest of it
		})
	}
}
