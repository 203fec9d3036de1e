package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

// Config is everything that a gateway is told by its operator, checked and with defaults in place.
type Config struct {
	NASID           string     // NAS-Identifier
	NASIP           netip.Addr // NAS-IP-Address
	StateDir        string
	RuntimeDir      string
	ControlGroup    string
	PersistInterval time.Duration
	LogLevel        slog.Level
	TimeZone        *time.Location // of the venue; Load takes the machine's where the file says nothing
	Firewall        Backend
	Portal          Portal
	DNS             DNS
	Centre          *Centre // nil: the gateway stands alone
	Zones           []Zone  // at least one
}

// Backend is what keeps guests out.
type Backend string

// The backends. BackendAuto is nftables where it works, else iptables.
const (
	BackendAuto     Backend = "auto"
	BackendNFTables Backend = "nftables"
	BackendIPTables Backend = "iptables"
)

// Portal is what the guests' pages need.
type Portal struct {
	HTTPPort  uint16
	HTTPSPort uint16
	Venue     string     // empty: none told
	Theme     *web.Theme // of zones without one of their own, by Load; nil: ours
	theme     *theme
	// Name is the DNS name by which guests' devices reach the portal over HTTPS; empty: HTTP only, by address.
	Name             string
	Certificate, Key string // paths of PEM files
	APITokens        string // path of the file with hashes of tokens for the local GATE API; empty: there is no such API
	FromCentre       bool   // the certificate, and with it the name, comes from the centre instead
	CAFile           string
	CA               []byte        // PEM, read from CAFile by Load; nil: the machine's
	DNSMasqDir       string        // of the two files that dnsmasq is pointed at
	LeaseTime        time.Duration // the longest that the router's DHCP server gives out in a zone
}

// DNS is what the forwarder of captive guests' queries needs.
type DNS struct {
	Port     uint16
	Upstream netip.AddrPort // the router's own resolver
}

// Centre is where the gateway reports and asks.
type Centre struct {
	URL            *url.URL
	TokenFile      string // Load has seen that it holds a token
	CAFile         string
	CA             []byte // PEM, read from CAFile by Load; nil: the system's
	VerifierMaxAge time.Duration
}

// OnStop says what becomes of a zone when the daemon stops in order.
type OnStop string

// The answers to a stop.
const (
	// StopClosed leaves the rules in place: who is in stays in until the kernel's timeout, nobody new gets in.
	StopClosed OnStop = "closed"
	// StopOpen lets every station of the zone through, uncounted, until the daemon is back.
	StopOpen OnStop = "open"
)

// Zone is one guest network: the domain's part of it, and what the pages and the firewall need besides.
type Zone struct {
	sessions.Zone
	Interfaces []string // at least one; the first is NAS-Port-Id
	Terms      string   // the text; empty when the zone has no click-through
	TermsFile  string   // where Load read Terms from; empty when the text was in the configuration
	Masquerade bool
	OnStop     OnStop
	Management []netip.Prefix // who may reach the router's own services from this zone
	Garden     []Garden       // what guests reach before they log in
	Isolation  Isolation
	WISPr      *WISPr // nil: off
	VenueURL   string // of a page about the place (RFC 8908 venue-info-url); empty: none
	// AfterLogin is what guests see once they are in: AfterStatus, AfterOriginal or an address.
	AfterLogin string
	// WarnBefore is how much before the end of a session its guest is warned. Zero: not at all.
	WarnBefore time.Duration
	// Disassociate has the router's access points send a station away when its session ends.
	Disassociate bool
	// CapUp and CapDown bound what all stations of the zone have together. Zero: no bound.
	CapUp, CapDown sessions.BitRate

	Theme *web.Theme // by Load; nil: ours
	theme *theme
}

// DomainZones are the zones as the sessions package knows them.
func (c *Config) DomainZones() []sessions.Zone {
	zones := make([]sessions.Zone, len(c.Zones))
	for i := range c.Zones {
		zones[i] = c.Zones[i].Zone
	}
	return zones
}
