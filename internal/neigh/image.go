package neigh

import (
	"net/netip"
	"slices"
)

// image is what is known of one interface. The table's lock guards it.
type image struct {
	index int // 0 while the interface does not exist
	macs  map[netip.Addr][6]byte
	addrs map[[6]byte][]netip.Addr // the reverse
}

func newImage(index int) *image {
	return &image{index: index, macs: map[netip.Addr][6]byte{}, addrs: map[[6]byte][]netip.Addr{}}
}

// set enters an address and tells whether that is news. A full image loses another entry, which the kernel still knows.
func (i *image) set(addr netip.Addr, mac [6]byte, limit int) bool {
	if old, ok := i.macs[addr]; ok {
		if old == mac {
			return false
		}
		i.remove(addr)
	}
	for victim := range i.macs {
		if len(i.macs) < limit {
			break
		}
		i.remove(victim)
	}
	i.macs[addr] = mac
	i.addrs[mac] = append(i.addrs[mac], addr)
	return true
}

func (i *image) remove(addr netip.Addr) {
	mac, ok := i.macs[addr]
	if !ok {
		return
	}
	delete(i.macs, addr)
	rest := slices.DeleteFunc(i.addrs[mac], func(a netip.Addr) bool { return a == addr })
	if len(rest) == 0 {
		delete(i.addrs, mac)
		return
	}
	i.addrs[mac] = rest
}
