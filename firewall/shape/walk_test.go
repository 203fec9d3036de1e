package shape_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/nftables"
	"gatehouse/firewall/shape"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestWalk has rates change beside everything else that may happen to a real enforcer inside: nothing of that is disturbed.
func TestWalk(t *testing.T) {
	t.Parallel()
	r := newRig(t, shape.Zone{})
	var fw *nftables.Firewall
	t.Cleanup(func() {
		if fw != nil {
			_ = fw.Close()
		}
	})
	loss := func(commands string, keeps bool) enforcertest.Loss {
		return enforcertest.Loss{Name: commands, Keeps: keeps, Take: func() error { r.run("sh", "-ec", commands); return nil }}
	}
	enforcertest.Walk(t, enforcertest.Rig{
		Lab: r.Lab, Zone: "guest", Unit: 100 * time.Millisecond, Late: 20 * time.Millisecond, Rates: true,
		Restart: func() sessions.Enforcer {
			if fw != nil {
				_ = fw.Close()
			}
			r.s.Close()
			r.do(func() (err error) {
				fw, err = nftables.New(nftables.Config{Logger: slog.New(slog.DiscardHandler),
					Zones: []nftables.Zone{{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true}}})
				if err == nil {
					r.s, err = shape.Around(fw, r.cfg)
				}
				return err
			})
			return inGateway{r.s, r.Gateway}
		},
		Losses: []enforcertest.Loss{
			loss("nft flush ruleset", false),
			loss("nft delete table netdev gatehouse 2>/dev/null || true", true),
			loss("tc qdisc del dev "+lab.GuestBridge+" root 2>/dev/null || true", true),
		},
	})
}

// inGateway is the shaper whose programs run in the gateway.
type inGateway struct {
	*shape.Shaper
	gateway *lab.Host
}

func (i inGateway) Reconcile(ctx context.Context, want []sessions.Grant) error {
	return i.gateway.Do(func() error { return i.Shaper.Reconcile(ctx, want) })
}

func (i inGateway) Admit(ctx context.Context, grants ...sessions.Grant) error {
	return i.gateway.Do(func() error { return i.Shaper.Admit(ctx, grants...) })
}

func (i inGateway) Cut(ctx context.Context, stations ...sessions.Station) (readings []sessions.Reading, err error) {
	err = i.gateway.Do(func() (err error) { readings, err = i.Shaper.Cut(ctx, stations...); return err })
	return readings, err
}
