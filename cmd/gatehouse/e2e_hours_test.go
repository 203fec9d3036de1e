package main

import (
	"encoding/json"
	"fmt"
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
)

// TestOpeningHours: who is online when the house closes is warned on his page, by the clock on the wall, and then out. Who comes later is told when it opens
// again, in his language, and gets in by none of the ways, not even with a form from before; and in the morning by the page's own button.
func TestOpeningHours(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	browser.Require(t)
	s.reword(t, `["click"]`, `["click", "password", "voucher", "trial"]`)
	s.reword(t, "masquerade", "opening_hours = [\"Mon-Sun 08:00-22:00\"]\nallow_cleartext = true\nwispr = true\nmasquerade")
	y, m, d := time.Now().UTC().Date()
	s.wallClock(t, time.Date(y, m, d, 12, 0, 0, 0, time.UTC))
	p := s.start(t)
	var batch admin.VoucherBatch
	out, err := s.cli(t, "voucher", "create", "--json")
	if err != nil || json.Unmarshal([]byte(out), &batch) != nil {
		t.Fatalf("voucher create: %v\n%s", err, out)
	}
	if out, err = s.cli(t, "account", "add", "ann", "--generate"); err != nil {
		t.Fatal(err)
	}
	_, password, _ := strings.Cut(strings.TrimSpace(out), "password: ")

	const send = "#way-click button" // the first of the ways, which is open
	inside, late := s.guest(t), s.guest(t)
	guest := browser.Open(t, browser.Options{Host: inside.Host})
	guest.Go(probe)
	guest.Click("#accept")
	guest.Click(send)
	guest.See(logOut)
	guest.Gone(`p[role=status]`)
	stranger := browser.Open(t, browser.Options{Host: s.guest(t).Host, NoScript: true, Language: "ar", Dark: true})

	again := func(wall time.Time) {
		t.Helper()
		if err := p.Terminate(); err != nil {
			t.Fatalf("stopping: %v\n%s", err, p.Log())
		}
		s.wallClock(t, wall)
		p = s.start(t)
	}
	closing := time.Date(y, m, d, 22, 0, 0, 0, time.UTC)
	again(closing.Add(-15 * time.Second))
	stranger.Go(probe)
	stranger.Click("#accept")
	sheet, err := late.Sheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	redirect, err := late.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	loginURL := regexp.MustCompile("<LoginURL>([^<]+)</LoginURL>").FindStringSubmatch(redirect.Body)
	if loginURL == nil {
		t.Fatalf("no WISPr message:\n%s", redirect.Body)
	}
	err = lab.WaitFor(t.Context(), 10*time.Second, func() error { // the gateway looks every few seconds whether the clock was put right
		guest.Go("http://" + lab.GuestGateway4 + ":2080/status")
		if said := guest.Text("main"); !strings.Contains(said, "Only") || !strings.Contains(said, "As of 21:59:") {
			return fmt.Errorf("no warning, or at another time:\n%s", said)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	guest.Check("1-warned")
	answered(t, inside, http.StatusNoContent)
	err = lab.WaitFor(t.Context(), 25*time.Second, func() error {
		if at, err := inside.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
			return fmt.Errorf("the probe of who was inside: %d %v", at.Status, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	guest.Go(probe)
	guest.WantText("main p", "8:00")
	guest.WantText("h1", "closed")
	guest.WantLight(maxPage)
	guest.Check("2-closed")
	stranger.Click(send) // the page is from before
	stranger.WantText("main p", "8:00")
	stranger.Check("3-closed-ar")
	for method, typed := range map[string]url.Values{
		"click": nil, "trial": nil, "voucher": {"code": {batch.Codes[0].Code}}, "password": {"username": {"ann"}, "password": {password}},
	} {
		at, err := late.Submit(t.Context(), sheet, method, typed)
		if err != nil || at.Status != http.StatusOK || !strings.Contains(at.Body, "We are closed") {
			t.Errorf("%s: %d %v\n%s", method, at.Status, err, at.Body)
		}
	}
	if at, err := late.Get(t.Context(), "http://192.0.2.1/v/"+batch.Codes[0].Code); err != nil || at.Status != http.StatusFound {
		t.Errorf("the link of a voucher: %d %v", at.Status, err)
	} else if at, err = late.Follow(t.Context(), at); err != nil || !strings.Contains(at.Body, "We are closed") {
		t.Errorf("the page of the link: %v\n%s", err, at.Body)
	}
	resp, err := late.HTTPClient().PostForm(loginURL[1], url.Values{"UserName": {"ann"}, "Password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for _, g := range []*venue.Guest{inside, late} {
		answered(t, g, http.StatusFound)
	}
	if all := s.running(t); len(all) != 0 {
		t.Errorf("sessions at night: %+v", all)
	}

	again(closing.Add(10*time.Hour + time.Second))
	for _, b := range []*browser.Browser{guest, stranger} {
		b.Click("a.button")
		b.Click("#accept")
		b.Click(send)
		b.See(logOut)
	}
	answered(t, inside, http.StatusNoContent)
	if at, err := late.Click(t.Context()); err != nil || !strings.Contains(at.Body, "You are online") {
		t.Errorf("in the morning: %v\n%s", err, at.Body)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// wallClock has the clock on the venue's wall show this, from the next start on: by a time zone that is as far from UTC as that takes.
func (s *site) wallClock(t *testing.T, wall time.Time) {
	t.Helper()
	const key = "time_zone = "
	text := regexp.MustCompile("(?m)^"+key+".*\n").ReplaceAllString(s.text(t), "")
	west, sign := time.Since(wall), ""
	if west < 0 {
		west, sign = -west, "-"
	}
	s.write(t, "gatehouse.toml", fmt.Sprintf("%s'LAB%s%d:%02d:%02d'\n%s", key, sign, int(west.Hours()), int(west.Minutes())%60, int(west.Seconds())%60, text))
}
