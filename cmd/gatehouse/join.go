package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"gatehouse/admin"
	"gatehouse/config"
	"gatehouse/internal/neigh"
	"gatehouse/portal"
	"gatehouse/sessions"
	gwsync "gatehouse/sync"
	"gatehouse/web"
)

// This file joins packages that do not know one another.

// zoneOf is the zone of an interface.
func (g *gateway) zoneOf(iface string) (config.Zone, bool) {
	i := slices.IndexFunc(g.Config.Zones, func(z config.Zone) bool { return slices.Contains(z.Interfaces, iface) })
	if i < 0 {
		return config.Zone{}, false
	}
	return g.Config.Zones[i], true
}

func (g *gateway) zoneNamed(name string) (config.Zone, bool) {
	i := slices.IndexFunc(g.Config.Zones, func(z config.Zone) bool { return z.Name == name })
	if i < 0 {
		return config.Zone{}, false
	}
	return g.Config.Zones[i], true
}

// seen brings the news of the neighbour table, and what stations say of themselves, to the sessions.
func (g *gateway) seen(iface string, mac [6]byte, addr netip.Addr) {
	if z, ok := g.zoneOf(iface); ok {
		g.manager.Seen(sessions.Station{Zone: z.Name, MAC: mac}, addr)
	}
}

// online tells whether a station has a session.
func (g *gateway) online(iface string, mac [6]byte) bool {
	z, ok := g.zoneOf(iface)
	return ok && g.manager.View(sessions.Station{Zone: z.Name, MAC: mac}).Session != nil
}

// suspected brings evidence against a station to the sessions.
func (g *gateway) suspected(iface string, who neigh.Suspect) {
	z, ok := g.zoneOf(iface)
	if !ok {
		return
	}
	g.manager.Suspect(sessions.Suspicion{
		Station: sessions.Station{Zone: z.Name, MAC: who.MAC}, What: string(who.What),
		Shared: who.What == neigh.TwoPorts || who.What == neigh.TwoClientIDs,
		Rival:  sessions.Station{Zone: z.Name, MAC: who.Rival}, Addr: who.Addr,
	})
}

// movedAt is when a bridge of the zone last saw a station behind another port.
func (g *gateway) movedAt(st sessions.Station) time.Duration {
	z, _ := g.zoneNamed(st.Zone)
	var last time.Duration
	for _, iface := range z.Interfaces {
		f, _ := g.sniffer.Facts(iface, st.MAC)
		last = max(last, f.MovedAt)
	}
	return last
}

// facts are what a station said of itself, on whichever interface of its zone.
func (g *gateway) facts(st sessions.Station) admin.Facts {
	z, _ := g.zoneNamed(st.Zone)
	for _, iface := range z.Interfaces {
		if f, ok := g.sniffer.Facts(iface, st.MAC); ok {
			facts := admin.Facts{Name: f.Name, Vendor: f.Vendor}
			for _, s := range f.Suspicions {
				facts.Suspicions = append(facts.Suspicions, string(s))
			}
			return facts
		}
	}
	return admin.Facts{}
}

// identify tells the portal who is at the other end: the neighbour table of the zones' interfaces knows. What was sniffed
// does not count here: answers go to the address that the kernel has, so who forged it gets no page.
func (g *gateway) identify(_ context.Context, remote, _ netip.AddrPort) (sessions.Station, bool) {
	return g.stationAt(remote.Addr())
}

func (g *gateway) stationAt(remote netip.Addr) (sessions.Station, bool) {
	iface, mac, ok := g.neigh.Lookup(remote)
	if !ok {
		return sessions.Station{}, false
	}
	z, ok := g.zoneOf(iface)
	return sessions.Station{Zone: z.Name, MAC: mac}, ok
}

// gardenNames are the names of the walled gardens.
func (g *gateway) gardenNames() map[string][]string {
	names := map[string][]string{}
	for _, z := range g.Config.Zones {
		for _, e := range z.Garden {
			if e.Name != "" {
				names[z.Name] = append(names[z.Name], e.Name)
			}
		}
	}
	return names
}

