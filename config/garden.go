package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Garden is one entry of a zone's walled garden: a name or a network.
type Garden struct {
	Name   string       // small letters, no dot at the end; "*." in front means every name below; empty: a network
	Prefix netip.Prefix // of a network
	Port   uint16       // of a network; 0: the web's, 80 and 443
}

// Least lengths of a network: what is wider opens a good part of the internet.
const (
	widest4 = 8
	widest6 = 16
)

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// probeHosts are the hosts that phones and computers ask whether they are online, and hosts that share addresses or
// certificates with them.
var probeHosts = []string{
	"captive.apple.com", "www.apple.com", "www.airport.us", "www.appleiphonecell.com", "www.itools.info", "www.ibook.info",
	"www.thinkdifferent.us",
	"connectivitycheck.gstatic.com", "www.gstatic.com", "connectivitycheck.android.com", "google.com", "www.google.com",
	"clients1.google.com", "clients3.google.com", "clients4.google.com", "play.googleapis.com", "www.googleapis.com",
	"www.googleapis.cn", "safebrowsing.google.com", "www.play.googleapis.com",
	"d2uzsrnmmf6tds.cloudfront.net", "connectivitycheck.platform.hicloud.com", "connect.rom.miui.com", "www.qualcomm.cn",
	"wifi.vivo.com.cn", "conn1.oppomobile.com",
	"msftconnecttest.com", "www.msftconnecttest.com", "ipv6.msftconnecttest.com", "msftncsi.com", "www.msftncsi.com",
	"ipv6.msftncsi.com", "dns.msftncsi.com", "detectportal.firefox.com",
	"connectivity-check.ubuntu.com", "nmcheck.gnome.org", "ping.archlinux.org", "fedoraproject.org", "conncheck.opensuse.org",
	"network-test.debian.org", "networkcheck.kde.org", "capnet.elementary.io", "ipv4.connman.net", "ipv6.connman.net",
	"spectrum.s3.amazonaws.com", "ctest.cdn.nintendo.net", "conntest.nintendowifi.net", "test.steampowered.com",
	"cp.cloudflare.com",
}

// ParseGarden reads an entry as it stands in walled_garden.
func ParseGarden(text string) (Garden, error) {
	g, wrong, mend := parseGardenEntry(text)
	if wrong != "" {
		return g, Problem{Key: "walled_garden", Wrong: strconv.Quote(text) + " " + wrong, Mend: mend}
	}
	return g, nil
}

// String is the entry as ParseGarden reads it.
func (g Garden) String() string {
	switch {
	case g.Name != "":
		return g.Name
	case g.Port != 0:
		return netip.AddrPortFrom(g.Prefix.Addr(), g.Port).String()
	case g.Prefix.IsSingleIP():
		return g.Prefix.Addr().String()
	}
	return g.Prefix.String()
}

// Covers tells whether the entry opens a host name or an address.
func (g Garden) Covers(what string) bool {
	if a, err := netip.ParseAddr(what); err == nil {
		return g.Name == "" && g.Prefix.Contains(a.Unmap())
	}
	return g.Name != "" && g.covers(strings.TrimSuffix(strings.ToLower(what), "."))
}

func parseGarden(s *section) (garden []Garden) {
	const key = "walled_garden"
	for _, text := range s.texts(key) {
		g, wrong, mend := parseGardenEntry(text)
		switch {
		case wrong != "":
			s.wrong(key, strconv.Quote(text)+" "+wrong, mend)
		case slices.ContainsFunc(garden, g.overlaps):
			s.wrong(key, strconv.Quote(text)+" overlaps another entry", "keep the wider of the two")
		default:
			garden = append(garden, g)
		}
	}
	return garden
}

func parseGardenEntry(text string) (g Garden, wrong, mend string) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return gardenNetwork(p, 0)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return gardenNetwork(netip.PrefixFrom(a, a.BitLen()), 0)
	}
	if ap, err := netip.ParseAddrPort(text); err == nil && ap.Addr().Zone() == "" {
		return gardenNetwork(netip.PrefixFrom(ap.Addr(), ap.Addr().BitLen()), ap.Port())
	}
	return gardenName(strings.TrimSuffix(strings.ToLower(text), "."))
}

func gardenNetwork(p netip.Prefix, port uint16) (g Garden, wrong, mend string) {
	widest := widest6
	if p.Addr().Is4() {
		widest = widest4
	}
	switch {
	case p.Addr().Is4In6():
		return g, "is an IPv4 address in IPv6's clothes", "write " + strconv.Quote(p.Addr().Unmap().String())
	case p != p.Masked():
		return g, "has host bits", "write " + strconv.Quote(p.Masked().String()) + " for the network or " + strconv.Quote(p.Addr().String()) + " for the one machine"
	case p.Bits() < widest:
		return g, "opens a good part of the internet", fmt.Sprintf("use /%d or longer", widest)
	case port == 53 || port == 853:
		return g, "would open the way to another resolver, and every DNS tunnel with it", "remove it: guests ask this router's resolver"
	}
	return Garden{Prefix: p, Port: port}, "", ""
}

func gardenName(name string) (g Garden, wrong, mend string) {
	host, port, _ := strings.Cut(name, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err == nil && hostName.MatchString(host) {
		return g, "has a port; names are open on port 443 only", "write " + strconv.Quote(host) + ", or the address with the port"
	}
	if !hostName.MatchString(name) || len(name) > 253 || !strings.Contains(name, ".") {
		return g, "is neither a name nor an address nor a network",
			`write it as in "pay.example.com", "*.example.org", "192.0.2.0/24" or "198.51.100.7:8443"; letters beyond a-z in their xn-- form`
	}
	g = Garden{Name: name}
	if i := slices.IndexFunc(probeHosts, g.covers); i >= 0 {
		return g, "covers " + probeHosts[i] + ", by which devices tell whether they are online: they would no longer show the login page",
			"remove it, or name the hosts that are really needed"
	}
	return g, "", ""
}

// covers tells whether the entry opens a host.
func (g Garden) covers(host string) bool {
	below, wild := strings.CutPrefix(g.Name, "*")
	return g.Name == host || wild && strings.HasSuffix(host, below)
}

func (g Garden) overlaps(other Garden) bool {
	if g.Name != "" || other.Name != "" {
		return g.Name != "" && other.Name != "" && (g.covers(other.Name) || other.covers(g.Name))
	}
	return g.Port == other.Port && g.Prefix.Overlaps(other.Prefix)
}
