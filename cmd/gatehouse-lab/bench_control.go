package main

import (
	"context"
	"fmt"
	"time"
)

// benchControl measures what the firewall package takes for its work beside few and many stations that each have a
// connection.
func benchControl(ctx context.Context, _ programs, r *report) error {
	for _, n := range []int{10, 5000} {
		if err := controlFigures(ctx, r, n); err != nil {
			return fmt.Errorf("%d stations: %w", n, err)
		}
	}
	return nil
}

func controlFigures(ctx context.Context, r *report, n int) error {
	batch := min(n, 500)
	singles, batches := 500, 20
	p, err := newPath(ctx, pathGatehouse, n, (*path).packetEnds)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.flows(); err != nil {
		return err
	}
	single, err := p.goAndCome(ctx, singles, 1)
	if err != nil {
		return err
	}
	many, err := p.goAndCome(ctx, batches, batch)
	if err != nil {
		return err
	}
	usage, err := timed(20, func() error { _, err := p.firewall.Usage(ctx); return err })
	if err != nil {
		return err
	}
	restart, err := timed(10, func() error { return p.gatehouse(ctx) })
	if err != nil {
		return err
	}
	const limit, restartLimit = 100 * time.Microsecond, time.Second
	p50 := quantile(single.admit, 0.5)
	slowest := quantile(restart, 1)
	beside := fmt.Sprintf(", of %d stations", n)
	r.print(
		figure{"one admission" + beside + ", p50 / p99", spread(single.admit), "p50 ≤ " + ms(limit), p50 <= limit},
		figure{what: "one revocation, its connection included, p50 / p99", got: spread(single.cut)},
		figure{what: "  and its release once the Stop is written", got: spread(single.release)},
		figure{what: fmt.Sprintf("%d admissions in one call, p50 / p99", batch), got: spread(many.admit)},
		figure{what: fmt.Sprintf("%d revocations in one call, their connections included, p50 / p99", batch), got: spread(many.cut)},
		figure{what: "  and their release", got: spread(many.release)},
		figure{what: "all counters" + beside + ", p50 / p99", got: spread(usage)},
		figure{"reconciling at a restart" + beside + ", p50 / max", ms(quantile(restart, 0.5)) + " / " + ms(slowest),
			"≤ " + ms(restartLimit), slowest <= restartLimit},
	)
	return nil
}

func spread(took []time.Duration) string {
	return ms(quantile(took, 0.5)) + " / " + ms(quantile(took, 0.99))
}

// changes is how long each kind of change took.
type changes struct{ admit, cut, release []time.Duration }

// goAndCome cuts stations, so many in a call, and admits them again, with a connection each as before.
func (p *path) goAndCome(ctx context.Context, rounds, atOnce int) (c changes, err error) {
	for round := range rounds {
		from := round * atOnce % p.n
		grants := benchGrants(from, from+atOnce)
		stations := stationsOf(grants)
		for _, step := range []struct {
			took *[]time.Duration
			do   func() error
		}{
			{&c.cut, func() error { _, err := p.firewall.Cut(ctx, stations...); return err }},
			{&c.release, func() error { return p.firewall.Release(ctx, stations...) }},
			{&c.admit, func() error { return p.firewall.Admit(ctx, grants...) }},
		} {
			took, err := timed(1, step.do)
			if err != nil {
				return c, err
			}
			*step.took = append(*step.took, took...)
		}
		if err := p.up.each(from, from+atOnce); err != nil {
			return c, err
		}
	}
	return c, nil
}

// timed does something again and again.
func timed(times int, do func() error) ([]time.Duration, error) {
	took := make([]time.Duration, 0, times)
	for range times {
		begun := time.Now()
		if err := do(); err != nil {
			return took, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}
