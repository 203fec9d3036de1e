package main

import (
	"gatehouse/internal/hostapd"
	"gatehouse/sessions"
)

// ended has the station of a session that is over sent away, where its zone says so. A guest who logged out himself is told by
// the page that he sees, and keeps it.
func (g *gateway) ended(s sessions.Session) {
	z, ok := g.zoneNamed(s.Station.Zone)
	if !ok || !z.Disassociate || s.TerminateCause == sessions.UserRequest || s.TerminateCause == sessions.NASReboot {
		return
	}
	g.hostapd.Disassociate(hostapd.Request{
		MAC:        s.Station.MAC,
		Interfaces: func() []string { return g.portsOf(s.Station) },
		Stays:      func() bool { return g.manager.View(s.Station).Session != nil },
	})
}

// portsOf are the interfaces behind one of which a station is: all of its zone when it has been silent for so long that the
// bridge has forgotten it.
func (g *gateway) portsOf(st sessions.Station) (ports []string) {
	if port := g.portOf(st); port != "" {
		return []string{port}
	}
	z, _ := g.zoneNamed(st.Zone)
	for _, iface := range z.Interfaces {
		ports = append(ports, g.neigh.BridgePorts(iface)...)
	}
	return ports
}
