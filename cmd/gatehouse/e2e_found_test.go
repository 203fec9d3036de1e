package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
	"gatehouse/portal"
)

const (
	portalName = "wifi.hotel.example"
	portalHome = "https://" + portalName + ":2443"
	portalAPI  = portalHome + portal.APIPath
)

// newSecureSite is a site whose portal has a name and a certificate that ends then, and whose dnsmasq is pointed at the
// daemon's files. The second bridge, br-other, is no zone's.
func newSecureSite(t *testing.T, notAfter time.Time, zone, more string) *site {
	t.Helper()
	dir := t.TempDir()
	return newSecureSiteIn(t, dir, notAfter, zone, more, "addn-hosts="+dir+"/run/dnsmasq/hosts")
}

func newSecureSiteIn(t *testing.T, dir string, notAfter time.Time, zone, more string, dnsmasq ...string) *site {
	t.Helper()
	s := newSiteWith(t, dir, lab.Options{DNSMasq: append(dnsmasq, "dhcp-optsfile="+dir+"/run/dnsmasq/dhcp-options",
		"dhcp-range="+lab.GuestNet6[:len(lab.GuestNet6)-3]+",ra-stateless"),
		ExtraBridges: []lab.Bridge{{Name: "br-other", Net4: netip.MustParsePrefix("192.168.90.1/24"), DHCP: true}}})
	s.certify(t, notAfter, portalName)
	s.write(t, "gatehouse.toml", s.settings(zone)+fmt.Sprintf("[portal]\nname = %q\ncertificate = %q\nkey = %q\nca_file = %q\nlease_time = '1h'\n%s",
		portalName, filepath.Join(s.dir, "portal.pem"), filepath.Join(s.dir, "portal.key"), s.CAFile, more))
	return s
}

// certify puts a certificate in place.
func (s *site) certify(t *testing.T, notAfter time.Time, name string) {
	t.Helper()
	certificate, key, err := s.Issue(notAfter, name)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"portal.key": key, "portal.pem": certificate} {
		s.write(t, name+".new", string(text))
		if err := os.Rename(filepath.Join(s.dir, name+".new"), filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// surfer is a client as a guest's: it asks the gateway's resolver, over both families in turn, trusts the lab's authority,
// and keeps connections.
func surfer(g *venue.Guest, family, resolver string) *http.Client {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return g.Dial(ctx, network, net.JoinHostPort(resolver, "53"))
	}}
	c := g.HTTPClient()
	tr := c.Transport.(*http.Transport)
	tr.DisableKeepAlives = false
	tr.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return g.Dial(ctx, "tcp", addr)
		}
		addrs, err := r.LookupNetIP(ctx, "ip"+family, host)
		if err != nil {
			return nil, err
		}
		return g.Dial(ctx, "tcp", net.JoinHostPort(addrs[0].String(), port))
	}
	return c
}

