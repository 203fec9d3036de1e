package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
)

// TestVerbs goes through an operator's day.
func TestVerbs(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	g := s.guest(t)
	which := "guests/" + g.MAC.String()
	if at, err := g.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
		t.Fatalf("before login: %d %v", at.Status, err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := s.cli(t, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		return out
	}
	if out := run("stations"); !strings.Contains(out, g.MAC.String()+"  captive") {
		t.Errorf("stations:\n%s", out)
	}
	run("login", which, "--username", "conference")
	if at, err := g.Probe(t.Context()); err != nil || at.Status != http.StatusNoContent {
		t.Errorf("after the operator's login: %d %v", at.Status, err)
	}
	var running []admin.Session
	if err := json.Unmarshal([]byte(run("sessions", "--json")), &running); err != nil || len(running) != 1 {
		t.Fatalf("sessions: %v, %v", running, err)
	}
	if one := running[0]; one.Username != "conference" || one.MAC.String() != g.MAC.String() || one.Zone != "guests" || one.Method != "admin" {
		t.Errorf("session: %+v", one)
	}
	var st admin.Status
	if err := json.Unmarshal([]byte(run("status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	if st.Sessions != 1 || st.NASID != "lobby-1" || len(st.Zones) != 1 || st.Zones[0].Interfaces[0] != (admin.Interface{Name: "br-guest", State: admin.InterfaceUp}) {
		t.Errorf("status: %+v", st)
	}
	if out := run("logout", running[0].AcctSessionID); !strings.HasPrefix(out, which+" (conference) is out after ") {
		t.Errorf("logout: %s", out)
	}
	if at, err := g.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
		t.Errorf("after the operator's logout: %d %v", at.Status, err)
	}
	if out, err := s.cli(t, "logout", which); err == nil || !strings.Contains(out, "no running session is "+which) {
		t.Errorf("logout twice: %v %s", err, out)
	}
	s.accounts(t, run)
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

func (s *site) accounts(t *testing.T, run func(args ...string) string) {
	t.Helper()
	made := run("account", "add", "eve", "--generate", "--session-timeout", "2h")
	_, password, ok := strings.Cut(made, "password: ")
	if password = strings.TrimSpace(password); !ok || len(password) != 12 {
		t.Errorf("account add: %s", made)
	}
	run("account", "passwd", "eve", "--generate")
	if out := run("account", "list"); !strings.Contains(out, "eve") || !strings.Contains(out, "2h") || strings.Contains(out, password) {
		t.Errorf("account list:\n%s", out)
	}
	run("account", "remove", "eve")
	if out := run("account", "list", "--json"); out != "[]\n" {
		t.Errorf("account list after remove: %s", out)
	}
}

// TestStop: the service manager is told, SIGHUP is no end, and every zone becomes what its on_stop says.
func TestStop(t *testing.T) {
	for onStop, want := range map[string]int{"closed": 0, "open": http.StatusNoContent} {
		t.Run(onStop, func(t *testing.T) {
			s := newSite(t)
			s.write(t, "gatehouse.toml", s.settings("on_stop = '"+onStop+"'"))
			socket, next := notifications(t)
			p := s.start(t, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000")
			g := s.guest(t)
			if got := []string{next(), next()}; got[0] != stateReady || got[1] != stateAlive {
				t.Errorf("the service manager hears %q", got)
			}
			p.Signal(syscall.SIGHUP)
			if next(); len(next()) == 0 {
				t.Error("SIGHUP ends the daemon")
			}
			if at, err := g.Probe(t.Context()); err != nil || at.Status != http.StatusFound {
				t.Fatalf("before the stop: %d %v", at.Status, err)
			}
			p.Signal(syscall.SIGTERM)
			for state := next(); state != stateStopping; state = next() {
				if state != stateAlive {
					t.Fatalf("the service manager hears %q", state)
				}
			}
			if err := p.Wait(); err != nil {
				t.Errorf("ended with %v\n%s", err, p.Log())
			}
			got, _ := g.Probe(t.Context()) // refused where nobody listens any more
			if got.Status != want {
				t.Errorf("after the stop the probe is answered %d, want %d", got.Status, want)
			}
			s.cleanUp(t)
		})
	}
}

// cleanUp is gatehouse cleanup, without configuration and state.
func (s *site) cleanUp(t *testing.T) {
	t.Helper()
	if out, err := s.Gateway.Run(t.Context(), "env", "-i", "GATEHOUSE_TEST_ROLE=gatehouse", s.program, "cleanup"); err != nil || out != "" {
		t.Errorf("cleanup: %v %s", err, out)
	}
	if out := s.tables(t); strings.Contains(out, "gatehouse") {
		t.Errorf("after cleanup: %s", out)
	}
}

// TestRestart: a killed daemon leaves its sessions to the next, and its socket is no obstacle.
func TestRestart(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	g := s.guest(t)
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	before, err := s.cli(t, "sessions", "--json")
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	p = s.start(t)
	after, err := s.cli(t, "sessions", "--json")
	if err != nil || sessionID(before) == "" || sessionID(after) != sessionID(before) {
		t.Errorf("session %q became %q: %v\n%s", sessionID(before), sessionID(after), err, p.Log())
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

func sessionID(text string) string {
	var all []admin.Session
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		return ""
	}
	return all[0].AcctSessionID
}

// TestInterfaceMadeAnew: the portal comes back with its interface, and is not to be seen from the uplink.
func TestInterfaceMadeAnew(t *testing.T) {
	s := newSite(t)
	s.ip(t, "link", "add", "br-attic", "type", "bridge")
	s.ip(t, "addr", "add", "192.0.2.65/28", "dev", "br-attic")
	s.ip(t, "link", "set", "br-attic", "up")
	s.write(t, "gatehouse.toml", strings.Replace(s.settings(""), `["br-guest"]`, `["br-guest", "br-attic"]`, 1))
	p := s.start(t)
	s.ip(t, "link", "del", "br-attic")
	s.says(t, p, "interface is gone")
	s.ip(t, "link", "add", "br-attic", "type", "bridge")
	s.says(t, p, "interface is back")
	if got, err := s.WAN.ProbeTCP(t.Context(), lab.GatewayWAN4+":2080", time.Second); err != nil || got == lab.Connected {
		t.Errorf("the portal's port from the uplink: %v %v", got, err)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

func (s *site) ip(t *testing.T, args ...string) {
	t.Helper()
	if _, err := s.Gateway.Run(t.Context(), "ip", args...); err != nil {
		t.Fatal(err)
	}
}

func (s *site) says(t *testing.T, p *lab.Process, text string) {
	t.Helper()
	err := lab.WaitFor(t.Context(), 15*time.Second, func() error {
		if !strings.Contains(p.Log(), text) {
			return fmt.Errorf("the daemon does not say %q:\n%s", text, p.Log())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
