package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
)

// TestIPTables is a login, a loss of rules, a restart and a logout with the other backend.
func TestIPTables(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	s := newSite(t)
	s.write(t, "gatehouse.toml", s.settings("on_stop = 'closed'")+"[firewall]\nbackend = 'iptables'\n")
	p := s.start(t)
	g := s.guest(t)
	if at, err := g.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
		t.Fatalf("before login: %d %v\n%s", at.Status, err, p.Log())
	}
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v\n%s", at.Status, err, p.Log())
	}
	online := func(want lab.Outcome) error {
		for _, addr := range []string{lab.WebAddr4, "[" + lab.WebAddr6 + "]"} {
			if got, err := g.ProbeTCP(t.Context(), addr+":443", time.Second); err != nil || got != want {
				return fmt.Errorf("TCP to %s: %s, %v; want %s\n%s", addr, got, err, want, p.Log())
			}
		}
		return nil
	}
	if err := online(lab.Connected); err != nil {
		t.Fatal(err)
	}
	out, err := s.cli(t, "status", "--json")
	var st admin.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || st.Firewall.Backend != "iptables" || !strings.HasPrefix(st.Firewall.Why, "firewall.backend says so; ") {
		t.Errorf("status: %+v, %v", st.Firewall, err)
	}
	if tables := s.tables(t); err != nil || strings.Contains(tables, "inet gatehouse") {
		t.Errorf("nftables has %q, %v", tables, err)
	}
	if out, err := s.Gateway.Run(t.Context(), "sh", "-c", "for f in iptables ip6tables; do $f-legacy -F; $f-legacy -t nat -F; $f-legacy -t mangle -F; done"); err != nil {
		t.Fatal(out, err)
	}
	captive := s.guest(t)
	err = lab.WaitFor(t.Context(), 2*time.Second, func() error {
		if at, err := captive.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
			return fmt.Errorf("after the rules were flushed a captive guest's probe: %d %w\n%s", at.Status, err, p.Log())
		}
		return online(lab.Connected)
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	p = s.start(t)
	if err := online(lab.Connected); err != nil {
		t.Fatal(err)
	}
	if out, err := s.cli(t, "logout", "guests/"+g.MAC.String()); err != nil {
		t.Fatal(out, err)
	}
	if err := online(lab.Refused); err != nil {
		t.Fatal(err)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
	s.cleanUp(t)
	rules, err := s.Gateway.Run(t.Context(), "iptables-legacy-save")
	if err != nil || strings.Contains(rules, "gatehouse") {
		t.Errorf("after cleanup: %v\n%s", err, rules)
	}
}

// TestBackendAuto has a router without the nft program: the other backend is taken, and what it does not have is refused by
// the name of its key.
func TestBackendAuto(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	s := newSite(t)
	path := t.TempDir()
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, part := range []string{"-legacy", "-legacy-save", "-legacy-restore"} {
			program, err := exec.LookPath(name + part)
			if err == nil {
				err = os.Symlink(program, filepath.Join(path, name+part))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for line, want := range map[string]string{
		"walled_garden = ['pay.example.com']": "zone[guests].walled_garden: needs nftables",
		"bandwidth_up = '1Mbit'":              "zone[guests].bandwidth_up: needs nftables for the shaper",
	} {
		s.write(t, "gatehouse.toml", s.settings(line))
		if said, code := s.daemon(t, "env", "PATH="+path); code != exitNotSo || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, want a message with %q:\n%s", line, code, want, said)
		}
	}
	s.write(t, "gatehouse.toml", s.settings(""))
	p := s.start(t, "PATH="+path)
	if out, err := s.cli(t, "status"); err != nil || !strings.Contains(out, "firewall: iptables (nftables does not work here: the nft program is not installed") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if at, err := s.guest(t).Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Errorf("login: %d %v\n%s", at.Status, err, p.Log())
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
