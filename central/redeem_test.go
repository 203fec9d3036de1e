package central_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/journal"
	"gatehouse/mirror"
	"gatehouse/sessions"
	gwsync "gatehouse/sync"
)

// router is the sessions of a gateway with a journal and a mirror of its own, and its link to the centre. It has no kernel.
type router struct {
	t       *testing.T
	manager *sessions.Manager
	journal *journal.Journal
	link    *gwsync.Sync
}

func newRouter(t *testing.T, c *centre, name string) *router {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	r := &router{t: t}
	var err error
	if r.journal, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.journal.Close() })
	m, err := mirror.Open(t.Context(), filepath.Join(t.TempDir(), "mirror.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	r.link, err = gwsync.New(gwsync.Config{BaseURL: c.url, Token: func() (string, error) { return c.token("acme edge"), nil }, NASID: name,
		Clock: c.clock, Outbox: r.journal, Mirror: m, Logger: log, Governor: noOrders{},
		Changed: func(ctx context.Context, username string) error { return r.manager.AccountChanged(ctx, username) }})
	if err != nil {
		t.Fatal(err)
	}
	r.manager = sessions.New(sessions.Config{Clock: c.clock, Enforcer: noKernel{}, Store: r.journal, Local: r.journal, Mirror: m, Vouchers: m,
		Authority: r.link.Authority, Verifiers: r.journal, Orders: r.journal, Logger: log, NASID: name, NASIP: "192.0.2.1",
		Zones: []sessions.Zone{{Name: "lobby", Methods: []sessions.Method{sessions.MethodVoucher}}}})
	if err := r.manager.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// sync is a time in touch with the centre: all that is here goes up, all that is there comes down.
func (r *router) sync() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 2)
	go func() { done <- r.link.Pusher.Run(ctx) }()
	go func() { done <- r.link.Puller.Run(ctx) }()
	r.link.Pusher.Wake()
	eventually(r.t, "the outbox is empty", func() bool {
		n, err := r.journal.Depth(ctx)
		return err == nil && n == 0
	})
	if err := r.link.Puller.Refresh(ctx); err != nil {
		r.t.Error(err)
	}
	cancel()
	if err := errors.Join(<-done, <-done); err != nil {
		r.t.Error(err)
	}
}

var phone = sessions.Station{Zone: "lobby", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}

func (r *router) redeem(code string) (sessions.Session, error) {
	return r.manager.Login(r.t.Context(), sessions.LoginRequest{Station: phone, Addr: netip.MustParseAddr("192.0.2.77"),
		Method: sessions.MethodVoucher, Code: sessions.Password(code)})
}

func (r *router) leave() {
	r.t.Helper()
	if _, err := r.manager.Logout(r.t.Context(), phone, sessions.UserRequest); err != nil {
		r.t.Error(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestRedeemedTwiceOffline: two gateways that have not heard of each other both let a voucher in. Once they are in touch again the
// centre knows which was first and all that was used, and both gateways give no more than what is left.
func TestRedeemedTwiceOffline(t *testing.T) {
	c := newCentre(t)
	p := c.plan(map[string]any{"time_seconds": 3600, "devices": 1, "extendable": true})
	b, ids := c.vouchers(p.ID, 2)
	lobby, pool := newRouter(t, c, "lobby"), newRouter(t, c, "pool")
	lobby.sync()
	pool.sync()

	second, err := pool.redeem(b.Codes[0]) // the centre is away for both
	if err != nil || second.Limits.SessionTimeout != time.Hour {
		t.Fatal(second, err)
	}
	c.clock.Advance(10 * time.Minute)
	first, err := lobby.redeem(b.Codes[0])
	if err != nil || first.Limits.SessionTimeout != time.Hour {
		t.Fatal(first, err)
	}
	c.clock.Advance(15 * time.Minute)
	pool.leave()
	lobby.leave()
	lobby.sync()
	pool.sync()
	v := c.voucher(ids[0])
	if !v.DoubleRedeemed || v.UsedSeconds != 40*60 || !v.FirstUsed.Equal(noon) || v.State != "active" || len(v.Sessions) != 2 ||
		v.Sessions[0].Gateway != "pool" || v.Sessions[1].Gateway != "lobby" || !v.Sessions[1].FirstUse {
		t.Errorf("voucher %+v", v)
	}
	lobby.sync() // hears of the other one's
	for _, r := range []*router{lobby, pool} {
		s, err := r.redeem(b.Codes[0])
		if err != nil || s.Limits.SessionTimeout != 20*time.Minute || s.FirstUse {
			t.Errorf("again: %+v, %v", s, err)
		}
		r.leave()
	}

	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/revoke/", b.ID)}, nil)
	pool.sync()
	var refusal *sessions.Refusal
	if _, err := pool.redeem(b.Codes[1]); !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedInactive {
		t.Errorf("a revoked voucher: %v", err)
	}
}

// noKernel lets through and counts nothing.
type noKernel struct{}

func (noKernel) Reconcile(context.Context, []sessions.Grant) error    { return nil }
func (noKernel) Admit(context.Context, ...sessions.Grant) error       { return nil }
func (noKernel) SetBlocked(context.Context, []sessions.Station) error { return nil }
func (noKernel) Release(context.Context, ...sessions.Station) error   { return nil }
func (noKernel) CleanUp(context.Context) error                        { return nil }
func (noKernel) Usage(context.Context) ([]sessions.Reading, error)    { return nil, nil }
func (noKernel) Cut(_ context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	return make([]sessions.Reading, len(stations)), nil
}

// noOrders is a gateway that the centre wants nothing of.
type noOrders struct{}

func (noOrders) Obey(context.Context, sessions.Order) error              { return nil }
func (noOrders) Configure(context.Context, int64, json.RawMessage) error { return nil }
func (noOrders) Status(context.Context) (status edge.Status, err error)  { return status, nil }
