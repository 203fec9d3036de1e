package main

import (
	"fmt"

	"gatehouse/admin"
	"gatehouse/firewall/shape"
)

// openShaper puts the stations' bandwidth around the firewall.
func (g *gateway) openShaper() (err error) {
	zones := make([]shape.Zone, len(g.Config.Zones))
	for i, z := range g.Config.Zones {
		zones[i] = shape.Zone{Name: z.Name, Interfaces: z.Interfaces, CapUp: z.CapUp, CapDown: z.CapDown}
	}
	g.shaper, err = shape.Around(g.firewall, shape.Config{Zones: zones, Logger: g.Logger})
	if err != nil {
		return fmt.Errorf("opening the shaper: %w", err)
	}
	g.onClose(func() error { g.shaper.Close(); return nil })
	return nil
}

// bandwidth tells how the rates of a zone are held.
func (g *gateway) bandwidth(zone string) []admin.Bandwidth {
	var out []admin.Bandwidth
	for _, m := range g.shaper.Mechanisms() {
		if m.Zone == zone {
			out = append(out, admin.Bandwidth{Way: m.Way, Mechanism: string(m.Kind), Why: m.Why})
		}
	}
	return out
}