// TestPortalOverHTTPS: with a good certificate the portal is found by its name in both families, before and after the login,
// with both backends, and the captive portal API with it; a bad certificate leaves plain HTTP and no announcement.
func TestPortalOverHTTPS(t *testing.T) {
	for _, backend := range []string{"nftables", "iptables"} {
		t.Run(backend, func(t *testing.T) {
			s := newSecureSite(t, time.Now().Add(24*time.Hour), "", "[firewall]\nbackend = '"+backend+"'\n")
			p := s.start(t)
			g := s.guest(t)
			for _, captive := range []bool{true, false} {
				resolvers := map[string]string{"4": lab.GuestGateway4, "6": lab.GuestGateway6}
				if captive { // fixed in the phone (problem P28); no resolver is there
					resolvers = map[string]string{"4": lab.WebAddr4, "6": lab.WebAddr6}
				}
				for family, resolver := range resolvers {
					b := surfer(g, family, resolver)
					if got, err := askAPI(b); err != nil || got.Captive != captive || got.UserPortalURL != portalHome+"/" {
						t.Errorf("IPv%s: %+v %v", family, got, err)
					}
					if captive {
						at, err := g.Get(t.Context(), "http://"+net.JoinHostPort(map[string]string{"4": lab.WebAddr4, "6": lab.WebAddr6}[family], "80")+"/generate_204")
						if err != nil || !strings.HasPrefix(at.Location, portalHome+"/?u=http") {
							t.Errorf("IPv%s: the probe leads to %q %v", family, at.Location, err)
						}
					}
					b.CloseIdleConnections()
				}
				if captive {
					s.login(t, g)
				}
			}
			s.certify(t, time.Now().Add(-time.Minute), portalName)
			s.says(t, p, "the portal is plain HTTP")
			if out, err := s.cli(t, "status"); err != nil || !strings.Contains(out, "portal: plain HTTP, by address (it ended at ") {
				t.Errorf("status: %v\n%s", err, out)
			}
			other := s.guest(t)
			if at, err := other.Probe(t.Context()); err != nil || !strings.HasPrefix(at.Location, "http://"+lab.GuestGateway4+":2080/") {
				t.Errorf("with an old certificate the probe leads to %q %v", at.Location, err)
			}
			if got, err := askAPI(surfer(other, "4", lab.GuestGateway4)); err == nil {
				t.Errorf("with an old certificate the API says %+v", got)
			}
			if err := p.Terminate(); err != nil {
				t.Errorf("stopping: %v\n%s", err, p.Log())
			}
		})
	}
}

type captivity struct {
	Captive          bool   `json:"captive"`
	UserPortalURL    string `json:"user-portal-url"`
	SecondsRemaining *int64 `json:"seconds-remaining"`
	BytesRemaining   *int64 `json:"bytes-remaining"`
}

func askAPI(c *http.Client) (got captivity, err error) {
	req, err := http.NewRequest(http.MethodGet, portalAPI, nil)
	if err != nil {
		return got, err
	}
	req.Header.Set("Accept", "application/captive+json")
	resp, err := c.Do(req)
	if err != nil {
		return got, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return got, fmt.Errorf("the API answers %s", resp.Status)
	}
	return got, json.NewDecoder(resp.Body).Decode(&got)
}

// login logs the guest in by click-through over HTTPS.
func (s *site) login(t *testing.T, g *venue.Guest) {
	t.Helper()
	b := surfer(g, "4", lab.GuestGateway4)
	defer b.CloseIdleConnections()
	if err := clickThrough(b); err != nil {
		t.Fatal(err)
	}
}

