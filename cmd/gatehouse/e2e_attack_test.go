package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestOneAttacker: while one device holds hundreds of connections open from dozens of addresses, guesses passwords and pretends to be
// thousands of other devices, two hundred guests log in, each at the first try.
func TestOneAttacker(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{})
	attacker, second := guestOf(t, v), guestOf(t, v) // the first uses up its connections
	ctx, stop := context.WithCancel(t.Context())
	var attacks sync.WaitGroup
	defer attacks.Wait()
	defer stop()
	var held, guesses, stations atomic.Int64
	for i := range 64 {
		addr := fmt.Sprintf("2001:db8:77::bad:%x", i+1)
		if _, err := attacker.Run(t.Context(), "ip", "-6", "addr", "add", addr+"/64", "dev", lab.PeerInterface, "nodad"); err != nil {
			t.Fatal(err)
		}
		attacks.Go(func() { hold(ctx, attacker, addr, &held) })
	}
	attacks.Go(func() { guess(ctx, second, &guesses) })
	attacks.Go(func() {
		n, err := attacker.Flood(ctx, netip.MustParseAddr(lab.WebAddr4))
		if err != nil {
			t.Error(err)
		}
		stations.Store(int64(n))
	})
	guests, err := v.AddStaticStations(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		if err := lab.WaitFor(t.Context(), 30*time.Second, func() error {
			if !ok() {
				return errors.New(what)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	eventually("the attack does not begin", func() bool { return held.Load() > 50 && guesses.Load() > 8 })
	var logins sync.WaitGroup
	turns := make(chan struct{}, 20) // as many at the same moment
	for _, s := range guests {
		logins.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			page, err := v.GuestAt(s).Click(t.Context())
			if err != nil || page.URL.Path != "/status" {
				t.Errorf("%s: %d %v", s.MAC, page.Status, err)
			}
		})
	}
	logins.Wait()
	stop()
	attacks.Wait()
	t.Logf("%d connections held, %d passwords guessed, %d devices pretended", held.Load(), guesses.Load(), stations.Load())
	if rss := residentKB(t, v.Daemon.PID()); rss > 64<<10 {
		t.Errorf("the daemon has %d kB", rss)
	}
}

// hold keeps connections to the portal from one address open, and opens another for each that it loses.
func hold(ctx context.Context, g *venue.Guest, from string, held *atomic.Int64) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
	var conns sync.WaitGroup
	for range 20 {
		conns.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for ; ctx.Err() == nil; <-tick.C {
				var c net.Conn
				if err := g.Do(func() (err error) {
					c, err = d.DialContext(ctx, "tcp", net.JoinHostPort(lab.GuestGateway6, "2080"))
					return err
				}); err != nil {
					continue
				}
				held.Add(1)
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				_, _ = io.WriteString(c, "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n")
				_, _ = c.Read(make([]byte, 1)) // until the portal has had enough
				stop()
				_ = c.Close()
			}
		})
	}
	conns.Wait()
}

// guess tries one password after the other.
func guess(ctx context.Context, g *venue.Guest, guesses *atomic.Int64) {
	for ctx.Err() == nil {
		sheet, err := g.Sheet(ctx)
		if err != nil {
			continue
		}
		for i := 0; ctx.Err() == nil; i++ {
			page, err := g.Submit(ctx, sheet, "password", url.Values{"username": {"ann"}, "password": {strconv.Itoa(i)}})
			if err != nil {
				break
			}
			if guesses.Add(1); page.Status != http.StatusOK {
				break
			}
		}
	}
}

func residentKB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	kB, err := strconv.Atoi(strings.Fields(rss)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kB
}
