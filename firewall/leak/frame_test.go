package leak_test

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// packet is an IP packet, or a part of one.
type packet struct {
	src, dst netip.Addr
	proto    byte
	body     []byte
	fragment bool // with the two fields below
	offset   int  // in octets
	more     bool
	id       uint16 // of the datagram that it is a fragment of
}

type mac = [6]byte

const (
	protoIGMP = 2
	protoGRE  = 47
	protoESP  = 50
	flagRST   = 4
	hopLimit  = 64
)

// frame is the packet in an Ethernet frame. A multicast packet goes to its group's address, whatever to is.
func (p *packet) frame(from, to mac) []byte {
	b := append(append([]byte{}, to[:]...), from[:]...)
	if p.dst.IsMulticast() {
		a := p.dst.As16()
		copy(b, []byte{0x33, 0x33, a[12], a[13], a[14], a[15]})
		if p.dst.Is4() {
			copy(b, []byte{0x01, 0x00, 0x5e, a[13] & 0x7f, a[14], a[15]})
		}
	}
	if p.dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		copy(b, []byte{255, 255, 255, 255, 255, 255})
	}
	if p.src.Is4() {
		return p.ipv4(binary.BigEndian.AppendUint16(b, unix.ETH_P_IP))
	}
	return p.ipv6(binary.BigEndian.AppendUint16(b, unix.ETH_P_IPV6))
}

func (p *packet) ipv4(b []byte) []byte {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, hopLimit, p.proto
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(p.body)))
	if p.fragment {
		binary.BigEndian.PutUint16(h[4:], p.id)
		binary.BigEndian.PutUint16(h[6:], uint16(p.offset/8)|moreBit(p.more)<<13)
	}
	copy(h[12:], p.src.AsSlice())
	copy(h[16:], p.dst.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(append(b, h...), p.body...)
}

func (p *packet) ipv6(b []byte) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, p.proto, hopLimit
	copy(h[8:], p.src.AsSlice())
	copy(h[24:], p.dst.AsSlice())
	if p.fragment {
		h[6] = unix.IPPROTO_FRAGMENT
		h = append(h, p.proto, 0)
		h = binary.BigEndian.AppendUint16(h, uint16(p.offset)|moreBit(p.more))
		h = binary.BigEndian.AppendUint32(h, uint32(p.id))
	}
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)-40+len(p.body)))
	return append(append(b, h...), p.body...)
}

func moreBit(more bool) uint16 {
	if more {
		return 1
	}
	return 0
}

// fragments are the packet in two parts, the second with the last octets.
func (p *packet) fragments(id uint16, last int) []*packet {
	at := (len(p.body) - last) / 8 * 8
	first, second := *p, *p
	first.fragment, first.more, first.id, first.body = true, true, id, p.body[:at]
	second.fragment, second.offset, second.id, second.body = true, at, id, p.body[at:]
	return []*packet{&first, &second}
}

func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		if len(b)%2 == 1 {
			sum += uint32(b[len(b)-1]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// pseudo is what a checksum covers beside the segment.
func pseudo(src, dst netip.Addr, proto byte, length int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return append(b, 0, proto, byte(length>>8), byte(length))
}

// udp is a datagram.
func udp(from, to netip.AddrPort, data []byte) *packet {
	b := ports(from, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	p := &packet{src: from.Addr(), dst: to.Addr(), proto: unix.IPPROTO_UDP, body: b}
	binary.BigEndian.PutUint16(b[6:], checksum(pseudo(p.src, p.dst, p.proto, len(b)), b))
	return p
}

func ports(from, to netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
}

// tcp is a segment.
func tcp(from, to netip.AddrPort, flags byte, seq, ack uint32, data []byte) *packet {
	b := binary.BigEndian.AppendUint32(ports(from, to), seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, data...)
	p := &packet{src: from.Addr(), dst: to.Addr(), proto: unix.IPPROTO_TCP, body: b}
	binary.BigEndian.PutUint16(b[16:], checksum(pseudo(p.src, p.dst, p.proto, len(b)), b))
	return p
}

// icmp is a message of ICMP, or of ICMPv6 where the addresses are; kind4 and kind6 are its type and code in each.
func icmp(src, dst netip.Addr, kind4, kind6 [2]byte, rest uint32, data []byte) *packet {
	p := &packet{src: src, dst: dst, proto: unix.IPPROTO_ICMP}
	kind, covered := kind4, []byte(nil)
	if src.Is6() {
		p.proto, kind = unix.IPPROTO_ICMPV6, kind6
		covered = pseudo(src, dst, unix.IPPROTO_ICMPV6, 8+len(data))
	}
	p.body = append(binary.BigEndian.AppendUint32([]byte{kind[0], kind[1], 0, 0}, rest), data...)
	binary.BigEndian.PutUint16(p.body[2:], checksum(covered, p.body))
	return p
}

var (
	echoRequest4, echoReply4, unreachable4 = [2]byte{8, 0}, [2]byte{0, 0}, [2]byte{3, 3}
	echoRequest6, echoReply6, unreachable6 = [2]byte{128, 0}, [2]byte{129, 0}, [2]byte{1, 4}
)

// unreachable is the error that a host sends about a packet.
func unreachable(about *packet) *packet {
	quoted := about.frame(mac{}, mac{})[14:]
	return icmp(about.dst, about.src, unreachable4, unreachable6, 0, quoted)
}

// heard is what a frame says of itself.
type heard struct {
	src, dst netip.AddrPort // ICMP echoes have their id as both ports
	proto    byte
	isError  bool // of ICMP
	isReset  bool // of TCP
}

// parse reads a frame; ok is false for what is no IP packet.
func parse(frame []byte) (h heard, ok bool) {
	if len(frame) < 14+20 {
		return h, false
	}
	ip := frame[14:]
	var src, dst netip.Addr
	var body []byte
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		src, dst, h.proto = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:])), ip[9]
		body = ip[min(len(ip), int(ip[0]&15)*4):]
	case unix.ETH_P_IPV6:
		if len(ip) < 40 {
			return h, false
		}
		src, dst, h.proto = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:])), ip[6]
		body = ip[40:]
	default:
		return h, false
	}
	var sport, dport uint16
	if len(body) >= 8 {
		switch h.proto {
		case unix.IPPROTO_TCP:
			h.isReset = len(body) >= 14 && body[13]&flagRST != 0
			fallthrough
		case unix.IPPROTO_UDP:
			sport, dport = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		case unix.IPPROTO_ICMP:
			h.isError = body[0] == 3 || body[0] == 11
			sport = binary.BigEndian.Uint16(body[4:])
			dport = sport
		case unix.IPPROTO_ICMPV6:
			h.isError = body[0] < 128
			sport = binary.BigEndian.Uint16(body[4:])
			dport = sport
		}
	}
	h.src, h.dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return h, true
}
