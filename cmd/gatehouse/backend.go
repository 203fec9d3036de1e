package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"gatehouse/admin"
	"gatehouse/config"
	"gatehouse/firewall/iptables"
	"gatehouse/firewall/nftables"
	"gatehouse/portal"
	"gatehouse/sessions"
)

// firewall is what the daemon needs of every backend.
type firewall interface {
	sessions.Enforcer
	Watch(ctx context.Context, lost func()) error
	Open(ctx context.Context) error
	Close() error
	forget(ctx context.Context, flows []portal.Flow) error
}

type nftablesBackend struct{ *nftables.Firewall }

func (b nftablesBackend) forget(ctx context.Context, flows []portal.Flow) error {
	return b.Forget(ctx, flowsOf[nftables.Flow](flows))
}

type iptablesBackend struct{ *iptables.Firewall }

func (b iptablesBackend) forget(ctx context.Context, flows []portal.Flow) error {
	return b.Forget(ctx, flowsOf[iptables.Flow](flows))
}

func flowsOf[F ~struct{ Client, Portal netip.AddrPort }](flows []portal.Flow) []F {
	out := make([]F, len(flows))
	for i, f := range flows {
		out[i] = F(f)
	}
	return out
}

// openFirewall opens the backend that firewall.backend names, or the better one that works here.
func (g *gateway) openFirewall(ctx context.Context) error {
	nft, err := nftables.New(g.nftablesConfig())
	if err != nil {
		return fmt.Errorf("opening the firewall: %w", err)
	}
	g.onClose(nft.Close)
	g.firewall, g.nftables = nftablesBackend{nft}, nft
	g.backend = admin.Firewall{Backend: string(config.BackendNFTables), Why: "firewall.backend says so"}
	if g.Config.Firewall == config.BackendNFTables {
		return nil
	}
	g.noShaper = nft.Works(ctx)
	if g.Config.Firewall == config.BackendAuto {
		g.backend.Why = "it works here, and firewall.backend is auto"
		if g.noShaper == nil {
			return nil
		}
	}
	return g.openIPTables()
}

func (g *gateway) openIPTables() error {
	cfg := iptables.Config{PortalHTTPPort: g.Config.Portal.HTTPPort, PortalHTTPSPort: g.httpsPort(), DNSPort: g.Config.DNS.Port, Shaped: g.noShaper == nil, Logger: g.Logger}
	for _, z := range g.Config.Zones {
		cfg.Zones = append(cfg.Zones, iptables.Zone{Name: z.Name, Interfaces: z.Interfaces, Masquerade: z.Masquerade,
			OpenOnStop: z.OnStop == config.StopOpen, Management: z.Management})
	}
	isAuto := g.Config.Firewall == config.BackendAuto
	fw, err := iptables.New(cfg)
	switch {
	case isAuto && errors.Is(err, iptables.ErrNoPrograms) && errors.Is(g.noShaper, nftables.ErrNoNFT):
		return errNoNFT
	case isAuto && err != nil:
		return fmt.Errorf("nftables does not work here: %w; nor does iptables: %w", g.noShaper, err)
	case errors.Is(err, iptables.ErrNoPrograms):
		return fmt.Errorf("%w: install iptables and ip6tables, or choose another firewall.backend", err)
	case err != nil:
		return fmt.Errorf("opening the firewall: %w", err)
	}
	g.onClose(fw.Close)
	g.firewall, g.nftables = iptablesBackend{fw}, nil
	g.backend = admin.Firewall{Backend: string(config.BackendIPTables), Why: "firewall.backend says so; " + fw.Mechanism()}
	if !isAuto {
		return nil
	}
	g.backend.Why = fmt.Sprintf("nftables does not work here: %v; %s", g.noShaper, fw.Mechanism())
	if beyond := g.Config.BeyondIPTables(); len(beyond) > 0 {
		return fmt.Errorf("nftables does not work here (%w), and the iptables backend has less:\n%w", g.noShaper, beyond)
	}
	return nil
}

func (g *gateway) nftablesConfig() nftables.Config {
	zones := make([]nftables.Zone, len(g.Config.Zones))
	for i, z := range g.Config.Zones {
		zones[i] = nftables.Zone{Name: z.Name, Interfaces: z.Interfaces, Masquerade: z.Masquerade,
			OnStop: nftables.OnStop(z.OnStop), Management: z.Management, Reach: z.Reaches()}
		for _, e := range z.Garden {
			if e.Name != "" {
				zones[i].GardenNames = true
				continue
			}
			zones[i].Garden = append(zones[i].Garden, nftables.Garden{Prefix: e.Prefix, Port: e.Port})
		}
	}
	return nftables.Config{Zones: zones, PortalHTTPPort: g.Config.Portal.HTTPPort, PortalHTTPSPort: g.httpsPort(),
		DNSPort: g.Config.DNS.Port, Logger: g.Logger,
		Capped: func() { g.manager.CapReached() }}
}

// learn opens addresses of names of the walled garden. Only nftables has one, see config.BeyondIPTables.
func (g *gateway) learn(ctx context.Context, zone string, ttls map[netip.Addr]time.Duration) error {
	return g.nftables.Learn(ctx, zone, ttls)
}

// learnReach opens addresses of names that one station may reach. Only nftables asks for them.
func (g *gateway) learnReach(ctx context.Context, st sessions.Station, addrs []netip.Addr) error {
	if g.nftables == nil {
		return nil
	}
	return g.nftables.LearnReach(ctx, st, addrs)
}

// reaches opens ways out for captive stations: first in the kernel, then its addresses by the names.
type reaches struct{ *gateway }

// OpenReach implements sessions.Reaches.
func (r reaches) OpenReach(ctx context.Context, what sessions.Reach) error {
	err := r.nftables.OpenReach(ctx, what)
	if err != nil || len(what.Names) == 0 {
		return err
	}
	return r.forwarder.OpenReach(ctx, what.Station, what.Names, what.For)
}

// clearOther removes what an earlier run with the other backend left in the kernel, and says which backend it is now.
func (g *gateway) clearOther(ctx context.Context) {
	g.Logger.Info("firewall", "backend", g.backend.Backend, "why", g.backend.Why)
	var err error
	if g.nftables != nil {
		err = iptables.CleanUp(ctx)
	} else {
		err = cleanUpNFTables(ctx)
	}
	if err != nil {
		g.Logger.Debug("the other backend has nothing to clear", slog.Any("error", err))
	}
}

func cleanUpNFTables(ctx context.Context) error {
	fw, err := nftables.New(nftables.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer fw.Close()
	if there, err := fw.IsThere(); err != nil || !there {
		return err
	}
	return fw.CleanUp(ctx)
}
