package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// poison is a network that the router's nft knows nothing of.
const poison = "203.0.113.0/24"

// TestSettingsFromTheCentre: an administrator changes what a zone offers. The gateway begins anew with it while a guest's datagrams
// flow, and none is lost; who comes next meets the new ways in. What is wrong is refused by its name, what does not come up is given
// up for the last good settings, and these hold when the gateway starts without the centre.
func TestSettingsFromTheCentre(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t), Daemon: []string{"env", "PATH=" + poorNFT(t) + ":" + os.Getenv("PATH"), program(t), "run"}})
	var list struct{ Results []struct{ ID int64 } }
	awaits := func(what func() error) {
		t.Helper()
		if err := lab.WaitFor(t.Context(), time.Minute, what); err != nil {
			t.Fatal(err)
		}
	}
	awaits(func() error {
		if administer(t, v.WAN, v.Admin, http.MethodGet, "/gateways/?nas_identifier=lobby-1", nil, &list); len(list.Results) != 1 {
			return fmt.Errorf("the centre knows %d gateways", len(list.Results))
		}
		return nil
	})
	path := fmt.Sprintf("/gateways/%d/configuration/", list.Results[0].ID)
	set := func(settings string) {
		t.Helper()
		administer(t, v.WAN, v.Admin, http.MethodPut, path, map[string]any{"settings": json.RawMessage(settings)}, nil)
	}

	first := newGuest(t, v)
	enter(t, first)
	before := running(t, v)
	flows := []*flow{startFlow(t, first, lab.WebAddr4+":7"), startFlow(t, first, "["+lab.WebAddr6+"]:7")}
	offers := func(when string, there, gone []string) *venue.Guest {
		t.Helper()
		g := newGuest(t, v)
		if err := lab.WaitFor(t.Context(), 30*time.Second, func() error { // a centre that comes back is found at the next attempt
			page, err := g.Sheet(t.Context())
			has := func(text string) bool { return strings.Contains(page.Body, text) }
			if err == nil && (slices.ContainsFunc(gone, has) || !has(there[0]) || !has(there[1])) {
				err = fmt.Errorf("want %q, and not %q, in\n%s", there, gone, page.Body)
			}
			return err
		}); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		return g
	}
	fromFile := []string{"Hotel Example", `name="password"`}
	fromCentre := []string{"Hotel Seeblick", `id="voucher"`}
	offers("by its file", fromFile, fromCentre)

	set(`{"portal": {"venue": "Hotel Seeblick"}, "zones": {"guests": {"methods": ["click", "voucher"], "session_timeout": "30m"}}}`)
	second := offers("by the centre", fromCentre, fromFile)
	enter(t, second)
	if got := sessionsOf(t, v); got[first.MAC.String()].AcctSessionID != before.AcctSessionID || got[second.MAC.String()].SessionTimeout != 1800 {
		t.Errorf("sessions: %+v", got)
	}

	set(`{"zones": {"guests": {"session_timeout": "soon"}, "attic": {"session_timeout": "1h"}}}`)
	awaits(func() error {
		if said := v.Daemon.Log(); !strings.Contains(said, "refused; the last good ones stay") || !strings.Contains(said, "session_timeout") || !strings.Contains(said, "attic") {
			return errors.New("nothing is refused")
		}
		return nil
	})
	set(`{"zones": {"guests": {"walled_garden": ["` + poison + `"]}}}`)
	awaits(func() error { // the centre writes every few seconds down what gateways say
		var c struct{ State, Error string }
		pause(t, 50*time.Millisecond)
		if administer(t, v.WAN, v.Admin, http.MethodGet, path, nil, &c); c.State != "refused" || !strings.Contains(c.Error, poison) {
			return fmt.Errorf("it is %s: %s", c.State, c.Error)
		}
		return nil
	})
	if !strings.Contains(v.Daemon.Log(), "does not come up with the centre's settings") {
		t.Error("it never tried them")
	}
	offers("after what is refused", fromCentre, fromFile)

	v.Centre.Kill()
	v.Daemon.Kill()
	start(t, v.StartGateway)
	third := offers("without the centre", fromCentre, fromFile)
	enter(t, third)
	if got := sessionsOf(t, v); len(got) != 3 || got[third.MAC.String()].SessionTimeout != 1800 || got[first.MAC.String()].AcctSessionID != before.AcctSessionID {
		t.Errorf("sessions without the centre: %+v", got)
	}
	start(t, v.StartCentre)
	set(`{}`)
	offers("with nothing set any more", fromFile, fromCentre)

	for _, f := range flows {
		f.stop()
		if sent, lost := f.sent.Load(), f.sent.Load()-f.returned.Load(); lost != 0 || sent < 100 {
			t.Errorf("%d of %d datagrams lost", lost, sent)
		}
	}
}

func enter(t *testing.T, g *venue.Guest) {
	t.Helper()
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK || !strings.Contains(at.Body, "You are online") {
		t.Fatalf("login: %d %v\n%s", at.Status, err, at.Body)
	}
	answered(t, g, http.StatusNoContent)
}

// poorNFT is a folder with an nft that refuses rules with the poison in them.
func poorNFT(t *testing.T) string {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\ntext=$(cat)\ncase $text in *" + poison + "*) echo 'unknown network " + poison + "' >&2; exit 1 ;; esac\necho \"$text\" | exec " + nft + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sessionsOf are the sessions by MAC.
func sessionsOf(t *testing.T, v *venue.Venue) map[string]admin.Session {
	t.Helper()
	out, err := v.CLI(t.Context(), "", "sessions", "--json")
	if err != nil {
		t.Fatal(err)
	}
	return byMAC(t, out)
}
