package enforcertest

import (
	"maps"
	"slices"

	"gatehouse/sessions"
)

// capacity is a version of a cap and what counts against it.
type capacity struct {
	sessions.Cap
	used    [directions]uint64
	closed  [directions]bool // it has refused a packet of that direction
	refused map[string]bool  // sessions of which it has refused a packet
	unsure  bool             // a packet met the end of a session: nobody can tell what counted
}

const (
	up = iota
	down
	directions
)

// cap begins the versions of caps that are new.
func (m *model) cap(caps []sessions.Cap) {
	for _, c := range caps {
		if now := m.caps[c.Name]; now == nil || now.Version != c.Version {
			m.caps[c.Name] = &capacity{Cap: c, refused: map[string]bool{}}
		}
	}
}

// isHeld tells whether a grant that was not cut has the cap.
func (m *model) isHeld(name string) bool {
	for _, all := range m.grants {
		for _, g := range all {
			if !g.cut && slices.ContainsFunc(g.Caps, func(c sessions.Cap) bool { return c.Name == name }) {
				return true
			}
		}
	}
	return false
}

// passes counts a packet of a live grant, and tells whether its caps let it through.
func (m *model) passes(g *grant, direction int, octets uint64) bool {
	for _, held := range g.Caps {
		c := m.caps[held.Name]
		bound := [directions]uint64{c.Up, c.Down}[direction]
		if c.closed[direction] || bound > 0 && c.used[direction]+octets > bound {
			c.refuse(g, direction)
			return false
		}
		if c.Total > 0 && c.used[up]+c.used[down]+octets > c.Total {
			c.refuse(g, up)
			c.refuse(g, down)
			return false
		}
		c.used[direction] += octets
	}
	return true
}

func (c *capacity) refuse(g *grant, direction int) {
	c.closed[direction], c.refused[g.AcctSessionID] = true, true
}

func (m *model) isCapped(g *grant) (capped, sure bool) {
	sure = true
	for _, held := range g.Caps {
		c := m.caps[held.Name]
		capped, sure = capped || c.refused[g.AcctSessionID], sure && !c.unsure
	}
	return capped, sure
}

func (m *model) doubt(g *grant) {
	for _, held := range g.Caps {
		m.caps[held.Name].unsure = true
	}
}

func (m *model) block(stations []sessions.Station) {
	clear(m.blocked)
	for _, s := range stations {
		m.blocked[s] = true
	}
}

func (m *model) blockedStations() []sessions.Station { return slices.Collect(maps.Keys(m.blocked)) }
