package leak_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/isolate"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestWhoMayPass tries every cell of testdata/who-may-pass.txt with packets: with the daemon dead, after its restart, and after
// the zone's interface went and came back.
func TestWhoMayPass(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{
		"late":     {open: openNFTables},
		"early":    {open: openNFTables, early: true},
		"isolated": {open: openNFTables, isolation: isolate.Zone{Isolated: true}},
		"casting":  {open: openNFTables, isolation: isolate.Zone{Isolated: true, Casting: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whoMayPass(t, o)
		})
	}
}

// rows makes the table's stations, by row, and those that they talk to.
func rows() (map[string]*station, cast) {
	c := cast{peer: newStation(100, guestZone, peers), other: newStation(101, paidZone, elsewhere)}
	of := map[string]*station{}
	for i, row := range []string{"new", "captive", "captive, with a reach", "admitted", "admitted with limits", "time over", "idle", "logged out",
		"cap reached", "upload cap reached", "download cap reached", "blocked", "blocked, not yet cut",
		"admitted in another zone", "captive, as an admitted one", "admitted, as another", "captive, as the internet", "admitted, as the internet",
		"captive, as one of another zone", "admitted, as one of another zone"} {
		of[row] = newStation(i+1, guestZone, stations)
		of[row].row = row
	}
	of["captive, as an admitted one"].as, of["admitted, as another"].as = c.peer, c.peer
	of["captive, as one of another zone"].as, of["admitted, as one of another zone"].as = c.other, c.other
	for _, row := range []string{"captive, as the internet", "admitted, as the internet"} {
		of[row].as, of[row].asInternet = c.peer, true
	}
	return of, c
}

func whoMayPass(t *testing.T, o options) {
	r := newRig(t, o)
	table := slices.DeleteFunc(loadTable(t), func(s section) bool {
		return o.small && strings.Contains(s.name, "garden") || s.name == overBridge && o.isolation.Isolated || s.name == overIsolatedBridge && !o.isolation.Isolated
	})
	of, c := rows()
	all := append(slices.Collect(maps.Values(of)), c.peer, c.other)
	r.know(all)
	r.routeTelevision(all)
	live := r.bring(of, c)

	if o.attended {
		r.untilOver(of["time over"], of["idle"])
	}
	r.stop() // what comes now comes with the daemon dead
	r.wait(over + 300*time.Millisecond)
	r.try(table, "daemon dead", of, c)

	r.restart()
	r.block(of)
	r.reconcile(live...)
	r.try(table, "daemon back", of, c)

	r.flap()
	r.know(all)
	r.try(table, "interface back", of, c)
	r.whoPays(of["admitted, as another"], c.peer)
}

// bring brings every station into its state and returns the grants that live.
func (r *rig) bring(of map[string]*station, c cast) (live []sessions.Grant) {
	r.t.Helper()
	r.openFlows(of["captive"], of["captive, with a reach"], of["blocked"]) // they were online before there was a firewall
	r.restart()
	r.reconcile()
	if !r.options.small {
		r.checkForm()
		r.openGardenFlows(of["captive"], of["blocked"])
		r.reach(of["captive, with a reach"])
	}
	online := []*station{of["admitted"], of["admitted with limits"], of["blocked, not yet cut"], c.peer, c.other}
	for _, s := range append([]*station{of["admitted, as another"], of["admitted, as the internet"], of["admitted, as one of another zone"]}, online...) {
		live = append(live, s.grant())
	}
	live[slices.IndexFunc(live, func(g sessions.Grant) bool { return g.Station == of["admitted with limits"].id() })] = of["admitted with limits"].limited(10 * time.Minute)
	inPaid := of["admitted in another zone"].grant()
	inPaid.Station.Zone = paidZone
	live = append(live, inPaid)
	r.must(r.fw.Admit(r.t.Context(), append(live, of["time over"].limited(0), of["idle"].limited(time.Hour), of["logged out"].limited(0))...))
	r.openFlows(append(online, of["time over"], of["idle"], of["logged out"])...)
	live = append(live, r.useUp(of)...)
	for row, s := range of {
		if row != "new" && s.as == nil {
			r.openRouterFlows(s)
		}
	}

	r.block(of)
	timed, idle := of["time over"].grant(), of["idle"].grant()
	timed.Timeout, idle.IdleTimeout = over, over
	r.must(r.fw.Admit(r.t.Context(), timed, idle))
	_, err := r.fw.Cut(r.t.Context(), of["logged out"].id())
	r.must(errors.Join(err, r.fw.Release(r.t.Context(), of["logged out"].id())))
	return live
}

