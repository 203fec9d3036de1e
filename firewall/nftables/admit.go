package nftables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gatehouse/sessions"
)

// Admit implements sessions.Enforcer. The redirected connections are those that Forget is told of: who the station
// believed to talk to is known to the portal only. The error wraps ErrFull when there are too many grants.
func (f *Firewall) Admit(ctx context.Context, grants ...sessions.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return ErrNotReady
	}
	return f.admit(ctx, grants)
}

// admission is what Admit will do for one grant.
type admission struct {
	now *grant
	old *grant // that the station has already: the same session, or one that this one ends
}

func (a *admission) again() bool { return a.old != nil && a.old.id == a.now.id }

func (f *Firewall) admit(ctx context.Context, grants []sessions.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var t transaction
	idle, caps := f.idle.clone(), f.newCapPlan()
	plan, err := f.plan(&t, &idle, caps, grants)
	if err != nil {
		return fmt.Errorf("admitting: %w", err)
	}
	var gone, come elementsOf
	changes := false
	for i, a := range plan {
		if a.old != nil && !a.old.cut {
			changes = true
			gone.departure(a.old)
			caps.leave(a.old)
		}
		come.admission(a.now, timeoutOf(grants[i].Timeout))
		if !a.again() {
			come.counters(a.now)
		}
	}
	caps.follow(func(g *grant) bool { return slices.ContainsFunc(plan, func(a admission) bool { return a.old == g }) })
	for g, changed := range caps.moved {
		changes = true
		gone.caps(g.id, g.caps)
		gone.refusals(g)
		come.caps(g.id, changed)
	}
	gone.each(t.remove)
	caps.objects(&t)
	come.each(t.insert)
	var reached []sessions.Station
	for i := range grants {
		reached = append(reached, f.endReaches(&t, grants[i].Station)...)
	}
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("admitting: %w", err)
	}
	f.idle = idle
	caps.done()
	var flows []*grant
	for _, a := range plan {
		flows = append(flows, f.admitted(a)...)
	}
	f.dropFlows(flows...)
	f.dropReaches(reached)
	if !changes {
		return nil
	}
	return f.revokeLeases()
}

// timeoutOf keeps a session whose time is just over from lasting for ever.
func timeoutOf(d time.Duration) time.Duration {
	if d < 0 {
		return time.Millisecond
	}
	return whole(d)
}

// plan finds ids and classes for grants. Chains and classes that are new go into the transaction.
func (f *Firewall) plan(t *transaction, idle *idleState, caps *capPlan, grants []sessions.Grant) ([]admission, error) {
	plan := make([]admission, 0, len(grants))
	taken, seen := f.reserved(), map[sessions.Station]bool{}
	for i := range grants {
		g := &grants[i]
		if err := f.check(g); err != nil {
			return nil, err
		}
		if seen[g.Station] {
			return nil, fmt.Errorf("station %s: two grants at once", g.Station.Zone)
		}
		seen[g.Station] = true
		a := admission{old: f.latest(g.Station), now: &grant{station: g.Station, session: g.AcctSessionID, idle: whole(max(0, g.IdleTimeout))}}
		if a.old != nil && a.old.session == g.AcctSessionID {
			a.now.id = a.old.id
		} else if was, ok := f.formerOf(g); ok {
			a.now.id = was.id
		} else {
			var err error
			if a.now.id, err = f.newID(taken); err != nil {
				return nil, err
			}
			taken[a.now.id] = true
		}
		var err error
		if a.now.caps, err = caps.join(g); err != nil {
			return nil, err
		}
		a.now.class = idle.classFor(t, a.now.idle, func(c class) bool {
			return slices.ContainsFunc(plan, func(p admission) bool { return p.now.class == c }) || f.hasClass(c)
		})
		plan = append(plan, a)
	}
	return plan, nil
}

