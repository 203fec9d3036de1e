package nftables

// Bits of the packet mark and the conntrack mark that belong to gatehouse: those that neither mwan3 (0x3f00) nor pbr
// (0xff0000) uses. 15 bits are the station id, 3 the class of its idle timeout. What an id of 0 with a class may mean is
// open: no station has it.
const (
	Mask       = 0xff00c0ff
	idMask     = 0x1f00c0ff
	classMask  = 0xe0000000
	classShift = 29

	maxID = 1<<15 - 1
)

// class says which idle timeout a grant has: 0 none, 1 to otherClass-1 one of those that many stations share, otherClass
// one that the map idle_class tells per station. (A map with a verdict per station would do for all, but the kernel
// validates every element of such a map at every change: 0.4 ms a login at 5,000 stations in place of 0.02.)
type class uint8

const otherClass class = 7

func (c class) mark() uint32 { return uint32(c) << classShift }

func classOf(mark uint32) class { return class(mark >> classShift) }

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
