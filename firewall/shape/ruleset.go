package shape

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

// limitBurst is what a limit lets through beside its rate, in bytes: a packet that is many must pass.
const limitBurst = maxPacket

// text is the input of nft that makes the table right for the zones that are attached, in one transaction. Sets that
// stay keep their elements.
func (s *Shaper) text() (string, error) {
	chains, err := s.nft.Chains()
	if err != nil {
		return "", err
	}
	sets, err := s.nft.Sets()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("add table netdev %s", table.Name)
	line("flush table netdev %s", table.Name)
	for _, name := range chains { // a chain's interface cannot be changed
		line("delete chain netdev %s %s", table.Name, name)
	}
	var wanted []*direction
	for _, z := range s.inOrder() {
		for _, d := range z.directions() {
			if z.attached && d.kind != None {
				wanted = append(wanted, d)
			}
		}
	}
	for _, name := range sets {
		if !slices.ContainsFunc(wanted, func(d *direction) bool { return d.set == name }) {
			line("delete set netdev %s %s", table.Name, name)
		}
	}
	line("table netdev %s {", table.Name)
	for _, d := range wanted {
		if d.kind == HTB {
			line("\tmap %s { type ether_addr : classid; size %d; }", d.set, maxStations)
		} else {
			line("\tset %s { type ether_addr; size %d; limit rate over 1 mbytes/second burst %d bytes; }", d.set, maxStations, limitBurst)
		}
	}
	for _, z := range s.inOrder() {
		if z.attached {
			s.chains(line, z)
		}
	}
	line("}")
	return b.String(), nil
}

// chains prints the hooks of one zone, on those of its interfaces that are there.
func (s *Shaper) chains(line func(format string, args ...any), z *zone) {
	for i, name := range z.Interfaces {
		if _, err := s.tc.LinkByName(name); err != nil {
			continue
		}
		for _, d := range z.directions() {
			if d.kind == None {
				continue
			}
			hook, addr, forward := "ingress", "saddr", fmt.Sprintf(" fwd to %q", z.ifb)
			if d.way == down {
				hook, addr, forward = "egress", "daddr", ""
			}
			line("\tchain %s_%s_%d {", d.way, z.Name, i)
			line("\t\ttype filter hook %s device %q priority 0; policy accept;", hook, name)
			switch {
			case d.kind == Limit:
				line("\t\tether %s @%s drop", addr, d.set)
				if d.cap > 0 {
					line("\t\t%s drop", limitOver(d.cap))
				}
			default:
				line("\t\tmeta priority set ether %s map @%s%s", addr, d.set, forward)
				if d.cap > 0 && forward != "" {
					line("\t\t%s", strings.TrimSpace(forward))
				}
			}
			line("\t}")
		}
	}
}

func limitOver(r sessions.BitRate) string {
	return fmt.Sprintf("limit rate over %d bytes/second burst %d bytes", max(r, minRate)/8, limitBurst)
}
