package nftables

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/sessions"
)

// schema is the version of the sets: which there are, and what is in them. It grows when one comes or goes, see migrate.
const schema = 4

const (
	schemaPrefix = "schema_" // an empty chain of this name and the version marks the table
	idlePrefix   = "idle_"   // a chain per idle timeout, in milliseconds
	setSize      = maxID + 1
)

// rules is everything that the text of the ruleset depends on.
type rules struct {
	zones        []Zone
	http, https  uint16
	dns          uint16                    // 53: the router's own resolver
	opened       bool                      // the daemon stops: zones that say so are open
	unhooked     bool                      // no packet meets the rules yet
	early        bool                      // stations are told apart before others write or read marks, see capture
	idleTimeouts []time.Duration           // in use
	blocked      map[string][]sessions.MAC // by zone
	staleChains  []string                  // of an earlier configuration or version, to be deleted
	staleSets    []string
}

// text is the input of `nft -f` that makes our table these rules, in one transaction. Sets that exist keep their
// elements.
func (r *rules) text() string {
	var b strings.Builder
	var line printer = func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("add table inet %s", tableName)
	line("flush table inet %s", tableName)
	for _, c := range r.staleChains {
		line("delete chain inet %s %s", tableName, c)
	}
	for _, s := range r.staleSets {
		line("delete map inet %s %s", tableName, s)
	}
	line("table inet %s {", tableName)
	r.sets(line)
	r.shared(line)
	for i := range r.zones {
		z := &r.zones[i]
		if r.isOpen(z) {
			line.chain("uplink_"+z.Name, z.dropBlocked())
		} else {
			r.capture(line, z)
		}
		r.input(line, z)
	}
	if !r.unhooked {
		r.base(line)
	}
	line("}")
	return b.String()
}

func (r *rules) isOpen(z *Zone) bool { return r.opened && z.OnStop == Open }

type printer func(format string, args ...any)

// chain prints a chain of these rules.
func (line printer) chain(name string, rules ...string) {
	line("\tchain %s {", name)
	for _, rule := range rules {
		line("\t\t%s", rule)
	}
	line("\t}")
}

func (r *rules) sets(line printer) {
	line.chain(fmt.Sprintf("%s%d", schemaPrefix, schema))
	for _, z := range r.zones {
		line("\tmap %s { type ether_addr : mark; flags timeout; size %d; }", z.stations(), setSize)
	}
	for i := range r.zones {
		r.zones[i].gardenSets(line)
		r.zones[i].blockedSet(line, r.blocked[r.zones[i].Name])
	}
	line("\tset %s { type mark; flags timeout; size %d; }", setSessions, setSize)
	line("\tset %s { type mark; flags dynamic,timeout; size %d; }", setIdle, setSize)
	line("\tmap %s { type mark : verdict; size %d; elements = { 0x%08x : goto idle_other }; }", setIdleChain, otherClass, otherClass.mark())
	line("\tmap %s { type mark : verdict; }", setIdleClass) // without a size the kernel keeps no room for what is rare
	for i := range r.zones {
		line("\tmap %s { type ether_addr : mark; flags dynamic,timeout; size %d; timeout %dms; }", r.zones[i].known(), setSize, lease.Milliseconds())
	}
	line("\tset %s { type mark; flags dynamic,timeout; size %d; timeout %dms; }", setFresh, setSize, lease.Milliseconds())
	line("\tset %s { type mark; flags timeout; size %d; }", setLeasable, setSize)
	capSets(line)
	r.reachSets(line)
	line("\tset %s { type mark; size %d; counter; }", setUp, setSize)
	line("\tset %s { type mark; size %d; counter; }", setDown, setSize)
}

// Parts of rules. The id is masked out of a mark wherever it is asked for: the other bits are other people's.
var (
	packetID    = fmt.Sprintf("meta mark and 0x%08x", idMask)
	packetClass = fmt.Sprintf("meta mark and 0x%08x", uint32(classMask))
	flowID      = fmt.Sprintf("ct mark and 0x%08x", idMask)
	flowClass   = fmt.Sprintf("ct mark and 0x%08x", uint32(classMask))
)

