package iptables

import "fmt"

// Bits of the packet mark and the conntrack mark that belong to gatehouse, as in firewall/nftables. 13 are the station id, 4
// the class of its idle timeout, one says that the packet leaves with the router's address. Only the id is in conntrack marks.
const (
	Mask       = 0xff00c0ff
	idMask     = 0x0700c0ff
	classMask  = 0x78000000
	classShift = 27
	natBit     = 0x80000000

	maxID    = 1<<13 - 1
	maxClass = 1<<4 - 1
)

// id is a station id, 1 to maxID; 0 is a station without a grant.
type id uint16

// mark is the id in the places that belong to it.
func (i id) mark() uint32 {
	n := uint32(i)
	return n&0xff | n>>8&0x3<<14 | n>>10&0x7<<24
}

// idOf finds the id in a mark, whatever its other bits.
func idOf(mark uint32) id {
	return id(mark&0xff | mark>>14&0x3<<8 | mark>>24&0x7<<10)
}

// class says which idle timeout a grant has: 0 none, others one that grants share.
type class uint8

func (c class) mark() uint32 { return uint32(c) << classShift }

// masked is a value and a mask as iptables reads them.
func masked(value, mask uint32) string { return fmt.Sprintf("0x%x/0x%x", value, mask) }
