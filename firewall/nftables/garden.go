package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"
)

// Garden is one network of a walled garden.
type Garden struct {
	Prefix netip.Prefix
	Port   uint16 // 0: the web's, 80 and 443
}

// Names of a garden's sets: these and the zone's name. They hold the addresses of the garden's names, as Learn was told.
const (
	garden4Prefix = "garden4_"
	garden6Prefix = "garden6_"
	gardenSize    = 16384
)

// gardenFlow is the conntrack mark of a flow into a garden: a class, but no station's id. It gives the way back. A station
// that logs in takes such flows over with its next packet.
var gardenFlow = class(1).mark()

// Learn opens addresses of the zone's garden names on port 443 for so long, or for as long as they are open already if
// that is longer. It returns when the kernel has them. Flows that exist go on when the time is over.
func (f *Firewall) Learn(ctx context.Context, zone string, ttls map[netip.Addr]time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if !f.ready {
		return ErrNotReady
	}
	if !slices.ContainsFunc(f.cfg.Zones, func(z Zone) bool { return z.Name == zone && z.GardenNames }) {
		return fmt.Errorf("zone %q: %w with names in its garden", zone, ErrNoZone)
	}
	var t transaction
	for _, addr := range slices.SortedFunc(maps.Keys(ttls), netip.Addr.Compare) {
		set, e := gardenSet(zone, addr), element{key: addrKey(addr), timeout: ttls[addr]}
		old, there, err := f.socket.readElement(set, e.key)
		if err != nil {
			return fmt.Errorf("learning: %w", err)
		}
		if there && old.left >= e.timeout {
			continue
		}
		if there { // a second insert alone does not renew on old kernels
			t.remove(set, e)
		}
		t.insert(set, e)
	}
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("learning: %w", err)
	}
	return nil
}

func gardenSet(zone string, addr netip.Addr) string {
	if addr.Is4() {
		return garden4Prefix + zone
	}
	return garden6Prefix + zone
}

func (z *Zone) hasGarden() bool { return z.GardenNames || len(z.Garden) > 0 }

func (z *Zone) checkGarden() error {
	for _, g := range z.Garden {
		if !g.Prefix.IsValid() || g.Prefix.Addr().Is4In6() {
			return errors.New("a network of the garden is not valid")
		}
	}
	return nil
}

// gardenSets prints the sets of learned addresses.
func (z *Zone) gardenSets(line printer) {
	if z.GardenNames {
		line("\tset %s%s { type ipv4_addr; flags timeout; size %d; }", garden4Prefix, z.Name, gardenSize)
		line("\tset %s%s { type ipv6_addr; flags timeout; size %d; }", garden6Prefix, z.Name, gardenSize)
	}
}

// garden prints the chain of what captive stations of a zone reach.
func (z *Zone) garden(line printer, all []string) {
	if !z.hasGarden() {
		return
	}
	rules := []string{
		fmt.Sprintf("ct state established,related ct mark and 0x%08x == 0x%08x accept", uint32(Mask), gardenFlow),
		"ct state invalid drop",
		"oifname " + oneOf(all) + " goto closed", // a garden is no way into another zone
	}
	if z.GardenNames {
		for _, daddr := range []string{"ip daddr @" + garden4Prefix, "ip6 daddr @" + garden6Prefix} {
			rules = append(rules, daddr+z.Name+" meta l4proto { tcp, udp } th dport 443 goto garden")
		}
	}
	for _, n := range z.networks() {
		rules = append(rules, n.daddr+" meta l4proto { tcp, udp } th dport "+n.ports+" goto garden")
	}
	line.chain("garden_"+z.Name, append(rules, "goto closed")...)
}

// network is what a rule says of networks with the same family and ports.
type network struct{ daddr, ports string }

func (z *Zone) networks() (all []network) {
	type kind struct {
		family string
		port   uint16
	}
	of := map[kind][]string{}
	for _, g := range z.Garden {
		k := kind{"ip6", g.Port}
		if g.Prefix.Addr().Is4() {
			k.family = "ip"
		}
		of[k] = append(of[k], g.Prefix.Masked().String())
	}
	for k, prefixes := range of {
		slices.Sort(prefixes)
		ports := "{ 80, 443 }"
		if k.port != 0 {
			ports = fmt.Sprint(k.port)
		}
		all = append(all, network{k.family + " daddr { " + strings.Join(slices.Compact(prefixes), ", ") + " }", ports})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].daddr+all[i].ports < all[j].daddr+all[j].ports })
	return all
}

// gardens prints what captive stations of all zones reach and returns the rules that lead there.
func (r *rules) gardens(line printer) []string {
	var rules []string
	for i := range r.zones {
		z := &r.zones[i]
		if z.hasGarden() {
			z.garden(line, interfaces(r.zones))
			rules = append(rules, z.dispatch("iifname", "goto garden_"+z.Name)...)
		}
	}
	if len(rules) > 0 {
		mine := fmt.Sprintf("ct mark set ct mark and 0x%08x or 0x%08x", ^uint32(Mask), gardenFlow)
		line.chain("garden", mine, "accept")
	}
	if r.withoutStation() != "closed" {
		back := fmt.Sprintf("ct mark and 0x%08x == 0x%08x ct state established,related accept", uint32(Mask), gardenFlow)
		line.chain(r.withoutStation(), append(append([]string{back}, r.reachDownlink()...), "goto closed")...)
	}
	return rules
}

// withoutStation is where a flow's way back leads when its mark names no station that may have an answer.
func (r *rules) withoutStation() string {
	if slices.ContainsFunc(r.zones, func(z Zone) bool { return z.hasGarden() || z.Reach }) {
		return "captive_downlink"
	}
	return "closed"
}

// resolver is the rule for what captive stations ask, whomever they ask.
func (r *rules) resolver() string {
	if r.dns == dnsPort {
		return "fib daddr type != local meta l4proto { tcp, udp } th dport 53 redirect to :53"
	}
	return fmt.Sprintf("meta l4proto { tcp, udp } th dport 53 redirect to :%d", r.dns)
}

// Learned are the addresses of a zone's garden names that are open now, and for how long.
func (f *Firewall) Learned(_ context.Context, zone string) (map[netip.Addr]time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := map[netip.Addr]time.Duration{}
	for _, set := range []string{garden4Prefix + zone, garden6Prefix + zone} {
		elements, err := f.socket.readSet(set, nil)
		if err != nil {
			return nil, err
		}
		for i := range elements {
			left[elements[i].key.addr()] = elements[i].left
		}
	}
	return left, nil
}
