package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

const strangerName = "stranger.example" // the lab's web servers have it

// TestWalledGarden: a captive station reaches what the garden names with its first packet after the answer, in both
// families, whichever resolver it asks, and nothing else; also after the daemon was killed.
func TestWalledGarden(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", s.settings("walled_garden = ['*."+lab.GardenName+"', '"+lab.GardenName+"']"))
	p := s.start(t)
	g := s.guest(t)
	both := []string{lab.GardenAddr4, lab.GardenAddr6}
	s.wantTCP(t, g, "443", lab.Refused, both...)
	for _, ask := range []struct{ network, resolver, name string }{
		{"udp", lab.WebAddr4, lab.GardenName}, // fixed in the phone; no resolver is there
		{"udp", lab.WebAddr6, "shop." + lab.GardenName},
		{"tcp", lab.DNSAddr4, "a.b." + lab.GardenName},
		{"udp", lab.GuestGateway4, lab.GardenName},
		{"tcp", lab.GuestGateway6, lab.GardenName},
	} {
		s.forgetGarden(t)
		s.wantTCP(t, g, "443", lab.Refused, both...)
		if got := resolve(t, g, ask.network, ask.resolver, ask.name); !cmp.Equal(got, both) {
			t.Errorf("%s asked of %s over %s: %v", ask.name, ask.resolver, ask.network, got)
		}
		s.wantTCP(t, g, "443", lab.Connected, both...)
	}
	if got := resolve(t, g, "udp", lab.WebAddr4, strangerName); !cmp.Equal(got, []string{lab.WebAddr4, lab.WebAddr6}) {
		t.Errorf("a name that is not in the garden: %v", got)
	}
	s.wantTCP(t, g, "443", lab.Refused, lab.WebAddr4, lab.WebAddr6)
	s.wantTCP(t, g, "853", lab.Refused, append(both, lab.DNSAddr4, lab.DNSAddr6)...)
	for _, addr := range both {
		if at, err := g.Get(t.Context(), "http://"+net.JoinHostPort(addr, "80")+"/"); err != nil || at.Status != http.StatusFound {
			t.Errorf("port 80 of the garden: %d %v", at.Status, err)
		}
	}
	for _, look := range []struct {
		verb, want string
		open       bool
	}{
		{"garden guests", lab.GardenAddr6 + " ", true},
		{"garden test Shop." + lab.GardenName, "guests: Shop.garden.example is open by *.garden.example\n", true},
		{"garden test " + lab.GardenAddr4, "guests: " + lab.GardenAddr4 + " is open on port 443 for ", true},
		{"garden test " + strangerName, strangerName + " is not open", false},
		{"garden attic", `no zone "attic"`, false},
	} {
		if out, err := s.cli(t, strings.Fields(look.verb)...); (err == nil) != look.open || !strings.Contains(out, look.want) {
			t.Errorf("%s: %v\n%s", look.verb, err, out)
		}
	}
	p.Kill()
	s.wantTCP(t, g, "443", lab.Connected, both...)
	p = s.start(t)
	s.wantTCP(t, g, "443", lab.Connected, both...)
	s.forgetGarden(t)
	resolve(t, g, "udp", lab.WebAddr4, lab.GardenName)
	s.wantTCP(t, g, "443", lab.Connected, both...)
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// TestDNSFlood: a station that floods the resolver is refused, and another one does not notice; who is in is not held.
func TestDNSFlood(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	flooder, quiet := s.guest(t), s.guest(t)
	ctx, stop := context.WithCancel(t.Context())
	var refused atomic.Int64
	done := make(chan error, 1)
	go func() { done <- flood(ctx, flooder, &refused) }()
	s.says(t, p, "a station asks for more names than a phone does")
	for range 20 {
		begun := time.Now()
		if got := resolve(t, quiet, "udp", lab.GuestGateway4, lab.GardenName); !cmp.Equal(got, []string{lab.GardenAddr4, lab.GardenAddr6}) {
			t.Errorf("beside the flood: %v", got)
		}
		if took := time.Since(begun); took > lab.Patience(500*time.Millisecond) {
			t.Errorf("an answer beside the flood took %v", took)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	if at, err := flooder.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	if got := resolve(t, flooder, "udp", lab.DNSAddr4, lab.GardenName); len(got) != 2 {
		t.Errorf("after the login: %v", got)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// flood sends queries as fast as it can and counts the refusals.
func flood(ctx context.Context, g *venue.Guest, refused *atomic.Int64) error {
	c, err := g.Dial(ctx, "udp", lab.GuestGateway4+":53")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	go func() {
		buf := make([]byte, 1500)
		for {
			n, err := c.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if n > 3 && dnsmessage.RCode(buf[3]&0xf) == dnsmessage.RCodeRefused {
				refused.Add(1)
			}
		}
	}()
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 1, RecursionDesired: true}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("flood.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	packed, err := query.Pack()
	for err == nil {
		_, err = c.Write(packed)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *site) wantTCP(t *testing.T, g *venue.Guest, port string, want lab.Outcome, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		if got, err := g.ProbeTCP(t.Context(), net.JoinHostPort(a, port), 1500*time.Millisecond); err != nil || got != want {
			t.Errorf("TCP to %s port %s: %s %v, want %s", a, port, got, err, want)
		}
	}
}

// forgetGarden empties the sets of learned addresses.
func (s *site) forgetGarden(t *testing.T) {
	t.Helper()
	for _, set := range []string{"garden4_guests", "garden6_guests"} {
		if out, err := s.Gateway.Run(t.Context(), "nft", "flush", "set", "inet", "gatehouse", set); err != nil {
			t.Fatal(out, err)
		}
	}
}

// resolve asks one resolver for both addresses of a name; IPv4 comes first.
func resolve(t *testing.T, g *venue.Guest, network, resolver, name string) []string {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return g.Dial(ctx, network, net.JoinHostPort(resolver, "53"))
	}}
	var found []string
	for _, family := range []string{"ip4", "ip6"} {
		addrs, err := r.LookupNetIP(t.Context(), family, name+".")
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSuffix(name, "."), err)
		}
		for _, a := range addrs {
			found = append(found, a.Unmap().String())
		}
	}
	return found
}

// TestDNSUpstreamAway: without the router's resolver the portal opens all the same, and the log names the key.
func TestDNSUpstreamAway(t *testing.T) {
	s := newSite(t)
	conf, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "gatehouse.toml", strings.Replace(string(conf), "[[zone]]", "[dns]\nupstream = '127.0.0.1:5353'\n[[zone]]", 1))
	p := s.start(t)
	g := s.guest(t)
	c, err := g.Dial(t.Context(), "tcp", lab.GuestGateway4+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	query := append([]byte{0, 25, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "\x07example\x00\x00\x01\x00\x01"...)
	query[1] = byte(len(query) - 2)
	if _, err := c.Write(query); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 512)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(reply); err != nil || n < 6 || dnsmessage.RCode(reply[5]&0xf) != dnsmessage.RCodeServerFailure {
		t.Errorf("answer %x, %v", reply[:n], err)
	}
	s.says(t, p, "the router's resolver does not answer")
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Errorf("login: %d %v", at.Status, err)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
