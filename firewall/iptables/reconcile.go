package iptables

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gatehouse/sessions"
)

// Reconcile implements sessions.Enforcer. A session that has got a cap or a rate while it runs is held without: what cannot be
// held of one must not keep the others from being let through.
func (f *Firewall) Reconcile(ctx context.Context, want []sessions.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	want = slices.Clone(want)
	for i := range want {
		g := &want[i]
		err := f.check(g)
		if errors.Is(err, ErrNoCaps) || errors.Is(err, ErrNoRates) {
			f.logger.Warn("a session is held without its limit", "station", g.Station, "why", err)
			g.Caps = nil
			if !f.cfg.Shaped {
				g.RateUp, g.RateDown = 0, 0
			}
			err = f.check(g)
		}
		if err != nil {
			return fmt.Errorf("reconciling: %w", err)
		}
	}
	f.ready = false
	if err := f.reconcile(ctx, want); err != nil {
		f.known = false
		return fmt.Errorf("reconciling: %w", err)
	}
	f.ready = true
	return nil
}

func (f *Firewall) reconcile(ctx context.Context, want []sessions.Grant) error {
	if err := f.adopt(ctx); err != nil {
		return err
	}
	missing, err := f.settle(ctx, want)
	if err != nil {
		return err
	}
	if err := f.install(ctx, false); err != nil {
		return err
	}
	if len(f.grants) == 0 { // connections from before carry ids that now are nobody's, or somebody else's
		if err := f.netfilter.deleteAllFlows(); err != nil {
			return err
		}
	}
	if err := f.admit(ctx, missing); err != nil {
		return err
	}
	return f.watch.note(ctx, f)
}

// adopt takes over what the kernel has, whoever put it there.
func (f *Firewall) adopt(ctx context.Context) error {
	before := f.grants
	f.forgetState()
	found, err := f.keeper.adopt(ctx)
	if err != nil {
		return fmt.Errorf("adopting sessions: %w", err)
	}
	// A station's grant that is not cut goes last: it is the one that counts.
	slices.SortStableFunc(found, func(a, b *grant) int {
		return cmp.Or(cmp.Compare(boolean(!a.cut), boolean(!b.cut)), cmp.Compare(a.id, b.id))
	})
	for _, g := range found {
		f.remember(g)
		f.lastID = max(f.lastID, g.id)
	}
	for i, g := range before { // only we remember those
		if g.replaced && f.grants[i] == nil {
			f.grants[i] = g
			f.of[g.station] = append([]*grant{g}, f.of[g.station]...)
		}
	}
	f.known = true
	return nil
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settle cuts and releases what is not wanted and returns what is wanted and does not hold.
func (f *Firewall) settle(ctx context.Context, want []sessions.Grant) (missing []sessions.Grant, err error) {
	if err := f.keeper.prepare(ctx, f.blocked); err != nil {
		return nil, err
	}
	if _, err := f.refresh(ctx); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for i := range want {
		key := want[i].Station.String() + " " + want[i].AcctSessionID
		wanted[key] = true
		g := f.latest(want[i].Station)
		if g == nil || g.cut || g.session != want[i].AcctSessionID {
			missing = append(missing, want[i])
		}
	}
	var unwanted []*grant
	for _, g := range f.grants {
		if !wanted[g.station.String()+" "+g.session] || g.replaced {
			unwanted = append(unwanted, g)
		}
	}
	if err := f.release(ctx, unwanted); err != nil {
		return nil, err
	}
	return missing, nil
}

// install loads the rules and puts them where packets come along.
func (f *Firewall) install(ctx context.Context, opened bool) error {
	for _, family := range f.families {
		r := &ruleset{zones: f.cfg.Zones, http: f.cfg.PortalHTTPPort, https: f.cfg.PortalHTTPSPort, dns: f.cfg.DNSPort, opened: opened, v6: family.v6,
			keeper: f.keeper, blocked: f.blocked}
		text := r.text()
		there, err := family.list(ctx)
		if err == nil {
			err = family.load(ctx, text)
		}
		if err == nil {
			err = family.place(there)
		}
		if err == nil {
			err = family.remove(there, func(chain string) bool { return f.keeper.fills(chain) || isMade(text, chain) })
		}
		if err != nil {
			return err
		}
	}
	return f.keeper.tidy(ctx, f.grants)
}

// Open is for a clean stop: it lets every station of the zones with OpenOnStop through, and leaves the others, and all
// grants, as they are. The next Reconcile closes them again.
func (f *Firewall) Open(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return ErrNotReady
	}
	f.ready = false
	if err := f.install(ctx, true); err != nil {
		return fmt.Errorf("opening zones: %w", err)
	}
	return nil
}
