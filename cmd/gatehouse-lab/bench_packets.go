package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The packet bench follows datapath.md §3: one thread on one processor sends 60-byte UDP packets of random stations
// through a gateway of veth pairs, so that the time of the send is the time of the gateway's work. The gateways take
// turns in slices of 8 ms. Those that the budget is about take every turn, the others, for comparison, every fourth.
const (
	packetSlice  = 8 * time.Millisecond
	packetTurns  = 200
	compareEvery = 4
)

// judged are the kinds that a budget needs, compared those beside them.
var (
	judged   = []pathKind{pathDrop, pathMasquerade, pathGatehouse}
	compared = []pathKind{pathCapped, pathPlain, pathConntrack, pathLinear, pathOpenNDS}
)

func benchPackets(ctx context.Context, _ programs, r *report) error {
	for _, n := range []int{1, 100, 1000, 5000} {
		if err := packetFigures(ctx, r, n); err != nil {
			return fmt.Errorf("%d stations: %w", n, err)
		}
	}
	return nil
}

// costs are what sending takes over each path.
type costs map[pathKind]time.Duration

// work is what the gateway alone adds.
func (c costs) work(kind pathKind) time.Duration { return c[kind] - c[pathDrop] }

// against is how much more of it than masquerade only.
func (c costs) against(kind pathKind) float64 {
	return float64(c.work(kind)) / float64(c.work(pathMasquerade))
}

func packetFigures(ctx context.Context, r *report, n int) error {
	paths, err := newPaths(ctx, r, n, judged, (*path).packetEnds)
	defer closePaths(paths)
	if err != nil {
		return err
	}
	// Every station's flow is made first; a way down exists only then.
	for _, p := range paths {
		if err := p.flows(); err != nil {
			return err
		}
	}
	for _, way := range []struct {
		name string
		pick func(*path) *sender
	}{
		{"up", func(p *path) *sender { return p.up }},
		{"down", func(p *path) *sender { return p.down }},
	} {
		c, err := inTurns(paths, packetTurns, 0.5, func(p *path) (time.Duration, error) { return way.pick(p).slice() })
		if err != nil {
			return err
		}
		where := fmt.Sprintf("%s, %d stations", way.name, n)
		ratio := c.against(pathGatehouse)
		r.print(figure{
			what:   "packet cost against masquerade only, " + where,
			got:    fmt.Sprintf("%.2f (%d / %d ns)", ratio, c.work(pathGatehouse).Nanoseconds(), c.work(pathMasquerade).Nanoseconds()),
			budget: "≤ 1.30", pass: ratio <= 1.3,
		})
		if n >= 1000 {
			share := float64(c[pathMasquerade]) / float64(c[pathGatehouse])
			r.print(figure{"small packets/s, share of masquerade only, " + where, fmt.Sprintf("%.2f", share), "≥ 0.85", share >= 0.85})
		}
		for _, p := range paths[len(judged):] {
			r.print(figure{what: "  " + p.kind.describe() + ", " + where,
				got: fmt.Sprintf("%.2f (%d ns)", c.against(p.kind), c.work(p.kind).Nanoseconds())})
		}
	}
	for _, p := range paths {
		if err := p.check(ctx); err != nil {
			return fmt.Errorf("path %s: %w", p.kind, err)
		}
	}
	return nil
}

// newPaths makes a path of each kind, and of each for comparison. One of these that cannot be had is reported and left out.
func newPaths(ctx context.Context, r *report, n int, kinds []pathKind, ends func(*path, context.Context) error) (paths []*path, err error) {
	for _, kind := range slices.Concat(kinds, compared) {
		p, err := newPath(ctx, kind, n, ends)
		switch {
		case err == nil:
			paths = append(paths, p)
		case slices.Contains(compared, kind):
			r.print(figure{what: "  " + kind.describe() + " is not measured", got: err.Error()})
		default:
			return paths, err
		}
	}
	return paths, nil
}

// inTurns measures all paths turn by turn and returns a quantile of each.
func inTurns(paths []*path, turns int, q float64, measure func(*path) (time.Duration, error)) (costs, error) {
	took := map[pathKind][]time.Duration{}
	err := onProcessor(0, func() error {
		for turn := range turns {
			for _, p := range paths {
				if turn%compareEvery != 0 && slices.Contains(compared, p.kind) {
					continue
				}
				t, err := measure(p)
				if err != nil {
					return fmt.Errorf("path %s: %w", p.kind, err)
				}
				took[p.kind] = append(took[p.kind], t)
			}
		}
		return nil
	})
	c := costs{}
	for kind, t := range took {
		c[kind] = quantile(t, q)
	}
	return c, err
}

// check tells whether the packets really took the path: all arrived, and gatehouse has counted each.
func (p *path) check(ctx context.Context) error {
	if p.kind == pathDrop {
		return nil
	}
	up, err := p.received("wan")
	if err != nil {
		return err
	}
	down, err := p.received("lan")
	if err != nil {
		return err
	}
	if up != p.up.sent || down != p.down.sent {
		return fmt.Errorf("%d packets up and %d down were sent, %d and %d arrived", p.up.sent, p.down.sent, up, down)
	}
	if p.firewall == nil {
		return nil
	}
	if up, down, err = p.counted(ctx); err != nil {
		return err
	}
	if up != p.up.sent || down != p.down.sent {
		return fmt.Errorf("%d packets up and %d down were sent, %d and %d counted", p.up.sent, p.down.sent, up, down)
	}
	return nil
}

// counted are the packets of all stations as gatehouse knows them.
func (p *path) counted(ctx context.Context) (up, down uint64, err error) {
	readings, err := p.firewall.Usage(ctx)
	for _, r := range readings {
		up, down = up+r.Usage.InputPackets, down+r.Usage.OutputPackets
	}
	return up, down, err
}