// admitted takes down what the kernel has accepted, and tells whose connections cannot go on.
func (f *Firewall) admitted(a admission) []*grant {
	if a.again() {
		f.forget(a.old)
	}
	f.remember(a.now)
	switch {
	case a.old == nil:
		return nil
	case !a.again():
		a.old.cut, a.old.caps = true, nil
		return []*grant{a.old}
	case a.old.classless && !a.old.flowless, (a.old.class == 0) != (a.now.class == 0):
		return []*grant{a.now} // their conntrack marks say that it has an idle timeout, or that it has none
	}
	return nil
}

func (f *Firewall) hasClass(c class) bool {
	for _, g := range f.grants {
		if g.class == c {
			return true
		}
	}
	return false
}

// dropFlows deletes connections of grants. What stays because of an error is closed all the same, and Release tries again.
func (f *Firewall) dropFlows(grants ...*grant) {
	ids := make([]id, len(grants))
	for i, g := range grants {
		ids[i] = g.id
	}
	if err := f.socket.deleteFlowsOf(ids); err != nil {
		f.cfg.Logger.Warn("connections of stations stay in conntrack", slog.Int("stations", len(ids)), slog.Any("error", err))
		return
	}
	for _, g := range grants {
		g.flowless = g.cut
	}
}

// Cut implements sessions.Enforcer.
func (f *Firewall) Cut(ctx context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return nil, ErrNotReady
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var cut []*grant
	for _, s := range stations {
		if g := f.latest(s); g != nil {
			cut = append(cut, g)
		}
	}
	if err := f.cut(cut); err != nil {
		return nil, fmt.Errorf("cutting: %w", err)
	}
	readings := make([]sessions.Reading, len(stations))
	for i, s := range stations {
		g := f.latest(s)
		if g == nil {
			continue
		}
		used, err := f.readUsage(g.id)
		if err != nil {
			return nil, fmt.Errorf("reading what a cut station has used: %w", err)
		}
		readings[i] = sessions.Reading{Station: s, AcctSessionID: g.session, Usage: used, IdleLeft: -1}
	}
	return readings, nil
}

// cut ends grants in one transaction.
func (f *Firewall) cut(grants []*grant) error {
	var gone elementsOf
	caps := f.newCapPlan()
	for _, g := range grants {
		if !g.cut {
			gone.departure(g)
			caps.leave(g)
		}
	}
	if len(gone.sessions) > 0 {
		var t transaction
		gone.each(t.remove)
		caps.objects(&t)
		if err := f.socket.transact(&t.messages); err != nil {
			return err
		}
		caps.done()
		for _, g := range grants {
			g.cut, g.caps = true, nil
		}
		if err := f.revokeLeases(); err != nil {
			return err
		}
	}
	f.dropFlows(slices.DeleteFunc(slices.Clone(grants), func(g *grant) bool { return g.flowless })...)
	return nil
}

// Release implements sessions.Enforcer.
func (f *Firewall) Release(ctx context.Context, stations ...sessions.Station) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return ErrNotReady
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var ended []*grant
	for _, s := range stations {
		for _, g := range f.of[s] {
			live, err := f.isLive(g)
			if err != nil {
				return fmt.Errorf("releasing: %w", err)
			}
			if !live {
				ended = append(ended, g)
			}
		}
	}
	return f.release(ended)
}

func (f *Firewall) isLive(g *grant) (bool, error) {
	if g.cut {
		return false, nil
	}
	_, live, err := f.socket.readElement(setSessions, markKey(g.id.mark()))
	if err != nil || !live || g.class == 0 {
		return live, err
	}
	_, live, err = f.socket.readElement(setIdle, markKey(g.id.mark()))
	return live, err
}

// release frees the ids of grants that have ended, once nothing carries them any more.
func (f *Firewall) release(ended []*grant) error {
	if err := f.cut(ended); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	var gone elementsOf
	var kept int
	for _, g := range ended {
		if g.flowless {
			gone.counters(g)
			gone.idle = append(gone.idle, element{key: markKey(g.id.mark())}) // of a grant adopted after its end
		} else {
			kept++
		}
	}
	var t transaction
	gone.each(t.remove)
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	for _, g := range ended {
		if g.flowless {
			f.forget(g)
		}
	}
	if kept > 0 {
		return errors.New("releasing: conntrack still has connections of stations that were cut")
	}
	return nil
}
