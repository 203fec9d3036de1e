package central_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/lab/acme"
)

const portalDomain = "wifi.hotel.test"

// newIssuingCentre is a centre that gets certificates from Pebble, for acme and all below it.
func newIssuingCentre(t *testing.T) (*centre, *acme.Server) {
	t.Helper()
	server := acme.Start(t, portalDomain, 90*24*time.Hour)
	c := newCentre(t, withSecrets(t), withLoopback, func(cfg *central.Config) {
		cfg.ACMEAuthorities, cfg.Resolvers = server.HTTPS, []string{server.Addr}
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.server.IssueCertificates(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return c, server
}

func issuing(s *acme.Server) map[string]any {
	return map[string]any{"directory": s.Directory, "email": "it@hotel.test", "domain": portalDomain, "terms_agreed": true, "provider": "rfc2136",
		"server": s.Addr, "username": "gatehouse", "secret": s.Secret}
}

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signingRequest(t *testing.T, key any, template x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func csrFor(names ...string) x509.CertificateRequest { return x509.CertificateRequest{DNSNames: names} }

// certificate asks as a gateway of org, and wants status.
func (c *centre) certificate(status int, org, nas string, csr []byte) (a edge.CertificateAnswer, r reply) {
	c.t.Helper()
	q := ask{who: org + " edge", method: "POST", path: edge.CertificatePath, body: edge.CertificateRequest{CSR: csr}, header: map[string]string{edge.NASHeader: nas}}
	if status == http.StatusOK {
		return a, c.want(status, q, &a)
	}
	return a, c.want(status, q, nil)
}

// issued asks until there is a certificate, with a request of its own each time, as a gateway does. While the first attempt goes on a
// gateway is to come again soon: many begin anew in that moment, with the look of their organisation.
func (c *centre) issued(org, nas, name string, key *ecdsa.PrivateKey) string {
	c.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		a, _ := c.certificate(http.StatusOK, org, nas, signingRequest(c.t.(*testing.T), key, csrFor(name)))
		if a.State == edge.CertificateIssued {
			return a.Certificate
		}
		if a.State != edge.CertificatePending || a.Name != name || a.RetryAfter < 1 || a.Problem == "" && a.RetryAfter > 10 || time.Now().After(deadline) {
			c.t.Fatalf("no certificate: %+v", a)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func leafOf(t *testing.T, chain string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(chain))
	if block == nil {
		t.Fatalf("no certificate: %q", chain)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// TestCertificate walks through what a gateway asks: its name, a certificate, another one with a new key; and what an administrator sees.
func TestCertificate(t *testing.T) {
	c, server := newIssuingCentre(t)
	if a, _ := c.certificate(http.StatusOK, "acme-west", "Lobby 1.OG", nil); a.State != edge.CertificateNone || a.Name != "" || a.RetryAfter == 0 {
		t.Errorf("before there is a domain: %+v", a)
	}
	c.setting(http.StatusCreated, "PUT", "certificates", issuing(server))
	wantTried(t, c.try("certificates", nil), "")
	a, _ := c.certificate(http.StatusOK, "acme-west", "Lobby 1.OG", nil) // by the settings of the organisation above
	gw := c.gatewayNamed("acme-west", "Lobby 1.OG")
	name := fmt.Sprintf("lobby-1-og-%d.%s", gw.ID, portalDomain)
	if a.Name != name || gw.Certificate != nil {
		t.Fatalf("name %q, want %q; %+v", a.Name, name, gw.Certificate)
	}
	key := newP256(t)
	chain := c.issued("acme-west", "Lobby 1.OG", name, key)
	leaf, between := leafOf(t, chain), x509.NewCertPool()
	between.AppendCertsFromPEM([]byte(chain))
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: server.Roots, Intermediates: between}); err != nil || !key.PublicKey.Equal(leaf.PublicKey) {
		t.Errorf("error %v, or the key is another one", err)
	}
	if got := c.gatewayNamed("acme-west", "Lobby 1.OG").Certificate; got == nil || got.Name != name || got.State != admin.CertificateIssued ||
		!got.Expires.Equal(leaf.NotAfter) || got.Error != nil {
		t.Errorf("the administrator sees %+v", got)
	}
	if taken, left := server.Updates(); taken != 4 || left != 0 {
		t.Errorf("%d updates, %d records are left", taken, left)
	}
	next := c.issued("acme-west", "Lobby 1.OG", name, newP256(t))
	if leafOf(t, next).SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Error("another key, and the same certificate")
	}
	if log := c.log.String(); strings.Contains(log, server.Secret) {
		t.Error("the key of the DNS server is in the log")
	}
}

// TestCertificateIsTheGatewaysOwn has gateways ask for what is not theirs.
func TestCertificateIsTheGatewaysOwn(t *testing.T) {
	c, server := newIssuingCentre(t)
	c.setting(http.StatusCreated, "PUT", "certificates", issuing(server))
	mine, _ := c.certificate(http.StatusOK, "acme", "gw1", nil)
	other, _ := c.certificate(http.StatusOK, "acme", "gw-1", nil)
	west, _ := c.certificate(http.StatusOK, "acme-west", "gw1", nil)
	if mine.Name == other.Name || mine.Name == west.Name {
		t.Fatalf("%s, %s, %s", mine.Name, other.Name, west.Name)
	}
	if a, _ := c.certificate(http.StatusOK, "globex", "gw1", nil); a.Name != "" {
		t.Errorf("globex has acme's domain: %+v", a)
	}
	key := newP256(t)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := signingRequest(t, key, csrFor(mine.Name))
	broken[len(broken)-1] ^= 1
	for what, csr := range map[string][]byte{
		"another gateway's":      signingRequest(t, key, csrFor(other.Name)),
		"another organisation's": signingRequest(t, key, csrFor(west.Name)),
		"one more":               signingRequest(t, key, csrFor(mine.Name, other.Name)),
		"a wildcard":             signingRequest(t, key, csrFor("*."+portalDomain)),
		"none":                   signingRequest(t, key, csrFor()),
		"an address too":         signingRequest(t, key, x509.CertificateRequest{DNSNames: []string{mine.Name}, IPAddresses: []net.IP{{192, 0, 2, 1}}}),
		"an RSA key":             signingRequest(t, weak, csrFor(mine.Name)),
		"a wrong signature":      broken,
		"no request":             []byte("hello"),
	} {
		if _, r := c.certificate(http.StatusBadRequest, "acme", "gw1", csr); !strings.Contains(r.text, "csr") {
			t.Errorf("%s: %s", what, r.text)
		}
	}
	if got := c.gatewayNamed("acme", "gw1").Certificate; got != nil {
		t.Errorf("it was ordered: %+v", got)
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "POST", path: fmt.Sprintf("/admin/v1/gateways/%d/revoke/", c.gatewayNamed("acme", "gw1").ID)}, nil)
	c.certificate(http.StatusForbidden, "acme", "gw1", signingRequest(t, key, csrFor(mine.Name)))
}

// TestCertificateLater is a DNS server that refuses, and takes updates again.
func TestCertificateLater(t *testing.T) {
	c, server := newIssuingCentre(t)
	c.setting(http.StatusCreated, "PUT", "certificates", issuing(server))
	server.Refuse(true)
	wantTried(t, c.try("certificates", nil), "REFUSED")
	a, _ := c.certificate(http.StatusOK, "acme", "gw1", nil)
	name, key := a.Name, newP256(t)
	failed := func() edge.CertificateAnswer {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; {
			a, _ := c.certificate(http.StatusOK, "acme", "gw1", signingRequest(t, key, csrFor(name)))
			if strings.Contains(a.Problem, "REFUSED") {
				return a
			}
			if time.Now().After(deadline) {
				t.Fatalf("%+v", a)
			}
			<-time.After(50 * time.Millisecond)
		}
	}
	if a := failed(); a.RetryAfter < 60 || a.RetryAfter > 180 {
		t.Errorf("%+v", a)
	}
	if got := c.gatewayNamed("acme", "gw1").Certificate; got == nil || got.State != admin.CertificatePending || got.Error == nil || got.Expires != nil {
		t.Errorf("the administrator sees %+v", got)
	}
	server.Refuse(false)
	c.clock.Advance(4 * time.Minute)
	c.issued("acme", "gw1", name, key)
	id := c.gatewayNamed("acme", "gw1").ID
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/gateways/%d/", id)}, nil)
}

func TestCertificateSettings(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	right := map[string]any{"domain": portalDomain, "terms_agreed": true, "provider": "cloudflare", "secret": "cf-token"}
	for field, change := range map[string]map[string]any{
		"terms_agreed": {"terms_agreed": false},
		"domain":       {"domain": "localhost"},
		"server":       {"provider": "rfc2136"},
		"provider":     {"provider": "exec"},
		"directory":    {"directory": "http://acme.test/directory"},
	} {
		body := map[string]any{}
		for name, v := range right {
			body[name] = v
		}
		for name, v := range change {
			body[name] = v
		}
		if r := c.setting(http.StatusBadRequest, "PUT", "certificates", body); !strings.Contains(r.text, `"`+field+`":[`) {
			t.Errorf("%v: %s", change, r.text)
		}
	}
	r := c.setting(http.StatusCreated, "PUT", "certificates", right)
	if strings.Contains(r.text, "cf-token") || !strings.Contains(r.text, `"secret_set":true`) || !strings.Contains(r.text, "acme-v02.api.letsencrypt.org") {
		t.Error(r.text)
	}
	delete(right, "secret")
	right["provider"], right["server"] = "httpreq", "https://dns.evil.test/"
	if r := c.setting(http.StatusBadRequest, "PUT", "certificates", right); !strings.Contains(r.text, `"secret":[`) {
		t.Error("the token goes elsewhere:", r.text)
	}
}

// gatewayNamed is a gateway as its administrator sees it.
func (c *centre) gatewayNamed(org, nas string) admin.Gateway {
	c.t.Helper()
	var page admin.Page[admin.Gateway]
	c.want(http.StatusOK, ask{who: org + " admin", method: "GET", path: "/admin/v1/gateways/?organization=" + org + "&nas_identifier=" + url.QueryEscape(nas)}, &page)
	if len(page.Results) != 1 {
		c.t.Fatalf("%s has no gateway %s: %+v", org, nas, page.Results)
	}
	return page.Results[0]
}
