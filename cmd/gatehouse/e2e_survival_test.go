package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// flow is a stream of numbered datagrams to an echo server in the internet.
type flow struct {
	conn           net.Conn
	sent, returned atomic.Int64
	stop           func()
}

func startFlow(t *testing.T, g *venue.Guest, addr string) *flow {
	t.Helper()
	c, err := g.Dial(t.Context(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &flow{conn: c}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if _, err := c.Write([]byte("numbered")); err == nil {
					f.sent.Add(1)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		buf := make([]byte, 64)
		for {
			if _, err := c.Read(buf); err != nil && ctx.Err() != nil {
				return
			} else if err == nil {
				f.returned.Add(1)
			}
		}
	}()
	f.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = lab.WaitFor(t.Context(), time.Second, func() error { // the last echoes
			if f.sent.Load() != f.returned.Load() {
				return fmt.Errorf("not all back")
			}
			return nil
		})
		_ = c.Close()
		<-reading
	})
	t.Cleanup(f.stop)
	return f
}

// running is the one session that the daemon shows.
func running(t *testing.T, v *venue.Venue) admin.Session {
	t.Helper()
	out, err := v.CLI(t.Context(), "", "sessions", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var all []admin.Session
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		t.Fatalf("sessions: %v %s", err, out)
	}
	return all[0]
}

// TestRestartUnderTraffic kills and restarts the daemon three times, and stops it in order once, while datagrams flow
// over both families: none is lost, and the counters go on.
func TestRestartUnderTraffic(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{})
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	before := running(t, v)
	flows := []*flow{startFlow(t, g, lab.WebAddr4+":7"), startFlow(t, g, "["+lab.WebAddr6+"]:7")}
	for i := range 4 {
		if i == 3 {
			if err := v.Daemon.Terminate(); err != nil {
				t.Errorf("stopping in order: %v", err)
			}
		} else {
			v.Daemon.Kill()
		}
		start(t, v.StartGateway)
	}
	var sent int64
	for _, f := range flows {
		f.stop()
		if lost := f.sent.Load() - f.returned.Load(); lost != 0 {
			t.Errorf("%d of %d datagrams lost", lost, f.sent.Load())
		}
		sent += f.sent.Load()
	}
	if sent < 100 {
		t.Fatalf("only %d datagrams were sent", sent)
	}
	// The counters are exact: 8 octets of payload, 8 of UDP, 20 or 40 of IP.
	want := uint64(flows[0].sent.Load()*36 + flows[1].sent.Load()*56)
	err = lab.WaitFor(t.Context(), 15*time.Second, func() error { // the daemon polls
		now := running(t, v)
		if now.AcctSessionID != before.AcctSessionID {
			return fmt.Errorf("session %s became %s", before.AcctSessionID, now.AcctSessionID)
		}
		if in, out := now.InputOctets-before.InputOctets, now.OutputOctets-before.OutputOctets; in != want || out != want {
			return fmt.Errorf("%d octets in and %d out are counted, want %d each", in, out, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRebootResumes takes the kernel's state and the boot away under a running session, as a power cut does: the station
// goes on with what it had left, in a new session linked to the old one, without logging in.
func TestRebootResumes(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t), Zone: `
methods = ["click"]
terms = "Be kind."
terms_version = "1"
session_timeout = "1h"
`})
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	first := running(t, v)
	v.Daemon.Kill()
	if _, err := v.Gateway.Run(t.Context(), v.Gatehouse(), "cleanup"); err != nil {
		t.Fatal(err)
	}
	v.SetDaemon(append(anotherBoot(t), v.Gatehouse(), "run"))
	start(t, v.StartGateway)
	err = lab.WaitFor(t.Context(), 10*time.Second, func() error {
		p, err := g.Probe(t.Context())
		if err == nil && p.Status != http.StatusNoContent {
			err = fmt.Errorf("the probe is answered %d", p.Status)
		}
		return err
	})
	if err != nil {
		t.Fatalf("after the reboot: %v", err)
	}
	second := running(t, v)
	if second.AcctSessionID == first.AcctSessionID || second.AcctMultiSessionID != first.AcctSessionID || second.SessionTimeout > first.SessionTimeout {
		t.Errorf("resumed as %+v after %+v", second, first)
	}
	err = lab.WaitFor(t.Context(), 10*time.Second, func() error {
		old, err := v.Accounting(t.Context(), "session_status=inactive")
		if err != nil {
			return err
		}
		now, err := v.Accounting(t.Context(), "session_status=active")
		if err != nil {
			return err
		}
		if len(old) != 1 || len(now) != 1 || old[0].AcctTerminateCause != "NAS-Reboot" || old[0].AcctSessionID != first.AcctSessionID {
			return fmt.Errorf("at the centre: ended %+v, active %+v", old, now)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// anotherBoot is a command that runs the rest of its arguments as if the machine had booted a minute ago: with another
// boot id, in a time namespace of its own.
func anotherBoot(t *testing.T) []string {
	t.Helper()
	id := filepath.Join(t.TempDir(), "boot_id")
	if err := os.WriteFile(id, []byte("feedface-0000-4000-8000-000000000001\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var seconds float64
	if _, err := fmt.Sscan(string(uptime), &seconds); err != nil {
		t.Fatal(err)
	}
	return []string{"unshare", "--mount", "--time", "--boottime", fmt.Sprint(60 - int(seconds)), "--fork", "--kill-child",
		"sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, id}
}
