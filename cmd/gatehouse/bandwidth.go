package main

import (
	"errors"
	"fmt"

	"gatehouse/admin"
	"gatehouse/firewall/shape"
)

// openShaper puts the stations' bandwidth around the firewall.
func (g *gateway) openShaper() (err error) {
	if g.held = g.firewall; g.noShaper != nil {
		return g.wantsShaper()
	}
	zones := make([]shape.Zone, len(g.Config.Zones))
	for i, z := range g.Config.Zones {
		zones[i] = shape.Zone{Name: z.Name, Interfaces: z.Interfaces, CapUp: z.CapUp, CapDown: z.CapDown}
	}
	g.shaper, err = shape.Around(g.firewall, shape.Config{Zones: zones, Logger: g.Logger})
	if err != nil {
		return fmt.Errorf("opening the shaper: %w", err)
	}
	g.held = g.shaper
	g.onClose(func() error { g.shaper.Close(); return nil })
	return nil
}

// wantsShaper says what the configuration asks for that only the shaper holds.
func (g *gateway) wantsShaper() error {
	var errs []error
	for _, z := range g.Config.Zones {
		for _, key := range []struct {
			name  string
			asked bool
		}{
			{"bandwidth_up", z.Limits.BandwidthUp != nil && *z.Limits.BandwidthUp > 0},
			{"bandwidth_down", z.Limits.BandwidthDown != nil && *z.Limits.BandwidthDown > 0},
			{"max_bandwidth_up", z.Bounds.MaxBandwidthUp > 0},
			{"max_bandwidth_down", z.Bounds.MaxBandwidthDown > 0},
			{"bandwidth_zone_up", z.CapUp > 0},
			{"bandwidth_zone_down", z.CapDown > 0},
		} {
			if key.asked {
				errs = append(errs, fmt.Errorf("zone[%s].%s: needs nftables for the shaper, which does not work here (%w); remove it", z.Name, key.name, g.noShaper))
			}
		}
	}
	return errors.Join(errs...)
}

// bandwidth tells how the rates of a zone are held.
func (g *gateway) bandwidth(zone string) []admin.Bandwidth {
	if g.shaper == nil {
		return nil
	}
	var out []admin.Bandwidth
	for _, m := range g.shaper.Mechanisms() {
		if m.Zone == zone {
			out = append(out, admin.Bandwidth{Way: m.Way, Mechanism: string(m.Kind), Why: m.Why})
		}
	}
	return out
}
