package iptables

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

// Chains with a rule per station.
const (
	plainMAC  = "mac"             // of a zone, in mangle: from the MAC to the id
	plainSent = prefix + "sent"   // filter: counts what was sent; the comment says whose grant it is
	plainGot  = prefix + "answer" // filter: counts what was received
)

// plain is the keeper for kernels without the ipsets: rules per station, so that every packet costs more with every station.
// Nothing in the kernel ends a session by time or by silence: that is done whenever Watch looks or Usage is called.
type plain struct {
	*base
	heard map[id]heard
}

// heard is when a station was last heard, as far as its counter tells.
type heard struct {
	packets uint64
	at      time.Duration
}

func (k *plain) tell(z *Zone) []string { return []string{"-j " + z.chain(plainMAC)} }

func (k *plain) pass(*Zone, bool) []string { return []string{"-g " + plainSent} }

func (k *plain) back(bool) []string { return []string{"-g " + plainGot} }

func (k *plain) refuse(_ *Zone, blocked []sessions.MAC) (rules []string) {
	for _, mac := range blocked {
		rules = append(rules, "-m mac --mac-source "+mac.String()+" -j DROP")
	}
	return rules
}

func (k *plain) fills(chain string) bool {
	for i := range k.zones {
		if chain == k.zones[i].chain(plainMAC) {
			return true
		}
	}
	return chain == plainSent || chain == plainGot
}

func (k *plain) fill(*table, *Zone, bool) {}

func (k *plain) prepare(context.Context, map[string][]sessions.MAC) error {
	for _, f := range k.families {
		make := func(table, chain string, last ...string) error {
			there, err := f.tables.ChainExists(table, chain)
			if err == nil && !there {
				err = f.tables.NewChain(table, chain)
				if err == nil && last != nil {
					err = f.tables.Append(table, chain, last...)
				}
			}
			if err != nil {
				return fmt.Errorf("making chain %s: %w", chain, err)
			}
			return nil
		}
		if err := make("filter", chainClosed); err != nil {
			return err
		}
		for _, chain := range []string{plainSent, plainGot} {
			if err := make("filter", chain, "-g", chainClosed); err != nil {
				return err
			}
		}
		for i := range k.zones {
			if err := make("mangle", k.zones[i].chain(plainMAC)); err != nil {
				return err
			}
		}
	}
	return nil
}

// The rules of a grant. Those that count must stay as they are while it lasts.
func (k *plain) sentRule(g *grant) string {
	return fmt.Sprintf("%s -m mark --mark %s -m comment --comment \"%s %d %s %s\" -j RETURN",
		plainSent, masked(g.id.mark(), idMask), g.station.MAC, g.id, g.station.Zone, g.session)
}

func (k *plain) gotRule(g *grant) string {
	return fmt.Sprintf("%s -m mark --mark %s -j RETURN", plainGot, masked(g.id.mark(), idMask))
}

func (k *plain) macRule(g *grant) string {
	live := *g
	live.cut, live.idled = false, false
	return fmt.Sprintf("%s -m mac --mac-source %s -m comment --comment \"%s\" -j MARK --set-xmark %s",
		(&Zone{Name: g.station.Zone}).chain(plainMAC), g.station.MAC, &live, masked(g.id.mark(), idMask))
}

// edits are lines as -A and -D of iptables, as iptables-restore reads them.
func edits(table string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "*" + table + "\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
}

