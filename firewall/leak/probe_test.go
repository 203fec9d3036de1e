package leak_test

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// probe is one try of a cell: packets that leave somewhere, and what is known of them afterwards.
type probe struct {
	cell  string // in words
	want  outcome
	who   *station // whose row it is
	to    place
	parts []part
	port  uint16         // that it is sent to
	back  netip.AddrPort // whom a TCP reset would be sent to
	isTCP bool
	error bool // what is sent is an ICMP error itself
	tag   uint32
}

// part is a frame, and the end that sends it.
type part struct {
	from  place
	frame []byte
}

// cast are the stations that those of the table talk to.
type cast struct{ peer, other *station }

// Sections: of the first two one holds.
const (
	overBridge         = "to the zone's stations, over the bridge"
	overIsolatedBridge = "to the zone's stations, over an isolated bridge"

	inFlow = "to the internet, in a flow"
)

// probes make the packets of a cell, by section. They yield nil for a column that they do not know.
func (r *rig) probes() map[string]func(*station, string, bool, cast) *probe {
	return map[string]func(*station, string, bool, cast) *probe{
		"to the internet":              r.toInternet,
		inFlow:                         r.toInternetInFlow,
		"to the garden":                r.toGarden,
		"to the garden, in a flow":     r.toGardenInFlow,
		"from the garden, in a flow":   r.fromGardenInFlow,
		"from the internet":            r.fromInternet,
		"from the internet, in a flow": r.fromInternetInFlow,
		overBridge:                     r.overBridge,
		overIsolatedBridge:             r.overBridge,
		"to the zone's stations, by the router": func(s *station, column string, v6 bool, c cast) *probe {
			return r.toStation(s, column, v6, c.peer)
		},
		"to another zone's stations": func(s *station, column string, v6 bool, c cast) *probe {
			return r.toStation(s, column, v6, c.other)
		},
		"from another zone's stations": func(s *station, column string, v6 bool, c cast) *probe {
			return r.toStation(c.other, column, v6, s)
		},
		"to the zone's stations, as the internet's answer": func(s *station, column string, v6 bool, c cast) *probe {
			return r.asAnswer(s, column, v6, c.peer)
		},
		"to another zone's stations, as the internet's answer": func(s *station, column string, v6 bool, c cast) *probe {
			return r.asAnswer(s, column, v6, c.other)
		},
		"to the router":                         r.toRouter,
		"to the router, what it does not offer": r.toRouter,
		"to the router's other addresses":       r.toRouter,
		"to the router, in a flow":              r.toRouterInFlow,
	}
}

// beginnings are first packets of flows between hosts, by column.
var beginnings = map[string]struct {
	kind kind
	port uint16
}{
	"tcp": {tcpKind, 443}, "ssh": {tcpKind, 22}, "http": {tcpKind, 80}, "udp": {udpKind, 9000}, "quic": {udpKind, 443},
	"dns": {udpKind, 53}, "dns tcp": {tcpKind, 53}, "icmp": {icmpKind, 0}, "esp": {espKind, 0}, "gre": {greKind, 0},
	"fragments": {fragments, 9000}, "late fragment": {lateOnly, 9000}, "first fragment": {firstOnly, 9000},
}

// television is the group that the gateway routes from its zone to the internet and back, as igmpproxy makes it do.
func television(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("ff0e::7e1e")
	}
	return netip.MustParseAddr("239.7.1.14")
}

// begin is the first packet of a new flow between two addresses.
func (r *rig) begin(column string, from, to netip.Addr) (p *probe, packets []*packet) {
	what, ok := beginnings[column]
	if !ok {
		return nil, nil
	}
	src := netip.AddrPortFrom(from, port(what.kind, r.tag()))
	p = &probe{tag: r.tag(), back: src, port: what.port}
	return p, what.kind.packets(src, netip.AddrPortFrom(to, what.port), first, p.tag)
}

// through makes frames of a probe's packets.
func (p *probe) through(from, to place, a, b mac, packets ...*packet) *probe {
	p.to = to
	for _, x := range packets {
		p.isTCP = x.proto == unix.IPPROTO_TCP
		p.parts = append(p.parts, part{from, x.frame(a, b)})
	}
	return p
}

func (r *rig) toInternet(s *station, column string, v6 bool, _ cast) *probe {
	if column == "multicast" {
		p := &probe{tag: r.tag()}
		return p.through(s.at, internet, s.mac, mac{}, udpKind.packets(netip.AddrPortFrom(s.source(v6), 9000), netip.AddrPortFrom(television(v6), 9000), first, p.tag)...)
	}
	p, packets := r.begin(column, s.source(v6), r.somewhere(v6))
	if p == nil {
		return nil
	}
	return p.through(s.at, internet, s.mac, r.macs[s.bridge()], packets...)
}

