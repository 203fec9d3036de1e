package nftables

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
)

// OnStop says what becomes of a zone when the daemon stops.
type OnStop string

// What becomes of a zone at a clean stop. A daemon that dies leaves every zone as it is.
const (
	Closed OnStop = "closed" // captive stations stay captive, sessions end on time
	Open   OnStop = "open"   // every station gets through, uncounted; the router itself stays closed to them
)

// Zone is one guest network as the firewall sees it.
type Zone struct {
	Name       string   // as in sessions.Zone; letters, digits, '_', '-' and '.'
	Interfaces []string // where its stations are; at least one, and in no other zone
	Masquerade bool     // IPv4 that leaves the zone for another interface gets the router's address there
	OnStop     OnStop   // default Closed
	// Management are the addresses in the zone that may reach all of the router. They are captive like others otherwise.
	Management []netip.Prefix
	// Garden and the names' addresses that Learn is told are what captive stations reach.
	Garden      []Garden
	GardenNames bool // Learn will be called for the zone
	Reach       bool // OpenReach will be
}

// Config is what a Firewall needs.
type Config struct {
	Zones           []Zone
	PortalHTTPPort  uint16       // where port 80 of captive stations leads; default 2080
	PortalHTTPSPort uint16       // reachable by every station; zero: none
	DNSPort         uint16       // where port 53 of captive stations leads; default 53
	NFT             string       // the nft program; default "nft", found in PATH
	Logger          *slog.Logger // must not be nil
	Capped          func()       // called by Watch when a cap has refused its first packet; may be nil
}

const (
	maxNameLen      = 64
	maxInterfaceLen = 15
)

var (
	zoneName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	interfaceName = regexp.MustCompile(`^[^/:\s"*\\]+$`)
)

func (c *Config) check() error {
	var errs []error
	zones, interfaces := map[string]bool{}, map[string]string{}
	for i := range c.Zones {
		z := &c.Zones[i]
		errs = append(errs, z.check()...)
		if zones[z.Name] {
			errs = append(errs, fmt.Errorf("zone %q: it is there twice", z.Name))
		}
		zones[z.Name] = true
		for _, name := range z.Interfaces {
			if other, taken := interfaces[name]; taken {
				errs = append(errs, fmt.Errorf("zone %q: interface %s is in zone %q already", z.Name, name, other))
			}
			interfaces[name] = z.Name
		}
	}
	return errors.Join(errs...)
}

func (z *Zone) check() (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("zone %q: "+format, append([]any{z.Name}, args...)...))
	}
	if !zoneName.MatchString(z.Name) || len(z.Name) > maxNameLen {
		wrong("a name is up to %d letters, digits, '_', '-' and '.'", maxNameLen)
	}
	if len(z.Interfaces) == 0 {
		wrong("it has no interface")
	}
	for _, name := range z.Interfaces {
		if !interfaceName.MatchString(name) || len(name) > maxInterfaceLen {
			wrong("%q cannot be the name of an interface", name)
		}
	}
	if !slices.Contains([]OnStop{"", Open, Closed}, z.OnStop) {
		wrong("on_stop is closed or open, not %q", z.OnStop)
	}
	if slices.ContainsFunc(z.Management, func(p netip.Prefix) bool { return !p.IsValid() }) {
		wrong("an address of management is not valid")
	}
	if err := z.checkGarden(); err != nil {
		wrong("%v", err)
	}
	return errs
}

// MissingInterfaces are the interfaces of zones that do not exist now, in order. Rules go by name and hold as soon as
// an interface appears.
func (f *Firewall) MissingInterfaces() ([]string, error) {
	there, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var missing []string
	for _, z := range f.cfg.Zones {
		for _, name := range z.Interfaces {
			if !slices.ContainsFunc(there, func(i net.Interface) bool { return i.Name == name }) {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}
