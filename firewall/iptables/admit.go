package iptables

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gatehouse/sessions"
)

// Admit implements sessions.Enforcer. The redirected connections are those that Forget is told of. The error wraps ErrFull,
// ErrNoCaps or ErrNoRates where a grant cannot be held.
func (f *Firewall) Admit(ctx context.Context, grants ...sessions.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return ErrNotReady
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.admit(ctx, grants)
}

func (f *Firewall) admit(ctx context.Context, grants []sessions.Grant) error {
	plan, err := f.plan(grants)
	if err == nil && len(plan) > 0 {
		err = f.keeper.put(ctx, plan)
	}
	if err != nil {
		return fmt.Errorf("admitting: %w", err)
	}
	for _, a := range plan {
		if a.again() {
			f.forget(a.old)
		} else if a.old != nil {
			a.old.cut = true
			f.dropFlows(a.old)
		}
		f.remember(a.now)
	}
	return nil
}

// plan finds ids for grants, and what they replace.
func (f *Firewall) plan(grants []sessions.Grant) ([]admission, error) {
	plan := make([]admission, 0, len(grants))
	taken, seen := map[id]bool{}, map[sessions.Station]bool{}
	for i := range grants {
		g := &grants[i]
		if err := f.check(g); err != nil {
			return nil, err
		}
		if seen[g.Station] {
			return nil, fmt.Errorf("station %s: two grants at once", g.Station.Zone)
		}
		seen[g.Station] = true
		a := admission{old: f.latest(g.Station), now: &grant{station: g.Station, session: g.AcctSessionID, idle: max(0, g.IdleTimeout)}}
		if g.Timeout != 0 { // one that is just over must not last for ever
			a.now.until = f.clock.Mono() + max(time.Millisecond, g.Timeout)
		}
		if a.old != nil && a.old.session == g.AcctSessionID {
			a.now.id = a.old.id
		} else {
			var err error
			if a.now.id, err = f.newID(taken); err != nil {
				return nil, err
			}
			taken[a.now.id] = true
		}
		plan = append(plan, a)
	}
	return plan, nil
}

// dropFlows deletes a grant's connections. What stays because of an error is closed with the station's next packet.
func (f *Firewall) dropFlows(g *grant) {
	if err := f.netfilter.deleteFlows(g.id.mark(), idMask); err != nil {
		f.logger.Warn("connections of a station stay in conntrack", slog.Any("station", g.station), slog.Any("error", err))
	}
}

// stop ends grants.
func (f *Firewall) stop(ctx context.Context, grants []*grant) error {
	grants = slices.DeleteFunc(grants, func(g *grant) bool { return g.cut })
	if len(grants) == 0 {
		return nil
	}
	if err := f.keeper.stop(ctx, grants); err != nil {
		return err
	}
	for _, g := range grants {
		g.cut = true
		f.dropFlows(g)
	}
	return nil
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
		if g := f.latest(s); g != nil && !slices.Contains(cut, g) {
			cut = append(cut, g)
		}
	}
	if err := f.stop(ctx, slices.Clone(cut)); err != nil {
		return nil, fmt.Errorf("cutting: %w", err)
	}
	readings := make([]sessions.Reading, len(stations))
	if len(cut) == 0 {
		return readings, nil
	}
	counts, err := f.refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("cutting: %w", err)
	}
	for i, s := range stations {
		if g := f.latest(s); g != nil {
			readings[i] = f.reading(g, counts[g.id])
		}
	}
	return readings, nil
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
	if _, err := f.refresh(ctx); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	var ended []*grant
	for _, s := range stations {
		for _, g := range f.of[s] {
			if g.cut && !slices.Contains(ended, g) {
				ended = append(ended, g)
			}
		}
	}
	return f.release(ctx, ended)
}

// release frees the ids of grants.
func (f *Firewall) release(ctx context.Context, grants []*grant) error {
	if len(grants) == 0 {
		return nil
	}
	if err := f.stop(ctx, slices.Clone(grants)); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	if err := f.keeper.drop(ctx, grants); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	for _, g := range grants {
		if err := f.netfilter.deleteFlows(g.id.mark(), idMask); err != nil {
			return fmt.Errorf("releasing: %w", err)
		}
		f.forget(g)
	}
	return nil
}

// SetBlocked implements sessions.Enforcer. Before the first Reconcile it changes nothing; the Reconcile then does. The
// error wraps ErrNoZone when a station is in no zone.
func (f *Firewall) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	blocked := map[string][]sessions.MAC{}
	for _, s := range stations {
		if !slices.ContainsFunc(f.cfg.Zones, func(z Zone) bool { return z.Name == s.Zone }) {
			return fmt.Errorf("blocking: %w: %q", ErrNoZone, s.Zone)
		}
		blocked[s.Zone] = append(blocked[s.Zone], s.MAC)
	}
	if f.ready {
		if err := f.keeper.block(ctx, blocked); err != nil {
			return fmt.Errorf("blocking: %w", err)
		}
	}
	f.blocked = blocked
	return nil
}
