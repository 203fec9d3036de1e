package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/sessions"
)

// capped is a data cap of the bench, with the stations that share it.
type capped struct {
	sessions.Cap
	members []int
}

// caps lets data caps run full one after the other while everybody talks and nobody but the kernel is there: of what a
// station sends, of what it is sent, of both, and of both of two stations together.
func (t *lateness) caps(ctx context.Context, r *report) error {
	all := dataCaps()
	if _, err := t.begin(ctx, func(i int, g *sessions.Grant) {
		for _, c := range all {
			if slices.Contains(c.members, i) {
				g.Caps = []sessions.Cap{c.Cap}
			}
		}
	}); err != nil {
		return err
	}
	if err := t.firewall.Close(); err != nil {
		return err
	}
	up, down, err := t.watched(ctx, func(func() error) error { return pause(ctx, 4*time.Second) })
	if err != nil {
		return err
	}
	var late []time.Duration
	over, short := 0, 0
	for i, c := range all {
		l, o, err := c.judge(up, down)
		if err != nil {
			return fmt.Errorf("cap %d: %w", i, err)
		}
		late, over, short = append(late, l), max(over, o), max(short, -o)
	}
	const limit = 50 * time.Millisecond
	p99 := quantile(late, 0.99)
	r.print(figure{fmt.Sprintf("cut by data cap, %d stations, nobody there: last packet after the full", lateStations),
		fmt.Sprintf("p50 %s p99 %s, octets over %d, short %d", ms(quantile(late, 0.5)), ms(p99), over, short),
		"p99 ≤ " + ms(limit) + ", no octet over", p99 <= limit && over == 0 && short < frameOctets})
	return nil
}

// dataCaps are caps of some hundred packets, which fill one after the other.
func dataCaps() (all []capped) {
	for i := 0; i < lateStations; {
		c := capped{Cap: sessions.Cap{Name: fmt.Sprintf("bench%d", i), Version: 1}, members: []int{i}}
		kind := i * 4 / lateStations
		if kind == 3 {
			c.members = append(c.members, i+1)
		}
		octets := frameOctets * uint64(100*len(c.members)+len(all)/2)
		switch kind {
		case 0:
			c.Up = octets
		case 1:
			c.Down = octets
		default:
			c.Total = octets
		}
		all = append(all, c)
		i += len(c.members)
	}
	return all
}

// judge tells how long after the packet that filled the cap the last one left the gateway, and how many octets more than
// the cap left it; negative: fewer. The first packet up of each station came before anybody watched.
func (c capped) judge(up, down []boundary) (late time.Duration, over int, err error) {
	var left []time.Time
	before, came := 0, 0
	for _, i := range c.members {
		if c.Down == 0 {
			left, came, before = append(left, up[i].left...), came+len(up[i].came), before+1
		}
		if c.Up == 0 {
			left, came = append(left, down[i].left...), came+len(down[i].came)
		}
	}
	if len(left) >= came || len(left) == 0 {
		return 0, 0, fmt.Errorf("%d of %d packets passed", len(left), came)
	}
	room := int((c.Up+c.Down+c.Total)/frameOctets) - before
	if room < 1 {
		return 0, 0, errors.New("it was full before it began")
	}
	slices.SortFunc(left, time.Time.Compare)
	return left[len(left)-1].Sub(left[min(room, len(left))-1]), (len(left) - room) * frameOctets, nil
}
