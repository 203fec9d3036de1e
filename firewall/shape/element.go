package shape

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

func keyElement(mac sessions.MAC) table.Element { return table.Key(mac[:]) }

// classElement leads a station to its class. A priority is in the host's order.
func classElement(mac sessions.MAC, minor uint16) table.Element {
	return append(keyElement(mac), table.Value(unix.NFTA_SET_ELEM_DATA, binary.NativeEndian.AppendUint32(nil, handle(minor))))
}

// limitElement is a station with a limit of its own.
func limitElement(mac sessions.MAC, rate sessions.BitRate) table.Element {
	e := nl.NewRtAttr(unix.NFTA_SET_ELEM_EXPR|unix.NLA_F_NESTED, nil)
	e.AddRtAttr(unix.NFTA_EXPR_NAME, nl.ZeroTerminated("limit"))
	data := e.AddRtAttr(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, nil)
	data.AddRtAttr(unix.NFTA_LIMIT_RATE, binary.BigEndian.AppendUint64(nil, uint64(max(rate, minRate)/8)))
	data.AddRtAttr(unix.NFTA_LIMIT_UNIT, binary.BigEndian.AppendUint64(nil, 1)) // per second
	data.AddRtAttr(unix.NFTA_LIMIT_BURST, binary.BigEndian.AppendUint32(nil, limitBurst))
	data.AddRtAttr(unix.NFTA_LIMIT_TYPE, binary.BigEndian.AppendUint32(nil, unix.NFT_LIMIT_PKT_BYTES))
	data.AddRtAttr(unix.NFTA_LIMIT_FLAGS, binary.BigEndian.AppendUint32(nil, unix.NFT_LIMIT_F_INV))
	return append(keyElement(mac), e)
}

// elements reads a set or map: the minor of each station's class, 0 where the set has none.
func (s *Shaper) elements(set string) (map[sessions.MAC]uint16, error) {
	found := map[sessions.MAC]uint16{}
	err := s.nft.Elements(set, func(key, data []byte) {
		if len(key) < len(sessions.MAC{}) {
			return
		}
		minor := uint16(0)
		if len(data) >= 4 {
			minor = uint16(binary.NativeEndian.Uint32(data))
		}
		found[sessions.MAC(key[:6])] = minor
	})
	return found, err
}
