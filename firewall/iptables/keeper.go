package iptables

import (
	"context"
	"time"

	"gatehouse/sessions"
)

// keeper keeps in the kernel who is admitted, and counts. Both ways of it have the same rules around them.
type keeper interface {
	// tell are the rules that write the id of a zone's station into the packet mark, where it has one.
	tell(z *Zone) []string
	// pass are the rules for what an admitted station sends: counted, and back to the router's own rules.
	pass(z *Zone, v6 bool) []string
	// back are the rules for what is sent to a station whose id is in the mark.
	back(v6 bool) []string
	// refuse are the rules for blocked stations of a zone.
	refuse(z *Zone, blocked []sessions.MAC) []string

	// fill fills chains of its own for a zone, in filter.
	fill(t *table, z *Zone, v6 bool)
	// prepare makes what the rules refer to; it keeps what is there, but for who is blocked.
	prepare(ctx context.Context, blocked map[string][]sessions.MAC) error
	// tidy removes what no rule refers to any more, and what belongs to none of the grants. grants nil: everything.
	tidy(ctx context.Context, grants map[id]*grant) error
	// fills tells whether a chain's rules change as stations come and go.
	fills(chain string) bool
	// adopt finds all grants that are there.
	adopt(ctx context.Context) ([]*grant, error)
	// put lets stations through.
	put(ctx context.Context, plan []admission) error
	// stop ends grants and takes down why. Counters stay.
	stop(ctx context.Context, grants []*grant) error
	// drop forgets the counters of grants that were stopped.
	drop(ctx context.Context, grants []*grant) error
	// read reads the counters of all grants. It says errLost when some are not there.
	read(ctx context.Context, grants map[id]*grant) (map[id]*count, error)
	// block makes exactly these stations blocked.
	block(ctx context.Context, blocked map[string][]sessions.MAC) error
}

// admission is what put does for one grant.
type admission struct {
	now *grant
	old *grant // that the station has already: the same session, or one that this one ends
}

func (a *admission) again() bool { return a.old != nil && a.old.id == a.now.id }

// count is what a grant has used.
type count struct {
	usage    sessions.Usage
	idleLeft time.Duration // negative: it is idle, or has no idle timeout
}
