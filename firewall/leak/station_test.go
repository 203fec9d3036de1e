package leak_test

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// station is one that the tests play: addresses in frames that leave one of the ends.
type station struct {
	row   string // of the table; empty for those that others talk to
	zone  string
	at    place
	mac   mac
	addr  [2]netip.Addr // IPv4, IPv6
	flows map[flowKey]*flow
	// as is whom a spoofer claims to be, asInternet that it claims to be whom that station's flows lead to.
	as         *station
	asInternet bool
}

type flowKey struct {
	kind kind
	v6   bool
}

// flow is one that a station began.
type flow struct {
	inside, remote netip.AddrPort
	outside        netip.AddrPort // the inside as the internet sees it
}

// newStation makes the station number n of the rig.
func newStation(n int, zone string, at place) *station {
	net4, net6 := netip.MustParseAddr("192.168.78.0"), netip.MustParseAddr("2001:db8:77::5e:0")
	if zone == paidZone {
		net4, net6 = netip.MustParseAddr("192.168.90.0"), netip.MustParseAddr("2001:db8:77:1::5e:0")
	}
	a4, a6 := net4.As4(), net6.As16()
	a4[3], a6[15] = byte(n), byte(n)
	return &station{zone: zone, at: at, mac: mac{0x02, 0, 0x5e, 0x60, 0, byte(n)}, flows: map[flowKey]*flow{},
		addr: [2]netip.Addr{netip.AddrFrom4(a4), netip.AddrFrom16(a6)}}
}

func (s *station) bridge() string {
	if s.zone == paidZone {
		return paidBridge
	}
	return lab.GuestBridge
}

func (s *station) id() sessions.Station {
	return sessions.Station{Zone: s.zone, MAC: sessions.MAC(s.mac)}
}

func (s *station) grant() sessions.Grant {
	return sessions.Grant{Station: s.id(), AcctSessionID: fmt.Sprintf("session-%d-%s", s.mac[5], s.zone)}
}

// own is the station's address of a family.
func (s *station) own(v6 bool) netip.Addr {
	if v6 {
		return s.addr[1]
	}
	return s.addr[0]
}

// source is the address that the station sends from: its own, or the one that it claims.
func (s *station) source(v6 bool) netip.Addr {
	switch {
	case s.asInternet:
		return s.as.flows[flowKey{udpKind, v6}].remote.Addr()
	case s.as != nil:
		return s.as.own(v6)
	}
	return s.own(v6)
}

// flowKinds are the kinds of which every station that once was online has a flow; the table's other kinds of packets go
// within the one of UDP.
var flowKinds = []kind{tcpKind, udpKind, icmpKind, espKind, greKind}

// flow is the one in which a packet of the kind goes, of whom the station claims to be.
func (s *station) flow(k kind, v6 bool) *flow {
	if s.as != nil {
		s = s.as
	}
	switch k {
	case fragments, firstOnly, lateOnly, errorKind, "fragments begun", "fragments ended":
		k = udpKind
	}
	return s.flows[flowKey{k, v6}]
}

// openFlows begins a flow of every kind from each station to the internet, and waits until each has had its answer.
func (r *rig) openFlows(all ...*station) {
	r.t.Helper()
	var opened []*opening
	for _, s := range all {
		for _, k := range flowKinds {
			for _, v6 := range []bool{false, true} {
				opened = append(opened, r.begins(s, k, k, v6, netip.AddrPortFrom(r.somewhere(v6), port(k, 7000))))
			}
		}
	}
	r.answered(opened)
}

// openGardenFlows is openFlows into the walled garden.
func (r *rig) openGardenFlows(all ...*station) {
	r.t.Helper()
	var opened []*opening
	for _, s := range all {
		for _, v6 := range []bool{false, true} {
			opened = append(opened, r.begins(s, gardenKind, tcpKind, v6, netip.AddrPortFrom(garden(v6), 443)))
		}
	}
	r.answered(opened)
}

// opening is a flow that begins: the tags of its first two packets.
type opening struct {
	*flow
	k        kind
	s        *station
	up, down uint32
}

