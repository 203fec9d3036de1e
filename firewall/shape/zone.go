package shape

import (
	"fmt"

	"gatehouse/sessions"
)

// Kind is a way of holding a rate.
type Kind string

// The ways, from the best to the worst.
const (
	// HTB queues what is too much: the rate is exact, and stations share a zone's fairly.
	HTB Kind = "htb"
	// Limit drops what is too much: up to a fifth above the rate, and no fair shares.
	Limit Kind = "limit"
	// None lets everything pass: this kernel has neither.
	None Kind = "none"
	// Idle is nothing at all, for no station of the zone has a rate, and neither has the zone.
	Idle Kind = "idle"
)

// The ways, as stations see them.
const (
	up   = "up"
	down = "down"
)

// Mechanism says how rates are held in one way of one zone, and why so.
type Mechanism struct {
	Zone string
	Way  string // "up" or "down"
	Kind Kind
	Why  string
}

// slot is the place of a station with a rate.
type slot struct {
	minor    uint16 // of its classes
	up, down sessions.BitRate
}

// direction is one way of a zone.
type direction struct {
	way   string
	cap   sessions.BitRate
	kind  Kind
	why   string
	set   string
	links []int // where its queues are
}

// zone is a Zone and who has a rate in it.
type zone struct {
	Zone
	ifb      string
	attached bool
	up, down direction
	slots    map[sessions.MAC]slot
	free     []uint16
	next     int
}

func newZone(z Zone, n int) *zone {
	out := &zone{Zone: z, ifb: fmt.Sprintf("%s%d", ifbPrefix, n)}
	out.forget()
	return out
}

// forget takes it that the kernel has nothing of the zone.
func (z *zone) forget() {
	const why = "no station of the zone has a rate, and neither has the zone"
	z.attached, z.slots, z.free, z.next = false, map[sessions.MAC]slot{}, nil, 0
	z.up = direction{way: up, cap: z.CapUp, kind: Idle, why: why}
	z.down = direction{way: down, cap: z.CapDown, kind: Idle, why: why}
}

func (z *zone) directions() []*direction { return []*direction{&z.up, &z.down} }

func (z *zone) capped() bool { return z.CapUp > 0 || z.CapDown > 0 }

// needs tells whether a station must have a class: it has a rate, or a share of the zone's.
func (z *zone) needs(g sessions.Grant) bool { return z.capped() || g.RateUp > 0 || g.RateDown > 0 }

// idle tells that nothing of the zone is to be shaped.
func (z *zone) idle() bool { return len(z.slots) == 0 && !z.capped() }

func (d *direction) rate(s slot) sessions.BitRate {
	if d.way == up {
		return s.up
	}
	return s.down
}

// shapes tells whether a station with that slot has something of its own in this direction.
func (d *direction) shapes(s slot) bool {
	return d.rate(s) > 0 || d.kind == HTB && d.cap > 0
}

// setOf is the name of the set or map with the zone's stations.
func (d *direction) setOf(kind Kind, zone string) string {
	if kind == Limit {
		return d.way + "_limit_" + zone
	}
	return d.way + "_class_" + zone
}

// share is where a station's class hangs, what it has in any case, and at most.
func (d *direction) share(s slot) (parent uint16, rate, ceil sessions.BitRate) {
	if d.cap == 0 {
		r := max(d.rate(s), minRate)
		return 0, r, r
	}
	if ceil = d.rate(s); ceil == 0 || ceil > d.cap {
		ceil = d.cap
	}
	return capMinor, guaranteed, max(ceil, minRate)
}

// maxStations is how many stations of a zone can have a rate.
const maxStations = 1 << 15

// minorOf is the class of the station number n. Bit 3 is always set: queues that know nothing of our classes read the
// lowest four bits of a packet's priority as its kind of service, and from 8 on that is the ordinary one.
func minorOf(n int) uint16 { return uint16(n>>3<<4 | 8 | n&7) }

// take finds a free class.
func (z *zone) take() (uint16, bool) {
	if last := len(z.free) - 1; last >= 0 {
		minor := z.free[last]
		z.free = z.free[:last]
		return minor, true
	}
	if z.next == maxStations {
		return 0, false
	}
	z.next++
	return minorOf(z.next - 1), true
}

func (z *zone) give(minor uint16) { z.free = append(z.free, minor) }

// adopt makes the slots those of the grants, with the classes that the kernel has for them where it has some.
func (z *zone) adopt(grants []sessions.Grant, has map[sessions.MAC]uint16) {
	z.forget()
	used := map[uint16]bool{}
	var fresh []sessions.Grant
	for _, g := range grants {
		if g.Station.Zone != z.Name || !z.needs(g) {
			continue
		}
		minor, known := has[g.Station.MAC]
		if !known || minor&8 == 0 || used[minor] {
			fresh = append(fresh, g)
			continue
		}
		used[minor] = true
		z.slots[g.Station.MAC] = slot{minor: minor, up: g.RateUp, down: g.RateDown}
	}
	for left := len(used); left > 0; z.next++ {
		if minor := minorOf(z.next); used[minor] {
			left--
		} else {
			z.free = append(z.free, minor)
		}
	}
	for _, g := range fresh {
		if minor, ok := z.take(); ok { // there are never more stations than that: the grants are no more
			z.slots[g.Station.MAC] = slot{minor: minor, up: g.RateUp, down: g.RateDown}
		}
	}
}
