package portal

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// FuzzRequest sends whole requests, as they come over the wire, to a portal that offers everything. Nobody gets in by one
// who has no form of ours.
func FuzzRequest(f *testing.F) {
	const addr = "192.0.2.1:2080"
	for _, probe := range lab.OnlineProbes() {
		f.Add("GET " + probe.Target + " HTTP/1.1\r\nHost: " + probe.Host + "\r\n\r\n")
	}
	for _, head := range []string{"GET / HTTP/1.1", "GET /login?u=http://x.example/", "GET /status HTTP/1.1", "GET /terms HTTP/1.0", "GET //x/../login HTTP/1.1",
		"HEAD /logged-out HTTP/1.1", "POST /logout HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://evil.example/ HTTP/1.1"} {
		f.Add(head + "\r\nHost: " + addr + "\r\nAccept-Language: de;q=0.8, *;q=0\r\n\r\n")
	}
	const form = "method=password&username=anna&password=x&token=AAAAAAAAAAAAAAAAAAAAAAAAAAA&u=javascript:1"
	f.Add("POST /login HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/x-www-form-urlencoded\r\nOrigin: http://" + addr +
		"\r\nContent-Length: 92\r\n\r\n" + form)
	f.Add("POST /login HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n--x\r\n\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, request string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			return
		}
		m := &manager{zone: sessions.Zone{Name: "guest", TermsVersion: "1", AllowCleartext: true, Methods: []sessions.Method{sessions.MethodPassword, sessions.MethodClick}}}
		p := New(Config{Manager: m, Logger: slog.New(slog.DiscardHandler), Clock: clock.NewFake(time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC), "boot"),
			Identify: func(context.Context, netip.AddrPort, netip.AddrPort) (sessions.Station, bool) { return phone, true }})
		at := netip.MustParseAddrPort(addr)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), connKey{}, &conn{remote: netip.MustParseAddrPort("192.0.2.77:1234"), local: at})))
		if w.Code >= 500 && w.Code != http.StatusNetworkAuthenticationRequired {
			t.Errorf("answer %d to %q", w.Code, request)
		}
		location := w.Header().Get("Location")
		ours := location == "" || strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") || strings.HasPrefix(location, "http://"+addr+"/")
		if !ours || strings.ContainsAny(location, "\r\n") {
			t.Errorf("sent to %q by %q", location, request)
		}
	})
}
