package nftables_test

import (
	"testing"
	"time"

	"gatehouse/firewall/enforcertest"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestWalk compares the firewall with a model, by what it says and by packets.
func TestWalk(t *testing.T) { inBothForms(t, testWalk) }

func testWalk(t *testing.T, newGate gateMaker) {
	g := newGate(t, lab.Options{}, guestZone())
	enforcertest.Walk(t, enforcertest.Rig{
		Lab: g.Lab, Zone: "guest", Unit: 100 * time.Millisecond, Late: 20 * time.Millisecond, Caps: true,
		Restart: func() sessions.Enforcer { g.restart(); return g.Firewall },
		Losses: []enforcertest.Loss{
			g.loss("delete table inet gatehouse", false),
			g.loss("flush ruleset", false),
			g.loss("delete table inet gatehouse; add table inet gatehouse", false),
			g.loss("flush table inet gatehouse; delete set inet gatehouse up", false),
			g.loss("flush table inet gatehouse", true),
			g.loss("flush chain inet gatehouse forward; delete chain inet gatehouse forward", true),
		},
	})
}

func (g *gate) loss(commands string, keeps bool) enforcertest.Loss {
	return enforcertest.Loss{Name: commands, Keeps: keeps, Take: func() error { g.nft(commands); return nil }}
}
