package portal

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
	"gatehouse/web"
)

const authority = "wifi.example.com:2443"

// secureBench is a bench whose portal has a name, with a second door for HTTPS.
type secureBench struct {
	*bench
	https   string // address of the door
	good    atomic.Bool
	unknown atomic.Bool
}

func startSecure(t *testing.T) *secureBench {
	t.Helper()
	b := &secureBench{}
	b.good.Store(true)
	b.bench = start(t, func(c *Config) {
		c.Authority, c.Secure = func() string { return authority }, b.good.Load
		c.Venues = map[string]web.Venue{"guest": {Name: "Hotel Seeblick", URL: "https://hotel.example/?a=1&b=<2>"}}
		identify := c.Identify
		c.Identify = func(ctx context.Context, remote, local netip.AddrPort) (sessions.Station, bool) {
			st, ok := identify(ctx, remote, local)
			return st, ok && !b.unknown.Load()
		}
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"wifi.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.https = ln.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.portal.ServeTLS(ctx, ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ServeTLS: %v", err)
		}
	})
	return b
}

// secure sends bytes over TLS.
func (b *secureBench) secure(request string) answered {
	b.Helper()
	c, err := tls.Dial("tcp", b.https, &tls.Config{InsecureSkipVerify: true, ServerName: "wifi.example.com"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	return b.over(c, request)
}

// ask asks the API, with more header lines.
func (b *secureBench) ask(header string) answered {
	b.Helper()
	return b.secure("GET " + APIPath + " HTTP/1.1\r\nHost: " + authority + "\r\n" + header + "Connection: close\r\n\r\n")
}

// TestAPI: every key of RFC 8908 as the session stands, left out where nothing is limited, and short enough for Android.
func TestAPI(t *testing.T) {
	b := startSecure(t)
	const portal, venue = "https://" + authority + "/", "https://hotel.example/?a=1&b=<2>"
	started := sessions.Stamp{BootID: "boot", Mono: b.clock.Mono()}
	for what, c := range map[string]struct {
		session *sessions.Session
		want    map[string]any
	}{
		"captive":   {nil, map[string]any{"captive": true}},
		"unlimited": {&sessions.Session{StartedAt: started}, map[string]any{"captive": false}},
		"limited": {&sessions.Session{StartedAt: started, Used: 90 * time.Second, Limits: sessions.Effective{SessionTimeout: 2 * time.Hour},
			Data: sessions.DataView{Limited: true, Left: 5_000_000_000}},
			map[string]any{"captive": false, "seconds-remaining": 7110., "bytes-remaining": 5e9}},
		"extendable": {&sessions.Session{StartedAt: started, Limits: sessions.Effective{SessionTimeout: time.Hour}},
			map[string]any{"captive": false, "seconds-remaining": 3600., "can-extend-session": true}},
		"used up": {&sessions.Session{StartedAt: started, Data: sessions.DataView{Limited: true}}, map[string]any{"captive": false, "bytes-remaining": 0.}},
		"slow":    {&sessions.Session{StartedAt: started, Data: sessions.DataView{Limited: true, Slow: true}}, map[string]any{"captive": false}},
	} {
		b.manager.set(c.session)
		b.manager.view.More = 0
		if c.want["can-extend-session"] == true {
			b.manager.view.More = time.Minute
		}
		c.want["user-portal-url"], c.want["venue-info-url"] = portal, venue
		got := b.ask("Accept: application/captive+json\r\n")
		var said map[string]any
		if err := json.Unmarshal([]byte(got.body), &said); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(c.want, said); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		h := got.header
		if got.status != 200 || h.Get("Content-Type") != "application/captive+json" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Accept" ||
			len(got.body) > 4096 || strings.Contains(got.body, ".") && strings.Contains(got.body, "e+") {
			t.Errorf("%s: %d %v %q", what, got.status, h, got.body)
		}
	}
	b.manager.set(nil)
	b.unknown.Store(true)
	if got := b.ask("Accept: application/captive+json\r\n"); got.status != http.StatusForbidden || strings.Contains(got.body, "captive") {
		t.Errorf("a stranger: %d %q", got.status, got.body)
	}
}

// TestAPIAccept: who asks for the API gets it, however the wish is spelled; a browser gets the portal.
func TestAPIAccept(t *testing.T) {
	b := startSecure(t)
	for accept, want := range map[string]int{
		"":                                 200,
		"Accept:\r\n":                      200,
		"Accept: application/captive+json": 200,
		"Accept: Application/Captive+JSON": 200,
		"Accept: application/captive+json, */*;q=0.1":           200,
		"Accept: text/html;q=0.5, application/captive+json":     200,
		"Accept: text/html\r\nAccept: application/captive+json": 200,
		"Accept: */*":                 200,
		"Accept: application/json":    200,
		"Accept: application/*":       200,
		"Accept: image/png;q=2, junk": 200,
		"Accept: text/html;q=0":       200,
		"Accept: text/html":           302,
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8": 302,
		"Accept: text/html, application/captive+json; charset=utf-8; q=0.9":                  302,
	} {
		if accept != "" {
			accept = strings.TrimSuffix(accept, "\r\n") + "\r\n"
		}
		got := b.ask(accept)
		if got.status != want || got.header.Get("Vary") != "Accept" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %v", accept, got.status, got.header)
		}
		if want == 302 && got.header.Get("Location") != "https://"+authority+"/" {
			t.Errorf("%q: to %q", accept, got.header.Get("Location"))
		}
	}
}

// TestHTTPS: by its name and encrypted the portal serves its pages and takes passwords; every other name is a stranger's.
func TestHTTPS(t *testing.T) {
	b := startSecure(t)
	b.manager.zone.AllowCleartext = false
	for request, want := range map[string]struct {
		status int
		body   string
	}{
		"GET / HTTP/1.1\r\nHost: " + authority:                                     {200, `name="password"`},
		"GET / HTTP/1.1\r\nHost: WIFI.example.com:2443":                            {200, `name="password"`},
		"GET / HTTP/1.1\r\nHost: " + b.https:                                       {200, ""},
		"GET https://" + authority + "/terms HTTP/1.1\r\nHost: x":                  {200, "Terms"},
		"GET / HTTP/1.1\r\nHost: wifi.example.com":                                 {421, ""},
		"GET / HTTP/1.1\r\nHost: evil.example:2443":                                {421, ""},
		"GET / HTTP/1.1\r\nHost: wifi.example.com.evil.example:2443":               {421, ""},
		"GET " + APIPath + " HTTP/1.1\r\nHost: evil.example":                       {421, ""},
		"HEAD " + APIPath + " HTTP/1.1\r\nHost: " + authority:                      {200, ""},
		"POST " + APIPath + " HTTP/1.1\r\nContent-Length: 0\r\nHost: " + authority: {405, ""},
	} {
		got := b.secure(request + "\r\nConnection: close\r\n\r\n")
		if got.status != want.status || !strings.Contains(got.body, want.body) {
			t.Errorf("%.60q: %d %.200q", request, got.status, got.body)
		}
		if got.status == 421 && got.body != "" {
			t.Errorf("%.60q: a stranger's name is answered %q", request, got.body)
		}
	}
	// In the clear the same name only leads there, and the API is nowhere.
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: wifi.example.com":              "https://" + authority + "/",
		"GET /x HTTP/1.1\r\nHost: Wifi.Example.Com:80":          "https://" + authority + "/",
		"GET " + APIPath + " HTTP/1.1\r\nHost: " + authority:    "https://" + authority + "/",
		"GET /generate_204 HTTP/1.1\r\nHost: probe.example":     "https://" + authority + "/?u=" + url.QueryEscape("http://probe.example/generate_204"),
		"POST /generate_204 HTTP/1.1\r\nHost: probe.example":    "",
		"GET " + APIPath + " HTTP/1.1\r\nHost: " + b.bench.addr: "",
	} {
		if got := b.raw(request + "\r\nConnection: close\r\n\r\n"); got.header.Get("Location") != want || got.status == 200 {
			t.Errorf("%.60q: %d to %q, want %q", request, got.status, got.header.Get("Location"), want)
		}
	}
	b.good.Store(false) // the certificate is not good any more
	if got, want := b.raw("GET /generate_204 HTTP/1.1\r\nHost: probe.example\r\n\r\n"), "http://"+b.bench.addr+"/?u="; !strings.HasPrefix(got.header.Get("Location"), want) {
		t.Errorf("to %q, want %s...", got.header.Get("Location"), want)
	}
}

// TestHandshakeAttack: who never ends his handshake is cut off, and keeps nobody else out meanwhile.
func TestHandshakeAttack(t *testing.T) {
	b := startSecure(t)
	var slow []net.Conn
	for range 40 {
		c, err := net.Dial("tcp", b.https)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "\x16\x03\x01"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	if got := b.ask(""); got.status != 200 {
		t.Errorf("beside slow handshakes: %d", got.status)
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(2 * headerTimeout))
		if _, err := bufio.NewReader(c).ReadByte(); err == nil {
			t.Error("a handshake of three octets was answered")
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatal("a slow handshake keeps its place")
		}
	}
}
