package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// finding is what a system makes of a network.
type finding string

const (
	isPortal finding = "portal"
	isOnline finding = "online"
	isNone   finding = "no internet"
)

// reply is an answer as the rules of the systems look at it; err where there was none.
type reply struct {
	venue.Page
	length int64 // Content-Length; -1: none
	err    error
}

func (r reply) isRedirect() bool { return r.Status/100 == 3 && r.Status != http.StatusNotModified }

// device is a phone or computer, with a client as its system's is.
type device struct {
	*venue.Guest
	client *http.Client // follows nothing by itself
	api    string       // that DHCP told; empty: none
}

// ask asks once, as probes do: over a connection of its own.
func (d *device) ask(address, agent, accept string) reply {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return reply{err: err}
	}
	req.Close = true
	req.Header.Set("User-Agent", agent)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return reply{venue.Page{Status: resp.StatusCode, Location: resp.Header.Get("Location"), Header: resp.Header, Body: string(body), URL: req.URL}, resp.ContentLength, err}
}

// follow asks and goes where it is sent, as long as the certificates are good.
func (d *device) follow(address, agent string) reply {
	for range 10 {
		r := d.ask(address, agent, "")
		if r.err != nil || !r.isRedirect() || r.Location == "" {
			return r
		}
		to, err := r.URL.Parse(r.Location)
		if err != nil {
			return reply{err: err}
		}
		address = to.String()
	}
	return reply{err: errors.New("sent round in circles")}
}

// system is one system's rules (standards.md §1.4, §2.1, §2.3). open is the address that it shows its user.
type system struct {
	name  string
	judge func(d *device) (v finding, open string)
	agent string // of what shows the page
}

const (
	androidAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36"
	appleAgent   = "CaptiveNetworkSupport-481.0.2 wispr"
	mobileAgent  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
)

