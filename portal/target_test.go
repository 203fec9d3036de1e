package portal

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"gatehouse/lab"
)

func TestSafeURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"http://example.com":                   "http://example.com",
		"https://example.com:8443/a?b=c#d":     "https://example.com:8443/a?b=c#d",
		"http://[2001:db8::1]/":                "http://[2001:db8::1]/",
		"http://example.com/\"onclick=x":       "http://example.com/%22onclick=x",
		"http://example.com/?q=<b>":            "http://example.com/?q=%3Cb%3E",
		"javascript:alert(1)":                  "",
		"javascript://example.com/%0aalert(1)": "",
		"data:text/html,x":                     "",
		"//example.com/":                       "",
		"/login":                               "",
		"http:example.com":                     "",
		"http:///x":                            "",
		"http://bank.example@evil.example/":    "",
		"http://exa mple.com/":                 "",
		"http://example.com/\r\nX: y":          "",
		"HTTP://example.com/":                  "http://example.com/",
		"ftp://example.com/":                   "",
		"http://example.com/" + strings.Repeat("a", maxURL): "",
		"http://example.com/" + strings.Repeat("é", 300):    "",
	} {
		if got := safeURL(in); got != want {
			t.Errorf("safeURL(%.60q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsLiteral(t *testing.T) {
	for _, c := range []struct {
		host, at string
		want     bool
	}{
		{"192.0.2.1:2080", "192.0.2.1:2080", true},
		{"192.0.2.1", "192.0.2.1:2080", false},
		{"192.0.2.1", "192.0.2.1:80", true},
		{"192.0.2.1:80", "192.0.2.1:80", true},
		{"192.0.2.2:2080", "192.0.2.1:2080", false},
		{"[2001:db8::1]:2080", "[2001:db8::1]:2080", true},
		{"[2001:db8::1]", "[2001:db8::1]:80", true},
		{"2001:db8::1:2080", "[2001:db8::1]:2080", false},
		{"", "192.0.2.1:2080", false},
		{"192.0.2.1:2080.evil.example", "192.0.2.1:2080", false},
	} {
		if got := isLiteral(c.host, netip.MustParseAddrPort(c.at)); got != c.want {
			t.Errorf("isLiteral(%q, %s) = %v", c.host, c.at, got)
		}
	}
}

func FuzzOriginal(f *testing.F) {
	for _, p := range lab.OnlineProbes() {
		f.Add(p.Host, p.Target)
	}
	f.Add("[2001:db8::1]:80", "//evil.example/?\xff\"'<>")
	f.Add("a\r\nb", "/%0d%0a")
	f.Add("", "*")
	f.Fuzz(func(t *testing.T, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		got := original(host, u)
		if got == "" {
			return
		}
		if len(got) > maxURL || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'<>`, r) }) {
			t.Errorf("original(%q, %q) = %q", host, target, got)
		}
		back, err := url.Parse(got)
		if err != nil || back.Host != host || back.Scheme != "http" || back.User != nil {
			t.Errorf("original(%q, %q) = %q leads to %v (%v)", host, target, got, back, err)
		}
		if s := safeURL(got); s == "" {
			t.Errorf("original(%q, %q) = %q is no link", host, target, got)
		}
	})
}

func FuzzSafeURL(f *testing.F) {
	f.Add("http://example.com/a?b#c")
	f.Add("javascript:alert(1)")
	f.Add("https://[::1]:1/%zz")
	f.Add("http://a/\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := safeURL(s)
		if got == "" {
			return
		}
		if !strings.HasPrefix(got, "http://") && !strings.HasPrefix(got, "https://") || strings.ContainsAny(got, "\r\n\"<> ") {
			t.Errorf("safeURL(%q) = %q", s, got)
		}
		if again := safeURL(got); again != got {
			t.Errorf("safeURL(%q) = %q, and again %q", s, got, again)
		}
	})
}

func FuzzIsLiteral(f *testing.F) {
	f.Add("192.0.2.1:2080")
	f.Add("[2001:db8::1]:2080")
	f.Add("192.0.2.1:2080@evil")
	f.Fuzz(func(t *testing.T, host string) {
		for _, at := range []string{"192.0.2.1:2080", "[2001:db8::1]:2080"} {
			if got := isLiteral(host, netip.MustParseAddrPort(at)); got != (host == at) {
				t.Errorf("isLiteral(%q, %s) = %v", host, at, got)
			}
		}
		_ = validHost(host)
		_ = isOurs(host, netip.MustParseAddrPort("192.0.2.1:2080"))
	})
}
