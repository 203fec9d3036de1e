package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestDisassociate has the access point asked to send a station away when its session ends by time or by the operator, and
// not when the guest logs out. In the place of OpenWrt's ubus stands a script that writes down what it is asked.
func TestDisassociate(t *testing.T) {
	lab.RequireKernel(t)
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	if err := os.WriteFile(filepath.Join(dir, "ubus"), []byte("#!/bin/sh\necho \"$*\" >> "+asked+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	v := newVenue(t, venue.Options{Zone: "methods = [\"click\"]\nterms = \"Be kind.\"\nsession_timeout = \"5s\"\ndisassociate = true\n"})
	in := func() (*venue.Guest, venue.Page) {
		t.Helper()
		g, err := v.AddGuest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := g.Click(t.Context())
		if err != nil || p.Status != http.StatusOK {
			t.Fatalf("logging in: %d %v", p.Status, err)
		}
		return g, p
	}
	self, page := in()
	if p, err := self.Submit(t.Context(), page, "", nil); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging out: %d %v", p.Status, err)
	}
	kicked, _ := in()
	if out, err := v.CLI(t.Context(), "", "logout", kicked.MAC.String()); err != nil {
		t.Fatal(out, err)
	}
	timed, _ := in()
	call := func(g *venue.Guest) string {
		return fmt.Sprintf("call hostapd.%s del_client {\"addr\":%q,", g.Port, g.MAC.String())
	}
	var said string
	err := lab.WaitFor(t.Context(), 20*time.Second, func() error {
		text, err := os.ReadFile(asked)
		if said = string(text); err != nil || !strings.Contains(said, call(kicked)) || !strings.Contains(said, call(timed)) {
			return fmt.Errorf("the access point was asked %q, %w", said, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(said, self.MAC.String()) || strings.Count(said, "del_client") != 2 {
		t.Errorf("the access point was asked\n%s", said)
	}
}
