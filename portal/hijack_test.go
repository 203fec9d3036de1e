package portal

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestProbes(t *testing.T) {
	b := start(t, nil)
	for _, p := range lab.OnlineProbes() {
		if !isProbe(p.URL()) {
			t.Errorf("%s is offered to guests as where they wanted to go", p.URL())
		}
		for _, method := range []string{"GET", "HEAD"} {
			got := b.raw(method + " " + p.Target + " HTTP/1.1\r\nHost: " + p.Host + "\r\nUser-Agent: " + p.UserAgent + "\r\n\r\n")
			location := "http://" + b.addr + "/?u=" + url.QueryEscape(p.URL())
			if got.status != http.StatusFound || !got.closed {
				t.Errorf("%s %s: status %d, closed %v", method, p.System, got.status, got.closed)
			}
			checkHijackHeader(t, method+" "+p.System, got, location)
			if method == "HEAD" && got.body != "" || method == "GET" && !strings.Contains(got.body, `href="`+location+`"`) {
				t.Errorf("%s %s: body %q", method, p.System, got.body)
			}
		}
	}
}

// checkHijackHeader demands exactly the header of standards.md §2.3: not one field more.
func checkHijackHeader(t *testing.T, what string, got answered, location string) {
	t.Helper()
	h := got.header
	if _, err := time.Parse(http.TimeFormat, h.Get("Date")); err != nil {
		t.Errorf("%s: Date: %v", what, err)
	}
	length, err := strconv.Atoi(h.Get("Content-Length"))
	if err != nil || length < 100 || got.body != "" && length != len(got.body) {
		t.Errorf("%s: Content-Length %q of %d octets", what, h.Get("Content-Length"), len(got.body))
	}
	h.Del("Date")
	h.Del("Content-Length")
	want := map[string][]string{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}, "Expires": {"0"},
		"Connection": {"close"}, "Content-Type": {"text/html; charset=utf-8"}}
	if location != "" {
		want["Location"] = []string{location}
	}
	if d := cmp.Diff(want, map[string][]string(h)); d != "" {
		t.Errorf("%s: header (-want +got):\n%s", what, d)
	}
}

func TestOtherMethodsGet511(t *testing.T) {
	b := start(t, nil)
	for _, request := range []string{
		"POST /api HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
		"PUT /x HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n",
		"DELETE /x HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"OPTIONS /x HTTP/1.1\r\nHost: example.com\r\nOrigin: http://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		"TRACE / HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
	} {
		got := b.raw(request)
		if got.status != http.StatusNetworkAuthenticationRequired || !got.closed || !strings.Contains(got.body, "http://"+b.addr+"/") {
			t.Errorf("%.30q: %d %q", request, got.status, got.body)
		}
		checkHijackHeader(t, request[:10], got, "")
	}
}

func TestHostileRequests(t *testing.T) {
	b := start(t, nil)
	home := "http://" + b.addr + "/"
	to := func(u string) string { return home + "?u=" + url.QueryEscape(u) }
	long := strings.Repeat("a", 2000)
	for name, c := range map[string]struct {
		request, location string
		status            int
	}{
		"absolute form":         {"GET http://example.com/x?y=1 HTTP/1.1\r\nHost: other.example\r\n\r\n", to("http://example.com/x?y=1"), 302},
		"absolute, no path":     {"GET http://example.com HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com/"), 302},
		"absolute, ours":        {"GET " + home + "favicon.ico HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", "", 404},
		"HTTP/1.0, no Host":     {"GET /x HTTP/1.0\r\n\r\n", home, 302},
		"HTTP/1.1, no Host":     {"GET /x HTTP/1.1\r\n\r\n", "", 400},
		"two Hosts":             {"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", "", 400},
		"empty Host":            {"GET / HTTP/1.1\r\nHost:\r\n\r\n", home, 302},
		"port":                  {"GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", to("http://example.com:8080/"), 302},
		"bad port":              {"GET / HTTP/1.1\r\nHost: example.com:99999\r\n\r\n", home, 302},
		"IPv6 literal":          {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", to("http://[2001:db8::1]:8080/"), 302},
		"IPv6 with a zone":      {"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", home, 302},
		"our address, no port":  {"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", home, 302},
		"our address, port 80":  {"GET /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", home, 302},
		"markup in Host":        {"GET / HTTP/1.1\r\nHost: a\"><script>\r\n\r\n", "", 400},
		"quote in Host":         {"GET / HTTP/1.1\r\nHost: a'b\r\n\r\n", home, 302},
		"control in Host":       {"GET / HTTP/1.1\r\nHost: a\x01b\r\n\r\n", "", 400},
		"high octets in Host":   {"GET / HTTP/1.1\r\nHost: caf\xc3\xa9.example\r\n\r\n", "", 400},
		"user in Host":          {"GET / HTTP/1.1\r\nHost: a@b.example\r\n\r\n", "", 400},
		"control in target":     {"GET /\x01 HTTP/1.1\r\nHost: example.com\r\n\r\n", "", 400},
		"bare return in target": {"GET /a\rLocation:x HTTP/1.1\r\nHost: example.com\r\n\r\n", "", 400},
		"encoded line break":    {"GET /%0d%0aSet-Cookie:x=1?%0d%0aX:y HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com/%0d%0aSet-Cookie:x=1?%0d%0aX:y"), 302},
		"markup in target":      {"GET /\"><script>alert(1)</script>?q=\"><b> HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com/%22%3E%3Cscript%3Ealert%281%29%3C/script%3E?q=%22%3E%3Cb%3E"), 302},
		"not UTF-8":             {"GET /\xff?\xfe HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com/%FF?%FE"), 302},
		"broken escape":         {"GET /%zz HTTP/1.1\r\nHost: example.com\r\n\r\n", "", 400},
		"two slashes":           {"GET //evil.example/x HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com//evil.example/x"), 302},
		"dots":                  {"GET /../../etc/passwd HTTP/1.1\r\nHost: example.com\r\n\r\n", to("http://example.com/../../etc/passwd"), 302},
		"long target":           {"GET /" + long + " HTTP/1.1\r\nHost: example.com\r\n\r\n", home, 302},
		"long Host":             {"GET / HTTP/1.1\r\nHost: " + long + "\r\n\r\n", home, 302},
		"huge target":           {"GET /" + strings.Repeat("a", 20_000) + " HTTP/1.1\r\nHost: example.com\r\n\r\n", "", 431},
		"HTTP/2 at once":        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 511},
		"no HTTP":               {"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", "", 400},
	} {
		got := b.raw(c.request)
		if got.status != c.status || got.header.Get("Location") != c.location {
			t.Errorf("%s: %d to %q, want %d to %q", name, got.status, got.header.Get("Location"), c.status, c.location)
		}
		if !got.closed || got.header.Get("Set-Cookie") != "" || strings.Contains(got.body, "<script") {
			t.Errorf("%s: closed %v, header %v, body %q", name, got.closed, got.header, got.body)
		}
	}
}

