package leak_test

import (
	"log/slog"
	"testing"

	"gatehouse/firewall/iptables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestIPTables tries the same table with the other backend, in the form that every kernel has: rules per station.
func TestIPTables(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	whoMayPass(t, options{open: openIPTables, small: true, attended: true})
}

func openIPTables() (sessions.Enforcer, func(), error) {
	fw, err := iptables.New(iptables.Config{NoSets: true, Logger: slog.New(slog.DiscardHandler), Zones: []iptables.Zone{
		{Name: guestZone, Interfaces: []string{lab.GuestBridge}, Masquerade: true},
		{Name: paidZone, Interfaces: []string{paidBridge}, Masquerade: true},
	}})
	if err != nil {
		return nil, func() {}, err
	}
	return fw, func() { _ = fw.Close() }, nil
}
