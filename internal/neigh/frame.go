package neigh

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/google/gopacket"
	"golang.org/x/sys/unix"
)

// The layers of a frame, in numbers that gopacket leaves to its users. They are not registered: only layers' names need that.
const (
	layerEthernet gopacket.LayerType = 1700 + iota
	layerARP
	layerIPv4
	layerIPv6
	layerUDP
	layerDHCPv4
	layerDHCPv6
	layerND
)

var errShort = errors.New("frame is too short")

// message is what a frame tells of the station that sent it. Its slices are parts of the frame.
type message struct {
	mac    [6]byte
	addr   netip.Addr // of the station, when it told one
	claims bool       // it uses addr already, and says so to all
	leaves bool       // it gives its address back

	dhcp             gopacket.LayerType // layerDHCPv4, layerDHCPv6 or gopacket.LayerTypeZero
	name, vendor, id []byte
}

// decoder reads frames, one at a time.
type decoder struct {
	parser *gopacket.DecodingLayerParser
	found  []gopacket.LayerType

	ethernet ethernet
	arp      arp
	ipv4     ipv4
	ipv6     ipv6
	udp      udp
	dhcp4    dhcp4
	dhcp6    dhcp6
	nd       nd
}

func newDecoder() *decoder {
	d := &decoder{}
	d.parser = gopacket.NewDecodingLayerParser(layerEthernet,
		&d.ethernet, &d.arp, &d.ipv4, &d.ipv6, &d.udp, &d.dhcp4, &d.dhcp6, &d.nd)
	d.parser.IgnoreUnsupported = true
	return d
}

// decode reads a frame; ok is false when it tells nothing of its sender. Who names another than the sender of the frame
// (a relay, a bridge that hides its stations, a liar) is not believed.
func (d *decoder) decode(frame []byte) (m message, ok bool, err error) {
	if err := d.parser.DecodeLayers(frame, &d.found); err != nil || len(d.found) == 0 {
		return m, false, err
	}
	m.mac = d.ethernet.source
	if m.mac[0]&1 != 0 || m.mac == [6]byte{} {
		return m, false, nil
	}
	switch d.found[len(d.found)-1] {
	case layerARP:
		ok = d.arp.sender == m.mac
		m.addr, m.claims = d.arp.addr, true
	case layerDHCPv4:
		ok = d.dhcp4.request && d.dhcp4.hardware == m.mac
		d.dhcp4.tell(&m)
	case layerDHCPv6:
		ok = d.dhcp6.request
		m.addr = d.ipv6.source
		d.dhcp6.tell(&m)
	case layerND:
		ok = !d.nd.hasLink || d.nd.link == m.mac
		m.addr, m.claims = d.nd.address(d.ipv6.source)
	}
	if !m.addr.IsGlobalUnicast() && !m.addr.IsLinkLocalUnicast() {
		m.addr, m.claims = netip.Addr{}, false
	}
	return m, ok, nil
}

// payload is what every layer here embeds: the part of the frame behind it.
type payload struct {
	rest []byte
	next gopacket.LayerType
}

// LayerPayload implements gopacket.DecodingLayer.
func (p *payload) LayerPayload() []byte { return p.rest }

// NextLayerType implements gopacket.DecodingLayer.
func (p *payload) NextLayerType() gopacket.LayerType { return p.next }

type ethernet struct {
	payload
	source [6]byte
}

// CanDecode implements gopacket.DecodingLayer.
func (*ethernet) CanDecode() gopacket.LayerClass { return layerEthernet }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (e *ethernet) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	if len(b) < 14 {
		df.SetTruncated()
		return errShort
	}
	e.source, e.rest = [6]byte(b[6:]), b[14:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		e.next = layerARP
	case unix.ETH_P_IP:
		e.next = layerIPv4
	case unix.ETH_P_IPV6:
		e.next = layerIPv6
	default:
		e.next = gopacket.LayerTypeZero
	}
	return nil
}

// arp is ARP for IPv4 over Ethernet (RFC 826).
type arp struct {
	payload
	sender [6]byte
	addr   netip.Addr // of the sender; 0.0.0.0 when it only asks whether an address is free (RFC 5227)
}

// CanDecode implements gopacket.DecodingLayer.
func (*arp) CanDecode() gopacket.LayerClass { return layerARP }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (a *arp) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	if len(b) < 28 {
		df.SetTruncated()
		return errShort
	}
	if [6]byte(b) != [6]byte{0, 1, 8, 0, 6, 4} {
		return errors.New("this ARP is not for IPv4 over Ethernet")
	}
	a.sender, a.addr = [6]byte(b[8:]), netip.AddrFrom4([4]byte(b[14:]))
	return nil
}

type ipv4 struct{ payload }

// CanDecode implements gopacket.DecodingLayer.
func (*ipv4) CanDecode() gopacket.LayerClass { return layerIPv4 }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (i *ipv4) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	i.next = gopacket.LayerTypeZero
	if len(b) < 20 {
		df.SetTruncated()
		return errShort
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || header < 20 || total < header || total > len(b) {
		return errors.New("IPv4 header contradicts itself")
	}
	i.rest = b[header:total]
	if fragment := binary.BigEndian.Uint16(b[6:])&0x3fff != 0; !fragment && b[9] == unix.IPPROTO_UDP {
		i.next = layerUDP
	}
	return nil
}

type ipv6 struct {
	payload
	source netip.Addr
}

// CanDecode implements gopacket.DecodingLayer.
func (*ipv6) CanDecode() gopacket.LayerClass { return layerIPv6 }

// DecodeFromBytes implements gopacket.DecodingLayer. Extension headers end it: neither DHCP nor neighbour discovery has any.
func (i *ipv6) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	i.next = gopacket.LayerTypeZero
	if len(b) < 40 {
		df.SetTruncated()
		return errShort
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if b[0]>>4 != 6 || total > len(b) {
		return errors.New("IPv6 header contradicts itself")
	}
	i.source, i.rest = netip.AddrFrom16([16]byte(b[8:])), b[40:total]
	const direct = 255 // hop limit of what no router has touched (RFC 4861 §7.1)
	switch {
	case b[6] == unix.IPPROTO_UDP:
		i.next = layerUDP
	case b[6] == unix.IPPROTO_ICMPV6 && b[7] == direct:
		i.next = layerND
	}
	return nil
}

type udp struct{ payload }

// CanDecode implements gopacket.DecodingLayer.
func (*udp) CanDecode() gopacket.LayerClass { return layerUDP }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (u *udp) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	if len(b) < 8 {
		df.SetTruncated()
		return errShort
	}
	u.rest = b[8:]
	switch binary.BigEndian.Uint16(b[2:]) {
	case 67:
		u.next = layerDHCPv4
	case 547:
		u.next = layerDHCPv6
	default: // a server's answer
		u.next = gopacket.LayerTypeZero
	}
	return nil
}