// A connection that was redirected before its station was let in has to end, and lead to where the guest wanted to go.
func TestRedirectedBeforeLogin(t *testing.T) {
	b := start(t, nil)
	early, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	post, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer post.Close()
	b.raw("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n") // accepted after those two
	b.clock.Advance(3 * time.Second)
	b.manager.set(&sessions.Session{StartedAt: sessions.Stamp{BootID: "boot", Mono: b.clock.Mono()}})

	got := b.over(early, "GET /news?x=1 HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if got.status != http.StatusFound || !got.closed {
		t.Errorf("GET: status %d, closed %v", got.status, got.closed)
	}
	checkHijackHeader(t, "GET", got, "http://example.com/news?x=1")
	got = b.over(post, "POST /news HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nhi")
	if got.status != http.StatusTemporaryRedirect || got.header.Get("Location") != "http://example.com/news" {
		t.Errorf("POST: %d to %q", got.status, got.header.Get("Location"))
	}

	// One that is redirected in spite of a session that is not new shows that the kernel has ended it.
	b.clock.Advance(time.Minute)
	got = b.raw("GET /news HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if l := got.header.Get("Location"); !strings.HasPrefix(l, "http://"+b.addr+"/?u=") {
		t.Errorf("a new connection in spite of a session goes to %q", l)
	}
	if b.manager.checks() != 1 {
		t.Errorf("the sessions were asked to look %d times, want once", b.manager.checks())
	}
	// A session of another boot says nothing about this one's connections.
	b.manager.set(&sessions.Session{StartedAt: sessions.Stamp{BootID: "earlier", Mono: b.clock.Mono() + time.Hour}})
	got = b.raw("GET /news HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if l := got.header.Get("Location"); !strings.HasPrefix(l, "http://"+b.addr+"/?u=") {
		t.Errorf("with a session of another boot it goes to %q", l)
	}
}

func TestUnknownStationIsRedirectedToo(t *testing.T) {
	b := start(t, func(c *Config) {
		c.Identify = func(context.Context, netip.AddrPort, netip.AddrPort) (sessions.Station, bool) {
			return sessions.Station{}, false
		}
	})
	got := b.raw("GET /generate_204 HTTP/1.1\r\nHost: www.gstatic.com\r\n\r\n")
	if got.status != http.StatusFound {
		t.Errorf("probe: status %d", got.status)
	}
	if got = b.get("/"); got.status != http.StatusForbidden || !strings.Contains(got.body, "Switch Wi-Fi off and on") {
		t.Errorf("login page: %d %s", got.status, got.body)
	}
}

// One listener serves both families; each station is sent to the address of its own.
func TestBothFamilies(t *testing.T) {
	b := startAt(t, "[::]:0", nil)
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, b.addr = range []string{"127.0.0.1:" + port, "[::1]:" + port} {
		got := b.raw("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if l := got.header.Get("Location"); l != "http://"+b.addr+"/?u=http%3A%2F%2Fexample.com%2F" {
			t.Errorf("through %s: to %q", b.addr, l)
		}
		if got := b.get("/"); got.status != http.StatusOK {
			t.Errorf("login page at %s: %d", b.addr, got.status)
		}
	}
}

func TestLinkLocal(t *testing.T) {
	p := New(Config{PortalAddr: func(zone string) netip.Addr {
		return map[string]netip.Addr{"guest": netip.MustParseAddr("2001:db8::1")}[zone]
	}})
	for _, c := range []struct{ local, zone, want string }{
		{"[fe80::1%br0]:2080", "guest", "[2001:db8::1]:2080"},
		{"[fe80::1]:2080", "other", "[fe80::1]:2080"},
		{"[2001:db8::2]:2080", "guest", "[2001:db8::2]:2080"},
		{"192.0.2.1:2080", "guest", "192.0.2.1:2080"},
		{"169.254.1.1:2080", "guest", "169.254.1.1:2080"},
	} {
		if got := p.base(&conn{local: netip.MustParseAddrPort(c.local)}, c.zone).String(); got != c.want {
			t.Errorf("base of %s in %s = %s, want %s", c.local, c.zone, got, c.want)
		}
	}
}
