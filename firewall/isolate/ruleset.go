package isolate

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

const (
	hook          = "forward"
	chainPrefix   = "zone_"
	pairsPrefix   = "pairs_"
	blockedPrefix = "blocked_"
)

// rules are the table for the segments that have rules: everything but the pairs, which change all the time.
func (i *Isolator) rules() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table bridge %s {", table.Name)
	for _, s := range i.segments {
		if s.kind == Table {
			line("\tset %s { type ifname; }", s.set)
			line("\tset %s { type ifname; }", s.bare)
		}
	}
	for _, z := range i.withRules() {
		if z.exceptions() {
			line("\tset %s%s { type ether_addr; }", blockedPrefix, z.Name)
		}
		if z.Casting {
			line("\tset %s%s { type ether_addr . ether_addr; flags timeout; }", pairsPrefix, z.Name)
		}
	}
	line("\tchain %s {", hook)
	line("\t\ttype filter hook forward priority filter - 10; policy accept;")
	for n, s := range i.segments {
		for _, match := range s.matches() {
			line("\t\t%s goto %s%s_%d", match, chainPrefix, s.zone.Name, n)
		}
	}
	line("\t}")
	for n, s := range i.segments {
		if s.kind == Table {
			line("\tchain %s%s_%d {", chainPrefix, s.zone.Name, n)
			s.rules(func(rule string) { line("\t\t%s", rule) })
			line("\t}")
		}
	}
	line("}")
	for _, s := range i.segments {
		if s.kind != Table {
			continue
		}
		portsIn(line, s.set, s.ports)
		portsIn(line, s.bare, s.untagged)
	}
	return b.String()
}

// portsIn makes a set of ports hold exactly these.
func portsIn(line func(format string, args ...any), set string, ports []string) {
	line("flush set bridge %s %s", table.Name, set)
	for _, p := range ports {
		line("add element bridge %s %s { %q }", table.Name, set, p)
	}
}

// matches pick the frames between the segment's stations out of all. What a bridge with VLANs sends to a port without a tag is
// of the port's own VLAN.
func (s *segment) matches() []string {
	switch {
	case s.kind != Table:
		return nil
	case s.vlan == 0:
		return []string{"iifname @" + s.set}
	}
	return []string{
		fmt.Sprintf("iifname @%s vlan id %d", s.set, s.vlan),
		fmt.Sprintf("iifname @%s oifname @%s ether type != vlan", s.set, s.bare),
	}
}

// withRules are the zones that have rules.
func (i *Isolator) withRules() []*Zone {
	var zones []*Zone
	for _, s := range i.segments {
		if s.kind == Table && !slices.Contains(zones, s.zone) {
			zones = append(zones, s.zone)
		}
	}
	return zones
}

// rules are what passes from one port of the segment to another.
func (s *segment) rules(rule func(string)) {
	if s.zone.exceptions() {
		rule("ether saddr @" + blockedPrefix + s.zone.Name + " drop")
		rule("ether daddr @" + blockedPrefix + s.zone.Name + " drop")
		s.routersOwn(rule)
		s.shared(rule)
		if s.zone.Casting {
			rule("ether saddr . ether daddr @" + pairsPrefix + s.zone.Name + " accept")
		}
		s.discovery(rule)
	}
	rule("drop")
}

// routersOwn drops what only the router may say, between whomever.
func (s *segment) routersOwn(rule func(string)) {
	rule("udp dport { 67, 68, 546, 547 } drop") // DHCP of both families, questions too: nobody else is to answer them
	rule("icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect } drop")
	rule("ether saddr " + s.mac.String() + " drop")
	var four, six, six16 []string
	for _, a := range s.routers {
		if a.Is4() {
			four = append(four, a.String())
			continue
		}
		six = append(six, a.String())
		six16 = append(six16, "0x"+hex.EncodeToString(a.AsSlice()))
	}
	if len(four) > 0 { // who looks for the router need not ask others; who says that he is it lies
		rule("arp saddr ip { " + strings.Join(four, ", ") + " } drop")
		rule("arp daddr ip { " + strings.Join(four, ", ") + " } drop")
	}
	if len(six) > 0 {
		rule("ip6 saddr { " + strings.Join(six, ", ") + " } drop")
	}
	for _, a := range six16 { // the address that a neighbour solicitation or advertisement is about
		rule("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } @th,64,128 " + a + " drop")
	}
}

