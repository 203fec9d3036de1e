package iptables

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
)

// Zone is one guest network as the firewall sees it.
type Zone struct {
	Name       string   // as in sessions.Zone; letters, digits, '_', '-' and '.'
	Interfaces []string // where its stations are; at least one, and in no other zone
	Masquerade bool     // IPv4 that leaves the zone for another interface gets the router's address there
	OpenOnStop bool     // Open lets its stations through
	// Management are the addresses in the zone that may reach all of the router. They are captive like others otherwise.
	Management []netip.Prefix
}

// Config is what a Firewall needs.
type Config struct {
	Zones           []Zone
	PortalHTTPPort  uint16       // where port 80 of captive stations leads; default 2080
	PortalHTTPSPort uint16       // reachable by every station; zero: none
	DNSPort         uint16       // where port 53 of captive stations leads; default 53
	Shaped          bool         // somebody around the Firewall holds rates; without, a grant with one is refused
	NoSets          bool         // plain rules also where the kernel has the ipsets
	Logger          *slog.Logger // must not be nil
}

var (
	zoneName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	interfaceName = regexp.MustCompile(`^[^/:\s"*\\+!-][^/:\s"*\\+]*$`) // a '+' at the end would be a wildcard
)

func (c *Config) check() error {
	var errs []error
	tokens, interfaces := map[string]bool{}, map[string]bool{}
	for i := range c.Zones {
		z := &c.Zones[i]
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("zone %q: "+format, append([]any{z.Name}, args...)...))
		}
		if !zoneName.MatchString(z.Name) {
			wrong("a name is of letters, digits, '_', '-' and '.'")
		}
		if tokens[z.token()] {
			wrong("another zone has this name, or one that cannot be told from it")
		}
		tokens[z.token()] = true
		if len(z.Interfaces) == 0 {
			wrong("it has no interface")
		}
		for _, name := range z.Interfaces {
			if !interfaceName.MatchString(name) || len(name) > 15 {
				wrong("%q cannot be the name of an interface", name)
			}
			if interfaces[name] {
				wrong("interface %s is in another zone already", name)
			}
			interfaces[name] = true
		}
		if slices.ContainsFunc(z.Management, func(p netip.Prefix) bool { return !p.IsValid() }) {
			wrong("an address of management is not valid")
		}
	}
	return errors.Join(errs...)
}

const maxToken = 12 // bytes; the kernel's names for chains have 28, those for sets 31

// token stands for the zone in names of chains and sets: its name, where that is short enough.
func (z *Zone) token() string {
	if len(z.Name) <= maxToken {
		return z.Name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(z.Name))
	return fmt.Sprintf("%.3s~%08x", z.Name, h.Sum32())
}

// chain is the name of one of the zone's chains or sets.
func (z *Zone) chain(kind string) string { return prefix + kind + "_" + z.token() }

func interfaces(zones []Zone) (all []string) {
	for i := range zones {
		all = append(all, zones[i].Interfaces...)
	}
	return all
}
