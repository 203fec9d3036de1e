package main

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/internal/dnsmasq"
	"gatehouse/portal"
)

// announceEvery is how late dnsmasq learns of an address of the gateway that came or went.
const announceEvery = 10 * time.Second

// dnsmasqDir is, below the runtime folder, what dnsmasq is pointed at.
const dnsmasqDir = "dnsmasq"

// announce keeps dnsmasq up to date on where the portal is (RFC 8910). What DHCP says must hold for as long as a lease does,
// so nothing is announced any more once the daemon stops in order.
func (g *gateway) announce(ctx context.Context) error {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		g.tellDNSMasq(g.keeper.State().Announced)
		select {
		case <-ctx.Done():
			g.tellDNSMasq(false)
			return nil
		case <-g.certified:
		case <-tick.C:
		}
	}
}

func (g *gateway) tellDNSMasq(announced bool) {
	f := dnsmasq.Files{Dir: filepath.Join(g.Config.RuntimeDir, dnsmasqDir)}
	own := dnsmasq.Host{Name: g.keeper.Name()}
	for _, z := range g.Config.Zones {
		f.Interfaces = append(f.Interfaces, z.Interfaces...)
		own.Addrs = append(own.Addrs, g.addressesIn(z.Name)...)
	}
	slices.SortFunc(own.Addrs, netip.Addr.Compare)
	if own.Name != "" {
		f.Hosts = []dnsmasq.Host{own}
	}
	if announced {
		f.API = "https://" + g.authority() + portal.APIPath
	}
	changed, err := f.Write()
	if err == nil && !changed {
		return
	}
	told := 0
	if err == nil {
		told, err = dnsmasq.Reread()
	}
	if err != nil || told == 0 {
		g.Logger.Warn("no dnsmasq could be told where the portal is, see operations.md; it reads the files when it gets SIGHUP",
			"files", f.Dir, slog.Any("error", err))
		return
	}
	g.Logger.Info("dnsmasq is told where the portal is", "announced", announced)
}
