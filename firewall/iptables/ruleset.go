package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"gatehouse/sessions"
)

// Our chains; with the name of a zone, see Zone.chain: who (tells its stations apart), nat, in, up, pass, block.
const (
	chainEnter    = prefix + "enter"    // mangle, from PREROUTING: whose packet is it?
	chainBack     = prefix + "back"     // mangle, from FORWARD: whose answer is it?
	chainRestore  = prefix + "restore"  //
	chainRedirect = prefix + "redirect" // nat, from PREROUTING
	chainLeave    = prefix + "leave"    // nat, from POSTROUTING
	chainInput    = prefix + "input"    // filter, from INPUT
	chainForward  = prefix + "forward"  // filter, from FORWARD
	chainCaptive  = prefix + "captive"  // filter
	chainClosed   = prefix + "closed"   // filter
	chainDown     = prefix + "down"     // filter
)

// ruleset is everything that the text of the rules of a family depends on.
type ruleset struct {
	zones     []Zone
	http, dns uint16
	https     uint16 // zero: none
	opened    bool   // the daemon stops: zones that say so are open
	v6        bool
	keeper    keeper
	blocked   map[string][]sessions.MAC // by zone
}

// text is the input of iptables-restore: all chains but those that the keeper fills. A packet that leaves a chain of ours at
// its end, or by RETURN, goes on to the router's own rules.
func (r *ruleset) text() string {
	var b strings.Builder
	for _, fill := range []func(*table){r.filter, r.nat, r.mangle} {
		t := &table{}
		fill(t)
		b.WriteString(t.text())
	}
	return b.String()
}

// table is a table of iptables under construction.
type table struct {
	name   string
	chains []string
	rules  strings.Builder
}

func (t *table) chain(name string, rules ...string) {
	t.chains = append(t.chains, name)
	for _, rule := range rules {
		fmt.Fprintf(&t.rules, "-A %s %s\n", name, rule)
	}
}

func (t *table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n", t.name)
	for _, c := range t.chains {
		fmt.Fprintf(&b, ":%s - [0:0]\n", c)
	}
	b.WriteString(t.rules.String() + "COMMIT\n")
	return b.String()
}

// Parts of rules.
var (
	hasID    = "-m mark ! --mark " + masked(0, idMask)
	hasNoID  = "-m mark --mark " + masked(0, idMask)
	toLocal  = "-m addrtype --dst-type LOCAL"
	notLocal = "-m addrtype ! --dst-type LOCAL"
	// isOwned is never so for a packet without a connection, nor for one that comes against its flow's direction: that is no
	// answer of the internet, and gets asked where it comes from.
	isOwned = "-m conntrack --ctdir ORIGINAL -m connmark ! --mark " + masked(0, idMask)
)

func (r *ruleset) isOpen(z *Zone) bool { return r.opened && z.OpenOnStop }

// pick chooses between what is different in the families.
func (r *ruleset) pick(v4, v6 string) string {
	if r.v6 {
		return v6
	}
	return v4
}

func (r *ruleset) mangle(t *table) {
	t.name = "mangle"
	var enter, back []string
	for i := range r.zones {
		z := &r.zones[i]
		nat := uint32(0)
		if z.Masquerade {
			nat = natBit
		}
		who := []string{"-j MARK --set-xmark " + masked(nat, Mask)}
		if !r.isOpen(z) {
			who = append(who, r.keeper.tell(z)...)
		}
		t.chain(z.chain("who"), append(who,
			r.pick("-s 0.0.0.0/32 -p udp -m udp --dport 67 -j RETURN", "-s ::/128 -j RETURN"), // DHCP; duplicate address detection
			isOwned+" -j RETURN",
			"-m rpfilter --invert -j DROP")...)
		for _, name := range z.Interfaces {
			enter = append(enter, "-i "+name+" -g "+z.chain("who"))
			if !r.isOpen(z) {
				back = append(back, "-o "+name+" -g "+chainRestore)
			}
		}
	}
	var between []string // what a station sends keeps its mark
	for _, name := range interfaces(r.zones) {
		between = append(between, "-i "+name+" -j RETURN")
	}
	t.chain(chainEnter, enter...)
	t.chain(chainBack, append(between, back...)...)
	t.chain(chainRestore,
		"-j MARK --set-xmark "+masked(0, Mask),
		fmt.Sprintf("-j CONNMARK --restore-mark --nfmask 0x%x --ctmask 0x%x", uint32(Mask), uint32(Mask)))
}

