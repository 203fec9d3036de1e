package leak_test

import "net/netip"

// kind is a kind of traffic.
type kind string

const (
	tcpKind   kind = "tcp"
	udpKind   kind = "udp"
	icmpKind  kind = "icmp"
	espKind   kind = "esp"
	greKind   kind = "gre"
	fragments kind = "fragments"      // a UDP datagram in two
	lateOnly  kind = "late fragment"  // the second of them alone
	firstOnly kind = "first fragment" // the first of them alone
	errorKind kind = "icmp error"     // about a UDP datagram that came the other way
)

// step is a packet's place in its flow.
type step int

const (
	first  step = iota // from who begins
	answer             // the other's first
	up                 // again from who began
	down               // again from the other
)

// Sequence numbers of the two sides of every TCP connection here: each packet of step up, and each of step down, is the same
// again, so that a connection stays as it is however many of them come.
const (
	seqUp   = 1000
	seqDown = 2000
)

// packets are one packet of a flow, or its fragments, with a tag in each.
func (k kind) packets(from, to netip.AddrPort, at step, tag uint32) []*packet {
	data := tagged(tag)
	switch k {
	case tcpKind:
		return []*packet{segment(from, to, at, data)}
	case udpKind:
		return []*packet{udp(from, to, data)}
	case icmpKind:
		request4, request6, id := echoRequest4, echoRequest6, from.Port()
		if at == answer || at == down {
			request4, request6, id = echoReply4, echoReply6, to.Port()
		}
		return []*packet{icmp(from.Addr(), to.Addr(), request4, request6, uint32(id)<<16|1, data)}
	case espKind:
		return []*packet{{src: from.Addr(), dst: to.Addr(), proto: protoESP, body: append([]byte{0, 0, 1, 0, 0, 0, 0, 1}, data...)}}
	case greKind:
		return []*packet{{src: from.Addr(), dst: to.Addr(), proto: protoGRE, body: append([]byte{0, 0, 8, 0}, data...)}}
	case errorKind:
		return []*packet{unreachable(udp(to, from, data))}
	}
	whole := append(append(tagged(tag), make([]byte, 64)...), data...)
	parts := udp(from, to, whole).fragments(uint16(tag), tagSize)
	switch k {
	case firstOnly:
		return parts[:1]
	case lateOnly:
		return parts[1:]
	}
	return parts
}

func segment(from, to netip.AddrPort, at step, data []byte) *packet {
	const syn, psh, ack = 2, 8, 16
	switch at {
	case first:
		return tcp(from, to, syn, seqUp, 0, data)
	case answer:
		return tcp(from, to, syn|ack, seqDown, seqUp+1, nil)
	case up:
		return tcp(from, to, psh|ack, seqUp+1, seqDown+1, data)
	}
	return tcp(from, to, psh|ack, seqDown+1, seqUp+1, data)
}

// memberReport is what a host sends that joins a group: IGMPv2, or MLD.
func memberReport(from, group netip.Addr, tag uint32) *packet {
	if from.Is6() {
		return icmp(from, group, [2]byte{}, [2]byte{131, 0}, 0, append(group.AsSlice(), tagged(tag)...))
	}
	body := append(append([]byte{0x16, 0, 0, 0}, group.AsSlice()...), tagged(tag)...)
	sum := checksum(body)
	body[2], body[3] = byte(sum>>8), byte(sum)
	return &packet{src: from, dst: group, proto: protoIGMP, body: body}
}
