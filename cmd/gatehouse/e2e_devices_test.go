package main

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/browser"
)

// TestDevices: a telephone is remembered and online without a page after the daemon has died; a television goes online by the code
// that it shows; a third device gets the place of one of them. All by clicks.
func TestDevices(t *testing.T) {
	browser.Require(t)
	s := newSite(t)
	s.write(t, "gatehouse.toml", strings.Replace(s.settings(`
allow_cleartext = true
simultaneous_use = 2
remember = "30d"
add_devices = true
`), `["click"]`, `["password"]`, 1))
	p := s.start(t)
	made, err := s.cli(t, "account", "add", "anna", "--generate")
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Log())
	}
	_, password, _ := strings.Cut(made, "password: ")
	password = strings.TrimSpace(password)
	logIn := func(b *browser.Browser) {
		b.Go(probe)
		b.Fill("#username", "anna")
		b.Fill("#password", password)
	}

	phone, tv, laptop := s.guest(t), s.guest(t), s.guest(t)
	hand := browser.Open(t, browser.Options{Host: phone.Host})
	logIn(hand)
	hand.Check("remember")
	hand.WantLight(maxPage)
	hand.Click("#remember-password")
	hand.Click("#password ~ button")
	hand.See(logOut)
	if out, err := s.cli(t, "trust", "list"); err != nil || !strings.Contains(out, "remembered") || !strings.Contains(out, "anna") {
		t.Errorf("trust list: %v\n%s", err, out)
	}
	if _, err := s.cli(t, "logout", phone.MAC.String()); err != nil {
		t.Fatal(err)
	}
	answered(t, phone, http.StatusFound)
	p.Kill()
	p = s.start(t)
	answered(t, phone, http.StatusNoContent)

	screen := browser.Open(t, browser.Options{Host: tv.Host, NoScript: true, Language: "ar", Width: 1280, Height: 720})
	screen.Go(probe)
	screen.Click(`a[href^="/code"]`)
	screen.See(".pairing")
	screen.Check("television-ar")
	code := screen.Text(".pairing")
	hand.Go("http://" + lab.GuestGateway4 + ":2080/status")
	hand.Click(`a[href^="/devices"]`)
	hand.See("#which")
	hand.Check("devices")
	hand.Fill("#which", strings.ToLower(code))
	hand.Click(`form[action^="/devices/add"] button`)
	hand.WantPath("/devices")
	screen.WantPath("/status") // by itself
	answered(t, tv, http.StatusNoContent)

	third := browser.Open(t, browser.Options{Host: laptop.Host, Dark: true})
	logIn(third)
	third.Click("#password ~ button")
	third.See(`form[action^="/devices/free"] button`)
	third.Check("slots")
	third.Click(`form[action^="/devices/free"] button`)
	third.See(logOut)
	answered(t, laptop, http.StatusNoContent)
	online := map[string]admin.Session{}
	for mac, one := range s.running(t) {
		if one.Username == "anna" {
			online[mac] = one
		}
	}
	if len(online) != 2 {
		t.Errorf("anna is online with %d devices: %+v", len(online), online)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