// TestAnnounced: DHCP tells stations of the zone where the API is, in both families, and nobody else; no longer than the
// certificate is good for a whole lease.
func TestAnnounced(t *testing.T) {
	s := newSecureSite(t, time.Now().Add(2*time.Hour), "", "")
	p := s.start(t)
	told := func(announced bool, times int) { // dnsmasq
		t.Helper()
		line := fmt.Sprintf("dnsmasq is told where the portal is\" announced=%v", announced)
		if err := lab.WaitFor(t.Context(), 20*time.Second, func() error {
			if n := strings.Count(p.Log(), line); n < times {
				return fmt.Errorf("announced=%v was told %d times, not %d:\n%s", announced, n, times, p.Log())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	told(true, 1)
	if out, err := s.cli(t, "status"); err != nil || !strings.Contains(out, "portal: "+portalHome+"/, certificate until ") || !strings.Contains(out, ", announced by DHCP\n") {
		t.Errorf("status: %v\n%s", err, out)
	}
	option := func(bridge string) string {
		t.Helper()
		st, err := s.AddStation(t.Context(), lab.StationOptions{Bridge: bridge, NoIPv6: true, DHCP: []string{"-O", "114"}})
		if err != nil {
			t.Fatal(err)
		}
		return st.Option114()
	}
	if got := option(""); got != portalAPI {
		t.Errorf("option 114 is %q", got)
	}
	if got := option("br-other"); got != "" {
		t.Errorf("another network is told %q", got)
	}
	if got := s.option103(t); got != portalAPI {
		t.Errorf("DHCPv6 option 103 is %q", got)
	}
	s.certify(t, time.Now().Add(59*time.Minute), portalName) // good now, but not for a lease of 1 h
	told(false, 2)
	if got := option(""); got != "" {
		t.Errorf("with a certificate that ends before a lease option 114 is %q", got)
	}
	if got, err := askAPI(surfer(s.guest(t), "4", lab.GuestGateway4)); err != nil || !got.Captive {
		t.Errorf("the API is gone too early: %+v %v", got, err)
	}
	s.certify(t, time.Now().Add(2*time.Hour), portalName)
	told(true, 2)
	if got := option(""); got != portalAPI {
		t.Errorf("with a new certificate option 114 is %q", got)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
	if got := option(""); got != "" {
		t.Errorf("with the daemon stopped option 114 is %q", got)
	}
}

// TestNotAnnouncedByAnUnknownName: where guests who are logged in would not find the portal by its name, DHCP does not tell it.
func TestNotAnnouncedByAnUnknownName(t *testing.T) {
	s := newSecureSiteIn(t, t.TempDir(), time.Now().Add(24*time.Hour), "", "")
	p := s.start(t)
	s.says(t, p, "the router's resolver does not lead to the portal by its name")
	st, err := s.AddStation(t.Context(), lab.StationOptions{NoIPv6: true, DHCP: []string{"-O", "114"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Option114(); got != "" {
		t.Errorf("option 114 is %q", got)
	}
	if got, err := askAPI(surfer((&venue.Venue{Lab: s.Lab}).GuestAt(st), "4", lab.GuestGateway4)); err != nil || !got.Captive {
		t.Errorf("captive stations find it all the same: %+v %v", got, err)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// clickThrough opens the sheet of a captive device, follows it to the portal, and logs in there.
func clickThrough(b *http.Client) error {
	page, err := fetch(b, "http://"+lab.WebAddr4+"/generate_204")
	if err != nil || page.Status != http.StatusFound {
		return fmt.Errorf("the probe: %d %w", page.Status, err)
	}
	if page, err = fetch(b, page.Location); err != nil {
		return err
	}
	fields, err := venue.Fields(page.Body, "click")
	if err != nil {
		return err
	}
	resp, err := b.PostForm(page.URL.Scheme+"://"+page.URL.Host+"/login", fields)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "/status") {
		return fmt.Errorf("the login is answered %s to %q", resp.Status, resp.Header.Get("Location"))
	}
	return nil
}

// fetch gets a page over whatever connections the client has.
func fetch(c *http.Client, url string) (venue.Page, error) {
	resp, err := c.Get(url)
	if err != nil {
		return venue.Page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return venue.Page{Status: resp.StatusCode, Location: resp.Header.Get("Location"), Header: resp.Header, Body: string(body), URL: resp.Request.URL}, err
}

// option103 asks for DHCPv6's option by an Information-request (RFC 8415 §18.2.6).
func (s *site) option103(t *testing.T) string {
	t.Helper()
	st, err := s.AddStation(t.Context(), lab.StationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	option := func(code uint16, data ...byte) []byte {
		return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, code), uint16(len(data))), data...)
	}
	request := slices.Concat([]byte{11, 1, 2, 3}, option(1, append([]byte{0, 3, 0, 1}, st.MAC...)...), option(6, 0, 103))
	var conn net.PacketConn
	var to *net.UDPAddr
	if err := st.Do(func() (err error) {
		if conn, err = net.ListenPacket("udp6", "[::]:546"); err == nil {
			to, err = net.ResolveUDPAddr("udp6", "[ff02::1:2%"+lab.PeerInterface+"]:547")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply := make([]byte, 1500)
	var n int
	if err := lab.WaitFor(t.Context(), 10*time.Second, func() error { // the link-local address may not be there yet
		if _, err := conn.WriteTo(request, to); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		n, _, err = conn.ReadFrom(reply)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for options := reply[4:n]; len(options) >= 4; {
		code, length := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		if 4+length > len(options) {
			break
		}
		if code == 103 {
			return string(options[4 : 4+length])
		}
		options = options[4+length:]
	}
	return ""
}
