package main

import (
	"fmt"

	"gatehouse/admin"
	"gatehouse/firewall/isolate"
)

// openIsolator puts the isolation of stations around the shaper.
func (g *gateway) openIsolator() (err error) {
	zones := make([]isolate.Zone, len(g.Config.Zones))
	for i, z := range g.Config.Zones {
		zones[i] = isolate.Zone{Name: z.Name, Interfaces: z.Interfaces, Isolated: z.Isolation.On, Casting: z.Isolation.Casting}
		for _, d := range z.Isolation.Shared {
			zones[i].Shared = append(zones[i].Shared, isolate.Shared(d))
		}
	}
	g.isolator, err = isolate.Around(g.held, isolate.Config{Zones: zones, Clock: g.clock, Logger: g.Logger})
	if err != nil {
		return fmt.Errorf("opening the isolation: %w", err)
	}
	g.onClose(func() error { g.isolator.Close(); return nil })
	return nil
}

// isolation tells how the stations of a zone are kept from one another.
func (g *gateway) isolation(zone string) []admin.Isolation {
	var out []admin.Isolation
	for _, m := range g.isolator.Mechanisms() {
		if m.Zone == zone {
			out = append(out, admin.Isolation{Interface: m.Interface, Mechanism: string(m.Kind), Why: m.Why})
		}
	}
	return out
}
