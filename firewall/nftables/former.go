package nftables

import "gatehouse/sessions"

// former is what a grant had before somebody took our table away. Its connections still carry the id: who is let through
// again with the same one keeps them, also those on which the station only listens.
type former struct {
	id   id
	idle bool // its connections' marks say that it has an idle timeout
}

// formerIDs are those of the grants that may have connections.
func (f *Firewall) formerIDs() map[string]former {
	ids := make(map[string]former, len(f.grants))
	for i, g := range f.grants {
		if !g.flowless {
			ids[grantKey(g.station, g.session)] = former{id: i, idle: g.class != 0}
		}
	}
	return ids
}

// formerOf is what a grant that the kernel does not have any more had.
func (f *Firewall) formerOf(g *sessions.Grant) (former, bool) {
	was, ok := f.former[grantKey(g.Station, g.AcctSessionID)]
	return was, ok && was.idle == (g.IdleTimeout > 0) && f.grants[was.id] == nil
}

// reserved are the ids that no other grant may get meanwhile.
func (f *Firewall) reserved() map[id]bool {
	ids := make(map[id]bool, len(f.former))
	for _, was := range f.former {
		ids[was.id] = true
	}
	return ids
}

// dropStrays deletes connections from before whose ids now are nobody's, so that they are never somebody else's. Grants
// that are missing will get theirs back.
func (f *Firewall) dropStrays(missing []sessions.Grant) error {
	if f.former == nil { // nobody knows what there was
		if len(f.grants) > 0 {
			return nil
		}
		return f.socket.deleteAllFlows()
	}
	back := make(map[id]bool, len(missing))
	for i := range missing {
		if was, ok := f.formerOf(&missing[i]); ok {
			back[was.id] = true
		}
	}
	var gone []id
	for _, was := range f.former {
		if !back[was.id] && f.grants[was.id] == nil {
			gone = append(gone, was.id)
		}
	}
	return f.socket.deleteFlowsOf(gone)
}
