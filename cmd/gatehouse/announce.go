package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"gatehouse/internal/dnsmasq"
	"gatehouse/portal"
)

// announceEvery is how late dnsmasq learns of an address of the gateway that came or went.
const announceEvery = 10 * time.Second

// patience is how many seconds the router's resolver may not know the portal's name before that is told.
const patience = 5

// announce keeps dnsmasq up to date on where the portal is (RFC 8910). What DHCP says must hold for as long as a lease does:
// nothing is announced while the certificate is not good for so long or the name does not lead here, nor once the daemon
// stops in order.
func (g *gateway) announce(ctx context.Context) error {
	g.tellDNSMasq(false)
	leads, looked := false, 0
	for {
		next := announceEvery
		want := g.keeper.State().Announced
		if want {
			if leads = g.nameLeadsHere(ctx, leads); leads {
				looked = 0
			} else {
				next = time.Second // dnsmasq may only just have been told
				if looked++; looked == patience {
					g.Logger.Warn("the router's resolver does not lead to the portal by its name, so DHCP does not announce it: see operations.md", "name", g.keeper.Name())
				}
			}
		}
		g.tellDNSMasq(want && leads)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			g.tellDNSMasq(false)
			return nil
		case <-g.certified:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// nameLeadsHere tells whether guests who are logged in find the portal by its name: they ask the router's resolver. While that
// does not answer at all, it is as it was.
func (g *gateway) nameLeadsHere(ctx context.Context, was bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, g.Config.DNS.Upstream.String())
	}}
	addrs, err := r.LookupNetIP(ctx, "ip", g.keeper.Name()+".")
	var notFound *net.DNSError
	if err != nil && !(errors.As(err, &notFound) && notFound.IsNotFound) {
		return was
	}
	for _, z := range g.Config.Zones {
		for _, a := range g.addressesIn(z.Name) {
			if slices.ContainsFunc(addrs, func(b netip.Addr) bool { return b.Unmap() == a }) {
				return true
			}
		}
	}
	return false
}

func (g *gateway) tellDNSMasq(announced bool) {
	f := dnsmasq.Files{Dir: g.Config.Portal.DNSMasqDir}
	own := dnsmasq.Host{Name: g.keeper.Name()}
	for _, z := range g.Config.Zones {
		f.Interfaces = append(f.Interfaces, z.Interfaces...)
		own.Addrs = append(own.Addrs, g.addressesIn(z.Name)...)
	}
	slices.SortFunc(own.Addrs, netip.Addr.Compare)
	if own.Name != "" { // the centre may not have given one yet
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
	g.announced.Store(announced && told > 0)
	if err != nil || told == 0 {
		g.Logger.Warn("no dnsmasq could be told where the portal is, see operations.md; it reads the files when it gets SIGHUP",
			"files", f.Dir, slog.Any("error", err))
		return
	}
	g.Logger.Info("dnsmasq is told where the portal is", "announced", announced)
}
