package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func parsePortal(root *section) Portal {
	p := Portal{HTTPPort: defaultHTTPPort, HTTPSPort: defaultHTTPSPort, LeaseTime: defaultLeaseTime}
	s := root.table("portal")
	if s == nil {
		return p
	}
	if n, ok := s.number("http_port", 1, 65535); ok {
		p.HTTPPort = uint16(n)
	}
	if n, ok := s.number("https_port", 1, 65535); ok {
		p.HTTPSPort = uint16(n)
	}
	if p.HTTPPort == p.HTTPSPort {
		s.wrong("https_port", "is http_port, too", "choose another")
	}
	p.Venue = s.text("venue", "")
	if len(p.Venue) > maxAttribute {
		s.wrong("venue", "is longer than 253 octets", "shorten it")
	}
	parseCertificate(s, &p)
	p.APITokens = absolute(s, "api_tokens", "")
	p.theme = parseTheme(s)
	s.finish()
	return p
}

// fromCentre stands in the place of the path of a certificate.
const fromCentre = "centre"

// HTTPS tells whether the portal is to have it.
func (p *Portal) HTTPS() bool { return p.Name != "" || p.FromCentre }

func parseCertificate(s *section, p *Portal) {
	p.Name = parsePortalName(s)
	certificate := s.text("certificate", "")
	if p.FromCentre = certificate == fromCentre; !p.FromCentre {
		p.Certificate = checkAbsolute(s, "certificate", certificate)
	}
	p.Key = absolute(s, "key", "")
	p.CAFile = absolute(s, "ca_file", "")
	p.DNSMasqDir = absolute(s, "dnsmasq_dir", "")
	p.LeaseTime = s.span("lease_time", defaultLeaseTime, 2*time.Minute)
	switch {
	case p.FromCentre && p.Name != "":
		s.wrong("name", "is the centre's to give, as the certificate is", "remove it")
	case p.FromCentre && p.Key != "":
		s.wrong("key", "is made here when the certificate comes from the centre", "remove it")
	case p.FromCentre:
	case (p.Certificate == "") != (p.Key == ""):
		s.wrong("key", "certificate and key belong together", "give the path of both PEM files, or of neither")
	case p.Certificate != "" && !s.has("name"):
		s.wrong("name", "is missing", `give the DNS name that the certificate is for, as in "wifi.example.com"`)
	case p.Certificate == "" && p.Name != "":
		s.wrong("certificate", "is missing, and a name without a certificate leads nowhere", "give the path of the certificate and its chain, PEM, and of its key, or remove name")
	}
}

func parsePortalName(s *section) string {
	name := strings.TrimSuffix(strings.ToLower(s.text("name", "")), ".")
	_, isAddr := netip.ParseAddr(name)
	if name != "" && (isAddr == nil || !hostName.MatchString(name) || strings.HasPrefix(name, "*") || !strings.Contains(name, ".") || len(name) > 253) {
		s.wrong("name", strconv.Quote(name)+" is not a DNS name", `write the whole name that the certificate is for, as in "wifi.example.com"; letters beyond a-z in their xn-- form`)
		return ""
	}
	return name
}

// maxVenueURL keeps the answer of the captive portal API below the 4,096 characters that Android reads.
const maxVenueURL = 1024

func parseVenueURL(s *section) string {
	v := s.text("venue_url", "")
	u, err := url.Parse(v)
	switch {
	case v == "":
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		s.wrong("venue_url", strconv.Quote(v)+" is not an https address", `write it as in "https://hotel.example/wifi"`)
		return ""
	case len(v) > maxVenueURL:
		s.wrong("venue_url", "is longer than 1,024 octets", "shorten it")
		return ""
	}
	return v
}
