package main

import (
	"fmt"
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
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{})
	addAccount(t, v, "ann", "correct horse")
	for _, o := range []browser.Options{
		{},
		{Dark: true, NoScript: true},
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
			b.WantText("#problem", "password")
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
	logOut = `form[action="/logout"] button`
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
