package lab_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/lab"
)

func newLab(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func addStation(t *testing.T, l *lab.Lab, options lab.StationOptions) *lab.Station {
	t.Helper()
	s, err := l.AddStation(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, h *lab.Host, url string) (int, string) {
	t.Helper()
	resp, err := h.HTTPClient().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

const masquerade = `table ip test { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`

func TestStation(t *testing.T) {
	t.Parallel()
	start := time.Now()
	l := newLab(t, lab.Options{})
	t.Logf("lab after %v", time.Since(start))
	s := addStation(t, l, lab.StationOptions{})
	t.Logf("station after %v: %v %v %v", time.Since(start), s.MAC, s.Addr4, s.Addr6)

	if !netip.MustParsePrefix(lab.GuestNet4).Contains(s.Addr4) || !netip.MustParsePrefix(lab.GuestNet6).Contains(s.Addr6) {
		t.Errorf("addresses %v and %v are not of the guest network", s.Addr4, s.Addr6)
	}
	leases, err := os.ReadFile(l.LeaseFile())
	if err != nil || !strings.Contains(string(leases), s.MAC.String()) {
		t.Errorf("lease file does not name the station: %v\n%s", err, leases)
	}
	web4, web6 := net.JoinHostPort(lab.WebAddr4, "80"), net.JoinHostPort(lab.WebAddr6, "80")
	if got, err := s.ProbeTCP(t.Context(), web4, 300*time.Millisecond); got != lab.TimedOut || err != nil {
		t.Errorf("without masquerade the station sees %q, %v; want nothing to come back", got, err)
	}
	if out, err := l.Gateway.Run(t.Context(), "nft", masquerade); err != nil {
		t.Fatal(err, out)
	}
	for url, want := range map[string]string{
		"http://" + web4 + "/echo":                      lab.GatewayWAN4 + ":",
		"http://" + web6 + "/echo":                      "[" + s.Addr6.String() + "]:",
		"https://" + lab.WebAddr4 + "/echo":             lab.GatewayWAN4 + ":",
		"http://" + web4 + "/hotspot-detect.html":       "<HTML><HEAD><TITLE>Success",
		"http://" + lab.GuestGateway4 + "/":             lab.AdminPageText,
		"http://" + lab.GatewayWAN4 + "/":               lab.AdminPageText,
		"http://[" + lab.GuestGateway6 + "]/":           lab.AdminPageText,
		"http://" + lab.GardenAddr4 + "/bytes?n=5":      "\x00\x00\x00\x00\x00",
		"http://[" + lab.GardenAddr6 + "]:80/bytes?n=2": "\x00\x00",
	} {
		if code, body := get(t, s.Host, url); code != http.StatusOK || !strings.HasPrefix(body, want) {
			t.Errorf("GET %s: %d %q, want 200 %q", url, code, body, want)
		}
	}
	if code, _ := get(t, s.Host, "http://"+web4+"/generate_204"); code != http.StatusNoContent {
		t.Errorf("generate_204 answers %d", code)
	}
	if out, err := s.Run(t.Context(), "busybox", "nslookup", lab.GardenName); err != nil || !strings.Contains(out, lab.GardenAddr4) {
		t.Errorf("name lookup: %v %s", err, out)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{})
	s := addStation(t, l, lab.StationOptions{MAC: "02:00:00:aa:bb:cc"})
	if s.MAC.String() != "02:00:00:aa:bb:cc" {
		t.Errorf("MAC is %v", s.MAC)
	}
	if out, err := l.Gateway.Run(t.Context(), "nft", masquerade+`
table inet closed { chain forward { type filter hook forward priority 0;
	udp dport 1000 drop; tcp dport 1000 drop
	udp dport 1001 reject with icmpx admin-prohibited; tcp dport 1001 reject with icmpx admin-prohibited
	udp dport 1002 reject; tcp dport 1002 reject with tcp reset
}; }`); err != nil {
		t.Fatal(err, out)
	}
	for _, web := range []string{lab.WebAddr4, lab.WebAddr6} {
		for _, tc := range []struct {
			port     string
			tcp, udp lab.Outcome
		}{
			{"443", lab.Connected, lab.Connected},
			{"1000", lab.TimedOut, lab.TimedOut},
			{"1001", lab.Unreachable, lab.Unreachable},
			{"1002", lab.Refused, lab.Refused},
			{"1003", lab.Refused, lab.Refused}, // nobody listens
		} {
			addr := net.JoinHostPort(web, tc.port)
			patience := 400 * time.Millisecond
			if tc.tcp == lab.Unreachable {
				patience = 2 * time.Second // see ProbeTCP
			}
			tcp, err := s.ProbeTCP(t.Context(), addr, patience)
			if err != nil || tcp != tc.tcp {
				t.Errorf("TCP %s: %q, %v; want %q", addr, tcp, err, tc.tcp)
			}
			udp, err := s.ProbeUDP(t.Context(), addr, 400*time.Millisecond)
			if err != nil || udp != tc.udp {
				t.Errorf("UDP %s: %q, %v; want %q", addr, udp, err, tc.udp)
			}
		}
		if err := s.Ping(t.Context(), web); err != nil {
			t.Error(err)
		}
	}
	if err := s.Ping(t.Context(), "192.168.77.254"); err == nil {
		t.Error("an address that nobody has answers a ping")
	}
}

func TestDHCPRenewReleaseObtain(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{})
	s := addStation(t, l, lab.StationOptions{})
	addr := s.Addr4
	if err := s.Renew(t.Context()); err != nil || s.Addr4 != addr {
		t.Errorf("renew: %v, address %v, was %v", err, s.Addr4, addr)
	}
	if err := s.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Run(t.Context(), "ip", "-4", "addr", "show", "dev", lab.PeerInterface); err != nil || strings.Contains(out, "inet ") {
		t.Errorf("after release: %v %s", err, out)
	}
	if err := s.Obtain(t.Context()); err != nil || s.Addr4 != addr {
		t.Errorf("obtain: %v, address %v, was %v", err, s.Addr4, addr)
	}
}

func TestExtraBridges(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{ExtraBridges: []lab.Bridge{
		{Name: "br-second", Net4: netip.MustParsePrefix("192.168.90.1/24"), Net6: netip.MustParsePrefix("2001:db8:90::1/64"), DHCP: true},
		{Name: "br-other", Net4: netip.MustParsePrefix("10.9.0.1/24")},
	}})
	second := addStation(t, l, lab.StationOptions{Bridge: "br-second"})
	if !netip.MustParsePrefix("192.168.90.0/24").Contains(second.Addr4) || !netip.MustParsePrefix("2001:db8:90::/64").Contains(second.Addr6) {
		t.Errorf("addresses of the second network: %v %v", second.Addr4, second.Addr6)
	}
	other := addStation(t, l, lab.StationOptions{Bridge: "br-other",
		Static: []netip.Prefix{netip.MustParsePrefix("10.9.0.7/24")}, Routers: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	if err := other.Ping(t.Context(), second.Addr4.String()); err != nil {
		t.Error(err)
	}
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{})
	start := time.Now()
	stations, err := l.AddStaticStations(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("200 stations in %v", time.Since(start))
	var requests sync.WaitGroup
	for _, s := range stations {
		requests.Go(func() {
			for _, host := range []string{lab.GuestGateway4, "[" + lab.GuestGateway6 + "]", "[" + lab.WebAddr6 + "]"} {
				resp, err := s.HTTPClient().Get("http://" + host + "/")
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	requests.Wait()
	if err := stations[0].Leave(); err != nil {
		t.Error(err)
	}
	if err := l.Gateway.Ping(t.Context(), stations[0].Addr4.String()); err == nil {
		t.Error("a station that left answers")
	}
}
