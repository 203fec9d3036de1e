package nftables

// Bits of the packet mark and the conntrack mark that belong to gatehouse: those that neither mwan3 (0x3f00) nor pbr
// (0xff0000) uses. 15 bits are the station id, the rest are flags.
const (
	Mask     = 0xff00c0ff
	idMask   = 0x1f00c0ff
	idleFlag = 0x20000000 // the grant has an idle timeout

	maxID = 1<<15 - 1
)

// id is a station id, 1 to maxID; 0 is a station without a grant.
type id uint16

// mark is the id in the places that belong to it.
func (i id) mark() uint32 {
	n := uint32(i)
	return n&0xff | n>>8&0x3<<14 | n>>10&0x1f<<24
}

// idOf finds the id in a mark, whatever its other bits.
func idOf(mark uint32) id {
	return id(mark&0xff | mark>>14&0x3<<8 | mark>>24&0x1f<<10)
}