// garden is an address of the walled garden.
func garden(v6 bool) netip.Addr { return either(v6, "198.51.100.7", "2001:db8:6a::7") }

func (r *rig) toGarden(s *station, column string, v6 bool, _ cast) *probe {
	p, packets := r.begin(column, s.source(v6), garden(v6))
	if p == nil {
		return nil
	}
	return p.through(s.at, internet, s.mac, r.macs[s.bridge()], packets...)
}

func (r *rig) toGardenInFlow(s *station, column string, v6 bool, _ cast) *probe {
	f := s.flow(gardenKind, v6)
	if f == nil || kind(column) != tcpKind {
		return nil
	}
	p := &probe{tag: r.tag(), back: f.inside}
	return p.through(s.at, internet, s.mac, r.macs[s.bridge()], tcpKind.packets(f.inside, f.remote, up, p.tag)...)
}

func (r *rig) fromGardenInFlow(s *station, column string, v6 bool, _ cast) *probe {
	f := s.flow(gardenKind, v6)
	if f == nil || kind(column) != tcpKind {
		return nil
	}
	p := &probe{tag: r.tag(), back: f.remote}
	return p.through(internet, s.at, wanPeer, r.macs[lab.WANInterface], tcpKind.packets(f.remote, f.outside, down, p.tag)...)
}

func (r *rig) toInternetInFlow(s *station, column string, v6 bool, _ cast) *probe {
	f := s.flow(kind(column), v6)
	if f == nil {
		return nil
	}
	if begins := column == "fragments begun"; begins || column == "fragments ended" {
		return r.together(s, f, begins)
	}
	p := &probe{tag: r.tag(), back: f.inside, error: kind(column) == errorKind}
	return p.through(s.at, internet, s.mac, r.macs[s.bridge()], kind(column).packets(f.inside, f.remote, up, p.tag)...)
}

// together is a datagram in two fragments, one from the station and one from the station that it claims to be, in whose flow
// it goes.
func (r *rig) together(s *station, f *flow, begins bool) *probe {
	p := &probe{tag: r.tag(), back: f.inside}
	senders := []*station{s.as, s}
	if begins {
		senders = []*station{s, s.as}
	}
	for i, x := range fragments.packets(f.inside, f.remote, up, p.tag) {
		p.through(senders[i].at, internet, senders[i].mac, r.macs[senders[i].bridge()], x)
	}
	return p
}

func (r *rig) fromInternet(s *station, column string, v6 bool, _ cast) *probe {
	if column == "multicast" {
		p := &probe{tag: r.tag()}
		return p.through(internet, s.at, wanPeer, mac{}, udpKind.packets(netip.AddrPortFrom(either(v6, lab.WebAddr4, lab.WebAddr6), 9000), netip.AddrPortFrom(television(v6), 9000), first, p.tag)...)
	}
	p, packets := r.begin(column, r.somewhere(v6), s.own(v6))
	if p == nil {
		return nil
	}
	return p.through(internet, s.at, wanPeer, r.macs[lab.WANInterface], packets...)
}

func (r *rig) fromInternetInFlow(s *station, column string, v6 bool, _ cast) *probe {
	f := s.flow(kind(column), v6)
	if f == nil {
		return nil
	}
	p := &probe{tag: r.tag(), back: f.remote, error: kind(column) == errorKind}
	return p.through(internet, s.at, wanPeer, r.macs[lab.WANInterface], kind(column).packets(f.remote, f.outside, down, p.tag)...)
}

func (r *rig) overBridge(s *station, column string, v6 bool, c cast) *probe {
	if column == "multicast" {
		p := &probe{tag: r.tag()}
		return p.through(s.at, c.peer.at, s.mac, mac{}, udpKind.packets(netip.AddrPortFrom(s.source(v6), 5353), netip.AddrPortFrom(either(v6, "224.0.0.251", "ff02::fb"), 5353), first, p.tag)...)
	}
	p, packets := r.begin(column, s.source(v6), c.peer.own(v6))
	if p == nil {
		return nil
	}
	return p.through(s.at, c.peer.at, s.mac, c.peer.mac, packets...)
}

// either is the address of a family.
func either(v6 bool, four, six string) netip.Addr {
	if v6 {
		return netip.MustParseAddr(six)
	}
	return netip.MustParseAddr(four)
}