func (r *ruleset) nat(t *table) {
	t.name = "nat"
	var redirect, leave []string
	for i := range r.zones {
		z := &r.zones[i]
		if r.isOpen(z) {
			continue
		}
		rules := r.each(z, toLocal+" -j RETURN")
		web := fmt.Sprintf("-p tcp -m tcp --dport 80 %%s-j REDIRECT --to-ports %d", r.http)
		rules = append(rules, fmt.Sprintf(web, toLocal+" "), hasID+" -j RETURN")
		for _, protocol := range []string{"udp", "tcp"} {
			resolver := fmt.Sprintf("-p %s -m %[1]s --dport 53 %%s-j REDIRECT --to-ports %d", protocol, r.dns)
			if r.dns == dnsPort {
				resolver = fmt.Sprintf(resolver, notLocal+" ")
			} else {
				resolver = fmt.Sprintf(resolver, "")
			}
			rules = append(rules, resolver)
		}
		t.chain(z.chain("nat"), append(rules, fmt.Sprintf(web, ""))...)
		for _, name := range z.Interfaces {
			redirect = append(redirect, "-i "+name+" -g "+z.chain("nat"))
		}
	}
	t.chain(chainRedirect, redirect...)
	if r.v6 {
		return
	}
	leave = append(leave, "-m mark ! --mark "+masked(natBit, natBit)+" -j RETURN")
	for _, name := range interfaces(r.zones) {
		leave = append(leave, "-o "+name+" -j RETURN")
	}
	t.chain(chainLeave, append(leave, "-j MASQUERADE")...)
}

func (r *ruleset) filter(t *table) {
	t.name = "filter"
	var input, up, down []string
	for i := range r.zones {
		z := &r.zones[i]
		r.station(t, z)
		for _, name := range z.Interfaces {
			input = append(input, "-i "+name+" -g "+z.chain("in"))
			up = append(up, "-i "+name+" -g "+z.chain("up"))
			if !r.isOpen(z) {
				down = append(down, "-o "+name+" -g "+chainDown)
			}
		}
	}
	t.chain(chainInput, input...)
	t.chain(chainForward, append(up, down...)...)
	t.chain(chainCaptive,
		// Of a station whose session has just ended: nothing comes back on this flow either.
		isOwned+" -j CONNMARK --set-xmark "+masked(0, Mask),
		"-g "+chainClosed)
	t.chain(chainDown, append([]string{hasNoID + " -g " + chainClosed}, r.keeper.back(r.v6)...)...)
	t.chain(chainClosed,
		"-p tcp -j REJECT --reject-with tcp-reset",
		"-p udp -m udp --dport 443 -j REJECT --reject-with "+r.pick("icmp-port-unreachable", "icmp6-port-unreachable"),
		"-j REJECT --reject-with "+r.pick("icmp-admin-prohibited", "icmp6-adm-prohibited"))
}

// station fills the chains of what a zone's stations send.
func (r *ruleset) station(t *table, z *Zone) {
	block := "-j " + z.chain("block")
	t.chain(z.chain("block"), r.keeper.refuse(z, r.blocked[z.Name])...)
	if r.isOpen(z) {
		t.chain(z.chain("up"), block)
	} else {
		up := []string{block, hasNoID + " -g " + chainCaptive, isOwned + " -g " + z.chain("pass"), "-m conntrack --ctstate INVALID -j DROP"}
		for _, name := range interfaces(r.zones) {
			up = append(up, "-o "+name+" -g "+chainClosed)
		}
		t.chain(z.chain("up"), append(up,
			fmt.Sprintf("-j CONNMARK --save-mark --nfmask 0x%x --ctmask 0x%x", uint32(idMask), uint32(Mask)),
			"-g "+z.chain("pass"))...)
		t.chain(z.chain("pass"), r.keeper.pass(z, r.v6)...)
		r.keeper.fill(t, z, r.v6)
	}
	in := []string{block,
		"-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
		"-m conntrack --ctstate INVALID -j DROP",
		r.pick("-s 0.0.0.0/32 -p udp -m udp --dport 67 -j RETURN", "-s ::/128 -p ipv6-icmp -j RETURN"),
		r.pick("-p icmp -j RETURN", "-p ipv6-icmp -j RETURN")}
	in = append(in, r.each(z, "-j RETURN")...)
	portal := strconv.Itoa(int(r.http))
	if r.https != 0 {
		portal += "," + strconv.Itoa(int(r.https))
	}
	t.chain(z.chain("in"), append(in,
		fmt.Sprintf("-p udp -m multiport --dports 53,67,123,547,%d -j RETURN", r.dns),
		fmt.Sprintf("-p tcp -m multiport --dports 53,%d,%s -j RETURN", r.dns, portal),
		"-g "+chainClosed)...)
}

// each is a rule for every address of the family that may reach the router.
func (r *ruleset) each(z *Zone, rule string) (rules []string) {
	for _, p := range z.Management {
		if p.Addr().Is6() == r.v6 {
			rules = append(rules, "-s "+netip.PrefixFrom(p.Masked().Addr(), p.Bits()).String()+" "+rule)
		}
	}
	return rules
}

// isMade tells whether a text makes a chain.
func isMade(text, chain string) bool { return strings.Contains(text, "\n:"+chain+" - ") }