func (r *rig) begins(s *station, name, k kind, v6 bool, remote netip.AddrPort) *opening {
	r.t.Helper()
	o := &opening{k: k, s: s, up: r.tag(), down: r.tag(), flow: &flow{inside: netip.AddrPortFrom(s.own(v6), port(k, r.tag())), remote: remote}}
	s.flows[flowKey{name, v6}] = o.flow
	r.sendFrom(s, k.packets(o.inside, o.remote, first, o.up)...)
	return o
}

func (r *rig) answered(opened []*opening) {
	r.t.Helper()
	for _, o := range opened {
		r.eventually(func() error {
			for _, seen := range r.witness.sightings(o.up) {
				if seen.at == internet {
					o.outside = netip.AddrPortFrom(seen.src.Addr(), seen.src.Port())
					return nil
				}
			}
			return fmt.Errorf("%s of %q does not reach the internet", o.k, o.s.row)
		})
		r.sendFromInternet(o.k.packets(o.remote, o.outside, answer, o.down)...)
		if o.k == tcpKind { // its answer has no room for a tag
			r.sendFrom(o.s, o.k.packets(o.inside, o.remote, up, r.tag())...)
			r.sendFromInternet(o.k.packets(o.remote, o.outside, down, o.down)...)
		}
	}
	for _, o := range opened {
		r.eventually(func() error {
			for _, seen := range r.witness.sightings(o.down) {
				if seen.at == o.s.at {
					return nil
				}
			}
			return fmt.Errorf("%s of %q has no answer", o.k, o.s.row)
		})
	}
}

// port is for kinds that have ports, or an id in their place.
func port(k kind, n uint32) uint16 {
	switch k {
	case espKind, greKind:
		return 0
	}
	return uint16(10000 + n%50000)
}

// sendFrom sends packets of a station to the gateway.
func (r *rig) sendFrom(s *station, packets ...*packet) {
	r.t.Helper()
	for _, p := range packets {
		r.must(r.wires[s.at].send(p.frame(s.mac, r.macs[s.bridge()])))
	}
}

// wanPeer is the MAC address that the internet sends from.
var wanPeer = mac{0x02, 0, 0x5e, 0x7f, 0, 1}

// sendFromInternet sends packets to the gateway.
func (r *rig) sendFromInternet(packets ...*packet) {
	r.t.Helper()
	for _, p := range packets {
		r.must(r.wires[internet].send(p.frame(wanPeer, r.macs[lab.WANInterface])))
	}
}

// openRouterFlows begins a flow from each station to the router's program that tells time, and waits for the answers.
func (r *rig) openRouterFlows(all ...*station) {
	r.t.Helper()
	for _, s := range all {
		for _, v6 := range []bool{false, true} {
			f := &flow{inside: netip.AddrPortFrom(s.own(v6), port(udpKind, r.tag())), remote: netip.AddrPortFrom(s.router(v6), 123)}
			s.flows[flowKey{ntpKind, v6}] = f
			tag := r.tag()
			r.sendFrom(s, udpKind.packets(f.inside, f.remote, first, tag)...)
			r.eventually(func() error {
				for _, seen := range r.witness.sightings(tag) {
					if seen.at == s.at { // the router's answer has it too
						return nil
					}
				}
				return errors.New("the router does not answer")
			})
		}
	}
}

// Flows by another name than their kind's.
const (
	ntpKind    kind = "ntp"
	gardenKind kind = "garden"
)

// router is the gateway's address in the station's zone.
func (s *station) router(v6 bool) netip.Addr {
	switch {
	case s.zone == paidZone && v6:
		return netip.MustParseAddr(paidGateway6)
	case s.zone == paidZone:
		return netip.MustParseAddr(paidGateway4)
	case v6:
		return netip.MustParseAddr(lab.GuestGateway6)
	}
	return netip.MustParseAddr(lab.GuestGateway4)
}

const over = 300 * time.Millisecond // what is left to those whose session is to end
