package main

import (
	"context"
	"time"

	"gatehouse/admin"
)

// job is a task that is one function.
type job struct {
	name string
	run  func(ctx context.Context) error
}

// String names the task.
func (j job) String() string { return j.name }

// Run runs it.
func (j job) Run(ctx context.Context) error { return j.run(ctx) }

// tasks are all that the daemon runs.
func (g *gateway) tasks() []task {
	all := []task{
		job{"sessions", g.manager.Run},
		job{"firewall", func(ctx context.Context) error { return g.firewall.Watch(ctx, g.manager.Restore) }},
		job{"isolation", g.isolator.Run},
		job{"hostapd", g.hostapd.Run},
		job{"neighbours", g.neigh.Run},
		job{"stations", g.sniffer.Run},
		job{"journal", g.journal.Run},
		job{"stays", g.forgetStays},
		job{"visits", g.visits.Run},
		job{"watchdog", watchdog},
		job{"settings", g.awaitSettings},
		admin.NewServer(g.adminConfig()),
	}
	for _, d := range g.doorways {
		all = append(all, d)
	}
	if g.keeper != nil {
		all = append(all, job{"certificate", g.keeper.Run}, job{"announcement", g.announce})
	}
	if g.ordered != nil {
		all = append(all, job{"certificate from the centre", g.ordered.Run})
	}
	if g.sync != nil {
		all = append(all, job{"push", g.push}, job{"pull", g.sync.Puller.Run})
	}
	if g.Undressed != (undressed{}) {
		all = append(all, job{"branding", g.keepBranding})
	}
	return all
}

// lastPush bounds how long a stop waits for the centre.
const lastPush = 2 * time.Second

// push carries the outbox up. When the daemon stops, what is left may still go for a moment, if the centre listens.
func (g *gateway) push(ctx context.Context) error {
	pushing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		defer cancel()
		g.drain(pushing)
	})
	err := g.sync.Pusher.Run(pushing)
	if !stop() {
		<-drained
	}
	return err
}

func (g *gateway) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastPush)
	defer cancel()
	g.sync.Pusher.Wake()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := g.sync.Status(ctx)
		if err != nil || !st.Reachable || st.OutboxDepth == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *gateway) adminConfig() admin.Config {
	c := admin.Config{
		Listener: g.control, Clock: g.clock, Sessions: g.manager, Extend: g.manager, Visits: g.visits, Pause: g.manager, Accounts: g.journal, Rooms: g.journal, TimeZone: g.Config.TimeZone,
		Access: g.manager, Consents: g.journal, Outbox: g.journal.Depth, Facts: g.facts, Gardens: g.gardens,
		Bandwidth: g.bandwidth, Isolation: g.isolation, Logger: g.Logger, Firewall: g.backend, Portal: g.portalStatus, Version: versionName(), NASID: g.Config.NASID,
	}
	for _, z := range g.Config.Zones {
		zone := admin.Zone{Name: z.Name, Methods: z.Methods}
		for _, name := range z.Interfaces {
			zone.Interfaces = append(zone.Interfaces, admin.Interface{Name: name})
		}
		c.Zones = append(c.Zones, zone)
	}
	if g.sync != nil {
		c.Centre = g.centre
	} else {
		c.Vouchers, c.VoucherNow = g.journal, g.manager.Voucher
	}
	return c
}

func (g *gateway) centre(ctx context.Context) (admin.Centre, error) {
	st, err := g.sync.Status(ctx)
	return admin.Centre{
		URL: st.Centre, Reachable: st.Reachable, Refused: st.Refused, LastSuccess: st.LastSuccess, LastError: st.LastError,
		LastErrorAt: st.LastErrorAt, FeedCurrentAt: st.FeedCurrentAt, ClockBelieved: st.ClockBelieved,
	}, err
}
