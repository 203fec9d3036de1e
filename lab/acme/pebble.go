package acme

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"gatehouse/lab"
)

// Server is an ACME server with its DNS server.
type Server struct {
	*Zone
	Directory string         // URL
	HTTPS     *x509.CertPool // who signed the server's own certificate
	HTTPSPEM  []byte
	Roots     *x509.CertPool // who signed those that it gives
	RootPEM   []byte
}

// Start starts both where the test itself is. The certificates that the server gives are good for life. Every tenth request is
// refused for its nonce, as servers may do at any time (RFC 8555 §6.5).
func Start(t testing.TB, zone string, life time.Duration) *Server {
	t.Helper()
	return start(t, zone, life, new(net.ListenConfig))
}

// StartAt is Start with both reached on the loopback of a host of a lab.
func StartAt(t testing.TB, host *lab.Host, zone string, life time.Duration) *Server {
	t.Helper()
	return start(t, zone, life, host)
}

func start(t testing.TB, zone string, life time.Duration, at listener) *Server {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "10")
	quiet := log.New(io.Discard, "", 0)
	s := &Server{Zone: StartZone(t, zone), Roots: x509.NewCertPool(), HTTPS: x509.NewCertPool()}
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "the only one", ValidityPeriod: uint64(life / time.Second)}})
	judge := va.New(quiet, 0, 0, false, s.Addr, store) // asks from where the test is
	s.Addr = s.serve(t, at)
	front := wfe.New(quiet, store, judge, issuer, []string{"pebble.test"}, false, false, 1, 1)
	ln, err := at.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(front.Handler())
	_ = web.Listener.Close()
	web.Listener = ln
	web.StartTLS()
	t.Cleanup(web.Close)
	s.Directory = web.URL + wfe.DirectoryPath
	s.HTTPS.AddCert(web.Certificate())
	s.HTTPSPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	s.RootPEM = issuer.GetRootCert(0).PEM()
	s.Roots.AppendCertsFromPEM(s.RootPEM)
	return s
}
