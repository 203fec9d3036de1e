package nftables

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gatehouse/sessions"
)

// blockedPrefix and the zone's name: the stations that reach nothing.
const blockedPrefix = "blocked_"

// SetBlocked implements sessions.Enforcer. Before the first Reconcile it changes nothing; the Reconcile then does. The
// error wraps ErrNoZone when a station is in no zone.
func (f *Firewall) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	blocked := map[string][]sessions.MAC{}
	for _, s := range stations {
		if !slices.ContainsFunc(f.cfg.Zones, func(z Zone) bool { return z.Name == s.Zone }) {
			return fmt.Errorf("blocking: %w: %q", ErrNoZone, s.Zone)
		}
		blocked[s.Zone] = append(blocked[s.Zone], s.MAC)
	}
	if f.ready {
		if err := f.block(blocked); err != nil {
			return err
		}
	}
	f.blocked = blocked
	return nil
}

// block makes the sets hold these stations and no others, in one transaction.
func (f *Firewall) block(blocked map[string][]sessions.MAC) error {
	var t transaction
	for i := range f.cfg.Zones {
		z := &f.cfg.Zones[i]
		t.flush(z.blocked())
		var elements []element
		for _, mac := range blocked[z.Name] {
			elements = append(elements, element{key: macKey(mac)})
		}
		t.insert(z.blocked(), elements...)
	}
	var ended []sessions.Station
	for zone, macs := range blocked {
		for _, mac := range macs {
			ended = append(ended, f.endReaches(&t, sessions.Station{Zone: zone, MAC: mac})...)
		}
	}
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("blocking stations: %w", err)
	}
	f.dropReaches(ended)
	return nil
}

func (z *Zone) blocked() string { return blockedPrefix + z.Name }

// blockedSet prints the set with its stations, so that none is free between the loading of the text and the next message.
func (z *Zone) blockedSet(line printer, stations []sessions.MAC) {
	elements := ""
	if len(stations) > 0 {
		all := make([]string, len(stations))
		for i, mac := range stations {
			all[i] = mac.String()
		}
		elements = "elements = { " + strings.Join(all, ", ") + " }; "
	}
	line("\tset %s { type ether_addr; size %d; %s}", z.blocked(), setSize, elements)
}

// dropBlocked is the rule in front of what a zone's stations may reach. A packet that has a lease comes past it: who is
// blocked was cut before, and so has none.
func (z *Zone) dropBlocked() string { return "ether saddr @" + z.blocked() + " drop" }