// limited is a grant for an hour.
func (s *station) limited(idle time.Duration) sessions.Grant {
	g := s.grant()
	g.Timeout, g.IdleTimeout = time.Hour, idle
	return g
}

// useUp brings stations to their caps: one octet, which no packet has.
func (r *rig) useUp(of map[string]*station) (live []sessions.Grant) {
	r.t.Helper()
	if r.options.small {
		return nil
	}
	for row, bounds := range map[string]sessions.Cap{"cap reached": {Total: 1}, "upload cap reached": {Up: 1}, "download cap reached": {Down: 1}} {
		g := of[row].grant()
		r.must(r.fw.Admit(r.t.Context(), g))
		r.openFlows(of[row])
		bounds.Name, bounds.Version = g.AcctSessionID, 1
		g.Caps = []sessions.Cap{bounds}
		r.must(r.fw.Admit(r.t.Context(), g))
		live = append(live, g)
	}
	return live
}

// untilOver waits until the firewall says that sessions have ended.
func (r *rig) untilOver(all ...*station) {
	r.t.Helper()
	r.eventually(func() error {
		readings, err := r.fw.Usage(r.t.Context())
		for _, x := range readings {
			if x.Live && slices.ContainsFunc(all, func(s *station) bool { return s.id() == x.Station }) {
				return fmt.Errorf("session %s lives", x.AcctSessionID)
			}
		}
		return err
	})
}

func (r *rig) block(of map[string]*station) {
	r.t.Helper()
	r.must(r.fw.SetBlocked(r.t.Context(), []sessions.Station{of["blocked"].id(), of["blocked, not yet cut"].id()}))
}

// isBeyondSmall tells whether a row is not the small backend's. In a flow of another zone a captive station's packet takes the
// owner's mark away there, until the owner's next one: what passes in it depends on who came before.
func isBeyondSmall(section, row string) bool {
	return strings.Contains(row, "cap reached") || strings.Contains(row, "reach") || section == inFlow && strings.HasSuffix(row, ", as one of another zone")
}