func systems() []system {
	return []system{
		{"Android 15", android, androidAgent},
		{"iOS", iOS, mobileAgent},
		{"Chromium", chromium, androidAgent},
		{"ChromeOS", chromeOS, androidAgent},
		{"Firefox", firefox, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{"NetworkManager", networkManager, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15"},
		{"Windows", windows, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"},
	}
}

// android is NetworkMonitor's evaluation: the API can make a network captive, never open; with it HTTPS alone proves nothing.
func android(d *device) (finding, string) {
	if strings.HasPrefix(d.api, "https://") {
		if a := d.androidAPI(); a != nil && a.Captive {
			return isPortal, a.UserPortalURL
		}
	}
	const probe = "http://connectivitycheck.gstatic.com/generate_204"
	overHTTP := d.ask(probe, androidAgent, "")
	overHTTPS := d.ask("https://www.google.com/generate_204", androidAgent, "")
	h := overHTTP
	switch {
	case h.err != nil: // failed
	case h.Status == http.StatusOK && h.length >= 0 && h.length <= 4: // failed: a proxy without an answer
	case h.Status == http.StatusNoContent:
		if overHTTPS.err == nil && overHTTPS.Status == http.StatusNoContent {
			return isOnline, ""
		}
	case h.Status >= 200 && h.Status <= 399:
		if h.Location != "" {
			return isPortal, h.Location
		}
		return isPortal, probe
	}
	if d.api == "" && overHTTPS.err == nil && overHTTPS.Status == http.StatusNoContent {
		return isOnline, ""
	}
	return isNone, ""
}

// androidAPI reads the captive portal API as Android does; nil: there is no valid answer.
func (d *device) androidAPI() *captivity {
	r := d.ask(d.api, androidAgent, "application/captive+json")
	var said map[string]any
	if r.err != nil || r.Status != http.StatusOK || len(r.Body) > 4096 || json.Unmarshal([]byte(r.Body), &said) != nil {
		return nil
	}
	captive, ok := said["captive"].(bool)
	portal, _ := said["user-portal-url"].(string)
	if !ok || captive && !strings.HasPrefix(portal, "https://") {
		return nil
	}
	return &captivity{Captive: captive, UserPortalURL: portal}
}

// iOS opens the sheet on any other answer than its own; no answer is no sheet.
func iOS(d *device) (finding, string) {
	const probe = "http://captive.apple.com/hotspot-detect.html"
	if d.api != "" {
		if a := d.androidAPI(); a != nil && a.Captive {
			return isPortal, a.UserPortalURL
		}
	}
	switch r := d.ask(probe, appleAgent, ""); {
	case r.err != nil:
		return isNone, ""
	case r.Status == http.StatusOK && r.Body == "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>":
		return isOnline, ""
	}
	return isPortal, probe // the sheet loads it again
}

// chromium follows redirects in its detector: a bad certificate there is no portal.
func chromium(d *device) (finding, string) {
	const probe = "http://www.gstatic.com/generate_204"
	switch r := d.follow(probe, androidAgent); {
	case r.err != nil:
		return isNone, ""
	case r.Status == http.StatusNoContent, r.Status == http.StatusOK && len(r.Body) <= 1:
		return isOnline, ""
	case r.Status == http.StatusNetworkAuthenticationRequired, r.Status >= 200 && r.Status < 400:
		return isPortal, probe
	}
	return isNone, ""
}

func chromeOS(d *device) (finding, string) {
	r := d.ask("http://connectivitycheck.gstatic.com/generate_204", androidAgent, "")
	switch to, err := url.Parse(r.Location); {
	case r.err != nil:
	case r.Status == http.StatusNoContent, r.Status == http.StatusOK && len(r.Body) <= 1:
		if s := d.ask("https://www.google.com/generate_204", androidAgent, ""); s.err == nil {
			return isOnline, ""
		}
	case (r.Status == http.StatusFound || r.Status == http.StatusTemporaryRedirect) && err == nil && to.IsAbs() && to.Host != "":
		return isPortal, r.Location
	}
	return isNone, ""
}

func firefox(d *device) (finding, string) {
	const probe = "http://detectportal.firefox.com/canonical.html"
	switch r := d.ask(probe, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ""); {
	case r.err != nil:
		return isNone, ""
	case r.Status == http.StatusOK && r.Body == `<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>`:
		return isOnline, ""
	case r.Status == http.StatusNetworkAuthenticationRequired, r.Status >= 200 && r.Status < 400:
		return isPortal, probe
	}
	return isNone, ""
}

func networkManager(d *device) (finding, string) {
	const probe = "http://nmcheck.gnome.org/check_network_status.txt"
	switch r := d.ask(probe, "NetworkManager/1.42.4", ""); {
	case r.err != nil:
		return isNone, ""
	case r.Header.Get("X-NetworkManager-Status") == "online", strings.HasPrefix(r.Body, "NetworkManager is online"):
		return isOnline, ""
	}
	return isPortal, probe
}

func windows(d *device) (finding, string) {
	switch r := d.ask("http://www.msftconnecttest.com/connecttest.txt", "Microsoft NCSI", ""); {
	case r.err != nil:
		return isNone, ""
	case r.Status == http.StatusOK && r.Body == "Microsoft Connect Test":
		return isOnline, ""
	}
	return isPortal, "http://www.msftconnecttest.com/redirect"
}

// TestSystems: each system's own rules say portal, and what it then shows is the login page; after the login they say online,
// and after the logout portal again. In both families, by name over HTTPS and by address.
func TestSystems(t *testing.T) {
	for what, s := range map[string]*site{"by name": newSecureSite(t, time.Now().Add(24*time.Hour), "", ""), "by address": newSite(t)} {
		t.Run(what, func(t *testing.T) {
			p := s.start(t)
			if what == "by name" {
				s.says(t, p, "dnsmasq is told where the portal is\" announced=true")
			}
			st, err := s.AddStation(t.Context(), lab.StationOptions{DHCP: []string{"-O", "114"}})
			if err != nil {
				t.Fatal(err)
			}
			g := (&venue.Venue{Lab: s.Lab}).GuestAt(st)
			var devices []*device
			for family, resolver := range map[string]string{"4": lab.GuestGateway4, "6": lab.GuestGateway6} {
				devices = append(devices, &device{Guest: g, client: surfer(g, family, resolver), api: st.Option114()})
			}
			if (devices[0].api != "") != (what == "by name") {
				t.Errorf("option 114 is %q", devices[0].api)
			}
			judge := func(want finding) {
				t.Helper()
				for _, d := range devices {
					for _, system := range systems() {
						got, open := system.judge(d)
						if got != want {
							t.Errorf("%s says %s, want %s", system.name, got, want)
						}
						if got != isPortal {
							continue
						}
						if page := d.follow(open, system.agent); page.err != nil || page.Status != http.StatusOK || !strings.Contains(page.Body, `value="click"`) {
							t.Errorf("%s opens %s and shows %d %v", system.name, open, page.Status, page.err)
						}
					}
				}
			}
			judge(isPortal)
			if err := clickThrough(devices[0].client); err != nil {
				t.Fatal(err)
			}
			judge(isOnline)
			if out, err := s.cli(t, "logout", "guests/"+g.MAC.String()); err != nil {
				t.Fatal(out, err)
			}
			judge(isPortal)
			if err := p.Terminate(); err != nil {
				t.Errorf("stopping: %v\n%s", err, p.Log())
			}
		})
	}
}

// TestAPIAgreesWithPackets: what the captive portal API says is what packets meet, at the login and at each kind of end.
func TestAPIAgreesWithPackets(t *testing.T) {
	for what, c := range map[string]struct {
		zone string
		end  func(t *testing.T, s *site, g *venue.Guest)
	}{
		"logout": {"", func(t *testing.T, s *site, g *venue.Guest) {
			if out, err := s.cli(t, "logout", "guests/"+g.MAC.String()); err != nil {
				t.Error(out, err)
			}
		}},
		"time": {"session_timeout = '3s'", func(*testing.T, *site, *venue.Guest) {}},
		"data": {"caps.session.total = '300kB'", func(t *testing.T, _ *site, g *venue.Guest) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if got, err := g.Get(ctx, "http://"+lab.WebAddr4+"/bytes?n=600000"); err == nil {
				t.Errorf("%d octets came through", len(got.Body))
			}
		}},
		// Asking the API is no traffic of the internet's: the station falls idle all the same. The gateway reads the kernel every 5 s.
		"idle": {"idle_timeout = '2s'", func(t *testing.T, _ *site, g *venue.Guest) {
			silent := time.NewTimer(2200 * time.Millisecond)
			defer silent.Stop()
			<-silent.C
		}},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSecureSite(t, time.Now().Add(24*time.Hour), c.zone, "")
			p := s.start(t)
			g := s.guest(t)
			b := surfer(g, "4", lab.GuestGateway4)
			agrees := func() (captive bool) {
				t.Helper()
				const tick = 20 * time.Millisecond // of the kernel, when it ends what has a time
				for begun := time.Now(); ; {
					late := time.Since(begun) > tick
					before, err := passes(t, g)
					said, apiErr := askAPI(b)
					after, err2 := passes(t, g)
					if err := errors.Join(err, apiErr, err2); err != nil {
						t.Fatalf("%v\n%s", err, p.Log())
					}
					if before != after || said.Captive != before {
						return said.Captive
					}
					if late {
						t.Errorf("packets pass: %v, and the API says captive: %v", before, said.Captive)
						return said.Captive
					}
				}
			}
			if !agrees() {
				t.Error("not captive before the login")
			}
			s.login(t, g)
			if agrees() {
				t.Error("captive after the login")
			}
			if what == "data" {
				s.bytesRemain(t, g, b)
			}
			if what == "idle" {
				c.end(t, s, g)
				if said, err := askAPI(b); err != nil || !said.Captive {
					t.Errorf("fallen idle the API says %+v %v", said, err)
				}
			} else {
				done := make(chan struct{})
				go func() { defer close(done); c.end(t, s, g) }()
				if err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
					if !agrees() {
						return errors.New("still online")
					}
					return nil
				}); err != nil {
					t.Errorf("%v\n%s", err, p.Log())
				}
				<-done
			}
			if !agrees() {
				t.Error("not captive after the end")
			}
			if err := p.Terminate(); err != nil {
				t.Errorf("stopping: %v\n%s", err, p.Log())
			}
		})
	}
}

// bytesRemain downloads a third of 300,000 octets and looks what the API says is left: the gateway reads the kernel by itself
// every 5 s only.
func (s *site) bytesRemain(t *testing.T, g *venue.Guest, b *http.Client) {
	t.Helper()
	if got, err := g.Get(t.Context(), "http://"+lab.WebAddr4+"/bytes?n=100000"); err != nil || len(got.Body) != 100_000 {
		t.Errorf("%d octets, %v", len(got.Body), err)
	}
	if err := lab.WaitFor(t.Context(), 2*time.Second, func() error {
		said, err := askAPI(b)
		if err == nil && (said.BytesRemaining == nil || *said.BytesRemaining > 200_000 || *said.BytesRemaining < 180_000) {
			err = fmt.Errorf("after 100,000 of 300,000 octets: %+v", said)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// passes tells whether a packet of the station reaches the internet.
func passes(t *testing.T, g *venue.Guest) (bool, error) {
	t.Helper()
	got, err := g.ProbeTCP(t.Context(), lab.WebAddr4+":443", 2*time.Second)
	if err == nil && got != lab.Connected && got != lab.Refused {
		err = fmt.Errorf("TCP to the internet: %s", got)
	}
	return got == lab.Connected, err
}
