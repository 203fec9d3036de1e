package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// site is a gateway in a lab on which a daemon can be started.
type site struct {
	*lab.Lab
	dir, config, program string
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, t.TempDir(), lab.Options{})
}

// newSiteWith is newSite with its files in a folder of the test.
func newSiteWith(t *testing.T, dir string, o lab.Options) *site {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{Lab: l, dir: dir, program: program(t)}
	s.config = s.write(t, "gatehouse.toml", s.settings(""))
	return s
}

func (s *site) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// settings is a right configuration, with more lines for its zone.
func (s *site) settings(zone string) string {
	return fmt.Sprintf(`nas_id = "lobby-1"
nas_ip = "192.0.2.1"
state_dir = "%[1]s/state"
runtime_dir = "%[1]s/run"
[[zone]]
name = "guests"
interfaces = ["br-guest"]
masquerade = true
methods = ["click"]
terms = "Be kind."
%[2]s
`, s.dir, zone)
}

// daemon runs gatehouse run under a wrapper (may be none) until it ends, and returns what it said and its exit code.
func (s *site) daemon(t *testing.T, wrapper ...string) (said string, code int) {
	t.Helper()
	argv := append(wrapper[:len(wrapper):len(wrapper)], s.program, "run", "--config", s.config)
	cmd := s.Gateway.Command(t.Context(), argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, _ := cmd.CombinedOutput() // the code tells
	return strings.ReplaceAll(string(out), s.dir, "DIR"), cmd.ProcessState.ExitCode()
}

// TestStartRefused has one way to fail per row: one clear message, exit code 1, and the kernel as it was.
func TestStartRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, s *site)
		wrapper []string
	}{
		{"configuration", func(t *testing.T, s *site) { s.write(t, "gatehouse.toml", "nas_ip = 'here'\ncolour = 'red'\n") }, nil},
		{"no-configuration", func(t *testing.T, s *site) { s.config = filepath.Join(s.dir, "none.toml") }, nil},
		{"damaged-database", func(t *testing.T, s *site) {
			if err := os.Mkdir(filepath.Join(s.dir, "state"), 0o700); err != nil {
				t.Fatal(err)
			}
			s.write(t, "state/journal.db", strings.Repeat("this is no database. ", 500))
		}, nil},
		{"state-dir", func(t *testing.T, s *site) { s.write(t, "state", "a file") }, nil},
		{"port-in-use", func(t *testing.T, s *site) {
			ln, err := s.Gateway.Listen(t.Context(), "tcp", "0.0.0.0:2080")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ln.Close() })
		}, nil},
		{"no-capability", func(*testing.T, *site) {}, []string{"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"}},
		{"no-raw", func(*testing.T, *site) {}, []string{"setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"}},
		{"no-nft", func(*testing.T, *site) {}, []string{"env", "PATH=/nonexistent"}},
		{"no-interface", func(t *testing.T, s *site) {
			s.write(t, "gatehouse.toml", strings.Replace(s.settings(""), `["br-guest"]`, `["br-guest", "br-attic"]`, 1))
		}, nil},
		{"another-runs", func(t *testing.T, s *site) {
			p, err := s.Gateway.Start(t.Context(), []string{s.program, "run", "--config", s.config}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.answers(t, p)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			test.prepare(t, s)
			before := s.tables(t)
			said, code := s.daemon(t, test.wrapper...)
			if code != exitNotSo {
				t.Errorf("exit code %d", code)
			}
			golden(t, "start-"+test.name, said)
			if after := s.tables(t); after != before {
				t.Errorf("the kernel had tables %q and has %q", before, after)
			}
		})
	}
}

func (s *site) tables(t *testing.T) string {
	t.Helper()
	out, err := s.Gateway.Run(t.Context(), "nft", "list", "tables")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// answers waits until the daemon answers on its control socket.
func (s *site) answers(t *testing.T, p *lab.Process) {
	t.Helper()
	err := lab.WaitFor(t.Context(), 20*time.Second, func() error {
		_, err := s.cli(t, "status")
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Log())
	}
}

func (s *site) cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return s.Gateway.Run(t.Context(), s.program, append(args, "--socket", filepath.Join(s.dir, "run/control.sock"))...)
}

// start starts the daemon and waits until it answers.
func (s *site) start(t *testing.T, env ...string) *lab.Process {
	t.Helper()
	p, err := s.Gateway.Start(t.Context(), []string{s.program, "run", "--config", s.config}, env, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.answers(t, p)
	return p
}

// guest is a station that uses the portal.
func (s *site) guest(t *testing.T) *venue.Guest {
	t.Helper()
	st, err := s.AddStation(t.Context(), lab.StationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return (&venue.Venue{Lab: s.Lab}).GuestAt(st)
}

// notifications are what a service manager hears.
func notifications(t *testing.T) (socket string, next func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "notify.sock")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return socket, func() string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("the service manager hears nothing: %v", err)
		}
		return string(b[:n])
	}
}