// shared lets pass what comes from a device that all share, and what goes to it.
func (s *segment) shared(rule func(string)) {
	for _, d := range s.zone.Shared {
		behind := ""
		if d.Port != "" {
			behind = fmt.Sprintf("iifname %q ", d.Port)
		}
		rule(behind + "ether saddr " + d.MAC.String() + " accept")
		rule("ether daddr " + d.MAC.String() + " accept")
	}
}

// discovery lets stations look for those whom they may reach: by ARP and neighbour solicitation, multicast DNS (Chromecast,
// AirPlay, printers), SSDP (DLNA, Roku) and WS-Discovery (Windows). Others hear it too and can do nothing with it, for what
// they answer does not pass. Who is in a pair may say by multicast DNS what it is.
func (s *segment) discovery(rule func(string)) {
	from, question := "", " @th,80,1 0" // a DNS question, no answer
	if len(s.zone.Shared) == 0 {
		from, question = "ether saddr . ether saddr @"+pairsPrefix+s.zone.Name+" ", ""
	}
	for _, match := range []string{
		"ether daddr ff:ff:ff:ff:ff:ff arp operation request",
		"ether daddr & ff:ff:ff:00:00:00 == 33:33:ff:00:00:00 icmpv6 type nd-neighbor-solicit",
		"ip daddr 224.0.0.251 udp dport 5353" + question,
		"ip6 daddr ff02::fb udp dport 5353" + question,
		"ip daddr 239.255.255.250 udp dport { 1900, 3702 }",
		"ip6 daddr { ff02::c, ff05::c } udp dport { 1900, 3702 }",
	} {
		rule(from + match + " accept")
	}
	if s.zone.Casting && from == "" {
		rule("ip daddr 224.0.0.251 udp dport 5353 ether saddr . ether saddr @" + pairsPrefix + s.zone.Name + " accept")
		rule("ip6 daddr ff02::fb udp dport 5353 ether saddr . ether saddr @" + pairsPrefix + s.zone.Name + " accept")
	}
}

// text is what nft reads to make the table right in one transaction.
func (i *Isolator) text(rules string) (string, error) {
	chains, err := i.nft.Chains()
	if err != nil {
		return "", err
	}
	sets, err := i.nft.Sets()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("add table bridge %s", table.Name)
	line("flush table bridge %s", table.Name)
	for _, name := range chains {
		if !strings.Contains(rules, "\tchain "+name+" {") {
			line("delete chain bridge %s %s", table.Name, name)
		}
	}
	for _, name := range sets {
		if !strings.HasPrefix(name, "__") && !strings.Contains(rules, "\tset "+name+" {") { // a rule's own goes with it
			line("delete set bridge %s %s", table.Name, name)
		}
	}
	b.WriteString(rules)
	now := i.cfg.Clock.Mono()
	for _, z := range i.withRules() {
		if z.exceptions() {
			line("flush set bridge %s %s%s", table.Name, blockedPrefix, z.Name)
			for _, mac := range i.blocked[z.Name] {
				line("add element bridge %s %s%s { %v }", table.Name, blockedPrefix, z.Name, mac)
			}
		}
		if !z.Casting {
			continue
		}
		line("flush set bridge %s %s%s", table.Name, pairsPrefix, z.Name)
		for _, p := range i.members[z.Name].allPairs() {
			if text := p.text(now); text != "" {
				line("add element bridge %s %s%s { %s }", table.Name, pairsPrefix, z.Name, text)
			}
		}
	}
	return b.String(), nil
}

func macElements(macs []sessions.MAC) []table.Element {
	out := make([]table.Element, len(macs))
	for n, mac := range macs {
		out[n] = table.Key(mac[:])
	}
	return out
}

// portElement is a port in a set of ports.
func portElement(name string) table.Element {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return table.Key(key)
}