// cells are the table's, each with its packets.
func (r *rig) cells(table []section, when string, of map[string]*station, c cast) (all []*probe) {
	r.t.Helper()
	makers := r.probes()
	for _, s := range table {
		for _, row := range s.rows {
			if r.options.small && isBeyondSmall(s.name, row) {
				continue
			}
			if of[row] == nil || makers[s.name] == nil {
				r.t.Fatalf("who-may-pass.txt: there is no row %q or section %q", row, s.name)
			}
			for _, column := range s.columns {
				for family, want := range s.cells[[2]string{row, column}] {
					if want == untried {
						continue
					}
					cell := fmt.Sprintf("[%s] %s, %s, IPv%d (%s)", s.name, row, column, 4+2*family, when)
					p := makers[s.name](of[row], column, family == 1, c)
					if p == nil {
						r.t.Fatalf("%s: the tests have no packets for it", cell)
					}
					p.cell, p.want, p.who = cell, want, of[row]
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// try sends the packets of every cell and compares what became of them with the table.
func (r *rig) try(table []section, when string, of map[string]*station, c cast) {
	r.t.Helper()
	r.witness.forget()
	tried := r.cells(table, when, of, c)
	for i, p := range tried {
		if i == 0 || p.who != tried[i-1].who {
			r.warm(p.who, c.peer, c.other)
		}
		for _, x := range p.parts {
			if err := r.wires[x.from].send(x.frame); err != nil {
				r.t.Errorf("%s: %v", p.cell, err)
			}
		}
	}
	r.settle(tried)
	for _, p := range tried {
		if got := r.witness.outcomeOf(p); !p.is(got) {
			r.t.Errorf("%s: %s, want %s", p.cell, got, p.want)
		}
		if where := r.witness.strays(p); where != nil {
			r.t.Errorf("%s: it came to %v", p.cell, where)
		}
	}
	r.t.Logf("%s: %d cells tried", when, len(tried))
}

// warm makes stations send as they may, each in a flow of its own, and lets the internet answer: so that what the firewall
// remembers of them for a moment, to be quick, is there when the packets come that it must not let pass.
func (r *rig) warm(all ...*station) {
	r.t.Helper()
	for _, s := range all {
		for _, v6 := range []bool{false, true} {
			f := s.flows[flowKey{udpKind, v6}]
			if f == nil {
				r.sendFrom(s, udpKind.packets(netip.AddrPortFrom(s.own(v6), 5000), netip.AddrPortFrom(garden(v6), 5000), up, 0)...)
				continue
			}
			r.sendFrom(s, udpKind.packets(f.inside, f.remote, up, 0)...)
			r.sendFromInternet(udpKind.packets(f.remote, f.outside, down, 0)...)
		}
	}
}

func (p *probe) is(got outcome) bool {
	return got == p.want || p.want == no && (got == refused || got == dropped)
}

// settle waits until every probe has met its end, and then for what should not come.
func (r *rig) settle(tried []*probe) {
	const patience, quiet = 5 * time.Second, 150 * time.Millisecond
	begun := time.Now()
	for last, since := -1, begun; time.Since(begun) < patience; r.wait(10 * time.Millisecond) {
		if n := r.witness.count(); n != last {
			last, since = n, time.Now()
		}
		isMissing := func(p *probe) bool { return !p.is(r.witness.outcomeOf(p)) }
		if time.Since(since) > quiet && !slices.ContainsFunc(tried, isMissing) {
			return
		}
	}
}

// whoPays checks that what a station sends in another's flow is charged to the MAC address that sent it.
func (r *rig) whoPays(sender, owner *station) {
	r.t.Helper()
	const packets = 10
	before := r.usage()
	want := before[owner.id()].InputOctets
	var octets uint64
	for _, v6 := range []bool{false, true} {
		f := sender.flow(udpKind, v6)
		for range packets {
			p := udpKind.packets(f.inside, f.remote, up, r.tag())[0]
			octets += uint64(len(p.frame(mac{}, mac{})) - 14)
			r.sendFrom(sender, p)
		}
	}
	r.eventually(func() error {
		after := r.usage()
		if got := after[sender.id()].InputOctets - before[sender.id()].InputOctets; got != octets || after[owner.id()].InputOctets != want {
			return fmt.Errorf("of %d octets the sender was charged %d and the flow's owner %d", octets, got, after[owner.id()].InputOctets-want)
		}
		return nil
	})
}

func (r *rig) usage() map[sessions.Station]sessions.Usage {
	r.t.Helper()
	readings, err := r.fw.Usage(r.t.Context())
	r.must(err)
	of := map[sessions.Station]sessions.Usage{}
	for _, x := range readings {
		of[x.Station] = x.Usage
	}
	return of
}

// flap takes the zone's interface down and up again. The kernel takes its IPv6 addresses away, so they come back as a router's
// own programs would bring them.
func (r *rig) flap() {
	r.t.Helper()
	r.run("ip", "link", "set", lab.GuestBridge, "down")
	r.run("ip", "link", "set", lab.GuestBridge, "up")
	r.eventually(func() error {
		if out := r.run("ip", "-br", "link", "show", lab.GuestBridge); !strings.Contains(out, " UP ") {
			return errors.New(out)
		}
		return nil
	})
	r.run("ip", "-6", "addr", "replace", lab.GuestGateway6+"/64", "dev", lab.GuestBridge, "nodad")
	r.eventually(func() error { // without its route the address is not the router's yet
		if out := r.run("ip", "-6", "route", "get", lab.GuestGateway6); !strings.HasPrefix(out, "local ") {
			return errors.New(out)
		}
		return nil
	})
}