// edit changes rules in both families; in filter first: who is told apart is counted.
func (k *plain) edit(ctx context.Context, filter, mangle []string) error {
	text := edits("filter", filter) + edits("mangle", mangle)
	if text == "" {
		return nil
	}
	for _, f := range k.families {
		if err := f.load(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (k *plain) put(ctx context.Context, plan []admission) error {
	var filter, mangle []string
	for _, a := range plan {
		if a.old != nil && !a.old.cut {
			mangle = append(mangle, "-D "+k.macRule(a.old))
		}
		mangle = append(mangle, "-A "+k.macRule(a.now))
		if !a.again() {
			filter = append(filter, fmt.Sprintf("-I %s", k.sentRule(a.now)), fmt.Sprintf("-I %s", k.gotRule(a.now)))
		}
	}
	if err := k.edit(ctx, filter, mangle); err != nil {
		return err
	}
	for _, a := range plan {
		k.heard[a.now.id] = heard{k.heard[a.now.id].packets, k.clock.Mono()}
		if a.old != nil && !a.again() {
			a.old.cut = true
		}
	}
	return nil
}

func (k *plain) stop(ctx context.Context, grants []*grant) error {
	var mangle []string
	for _, g := range grants {
		if !g.cut {
			mangle = append(mangle, "-D "+k.macRule(g))
		}
	}
	return k.edit(ctx, nil, mangle)
}

func (k *plain) drop(ctx context.Context, grants []*grant) error {
	if err := k.stop(ctx, grants); err != nil {
		return err
	}
	var filter []string
	for _, g := range grants {
		filter = append(filter, "-D "+k.sentRule(g), "-D "+k.gotRule(g))
		delete(k.heard, g.id)
	}
	return k.edit(ctx, filter, nil)
}

// What stands in a rule of a station.
var (
	savedMark    = regexp.MustCompile(`--(?:mark|set-xmark) 0x([0-9a-f]+)/`)
	savedComment = regexp.MustCompile(`--comment "([^"]*)"`)
)

// rule is one of a station.
type rule struct {
	listed
	chain, comment string
	id             id
}

// rules are those of stations in a table.
func (k *plain) rules(there listing, table string) (rules []rule) {
	for chain, all := range there[table] {
		if !strings.HasPrefix(chain, prefix+plainMAC+"_") && chain != plainSent && chain != plainGot {
			continue
		}
		for _, l := range all {
			mark := savedMark.FindStringSubmatch(l.text)
			if mark == nil {
				continue // the last one
			}
			n, _ := strconv.ParseUint(mark[1], 16, 32)
			r := rule{listed: l, chain: chain, id: idOf(uint32(n))}
			if c := savedComment.FindStringSubmatch(l.text); c != nil {
				r.comment = c[1]
			}
			rules = append(rules, r)
		}
	}
	return rules
}

func (k *plain) adopt(ctx context.Context) (found []*grant, err error) {
	all := map[id]*grant{}
	var telling []rule
	for _, f := range k.families {
		there, err := f.list(ctx)
		if err != nil {
			return nil, err
		}
		if !f.v6 {
			telling = k.rules(there, "mangle")
		}
		seen := map[id]int{}
		for _, r := range k.rules(there, "filter") {
			seen[r.id]++
			parts := strings.SplitN(r.comment, " ", 4)
			if len(parts) != 4 || f.v6 {
				continue
			}
			if mac, err := sessions.ParseMAC(parts[0]); err == nil {
				all[r.id] = &grant{id: r.id, station: sessions.Station{Zone: parts[2], MAC: mac}, session: parts[3], cut: true}
			}
		}
		for i := range all {
			if seen[i] != 2 { // half of it is missing
				delete(all, i)
			}
		}
	}
	k.heard = map[id]heard{}
	for _, r := range telling {
		g := all[r.id]
		if now, ok := parseGrant(r.comment); ok && g != nil {
			g.until, g.idle, g.cut = now.until, now.idle, false
			k.heard[g.id] = heard{at: k.clock.Mono()}
		}
	}
	for _, g := range all {
		found = append(found, g)
	}
	return found, nil
}

func (k *plain) tidy(ctx context.Context, grants map[id]*grant) error {
	if grants == nil {
		return nil // the rules go with their chains
	}
	for _, f := range k.families {
		there, err := f.list(ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, table := range []string{"filter", "mangle"} {
			var gone []string
			for _, r := range k.rules(there, table) {
				if grants[r.id] == nil {
					gone = append(gone, "-D "+r.chain+" "+r.text)
				}
			}
			b.WriteString(edits(table, gone))
		}
		if b.Len() == 0 {
			continue
		}
		if err := f.load(ctx, b.String()); err != nil {
			return err
		}
	}
	return nil
}

func (k *plain) read(ctx context.Context, grants map[id]*grant) (map[id]*count, error) {
	counts := map[id]*count{}
	for i := range grants {
		counts[i] = &count{idleLeft: -1}
	}
	for _, f := range k.families {
		there, err := f.list(ctx)
		if err != nil {
			return nil, err
		}
		seen := 0
		for _, r := range k.rules(there, "filter") {
			c := counts[r.id]
			if c == nil {
				continue
			}
			seen++
			if r.chain == plainSent {
				c.usage.InputOctets += r.octets
				c.usage.InputPackets += r.packets
			} else {
				c.usage.OutputOctets += r.octets
				c.usage.OutputPackets += r.packets
			}
		}
		if seen != 2*len(grants) {
			return nil, fmt.Errorf("%w: rules that count", errLost)
		}
	}
	now := k.clock.Mono()
	for i, g := range grants {
		if g.idle == 0 || g.cut {
			continue
		}
		last := k.heard[i]
		if last.packets != counts[i].usage.InputPackets {
			last = heard{counts[i].usage.InputPackets, now}
			k.heard[i] = last
		}
		counts[i].idleLeft = last.at + g.idle - now
	}
	return counts, nil
}

func (k *plain) block(ctx context.Context, blocked map[string][]sessions.MAC) error {
	t := &table{name: "filter"}
	for i := range k.zones {
		z := &k.zones[i]
		t.chain(z.chain(setBlock), k.refuse(z, blocked[z.Name])...)
	}
	for _, f := range k.families {
		if err := f.load(ctx, t.text()); err != nil {
			return err
		}
	}
	return nil
}
