package nftables_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
)

func TestMarkOverlap(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	for name, tc := range map[string]struct {
		chain, rule string
		wantRefused bool
	}{
		"mwan3":                  {"type filter hook prerouting priority mangle;", "meta mark set mark and 0xffffc0ff or 0x100", false},
		"mwan3 match":            {"type filter hook prerouting priority mangle;", "meta mark and 0x3f00 == 0x100 accept", false},
		"mwan3 restore":          {"type filter hook prerouting priority mangle;", "ct mark and 0x3f00 == 0x200 meta mark set mark and 0xffffc0ff xor 0x200", false},
		"pbr":                    {"", "counter mark set mark and 0xff00ffff xor 0x010000 return", false},
		"pbr match":              {"", "mark and 0xff0000 == 0x20000 accept", false},
		"own packets":            {"type route hook output priority mangle;", "meta mark set 0xca6c", false},
		"own packets match":      {"type filter hook output priority mangle;", "meta mark 0x1 accept", false},
		"late":                   {"type filter hook postrouting priority mangle;", "meta mark set 0x1", false},
		"no mark":                {"type filter hook forward priority filter;", "tcp dport { 22, 80 } tcp flags & syn == syn accept", false},
		"kube-proxy":             {"", "meta mark set mark or 0x4000", true},
		"bit of ours":            {"type filter hook forward priority mangle;", "meta mark set mark and 0xfffffffe or 0x1", true},
		"whole mark":             {"type filter hook prerouting priority mangle;", "meta mark set 0x100", true},
		"whole restore":          {"type filter hook prerouting priority mangle;", "meta mark set ct mark", true},
		"whole save":             {"type filter hook postrouting priority mangle;", "ct mark set meta mark", true},
		"match of ours":          {"type filter hook forward priority filter;", "meta mark and 0x1 == 0x1 accept", true},
		"match of the conntrack": {"type filter hook forward priority filter;", "ct mark { 0x1, 0x2 } accept", true},
		"verdict map":            {"", "meta mark vmap { 0x80 : accept }", true},
		"by a map":               {"type filter hook prerouting priority mangle;", "meta mark set ip saddr map { 10.0.0.1 : 0x100 }", true},
	} {
		t.Run(name, func(t *testing.T) {
			g.nft("add table inet other; add chain inet other marks { " + tc.chain + " }; add rule inet other marks " + tc.rule)
			defer g.nft("delete table inet other")
			g.restart() // who runs already goes on
			err := g.tryReconcile()
			if refused := errors.Is(err, nftables.ErrMarks); refused != tc.wantRefused || !refused && err != nil {
				t.Fatalf("Reconcile says %v", err)
			}
			if tc.wantRefused && !strings.Contains(err.Error(), "table inet other, chain marks, rule with handle") {
				t.Errorf("%q does not name the rule", err)
			}
		})
	}
}

