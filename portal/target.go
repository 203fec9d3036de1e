package portal

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxAsker bounds what is kept of a host name, in octets.
const maxAsker = 48

// maxURL bounds, in octets, what is kept of where a guest wanted to go.
const maxURL = 1024

// isLiteral tells whether a Host header names exactly this address literal and port. The port is left out of a Host header
// only for port 80.
func isLiteral(host string, at netip.AddrPort) bool {
	var buf [64]byte
	b := at.AppendTo(buf[:0])
	if at.Port() == 80 && string(b[:len(b)-len(":80")]) == host {
		return true
	}
	return string(b) == host
}

// isOurs tells whether a Host header names the gateway's own address, whatever the port.
func isOurs(host string, at netip.AddrPort) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if ap, e := netip.ParseAddrPort(host); e == nil {
		a, err = ap.Addr(), nil
	}
	return err == nil && a.Unmap() == at.Addr()
}

// isNamed tells whether a Host header is the portal's name, whatever the port.
func (p *Portal) isNamed(host string) bool {
	name, _, _ := strings.Cut(p.cfg.Authority(), ":")
	host, _, _ = strings.Cut(host, ":")
	return name != "" && strings.EqualFold(host, name)
}

// original is the address of what a redirected request asked for, fit for a header. It is empty when there is no saying,
// or when it is too long or not as it should be.
func original(host string, u *url.URL) string {
	uri := u.RequestURI()
	if !validHost(host) || !strings.HasPrefix(uri, "/") {
		return ""
	}
	return bounded("http://" + host + printable(uri))
}

// safeURL is s when it is an http or https address that a guest may be shown as a link, else empty.
func safeURL(s string) string {
	if s == "" || len(s) > maxURL {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Opaque != "" || !validHost(u.Host) {
		return ""
	}
	return bounded(printable(u.String()))
}

func bounded(s string) string {
	if len(s) > maxURL {
		return ""
	}
	return s
}

// validHost accepts a name or IPv4 address, or an IPv6 address in brackets, with or without a port.
func validHost(host string) bool {
	if strings.HasPrefix(host, "[") {
		inside, port, ok := strings.Cut(host[1:], "]")
		a, err := netip.ParseAddr(inside)
		return ok && err == nil && a.Is6() && a.Zone() == "" && (port == "" || validPort(port))
	}
	name := host
	if i := strings.IndexByte(host, ':'); i >= 0 {
		if name = host[:i]; !validPort(host[i:]) {
			return false
		}
	}
	if name == "" || len(name) > 253 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, ":"), 10, 16)
	return err == nil && n > 0 && s[0] == ':'
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// printable percent-encodes what may not stand in a header or an attribute.
func printable(s string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && !strings.ContainsRune("\"'<>\\^`{|}", rune(c)) }
	for i := range len(s) {
		if plain(s[i]) {
			continue
		}
		var b strings.Builder
		for j := range len(s) {
			if c := s[j]; plain(c) {
				b.WriteByte(c)
			} else {
				b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			}
		}
		return b.String()
	}
	return s
}

// isProbe tells whether an address is one that systems ask in order to find out whether they are online (standards.md
// §2.1). All are redirected like everything else; it is only that nobody wants to go there.
func isProbe(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Host) {
	case "captive.apple.com", "detectportal.firefox.com", "www.msftconnecttest.com", "ipv6.msftconnecttest.com", "www.msftncsi.com",
		"ipv6.msftncsi.com", "networkcheck.kde.org", "nmcheck.gnome.org", "connectivity-check.ubuntu.com", "network-test.debian.org",
		"ping.archlinux.org", "conncheck.opensuse.org", "capnet.elementary.io", "ipv4.connman.net", "ipv6.connman.net",
		"ctest.cdn.nintendo.net", "conntest.nintendowifi.net", "test.steampowered.com", "cp.cloudflare.com":
		return true
	}
	for _, path := range [...]string{"/generate_204", "/gen_204", "/hotspot-detect.html", "/library/test/success.html", "/kindle-wifi/",
		"/static/hotspot.txt"} {
		if strings.HasPrefix(u.Path, path) {
			return true
		}
	}
	return false
}

// asker is who asked the question that was redirected, as far as its address tells; nothing else of an address is kept.
func asker(to string) string {
	switch {
	case to == "":
		return "unreadable"
	case isProbe(to):
		u, _ := url.Parse(to) // isProbe could
		return clip(u.Hostname(), maxAsker)
	}
	return "other"
}
