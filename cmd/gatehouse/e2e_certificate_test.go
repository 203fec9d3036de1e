package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/acme"
	"gatehouse/lab/venue"
)

// TestCertificateFromTheCentre: a gateway that nobody gave a certificate is claimed, makes a key, and has its portal on HTTPS with a
// certificate that the centre got from an ACME server; it renews it while a guest's connection goes on.
func TestCertificateFromTheCentre(t *testing.T) {
	s := newSiteWith(t, t.TempDir(), lab.Options{})
	issuer := acme.StartAt(t, s.WAN, "wifi.hotel.test", 24*time.Second) // renewed when 16 s old
	c := foundCentre(t, s, issuer)
	config := s.settings("") + fmt.Sprintf("[portal]\ncertificate = 'centre'\nca_file = %q\nlease_time = '2m'\n[centre]\nurl = %q\ntoken_file = %q\nallow_cleartext = true\n",
		s.write(t, "roots.pem", string(issuer.RootPEM)), venue.CentreURL, filepath.Join(s.dir, "token"))
	s.config = s.write(t, "gatehouse.toml", config)
	var made struct {
		ClaimToken string `json:"claim_token"`
		Gateway    struct{ ID int64 }
	}
	c.ask(t, http.MethodPost, "/gateways/", map[string]any{"nas_identifier": "lobby-1"}, &made)
	if _, err := s.Gateway.Run(t.Context(), s.program, "claim", "--config", s.config, "--token", made.ClaimToken); err != nil {
		t.Fatal(err)
	}
	p := s.start(t)
	s.says(t, p, "the portal has HTTPS")
	home := fmt.Sprintf("https://lobby-1-%d.wifi.hotel.test:2443", made.Gateway.ID)
	g := s.guest(t)
	if at, err := g.Probe(t.Context()); err != nil || !strings.HasPrefix(at.Location, home+"/?u=") {
		t.Fatalf("the probe leads to %q %v", at.Location, err)
	}
	b, fresh := surfer(g, "4", lab.GuestGateway4), surfer(g, "4", lab.GuestGateway4)
	for _, client := range []*http.Client{b, fresh} {
		client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: issuer.Roots}
		defer client.CloseIdleConnections()
	}
	fresh.Transport.(*http.Transport).DisableKeepAlives = true
	first, local := serial(t, b, home)
	key := keyOf(t, s)
	err := lab.WaitFor(t.Context(), 40*time.Second, func() error {
		if _, again := serial(t, b, home); again != local {
			t.Fatalf("the guest's connection %s was cut; it has %s", local, again)
		}
		if strings.Count(p.Log(), "the portal has HTTPS") < 2 {
			return fmt.Errorf("the certificate is still the first:\n%s", p.Log())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := serial(t, fresh, home); now == first {
		t.Error("a new connection has the first certificate")
	}
	if bytes.Equal(key, keyOf(t, s)) {
		t.Error("the renewed certificate has the old key")
	}
	var gw struct{ Certificate struct{ Name, State string } }
	c.ask(t, http.MethodGet, fmt.Sprintf("/gateways/%d/", made.Gateway.ID), nil, &gw)
	if gw.Certificate.State != "issued" || "https://"+gw.Certificate.Name+":2443" != home {
		t.Errorf("the administrator sees %+v", gw)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// serial is the number of the certificate that a page came with, and the client's end of the connection.
func serial(t *testing.T, c *http.Client, url string) (number, local string) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { local = i.Conn.LocalAddr().String() }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", resp.Status, err)
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.String(), local
}

// keyOf is the portal's key, which nobody else may read.
func keyOf(t *testing.T, s *site) []byte {
	t.Helper()
	path := filepath.Join(s.dir, "state", "portal.pem")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		t.Fatalf("no key: %s", text)
	}
	return block.Bytes
}

// centreOf is a centre that runs on the internet of a site's lab, and its administrator.
type centreOf struct {
	*site
	admin string
}

// foundCentre starts a centre with an organisation whose certificates come from the ACME server.
func foundCentre(t *testing.T, s *site, issuer *acme.Server) *centreOf {
	t.Helper()
	program, database := central(t), "sqlite://"+filepath.Join(s.dir, "centre.db")
	run := func(args ...string) string {
		t.Helper()
		out, err := s.WAN.Run(t.Context(), program, append(args, "--database", database)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	run("migrate")
	run("org", "create", "--short-name", "acme", "--name", "Acme")
	c := &centreOf{s, run("token", "create", "--org", "acme", "--role", "admin")}
	p, err := s.WAN.Start(t.Context(), []string{program, "serve", "--database", database, "--listen", strings.TrimPrefix(venue.CentreURL, "http://"),
		"--secrets-key", s.write(t, "secrets", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
		"--private-networks", lab.Services, "--acme-ca", s.write(t, "acme.pem", string(issuer.HTTPSPEM)), "--dns-resolvers", issuer.Addr}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the centre said:\n%s", p.Log())
		}
	})
	err = lab.WaitFor(t.Context(), 20*time.Second, func() error {
		resp, err := s.WAN.HTTPClient().Get(venue.CentreURL + "/readyz")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	c.ask(t, http.MethodPut, "/settings/certificates/", map[string]any{"directory": issuer.Directory, "domain": strings.TrimSuffix(issuer.Name, "."),
		"terms_agreed": true, "provider": "rfc2136", "server": issuer.Zone.Addr, "username": acme.KeyName, "secret": issuer.Secret}, nil)
	return c
}

// ask calls the admin API.
func (c *centreOf) ask(t *testing.T, method, path string, in, out any) {
	t.Helper()
	administer(t, c.WAN, c.admin, method, path, in, out)
}