// Routing rules by marks that ours would meet.
func TestRoutingMarks(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	for rule, wantRefused := range map[string]bool{
		"fwmark 0x100/0x3f00":     false, // mwan3
		"fwmark 0x10000/0xff0000": false, // pbr
		"not fwmark 0xca6c":       false, // WireGuard
		"fwmark 0x1":              true,
		"not fwmark 0x1":          true,
		"fwmark 0x40/0x40":        true,
		"fwmark 0/0xff":           true,
		"iif br-guest":            false,
	} {
		for _, family := range []string{"-4", "-6"} {
			arguments := append([]string{family, "rule", "add", "priority", "1234"}, append(strings.Fields(rule), "lookup", "254")...)
			if _, err := g.Gateway.Run(t.Context(), "ip", arguments...); err != nil {
				t.Fatal(err)
			}
			g.restart()
			err := g.tryReconcile()
			if refused := errors.Is(err, nftables.ErrMarks); refused != wantRefused || !refused && err != nil {
				t.Errorf("%s: Reconcile says %v", rule, err)
			}
			if wantRefused && !strings.Contains(err.Error(), "ip rule with priority 1234 (IPv"+family[1:]+")") {
				t.Errorf("%q does not name the rule", err)
			}
			arguments[2] = "del"
			if _, err := g.Gateway.Run(t.Context(), "ip", arguments...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Who begins to use marks while we run is noticed: his bits are left alone from then on, and bits of ours are told of.
func TestMarksLater(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s := g.station(lab.StationOptions{})
	g.admit(grant(s, "s1"))
	watch := g.watch(grant(s, "s1"))
	if g.isEarly() {
		t.Fatal("the rules have the early form already")
	}
	g.nft("table inet other { chain marks { type filter hook prerouting priority mangle; meta mark and 0x3f00 == 0x100 accept; }; }")
	eventually(t.Context(), t, func() error {
		if !g.isEarly() {
			return errors.New("the rules have the late form")
		}
		return nil
	})
	g.wantOnline(s)
	g.nft("add rule inet other marks meta mark set 0x1")
	told := func(text string) {
		t.Helper()
		eventually(t.Context(), t, func() error {
			if log := g.log.String(); !strings.Contains(log, text) {
				return fmt.Errorf("the log does not say %q: %s", text, log)
			}
			return nil
		})
	}
	told("table inet other, chain marks, rule with handle")
	losses := watch.losses.Load()
	g.nft("delete table inet gatehouse") // our rules are restored in spite of it
	eventually(t.Context(), t, func() error {
		if watch.losses.Load() == losses {
			return errors.New("the loss was not heard of")
		}
		return nil
	})
	if r, ok := g.reading("s1"); !ok || !r.Live {
		t.Errorf("the session is lost: %+v", r)
	}
	g.nft("flush chain inet other marks")
	told("conflict with another program's rules is over")
}

// iptables-legacy may write marks that nobody else sees.
func TestLegacyMarks(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	if g.isEarly() {
		t.Fatal("the rules have the early form already")
	}
	if _, err := g.Gateway.Run(t.Context(), "iptables-legacy", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-xmark", "0x100/0x3f00"); err != nil {
		t.Fatal(err)
	}
	g.restart()
	g.reconcile()
	if !g.isEarly() {
		t.Error("the rules have the late form")
	}
}

func (g *gate) isEarly() bool {
	return strings.Contains(g.nft("list", "chains"), "chain enter_") && strings.Contains(g.nft("list", "table", "inet", "gatehouse"), "hook prerouting priority mangle - 10")
}

// Another owner's bits, in the packet mark and in the conntrack mark, go through beside ours.
func TestForeignMarks(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	g.nft(`table inet mwan {
		chain prerouting {
			type filter hook prerouting priority mangle;
			ct mark and 0x3f00 == 0x100 meta mark set mark and 0xffffc0ff or 0x100
			ct state new ct mark and 0x3f00 == 0 ct mark set ct mark and 0xffffc0ff or 0x100
			meta mark and 0x3f00 == 0 meta mark set mark and 0xffffc0ff or 0x100
		}
		chain early { type filter hook prerouting priority raw; meta mark set mark and 0xff00ffff or 0x20000; }
		chain postrouting {
			type filter hook postrouting priority mangle;
			iifname "br-guest" oifname "wan0" meta mark and 0x3f00 == 0x100 counter comment "kept"
			iifname "br-guest" oifname "wan0" meta mark and 0x3f00 != 0x100 counter comment "lost"
		}
	}`)
	g.reconcile()
	s := g.station(lab.StationOptions{})
	g.wantCaptive(s)
	for _, idle := range []time.Duration{0, time.Minute} {
		one := grant(s, "s1")
		one.IdleTimeout = idle
		g.admit(one)
		g.wantOnline(s)
	}
	rules := g.nft("list", "chain", "inet", "mwan", "postrouting")
	if !strings.Contains(rules, `0x00000100 counter packets 0 bytes 0 comment "lost"`) || strings.Contains(rules, `packets 0 bytes 0 comment "kept"`) {
		t.Errorf("another owner's bits of the packet mark: %s", rules)
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		out, err := g.Gateway.Run(t.Context(), "conntrack", "-L", "-f", family, "-p", "tcp", "--dport", "443")
		if err != nil || !strings.Contains(out, "mark=") {
			t.Fatal(out, err)
		}
		for line := range strings.Lines(out) {
			_, after, ok := strings.Cut(line, "mark=")
			mark, _, _ := strings.Cut(after, " ")
			n, err := strconv.ParseUint(mark, 10, 32)
			if ok && (err != nil || n&0x3f00 != 0x100 || n&nftables.Mask == 0) {
				t.Errorf("conntrack mark %#x: %s", n, line)
			}
		}
	}
	g.cut(s)
	g.wantCaptive(s)
}
