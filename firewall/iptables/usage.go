package iptables

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/sessions"
)

// Usage implements sessions.Enforcer.
func (f *Firewall) Usage(ctx context.Context) ([]sessions.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !f.known {
		if err := f.adopt(ctx); err != nil {
			return nil, err
		}
	}
	counts, err := f.refresh(ctx)
	if err == nil && f.ready {
		err = f.watch.look(ctx, f)
	}
	if errors.Is(err, errLost) && f.ready {
		f.ready, f.known = false, false
		err = fmt.Errorf("%w: %w", sessions.ErrEnforcerLost, err)
	}
	if err != nil {
		return nil, err
	}
	readings := make([]sessions.Reading, 0, len(f.grants))
	for _, g := range f.grants {
		readings = append(readings, f.reading(g, counts[g.id]))
	}
	return readings, nil
}

// refresh ends what is over by time or silence, and reads all counters.
func (f *Firewall) refresh(ctx context.Context) (map[id]*count, error) {
	if err := f.expire(ctx); err != nil {
		return nil, err
	}
	counts, err := f.keeper.read(ctx, f.grants)
	if err != nil {
		return nil, err
	}
	var silent []*grant
	for _, g := range f.grants {
		if !g.cut && g.idle > 0 && counts[g.id].idleLeft < 0 {
			silent = append(silent, g)
		}
	}
	for _, g := range silent {
		g.idled = true
	}
	return counts, f.stop(ctx, silent)
}

// expire ends what is over by time.
func (f *Firewall) expire(ctx context.Context) error {
	now := f.clock.Mono()
	var over []*grant
	for _, g := range f.grants {
		if !g.cut && g.until > 0 && g.until <= now {
			over = append(over, g)
		}
	}
	return f.stop(ctx, over)
}

func (f *Firewall) reading(g *grant, c *count) sessions.Reading {
	r := sessions.Reading{Station: g.station, AcctSessionID: g.session, Live: !g.cut, Idled: g.idled, Usage: c.usage, IdleLeft: -1}
	if r.Live && g.idle > 0 {
		r.IdleLeft = min(g.idle, c.idleLeft)
	}
	return r
}
