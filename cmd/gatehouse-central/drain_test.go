package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/api/edge"
)

var metricsAt = regexp.MustCompile(`msg="serving metrics" addr=(\S+)`)

// until polls what must come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// TestDrain stops a process that is under load and has a request held open, and one whose body is still on its way. Clients
// stop sending when /readyz tells them, as a balancer does; not one request may go wrong, before, meanwhile or after.
func TestDrain(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	c := &centre{t: t, db: db, token: make(map[string]string)}
	for _, role := range []string{"admin", "edge"} {
		c.token[role] = done(t, "token", "create", "--database", db, "--org", "acme", "--role", role)
	}
	c.args = []string{"--drain", "2s", "--metrics", "127.0.0.1:0"}
	c.start()

	held, slow := make(chan error, 1), make(chan error, 1)
	status, text, err := c.send("edge", "GET", edge.ChangesPath, "")
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err, text)
	}
	cursor := regexp.MustCompile(`"cursor":"([^"]*)"`).FindStringSubmatch(text)[1]
	go func() { held <- c.must("edge", "GET", edge.ChangesPath+"?wait=60&cursor="+cursor, nil) }()
	body, rest := io.Pipe()
	go func() { slow <- c.must("edge", "POST", edge.IngestPath, body) }()
	if _, err := io.WriteString(rest, batch(t, 1)); err != nil {
		t.Fatal(err)
	}

	var enough atomic.Bool
	var sent atomic.Int64
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			for n := 2 + i; !enough.Load(); n += 8 {
				err := c.must("admin", "GET", "/api/v1/aaa_accounting/?limit=20", nil)
				if i < 2 {
					err = c.must("edge", "POST", edge.IngestPath, strings.NewReader(batch(t, n)))
				}
				if err != nil {
					t.Errorf("under load: %v", err)
					return
				}
				sent.Add(1)
			}
		})
	}
	until(t, "load", func() bool { return sent.Load() > 100 })
	until(t, "a waiter in the metrics", func() bool { return strings.Contains(c.metrics(), "\ngatehouse_feed_waiters 1\n") })
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz says no", func() bool { return c.must("", "GET", "/readyz", nil) != nil })
	served := sent.Load()
	until(t, "served while draining", func() bool { return sent.Load() > served+8 })
	enough.Store(true)
	load.Wait()
	if err := <-held; err != nil {
		t.Errorf("held open: %v", err)
	}
	until(t, "nothing more is accepted", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(rest, batch(t, 0)); err != nil {
		t.Error(err)
	}
	_ = rest.Close() // never fails
	if err := <-slow; err != nil {
		t.Errorf("with its body on the way: %v", err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the process ended: %v", err)
	}
}

// must is a request that is answered with 200, whole.
func (c *centre) must(role, method, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token[role])
	req.Header.Set(edge.NASHeader, "gw1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, text)
	}
	return err
}

func (c *centre) metrics() string {
	resp, err := http.Get(c.metricsURL)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
