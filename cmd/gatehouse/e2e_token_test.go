package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"gatehouse/api/gate"
	"gatehouse/lab"
	"gatehouse/lab/browser"
	"gatehouse/lab/venue"
)

// TestUserToken: a pair of codes of the real centre lets in, by clicks and, once seen, while the centre is away; revoked at the centre, its
// sessions end.
func TestUserToken(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t), Zone: "methods = ['token']\nallow_cleartext = true\n"})
	if _, err := v.API(t.Context(), http.MethodPost, "/user/", map[string]any{"username": "ann", "password": "correct horse"}, nil); err != nil {
		t.Fatal(err)
	}
	own := func(method string, out any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, venue.CentreURL+"/api/v2/userTokens/currentUser", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("ann", "correct horse")
		resp, err := v.WAN.HTTPClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s a user token: %s", method, resp.Status)
		}
		if out != nil {
			if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	var codes gate.UserCodes
	own(http.MethodPost, &codes)
	first, second := newGuest(t, v), newGuest(t, v)
	t.Run("browser", func(t *testing.T) {
		browser.Require(t)
		const enter = "#passcode ~ button"
		for _, o := range []browser.Options{{Host: first.Host}, {Host: newGuest(t, v).Host, NoScript: true, Language: "ar"}} {
			b := browser.Open(t, o)
			b.Go(probe)
			b.Fill("#usercode", codes.UserCode)
			b.Fill("#passcode", "wrong")
			b.WantLight(maxPage)
			b.Click(enter)
			b.See("#problem")
			b.Check("token-" + o.Language)
			b.Fill("#passcode", codes.PassCode) // the user code is still there
			b.Click(enter)
			b.See(logOut)
			b.WantText("main", "ann")
		}
	})
	v.Centre.Kill()
	sheet, err := second.Sheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := second.Submit(t.Context(), sheet, "token", url.Values{"usercode": {codes.UserCode}, "passcode": {codes.PassCode}}); err != nil || at.Status != http.StatusOK {
		t.Fatalf("while the centre is away: %d %v", at.Status, err)
	}
	answered(t, second, http.StatusNoContent)
	if err := v.StartCentre(t.Context()); err != nil {
		t.Fatal(err)
	}
	own(http.MethodDelete, nil)
	// The gateway waits longer with each time that it did not reach the centre.
	err = lab.WaitFor(t.Context(), 2*time.Minute, func() error {
		p, err := first.Probe(t.Context())
		if err == nil && p.Status != http.StatusFound {
			err = fmt.Errorf("the probe is answered %d", p.Status)
		}
		return err
	})
	if err != nil {
		t.Errorf("after the token was revoked: %v", err)
	}
	answered(t, second, http.StatusFound)
}
