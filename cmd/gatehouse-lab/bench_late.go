package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

const (
	lateStations = 200
	lateInterval = 10 * time.Millisecond // between a station's packets, each way
	lateStagger  = 5 * time.Millisecond  // between the ends of sessions
	idleTimeout  = 2 * time.Second
)

// benchLate measures how exactly sessions end: 200 stations with traffic both ways, judged by the kernel's time stamps
// of the packets that came to the gateway and of those that it let through. Nobody but the kernel ends the sessions.
func benchLate(ctx context.Context, _ programs, r *report) error {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	// New stations for each part: what the web sends to those that were cut would take their ports at the gateway.
	parts := []func(*lateness, context.Context, *report) error{(*lateness).timeouts, (*lateness).revocations, (*lateness).silences, (*lateness).caps}
	people, err := populate(ctx, l, len(parts)*lateStations)
	if err != nil {
		return err
	}
	defer people.close()
	fw, err := labFirewall(ctx, l.Gateway)
	if err != nil {
		return err
	}
	defer fw.Close()
	up, down := people.up.frames, people.down.frames
	for i, part := range parts {
		t := &lateness{population: people, firewall: fw, first: i * lateStations}
		people.up.frames, people.down.frames = up[t.first:t.first+lateStations], down[t.first:t.first+lateStations]
		if err := part(t, ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// labFirewall is gatehouse's firewall on the lab's gateway, without sessions.
func labFirewall(ctx context.Context, gateway *lab.Host) (fw *nftables.Firewall, err error) {
	err = gateway.Do(func() error {
		if fw, err = newFirewall(lab.GuestBridge); err != nil {
			return err
		}
		return fw.Reconcile(ctx, nil)
	})
	return fw, err
}

type lateness struct {
	*population
	firewall *nftables.Firewall
	first    int // of the stations of this part
}

// span is when something happened, as far as can be told.
type span struct{ from, to time.Time }

// begin admits every station with what limit gives it, and returns when.
func (t *lateness) begin(ctx context.Context, limit func(i int, g *sessions.Grant)) ([]span, error) {
	begun := make([]span, lateStations)
	for i := range begun {
		g := benchGrant(t.first + i)
		g.Timeout, g.IdleTimeout = 0, 0
		limit(i, &g)
		from := time.Now()
		if err := t.firewall.Admit(ctx, g); err != nil {
			return nil, err
		}
		begun[i] = span{from, time.Now()}
	}
	return begun, t.up.all() // so that there is a way down
}

// watched runs during with traffic both ways, and returns where each station was cut, up and down.
func (t *lateness) watched(ctx context.Context, during func(silenceUp func() error) error) (up, down []boundary, err error) {
	inside, err := t.Gateway.Capture(ctx, lab.GuestBridge, benchFlow)
	if err != nil {
		return nil, nil, err
	}
	outside, err := t.Gateway.Capture(ctx, lab.WANInterface, benchFlow)
	if err != nil {
		return nil, nil, err
	}
	stopDown := talk(lateInterval, t.down.all)
	stopUp := talk(lateInterval, t.up.all)
	silent := false
	err = during(func() error { silent = true; return stopUp() })
	if !silent {
		err = errors.Join(err, stopUp())
	}
	err = errors.Join(err, stopDown())
	in, err1 := inside.Stop()
	out, err2 := outside.Stop()
	if err := errors.Join(err, err1, err2); err != nil {
		return nil, nil, err
	}
	up, down = make([]boundary, lateStations), make([]boundary, lateStations)
	for _, p := range slices.Concat(in, out) {
		number, toStation := stationOf(p)
		if number -= t.first; number < 0 || number >= lateStations {
			return nil, nil, fmt.Errorf("a packet from %s to %s", p.Src, p.Dst)
		}
		if toStation {
			down[number].add(p)
		} else {
			up[number].add(p)
		}
	}
	return up, down, nil
}

// boundary is what came to the gateway of one station in one direction, and what left it: nothing is let through after
// the first packet that is held back.
type boundary struct{ came, left []time.Time }

// cut tells when the last packet that passed left, and when the first came that did not.
func (b boundary) cut() (last, held time.Time, err error) {
	if len(b.left) == 0 || len(b.left) >= len(b.came) {
		return last, held, fmt.Errorf("%d of %d packets passed", len(b.left), len(b.came))
	}
	return b.left[len(b.left)-1], b.came[len(b.left)], nil
}

func (b *boundary) add(p lab.Packet) {
	if p.Sent {
		b.left = append(b.left, p.At)
	} else {
		b.came = append(b.came, p.At)
	}
}

// verdicts are how long after the moment it was due for a station the last packet passed, and how long before it the first
// was held back. One of them is negative, or both: packets come every few milliseconds only.
// blind is how long nothing came in between: where that is longer than what is allowed, nothing is proved.
type verdicts struct{ late, early, blind []time.Duration }

// judge adds the cuts of one direction against when they were due.
func (v *verdicts) judge(way string, cuts []boundary, due []span) error {
	for i, b := range cuts {
		last, held, err := b.cut()
		if err != nil {
			return fmt.Errorf("station %d %s: %w", i, way, err)
		}
		v.late = append(v.late, last.Sub(due[i].to))
		v.early = append(v.early, due[i].from.Sub(held))
		v.blind = append(v.blind, held.Sub(last))
	}
	return nil
}

func (v *verdicts) String() string {
	return fmt.Sprintf("late p50 %s p99 %s, early max %s, blind p99 %s", ms(quantile(v.late, 0.5)), ms(quantile(v.late, 0.99)),
		ms(quantile(v.early, 1)), ms(quantile(v.blind, 0.99)))
}

// timeouts lets the sessions end one after the other while everybody talks.
func (t *lateness) timeouts(ctx context.Context, r *report) error {
	lasts := func(i int) time.Duration { return 1500*time.Millisecond + time.Duration(i)*lateStagger }
	due, err := t.begin(ctx, func(i int, g *sessions.Grant) { g.Timeout = lasts(i) })
	if err != nil {
		return err
	}
	for i := range due {
		due[i] = span{due[i].from.Add(lasts(i)), due[i].to.Add(lasts(i))}
	}
	up, down, err := t.watched(ctx, func(func() error) error {
		return pause(ctx, time.Until(due[lateStations-1].to)+300*time.Millisecond)
	})
	if err != nil {
		return err
	}
	var v verdicts
	if err := errors.Join(v.judge("up", up, due), v.judge("down", down, due)); err != nil {
		return err
	}
	const limit = 50 * time.Millisecond
	r.print(figure{"end by session timeout, 200 stations, up and down", v.String(), "late p99, early max ≤ " + ms(limit),
		quantile(v.late, 0.99) <= limit && quantile(v.early, 1) <= limit && quantile(v.blind, 0.99) <= limit})
	return nil
}

// revocations cuts one station after the other while everybody talks.
func (t *lateness) revocations(ctx context.Context, r *report) error {
	if _, err := t.begin(ctx, func(int, *sessions.Grant) {}); err != nil {
		return err
	}
	due := make([]span, lateStations)
	up, down, err := t.watched(ctx, func(func() error) error {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		for i := range due {
			called := time.Now()
			due[i] = span{called, called}
			if _, err := t.firewall.Cut(ctx, benchGrant(t.first+i).Station); err != nil {
				return err
			}
		}
		return pause(ctx, 300*time.Millisecond)
	})
	if err != nil {
		return err
	}
	var v verdicts
	if err := errors.Join(v.judge("up", up, due), v.judge("down", down, due)); err != nil {
		return err
	}
	const limit = 100 * time.Millisecond
	slowest := quantile(v.late, 1)
	r.print(figure{"revocation, 200 stations, last packet after the call", fmt.Sprintf("p50 %s max %s, blind p99 %s", ms(quantile(v.late, 0.5)), ms(slowest), ms(quantile(v.blind, 0.99))),
		"≤ " + ms(limit), slowest <= limit && quantile(v.blind, 0.99) <= limit})
	return nil
}

// silences lets all stations fall silent while the web goes on talking to them.
func (t *lateness) silences(ctx context.Context, r *report) error {
	if _, err := t.begin(ctx, func(_ int, g *sessions.Grant) { g.IdleTimeout = idleTimeout }); err != nil {
		return err
	}
	up, down, err := t.watched(ctx, func(silenceUp func() error) error {
		if err := errors.Join(pause(ctx, time.Second), silenceUp()); err != nil {
			return err
		}
		return pause(ctx, idleTimeout+1300*time.Millisecond)
	})
	if err != nil {
		return err
	}
	due := make([]span, lateStations)
	for i, b := range up {
		if len(b.came) == 0 || len(b.left) != len(b.came) {
			return fmt.Errorf("station %d: %d of %d packets up passed", i, len(b.left), len(b.came))
		}
		end := b.came[len(b.came)-1].Add(idleTimeout)
		due[i] = span{end, end}
	}
	var v verdicts
	if err := v.judge("down", down, due); err != nil {
		return err
	}
	const limit = time.Second
	r.print(figure{"end by idle timeout, 200 stations, down", v.String(), "late max ≤ " + ms(limit), quantile(v.late, 1) <= limit && quantile(v.blind, 0.99) <= limit})
	return nil
}
