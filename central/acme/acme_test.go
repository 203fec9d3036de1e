package acme_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/central/acme"
	labacme "gatehouse/lab/acme"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRequest(t *testing.T, names ...string) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func issuerOf(s *labacme.Server) (*acme.Issuer, *http.Client) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.HTTPS}}}
	return &acme.Issuer{HTTP: client, Resolvers: []string{s.Addr}}, client
}

func updates(t *testing.T, s *labacme.Server, secret string) acme.Provider {
	t.Helper()
	p, err := acme.NewProvider(acme.Options{Kind: acme.RFC2136, Server: s.Addr, User: "Gatehouse", Secret: secret, Dialer: &net.Dialer{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestObtain has Pebble look at a record that a DNS server took by a signed update.
func TestObtain(t *testing.T) {
	s := labacme.Start(t, "wifi.hotel.test", 90*24*time.Hour)
	issuer, _ := issuerOf(s)
	account := acme.Account{Directory: s.Directory, Email: "it@hotel.test", Key: newKey(t)}
	csr := newRequest(t, "lobby-7.wifi.hotel.test")
	chain, leaf, err := issuer.Obtain(t.Context(), account, updates(t, s, s.Secret), csr)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	if !between.AppendCertsFromPEM(chain) {
		t.Fatalf("no chain: %s", chain)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "lobby-7.wifi.hotel.test", Roots: s.Roots, Intermediates: between}); err != nil {
		t.Error(err)
	}
	if taken, left := s.Updates(); taken != 2 || left != 0 {
		t.Errorf("%d updates, %d records are left", taken, left)
	}
	if err := issuer.Try(t.Context(), account, updates(t, s, s.Secret), "wifi.hotel.test"); err != nil {
		t.Error(err)
	}
	if _, left := s.Updates(); left != 0 {
		t.Errorf("%d records are left", left)
	}
}

func TestObtainRefused(t *testing.T) {
	s := labacme.Start(t, "wifi.hotel.test", time.Hour)
	issuer, _ := issuerOf(s)
	account := acme.Account{Directory: s.Directory, Key: newKey(t)}
	_, _, err := issuer.Obtain(t.Context(), account, updates(t, s, "d3Jvbmc="), newRequest(t, "a.wifi.hotel.test"))
	wantError(t, err, "wifi.hotel.test")
	err = issuer.Try(t.Context(), account, updates(t, s, s.Secret), "elsewhere.test")
	wantError(t, err, "elsewhere.test")
	account.Directory = s.Directory + "x"
	_, _, err = issuer.Obtain(t.Context(), account, updates(t, s, s.Secret), newRequest(t, "a.wifi.hotel.test"))
	wantError(t, err, "404")
	if taken, left := s.Updates(); taken != 0 || left != 0 {
		t.Errorf("%d updates, %d records are left", taken, left)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}
