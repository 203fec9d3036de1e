package neigh

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/google/gopacket"
)

var errOptions = errors.New("options run over the end of the message")

// dhcp4 is what a client says in DHCP (RFC 2131). Its slices are parts of the frame.
type dhcp4 struct {
	payload
	request          bool
	hardware         [6]byte
	kind             byte       // option 53
	uses             netip.Addr // ciaddr
	wants            netip.Addr // option 50
	name, vendor, id []byte
	domain           []byte // option 81 without its flags
	domainWire       bool   // domain is written as in DNS
}

// CanDecode implements gopacket.DecodingLayer.
func (*dhcp4) CanDecode() gopacket.LayerClass { return layerDHCPv4 }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (d *dhcp4) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	*d = dhcp4{}
	const fixed = 240
	if len(b) < fixed {
		df.SetTruncated()
		return errShort
	}
	if [3]byte(b[:3]) != [3]byte{1, 1, 6} || [4]byte(b[24:28]) != [4]byte{} || [4]byte(b[236:240]) != [4]byte{99, 130, 83, 99} {
		return nil // a server's answer, another hardware, a relay, or plain BOOTP
	}
	d.request, d.uses, d.hardware = true, netip.AddrFrom4([4]byte(b[12:])), [6]byte(b[28:])
	for b = b[fixed:]; len(b) > 0 && b[0] != 255; {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return errOptions
		}
		d.option(b[0], b[2:2+int(b[1])])
		b = b[2+int(b[1]):]
	}
	return nil
}

func (d *dhcp4) option(code byte, b []byte) {
	switch {
	case code == 12:
		d.name = b
	case code == 50 && len(b) == 4:
		d.wants = netip.AddrFrom4([4]byte(b))
	case code == 53 && len(b) == 1:
		d.kind = b[0]
	case code == 60:
		d.vendor = b
	case code == 61:
		d.id = b
	case code == 81 && len(b) > 3: // RFC 4702
		d.domain, d.domainWire = b[3:], b[0]&4 != 0
	}
}

func (d *dhcp4) tell(m *message) {
	const request, release, inform = 3, 7, 8
	m.dhcp, m.name, m.vendor, m.id = layerDHCPv4, d.name, d.vendor, d.id
	if len(m.name) == 0 {
		m.name = d.domain
		if d.domainWire {
			m.name = firstLabel(d.domain)
		}
	}
	m.leaves = d.kind == release
	switch inUse := d.uses.IsValid() && !d.uses.IsUnspecified(); {
	case inUse && (d.kind == request || d.kind == inform):
		m.addr, m.claims = d.uses, true // it renews a lease
	case d.kind == request:
		m.addr = d.wants // it takes an offer, or comes back to the lease it had
	}
}

// firstLabel is the host's part of a name written as in DNS (RFC 1035 §3.1).
func firstLabel(b []byte) []byte {
	if len(b) == 0 || int(b[0]) > len(b)-1 || b[0] > 63 {
		return nil
	}
	return b[1 : 1+int(b[0])]
}

// dhcp6 is what a client says in DHCPv6 (RFC 8415). Its slices are parts of the frame.
type dhcp6 struct {
	payload
	request          bool
	kind             byte
	addr             netip.Addr // the first that it asks for or has
	name, vendor, id []byte
}

// CanDecode implements gopacket.DecodingLayer.
func (*dhcp6) CanDecode() gopacket.LayerClass { return layerDHCPv6 }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (d *dhcp6) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	*d = dhcp6{}
	if len(b) < 4 {
		df.SetTruncated()
		return errShort
	}
	switch d.kind = b[0]; d.kind {
	case 1, 3, 4, 5, 6, 8, 9, 11: // what clients say
		d.request = true
	default:
		return nil
	}
	return options6(b[4:], d.option)
}

// options6 calls take for every option.
func options6(b []byte, take func(code uint16, b []byte)) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return errOptions
		}
		code, end := binary.BigEndian.Uint16(b), 4+int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < end {
			return errOptions
		}
		take(code, b[4:end])
		b = b[end:]
	}
	return nil
}

func (d *dhcp6) option(code uint16, b []byte) {
	const association = 12 // its number and two times
	switch {
	case code == 1:
		d.id = b
	case code == 3 && len(b) >= association:
		_ = options6(b[association:], d.associated) // what is broken inside ends there
	case code == 16 && len(b) > 6: // enterprise number and the length of the first class
		d.vendor = b[6:min(len(b), 6+int(binary.BigEndian.Uint16(b[4:])))]
	case code == 39 && len(b) > 1: // RFC 4704
		d.name = firstLabel(b[1:])
	}
}

func (d *dhcp6) associated(code uint16, b []byte) {
	if code == 5 && len(b) >= 24 && !d.addr.IsValid() {
		d.addr = netip.AddrFrom16([16]byte(b))
	}
}

func (d *dhcp6) tell(m *message) {
	const solicit, release, decline = 1, 8, 9
	m.dhcp, m.name, m.vendor, m.id = layerDHCPv6, d.name, d.vendor, d.id
	m.leaves = d.kind == release
	if d.addr.IsValid() && d.kind != solicit && d.kind != decline && d.kind != release {
		m.addr = d.addr
	}
}
