package iptables_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/iptables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestWalk compares the firewall with a model, by what it says and by packets. With plain rules the end of a session is
// Watch's, and silence is found by who reads usage.
func TestWalk(t *testing.T) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	t.Parallel()
	var fw *iptables.Firewall
	g := newGate(t, lab.Options{}, &iptables.Config{NoSets: true, Zones: []iptables.Zone{
		{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true}}}, &fw)
	stop := func() {}
	defer func() { stop() }()
	var losses []enforcertest.Loss
	for _, script := range g.Losses {
		all := strings.Contains(script, "-X") // our chains, and with them what they counted
		losses = append(losses, enforcertest.Loss{Name: script, Take: func() error { g.Run(script); return nil }, Keeps: !all})
	}
	enforcertest.Walk(t, enforcertest.Rig{
		Lab: g.Lab, Zone: "guest", Unit: 500 * time.Millisecond, Late: 500 * time.Millisecond, NoIdle: true,
		Restart: func() sessions.Enforcer {
			stop()
			g.Restart()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			watched := g.Firewall
			go func() { done <- watched.Watch(ctx, func() {}) }()
			stop = func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			return g.Firewall
		},
		Losses: losses,
	})
}