// shared prints the chains that all zones use.
func (r *rules) shared(line printer) {
	line.chain("closed",
		"meta l4proto tcp reject with tcp reset",
		"udp dport 443 reject with icmpx type port-unreachable",
		"reject with icmpx type admin-prohibited")
	line.chain("talking",
		packetClass+" vmap @"+setIdleChain,
		"accept")
	line.chain("idle_other",
		packetID+" vmap @"+setIdleClass,
		"accept")
	for _, d := range r.idleTimeouts {
		line.chain(idleChain(d),
			fmt.Sprintf("update @%s { %s timeout %dms } accept", setIdle, packetID, renewed(d).Milliseconds()))
	}
	// A flow's first packet, or one of a flow from before our table: whose it is gets written down for the way back.
	// The whole packet mark is copied, so that the bits that others saved in the conntrack mark stay (DESIGN D1).
	unowned := []string{"ct state invalid drop", "fib saddr . iif oif missing drop"}
	if all := interfaces(r.zones); len(all) > 0 {
		unowned = append(unowned, "oifname "+oneOf(all)+" goto closed")
	}
	line.chain("unowned", append(unowned, "ct mark set meta mark")...)
	captive := append([]string{"fib saddr . iif oif missing drop"}, r.reaching(line)...)
	line.chain("captive", append(append(captive, r.gardens(line)...), "goto closed")...)
	capChains(line)
	// What a lease says was found true a moment ago. It is asked first, for a packet pays for every lookup on its way.
	line.chain("downlink",
		flowID+" @"+setFresh+" "+flowID+" @"+setDown+" accept",
		flowClass+" != 0 "+flowID+" != @"+setIdle+" goto "+r.withoutStation(),
		flowID+" != @"+setSessions+" goto closed",
		flowID+" @"+setCapped+" jump caps_down",
		flowID+" @"+setLeasable+" update @"+setFresh+" { "+flowID+" }",
		flowID+" @"+setDown+" accept",
		"ct state invalid drop", // a reset would end a connection for a packet that only came late
		"goto closed")
}

// capture prints how a zone's stations are told apart, and where captive ones are led.
//
// The late form does so in the forward hook and, for the first packet of a flow, before its destination is translated:
// what the common packet pays for is one hook, one lookup by MAC in the leases, and one that counts. It writes the whole
// packet mark and copies it into the conntrack mark. Beside somebody who keeps bits of his own there that would destroy
// them, so the early form writes the mark before everybody else, and has no lease for the way up.
func (r *rules) capture(line printer, z *Zone) {
	enter := "meta mark set ether saddr map @" + z.stations()
	clean := fmt.Sprintf("meta mark and 0x%08x != 0 meta mark set 0", uint32(Mask)) // not ours: somebody else's leftovers
	var pass []string
	if r.early {
		entered := []string{enter + " accept"}
		if z.Reach {
			entered = append(entered, "meta mark set ether saddr map @"+z.reaching()+" accept")
		}
		line.chain("enter_"+z.Name, append(entered, clean)...)
		line.chain("uplink_"+z.Name,
			z.dropBlocked(),
			packetID+" == 0 goto captive",
			"goto admitted_"+z.Name)
	} else {
		line.chain("enter_"+z.Name, clean, enter+" return")
		line.chain("uplink_"+z.Name,
			"meta mark set ether saddr map @"+z.known()+" ct direction original "+flowID+" != 0 "+packetID+" @"+setUp+" accept",
			z.dropBlocked(),
			enter+" goto admitted_"+z.Name,
			"goto captive")
		pass = append(pass, packetID+" @"+setLeasable+" update @"+z.known()+" { ether saddr : meta mark }")
	}
	line.chain("admitted_"+z.Name,
		packetClass+" != 0 "+packetID+" != @"+setIdle+" goto captive", // silent for too long
		// What has no connection has no mark to compare. What comes against its flow's direction is no answer of the
		// internet: it gets asked where it comes from.
		"ct direction original "+flowID+" != 0 goto pass_"+z.Name,
		"jump unowned",
		"goto pass_"+z.Name)
	line.chain("pass_"+z.Name, append(pass,
		packetID+" @"+setCapped+" jump caps_up",
		packetID+" @"+setUp+" goto talking",
		"goto closed")...)
	var redirect []string
	if !r.early {
		redirect = append(redirect, "jump enter_"+z.Name)
	}
	for _, m := range z.management() {
		redirect = append(redirect, m+" fib daddr type local return")
	}
	redirect = append(redirect,
		fmt.Sprintf("fib daddr type local tcp dport 80 redirect to :%d", r.http),
		packetClass+" != 0 "+packetID+" @"+setIdle+" return",
		packetClass+" == 0 "+packetID+" != 0 return",
		r.resolver())
	for _, n := range z.networks() {
		redirect = append(redirect, n.daddr+" tcp dport "+n.ports+" return")
	}
	line.chain("redirect_"+z.Name, append(redirect, fmt.Sprintf("tcp dport 80 redirect to :%d", r.http))...)
}