// gardens are the walled gardens and what was learned for them.
func (g *gateway) gardens(ctx context.Context) ([]admin.Garden, error) {
	gardens := make([]admin.Garden, len(g.Config.Zones))
	for i, z := range g.Config.Zones {
		gardens[i] = admin.Garden{Zone: z.Name, Entries: []string{}, Learned: []admin.Opened{}}
		names := false
		for _, e := range z.Garden {
			names = names || e.Name != ""
			gardens[i].Entries = append(gardens[i].Entries, e.String())
		}
		if !names {
			continue
		}
		learned, err := g.nftables.Learned(ctx, z.Name)
		if err != nil {
			return nil, err
		}
		for _, addr := range slices.SortedFunc(maps.Keys(learned), netip.Addr.Compare) {
			gardens[i].Learned = append(gardens[i].Learned, admin.Opened{Address: addr, SecondsLeft: int64(learned[addr].Seconds())})
		}
	}
	return gardens, nil
}

// forget deletes redirected connections from the kernel's table.
func (g *gateway) forget(ctx context.Context, flows []portal.Flow) error {
	return g.firewall.forget(ctx, flows)
}

// portOf asks the zone's bridges behind which port a station is.
func (g *gateway) portOf(st sessions.Station) string {
	z, _ := g.zoneNamed(st.Zone)
	for _, iface := range z.Interfaces {
		if port := g.neigh.BridgePort(iface, st.MAC); port != "" {
			return port
		}
	}
	return ""
}

func (g *gateway) wispr() map[string]portal.WISPr {
	zones := map[string]portal.WISPr{}
	for _, z := range g.Config.Zones {
		if w := z.WISPr; w != nil {
			zones[z.Name] = portal.WISPr{AccessLocation: w.AccessLocation, LocationName: cmp.Or(w.LocationName, g.Config.Portal.Venue+","+z.Place.LocationName)}
		}
	}
	return zones
}

// after are what guests see once they are in.
func (g *gateway) after() map[string]portal.After {
	after := make(map[string]portal.After, len(g.Config.Zones))
	for _, z := range g.Config.Zones {
		a := portal.After{Login: z.AfterLogin, Warn: z.WarnBefore}
		switch z.AfterLogin {
		case config.AfterStatus:
			a.Login = ""
		case config.AfterOriginal:
			a.Login = portal.AfterOriginal
		}
		after[z.Name] = a
	}
	return after
}

func (g *gateway) venues() map[string]web.Venue {
	venues := make(map[string]web.Venue, len(g.Config.Zones))
	for _, z := range g.Config.Zones {
		venues[z.Name] = venueOf(g.Config, z)
	}
	return venues
}

// venueOf is whose guests a zone's pages speak to.
func venueOf(c *config.Config, z config.Zone) web.Venue {
	return web.Venue{Name: c.Portal.Venue, Terms: z.Terms, URL: z.VenueURL, Theme: z.Theme}
}

// domainZones are the zones with Called-Station-Id filled in where the operator gave none: the interface's own address.
func (g *gateway) domainZones() []sessions.Zone {
	zones := g.Config.DomainZones()
	for i := range zones {
		p := &zones[i].Place
		f, err := net.InterfaceByName(p.NASPortID)
		if p.CalledStationID != "" || err != nil || len(f.HardwareAddr) != 6 {
			continue
		}
		p.CalledStationID = sessions.MAC(f.HardwareAddr).CallingStationID()
		if p.SSID != "" {
			p.CalledStationID += ":" + p.SSID
		}
	}
	return zones
}

func (g *gateway) buildSync(context.Context) (err error) {
	c := g.Config.Centre
	if c == nil {
		return nil
	}
	var cas *x509.CertPool
	if c.CA != nil {
		cas = x509.NewCertPool()
		cas.AppendCertsFromPEM(c.CA) // config has seen that it holds certificates
	}
	g.sync, err = gwsync.New(gwsync.Config{
		BaseURL: c.URL.String(), Token: gwsync.TokenFile(c.TokenFile), NASID: g.Config.NASID, CAs: cas, Version: versionName(),
		Clock: g.clock, Outbox: g.journal, Mirror: g.mirror, Logger: g.Logger, Changed: g.accountChanged, Governor: governor{g}, Believable: believable(),
	})
	if err != nil {
		return fmt.Errorf("setting up the centre: %w", err)
	}
	return nil
}

// accountChanged is told by the change feed. (The sessions do not exist yet when the feed is set up.)
func (g *gateway) accountChanged(ctx context.Context, username string) error {
	return g.manager.AccountChanged(ctx, username)
}

// providers are those at which guests may sign in.
func (g *gateway) providers() []sessions.Provider {
	if g.sync == nil {
		return nil
	}
	return g.sync.Puller.Providers()
}
