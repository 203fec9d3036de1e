package neigh

import (
	"errors"
	"net/netip"

	"github.com/google/gopacket"
)

// The messages of neighbour discovery that tell of a station (RFC 4861 §4).
const (
	routerSolicitation     = 133
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
)

// nd is a message of neighbour discovery.
type nd struct {
	payload
	kind    byte
	target  netip.Addr
	link    [6]byte // link-layer address that the message tells
	hasLink bool
}

// CanDecode implements gopacket.DecodingLayer.
func (*nd) CanDecode() gopacket.LayerClass { return layerND }

// DecodeFromBytes implements gopacket.DecodingLayer.
func (n *nd) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	*n = nd{}
	targeted := len(b) > 0 && (b[0] == neighbourSolicitation || b[0] == neighbourAdvertisement)
	if len(b) < 8 || targeted && len(b) < 24 {
		df.SetTruncated()
		return errShort
	}
	n.kind = b[0]
	switch n.kind {
	case routerSolicitation:
		b = b[8:]
	case neighbourSolicitation, neighbourAdvertisement:
		n.target, b = netip.AddrFrom16([16]byte(b[8:])), b[24:]
	default: // routers' messages; a station has no business with them
		return nil
	}
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < 8*int(b[1]) {
			return errors.New("options of neighbour discovery run over the end")
		}
		const source, target = 1, 2
		if (b[0] == source || b[0] == target) && b[1] == 1 {
			n.link, n.hasLink = [6]byte(b[2:]), true
		}
		b = b[8*int(b[1]):]
	}
	return nil
}

// address is the sender's, and whether it uses it already. Who asks whether an address is free (source ::, RFC 4862
// §5.4) takes it a moment later, but whoever has it may still object.
func (n *nd) address(source netip.Addr) (addr netip.Addr, claims bool) {
	switch {
	case n.kind == neighbourAdvertisement:
		return n.target, true
	case n.kind == neighbourSolicitation && source.IsUnspecified():
		return n.target, false
	default:
		return source, n.kind == neighbourSolicitation
	}
}
