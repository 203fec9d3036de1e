package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// The test binary plays another part, told by this variable: the program itself ("gatehouse"), whose daemon stops at
// a named point when stepsVariable says so.
const (
	roleVariable  = "GATEHOUSE_TEST_ROLE"
	stepsVariable = "GATEHOUSE_TEST_STEPS" // path of the socket of a steps
	pointVariable = "GATEHOUSE_TEST_POINT"
)

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "gatehouse" {
		os.Exit(executeWith(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, stopAt))
	}
	os.Exit(lab.Main(m.Run))
}

// stopAt is the daemon's hook: at the point asked for it tells the test and waits until the test lets it go, once.
func stopAt(point string) {
	if point != os.Getenv(pointVariable) {
		return
	}
	once.Do(func() {
		c, err := net.Dial("unix", os.Getenv(stepsVariable))
		if err != nil {
			return // the test does not wait for this one
		}
		defer c.Close()
		_, _ = bufio.NewReader(c).ReadByte()
	})
}

var once sync.Once

// program is the path of a script that runs this test binary as gatehouse.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gatehouse")
	script := fmt.Sprintf("#!/bin/sh\nexport %s=gatehouse\nexec %q \"$@\"\n", roleVariable, self)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// central builds the centre's program.
func central(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse-central")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "gatehouse/cmd/gatehouse-central")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the centre: %v\n%s", err, out)
	}
	return path
}

// administer calls the admin API of the centre, from a host, and decodes the answer into out (nil: not read).
func administer(t *testing.T, from *lab.Host, token, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, venue.CentreURL+"/admin/v1"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := from.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, text, err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
}

func newVenue(t *testing.T, o venue.Options) *venue.Venue {
	t.Helper()
	o.Gatehouse = program(t)
	v, err := venue.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon said:\n%s", v.Daemon.Log())
			if v.Centre != nil {
				t.Logf("the centre said:\n%s", v.Centre.Log())
			}
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func addAccount(t *testing.T, v *venue.Venue, username, password string) {
	t.Helper()
	if _, err := v.CLI(t.Context(), password+"\n", "account", "add", "--password-stdin", username); err != nil {
		t.Fatal(err)
	}
}

// steps waits for a daemon to reach its point.
type steps struct {
	ln   net.Listener
	path string
}

func newSteps(t *testing.T) *steps {
	t.Helper()
	path := filepath.Join(t.TempDir(), "steps.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return &steps{ln: ln, path: path}
}

// daemon is the command that runs the daemon with this point.
func (s *steps) daemon(gatehouse, point string) []string {
	return []string{"env", stepsVariable + "=" + s.path, pointVariable + "=" + point, gatehouse, "run"}
}

// reached waits until the daemon stands at its point. It goes on when the connection returned is closed.
func (s *steps) reached(within time.Duration) (net.Conn, error) {
	if err := s.ln.(*net.UnixListener).SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	c, err := s.ln.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.New("the daemon never came to its point")
	}
	return c, err
}
