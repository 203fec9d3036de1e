package nftables

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/sessions"
)

const maxSessionIDLen = 128 // bytes; a comment has 253 for MAC, zone and session id

// grant is one that the kernel has elements of, as the kernel has it.
type grant struct {
	id      id
	station sessions.Station
	session string
	idle    time.Duration // in whole milliseconds; zero: none
	class   class         // that goes with idle
	caps    []*kernelCap  // in the order of their keys; none of a grant that was cut
	// cut: its elements of admission are gone. Those of a grant that is not cut may have expired.
	cut bool
	// classless: its class is not known, because its element among the stations was gone when it was adopted.
	classless bool
	// flowless: no conntrack entry has its id.
	flowless bool
}

func (g *grant) mark() uint32 { return g.id.mark() | g.class.mark() }

// comment is how the kernel keeps whose grant it is.
func (g *grant) comment() string {
	return g.station.MAC.String() + " " + g.station.Zone + " " + g.session
}

// fromComment is the reverse; ok is false for an element that is not ours.
func fromComment(i id, comment string) (*grant, bool) {
	mac, rest, _ := strings.Cut(comment, " ")
	zone, session, ok := strings.Cut(rest, " ")
	m, err := sessions.ParseMAC(mac)
	if err != nil || !ok || i == 0 {
		return nil, false
	}
	return &grant{id: i, station: sessions.Station{Zone: zone, MAC: m}, session: session, cut: true, classless: true}, true
}

// elementsOf are the elements of one or many grants, by set.
type elementsOf struct {
	stations                              map[string][]element // by zone
	sessions, leases, idle, class, up, dn []element
	quotas                                map[string][]element // by set
	capped, spent                         []element
}

// admission adds the elements that let the grant through; zero timeouts for those to be removed.
func (e *elementsOf) admission(g *grant, timeout time.Duration) {
	key := markKey(g.id.mark())
	if e.stations == nil {
		e.stations = map[string][]element{}
	}
	zone := g.station.Zone
	e.stations[zone] = append(e.stations[zone], element{key: macKey(g.station.MAC), isMap: true, mark: g.mark(), timeout: timeout})
	e.sessions = append(e.sessions, element{key: key, timeout: timeout})
	if g.isLeasable() && (timeout == 0 || timeout > leaseMargin) {
		e.leases = append(e.leases, element{key: key, timeout: max(0, timeout-leaseMargin)})
	}
	if g.class != 0 {
		e.idle = append(e.idle, element{key: key, timeout: g.idle})
	}
	if g.class == otherClass {
		e.class = append(e.class, element{key: key, chain: idleChain(g.idle)})
	}
	e.caps(g.id, g.caps)
}

// caps adds the elements by which packets of an id count against caps.
func (e *elementsOf) caps(i id, caps []*kernelCap) {
	if len(caps) == 0 {
		return
	}
	if e.quotas == nil {
		e.quotas = map[string][]element{}
	}
	key := markKey(i.mark())
	e.capped = append(e.capped, element{key: key})
	for prefix, direction := range map[string]bound{quotaUpPrefix: boundUp, quotaDownPrefix: boundDown} {
		for slot, object := range quotas(caps, direction) {
			set := fmt.Sprint(prefix, slot)
			e.quotas[set] = append(e.quotas[set], element{key: key, object: object})
		}
	}
}

// departure adds what is to be removed of a grant, so that it holds no more.
func (e *elementsOf) departure(g *grant) {
	e.admission(g, 0)
	e.refusals(g)
}

// refusals adds, for removal, that caps have refused the grant's packets.
func (e *elementsOf) refusals(g *grant) {
	if len(g.caps) > 0 {
		e.spent = append(e.spent, element{key: markKey(g.id.mark())})
	}
}

func (e *elementsOf) counters(g *grant) {
	e.up = append(e.up, element{key: markKey(g.id.mark()), comment: g.comment()})
	e.dn = append(e.dn, element{key: markKey(g.id.mark())})
}

// each calls f with every set that has elements.
func (e *elementsOf) each(f func(set string, elements ...element)) {
	for zone, elements := range e.stations {
		f(stationsPrefix+zone, elements...)
	}
	f(setSessions, e.sessions...)
	f(setLeasable, e.leases...)
	f(setIdle, e.idle...)
	f(setIdleClass, e.class...)
	f(setUp, e.up...)
	f(setDown, e.dn...)
	for set, elements := range e.quotas {
		f(set, elements...)
	}
	f(setCapped, e.capped...)
	f(setSpentUp, e.spent...)
	f(setSpentDown, e.spent...)
}

// whole rounds a duration up to what the kernel's elements can hold.
func whole(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// check says why a grant cannot be.
func (f *Firewall) check(g *sessions.Grant) error {
	for i := range f.cfg.Zones {
		if f.cfg.Zones[i].Name == g.Station.Zone {
			if len(g.AcctSessionID) == 0 || len(g.AcctSessionID) > maxSessionIDLen {
				return fmt.Errorf("a session id has 1 to %d bytes, not %d", maxSessionIDLen, len(g.AcctSessionID))
			}
			if len(g.Caps) > sessions.MaxCaps || len(g.Caps) == 2 && g.Caps[0].Name == g.Caps[1].Name {
				return fmt.Errorf("a grant has %d caps at most, of different names", sessions.MaxCaps)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: %q", ErrNoZone, g.Station.Zone)
}

// newID is the next free id after the one given out last, so that an id rests as long as possible before it returns.
func (f *Firewall) newID(taken map[id]bool) (id, error) {
	for range maxGrants {
		f.lastID = f.lastID%maxGrants + 1
		if f.grants[f.lastID] == nil && !taken[f.lastID] {
			return f.lastID, nil
		}
	}
	return 0, ErrFull
}

func (f *Firewall) remember(g *grant) {
	f.grants[g.id] = g
	f.of[g.station] = append(f.of[g.station], g)
}

func (f *Firewall) forget(g *grant) {
	delete(f.grants, g.id)
	delete(f.former, grantKey(g.station, g.session))
	rest := slices.DeleteFunc(f.of[g.station], func(other *grant) bool { return other == g })
	if f.of[g.station] = rest; len(rest) == 0 {
		delete(f.of, g.station)
	}
}

// latest is the grant that a station got last, or nil.
func (f *Firewall) latest(s sessions.Station) *grant {
	if all := f.of[s]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}