// input prints what of the router a zone's stations may reach.
func (r *rules) input(line printer, z *Zone) {
	rules := []string{
		z.dropBlocked(),
		"ct state established,related accept",
		"ct state invalid drop",
		"ip saddr 0.0.0.0 udp dport 67 accept",
		"ip6 saddr :: meta l4proto icmpv6 accept", // duplicate address detection
		"fib saddr . iif oif missing drop",
		"meta l4proto { icmp, icmpv6 } accept",
	}
	for _, m := range z.management() {
		rules = append(rules, m+" accept")
	}
	portal := fmt.Sprintf("%d", r.http)
	if r.https != 0 {
		portal += fmt.Sprintf(", %d", r.https)
	}
	if r.dns != dnsPort {
		rules = append(rules, fmt.Sprintf("meta l4proto { tcp, udp } th dport %d accept", r.dns))
	}
	line.chain("input_"+z.Name, append(rules,
		"udp dport { 53, 67, 123, 547 } accept",
		"tcp dport { 53, "+portal+" } accept",
		"goto closed")...)
}

// base prints the chains that the kernel calls. They accept: a packet that is no zone's is none of our business.
func (r *rules) base(line printer) {
	var enter, redirect, input, uplink, downlink, masquerade []string
	for i := range r.zones {
		z := &r.zones[i]
		input = append(input, z.dispatch("iifname", "goto input_"+z.Name)...)
		uplink = append(uplink, z.dispatch("iifname", "goto uplink_"+z.Name)...)
		if !r.isOpen(z) {
			if r.early {
				enter = append(enter, z.dispatch("iifname", "goto enter_"+z.Name)...)
			}
			redirect = append(redirect, z.dispatch("iifname", "goto redirect_"+z.Name)...)
			downlink = append(downlink, z.dispatch("oifname", "goto downlink")...)
		}
		if z.Masquerade {
			in := oneOf(z.Interfaces)
			masquerade = append(masquerade, "iifname "+in+" oifname != "+in+" meta nfproto ipv4 masquerade")
		}
	}
	hook := func(name, kind, hook, priority string, rules ...string) {
		line.chain(name, append([]string{fmt.Sprintf("type %s hook %s priority %s; policy accept;", kind, hook, priority)}, rules...)...)
	}
	if r.early {
		hook("prerouting", "filter", "prerouting", "mangle - 10", enter...)
	}
	hook("nat_prerouting", "nat", "prerouting", "dstnat - 10", redirect...)
	hook("input", "filter", "input", "filter - 10", input...)
	hook("forward", "filter", "forward", "filter - 10", append(uplink, downlink...)...)
	// After everybody else's, so that a router that has an address to translate to keeps its way.
	hook("nat_postrouting", "nat", "postrouting", "srcnat + 10", masquerade...)
}

// dispatch is the rule that sends the packets of a zone's interfaces where they belong. There is one for each zone and no verdict map
// for all: as rules are replaced, a kernel since 6.4 empties the old rules' own maps at once, and a packet that is on its way
// through these would find nothing and pass. It leaves sets as they are.
func (z *Zone) dispatch(key, where string) []string {
	if len(z.Interfaces) == 0 {
		return nil
	}
	return []string{key + " " + oneOf(z.Interfaces) + " " + where}
}

// oneOf matches any of the interfaces.
func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "{ " + strings.Join(quoted, ", ") + " }"
}

func (z *Zone) stations() string { return stationsPrefix + z.Name }

func (z *Zone) known() string { return knownPrefix + z.Name }

func idleChain(d time.Duration) string { return fmt.Sprintf("%s%d", idlePrefix, d.Milliseconds()) }

func interfaces(zones []Zone) (all []string) {
	for _, z := range zones {
		all = append(all, z.Interfaces...)
	}
	return all
}

func (z *Zone) management() (matches []string) {
	for _, v4 := range []bool{true, false} {
		var prefixes []string
		for _, p := range z.Management {
			if p.Addr().Is4() == v4 {
				prefixes = append(prefixes, p.Masked().String())
			}
		}
		slices.Sort(prefixes)
		if len(prefixes) > 0 {
			family := "ip6"
			if v4 {
				family = "ip"
			}
			matches = append(matches, family+" saddr { "+strings.Join(slices.Compact(prefixes), ", ")+" }")
		}
	}
	return matches
}
