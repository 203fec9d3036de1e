package nftables_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
)

// What somebody else deletes is back within a second: captive stations are captive again, and who was admitted is online,
// also with the connections that it had.
func TestWatch(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s, captive := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	one := grant(s, "s1")
	one.Timeout, one.IdleTimeout = time.Hour, time.Minute
	g.admit(one)
	var losses atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() {
		watched <- g.Gateway.Do(func() error {
			return g.fw.Watch(ctx, func() {
				if err := g.tryReconcile(one); err != nil {
					t.Error(err)
				}
				losses.Add(1)
			})
		})
	}()
	eventually(t.Context(), t, func() error { // Watch has begun
		g.reconcile(one)
		g.nft("flush chain inet gatehouse input")
		g.wait(50 * time.Millisecond)
		if losses.Load() == 0 {
			return errors.New("nothing was heard")
		}
		return nil
	})
	for _, addr := range web {
		g.startTraffic(s, addr, "9000")
	}
	outcomes := func() error {
		for _, addr := range web {
			for _, want := range []struct {
				host    *lab.Host
				outcome lab.Outcome
			}{{s.Host, lab.Connected}, {captive.Host, lab.Refused}} {
				got, err := want.host.ProbeTCP(t.Context(), bracket(addr)+":443", 500*time.Millisecond)
				if err != nil || got != want.outcome {
					return fmt.Errorf("%s: %s, not %s (%w)", addr, got, want.outcome, err)
				}
			}
		}
		return nil
	}
	for _, command := range []string{"flush ruleset", "delete table inet gatehouse", "flush table inet gatehouse",
		"flush chain inet gatehouse forward", "flush table inet gatehouse; delete set inet gatehouse up"} {
		before := losses.Load()
		g.nft(command)
		err := lab.WaitFor(t.Context(), time.Second, func() error {
			if losses.Load() == before {
				return errors.New("the loss was not heard of")
			}
			return outcomes()
		})
		if err != nil {
			t.Fatalf("a second after %q: %v", command, err)
		}
		eventually(t.Context(), t, func() error { // the flows that were there
			before, _ := g.reading("s1")
			g.wait(50 * time.Millisecond)
			after, _ := g.reading("s1")
			if after.Usage.InputPackets == before.Usage.InputPackets || after.Usage.OutputPackets == before.Usage.OutputPackets {
				return errors.New("the station's connections stand still")
			}
			return nil
		})
	}
	before := losses.Load()
	g.reconcile(one) // our own changes are no loss
	g.cut(s)
	g.reconcile()
	g.wait(200 * time.Millisecond)
	if n := losses.Load() - before; n > 0 {
		t.Errorf("%d losses by our own doing", n)
	}
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