// toStation is what a station sends to another by the router.
func (r *rig) toStation(s *station, column string, v6 bool, to *station) *probe {
	p, packets := r.begin(column, s.source(v6), to.own(v6))
	if p == nil {
		return nil
	}
	return p.through(s.at, to.at, s.mac, r.macs[s.bridge()], packets...)
}

// asAnswer is what the internet would answer in a flow of another station, but it comes from a station.
func (r *rig) asAnswer(s *station, column string, v6 bool, of *station) *probe {
	f := of.flow(kind(column), v6)
	if f == nil {
		return nil
	}
	p := &probe{tag: r.tag(), back: f.remote, error: kind(column) == errorKind}
	return p.through(s.at, of.at, s.mac, r.macs[s.bridge()], kind(column).packets(f.remote, f.outside, down, p.tag)...)
}

// services are the router's: of what kind, and at which port.
var services = map[string]struct {
	kind kind
	port uint16
}{
	"dns": {udpKind, 53}, "dns tcp": {tcpKind, 53}, "ntp": {udpKind, 123}, "portal": {tcpKind, 2080}, "port 80": {tcpKind, 80},
	"ssh": {tcpKind, 22}, "snmp": {udpKind, 161}, "icmp": {icmpKind, 0}, "esp": {espKind, 0}, "gre": {greKind, 0},
	"dns fragments": {fragments, 53}, "snmp fragments": {fragments, 161},
}

func (r *rig) toRouter(s *station, column string, v6 bool, _ cast) *probe {
	p := &probe{tag: r.tag()}
	send := func(packets ...*packet) *probe { return p.through(s.at, router, s.mac, r.macs[s.bridge()], packets...) }
	datagram := func(from, to netip.Addr, sport, dport uint16) *probe {
		return send(udp(netip.AddrPortFrom(from, sport), netip.AddrPortFrom(to, dport), tagged(p.tag)))
	}
	switch column {
	case "dhcp":
		if v6 {
			return datagram(linkLocal(s), netip.MustParseAddr("ff02::1:2"), 546, 547)
		}
		return datagram(netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255}), 68, 67)
	case "mdns":
		return datagram(s.source(v6), either(v6, "224.0.0.251", "ff02::fb"), 5353, 5353)
	case "ssdp":
		return datagram(s.source(v6), either(v6, "239.255.255.250", "ff02::c"), 40000, 1900)
	case "group report":
		return send(memberReport(s.source(v6), either(v6, "224.0.0.251", "ff02::fb"), p.tag))
	}
	name, to := column, s.router(v6)
	for prefix, addr := range map[string]netip.Addr{"outside ": either(v6, lab.GatewayWAN4, lab.GatewayWAN6), "other zone's ": either(v6, paidGateway4, paidGateway6)} {
		if rest, ok := strings.CutPrefix(column, prefix); ok {
			name, to = rest, addr
		}
	}
	what, ok := services[name]
	if !ok {
		return nil
	}
	from := netip.AddrPortFrom(s.source(v6), port(what.kind, r.tag()))
	p.back, p.port = from, what.port
	return send(what.kind.packets(from, netip.AddrPortFrom(to, what.port), first, p.tag)...)
}

func (r *rig) toRouterInFlow(s *station, column string, v6 bool, _ cast) *probe {
	f := s.flow(kind(column), v6)
	if f == nil {
		return nil
	}
	p := &probe{tag: r.tag(), back: f.inside, port: f.remote.Port()}
	return p.through(s.at, router, s.mac, r.macs[s.bridge()], udpKind.packets(f.inside, f.remote, up, p.tag)...)
}

// outcomeOf is what became of a probe, as far as it was seen.
func (w *witness) outcomeOf(p *probe) outcome {
	reset, told := w.gotReset(p.back), false
	for _, s := range w.sightings(p.tag) {
		switch {
		case s.isError != p.error:
			told = told || s.isError
		case s.at == p.to:
			if s.at == router && s.dst.Port() != p.port && s.dst.Port() == 2080 {
				return portal
			}
			return pass
		case s.at == router && s.dst.Port() == 2080:
			return portal
		case s.at == router && s.dst.Port() == 53:
			return dns
		}
	}
	if p.isTCP && reset || !p.isTCP && told { // TCP is told by nothing but a reset
		return refused
	}
	return dropped
}

// strays are the places where a packet came that should not know of it.
func (w *witness) strays(p *probe) (all []place) {
	for _, s := range w.sightings(p.tag) {
		if s.isError == p.error && s.at == internet && p.to != internet && !slices.Contains(all, s.at) {
			all = append(all, s.at)
		}
	}
	return all
}

func (w *witness) gotReset(at netip.AddrPort) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.resets[at]
}

func linkLocal(s *station) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 14: s.mac[4], 15: s.mac[5]})
}
