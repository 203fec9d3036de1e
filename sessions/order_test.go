package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// obey passes an order on, twice: the second time must change nothing.
func (r *rig) obey(t *testing.T, o sessions.Order) {
	t.Helper()
	for range 2 {
		if err := r.Obey(t.Context(), o); err != nil {
			t.Fatalf("order %s: %v", o.ID, err)
		}
	}
}

func wantEnds(t *testing.T, d *disk, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.ends()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestOrdersForASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone(sessions.Limits{SessionTimeout: ptr(time.Hour), BandwidthDown: ptr(sessions.BitRate(5e6))})
		z.Bounds.MaxBandwidthUp = 2e6
		r := newRig(t, z)
		defer r.stop()
		s := r.click(t, stationA)
		r.obey(t, sessions.Order{ID: "a", Kind: sessions.OrderExtend, AcctSessionID: s.AcctSessionID, Extension: sessions.Extension{Time: time.Hour}})
		r.obey(t, sessions.Order{ID: "b", Kind: sessions.OrderExtend, AcctSessionID: s.AcctSessionID, Extension: sessions.Extension{Data: 1e6}})
		r.obey(t, sessions.Order{ID: "c", Kind: sessions.OrderRate, AcctSessionID: s.AcctSessionID,
			Extension: sessions.Extension{RateUp: ptr(sessions.BitRate(9e6)), RateDown: ptr(sessions.BitRate(1e6))}})
		got := r.View(stationA).Session.Limits
		if got.SessionTimeout != 2*time.Hour || got.BandwidthUp != 2e6 || got.BandwidthDown != 1e6 {
			t.Errorf("limits %+v", got)
		}
		if g := r.kernel.grant(stationA); g.RateUp != 2e6 || g.RateDown != 1e6 || g.Timeout < time.Hour {
			t.Errorf("the kernel has %+v", g)
		}
		r.obey(t, sessions.Order{ID: "d", Kind: sessions.OrderDisconnect, AcctSessionID: "another"})
		r.obey(t, sessions.Order{ID: "e", Kind: "dance", AcctSessionID: s.AcctSessionID})
		if !r.kernel.live(stationA) {
			t.Fatal("cut by an order for another session")
		}
		r.obey(t, sessions.Order{ID: "f", Kind: sessions.OrderDisconnect, AcctSessionID: s.AcctSessionID})
		if r.kernel.live(stationA) {
			t.Error("still online")
		}
		wantEnds(t, r.disk, "a done ", "b refused "+sessions.ErrNoLimit.Error(), "c done ", "d not_found ",
			"e refused "+sessions.ErrUnknownOrder.Error(), "f done ")
		wantLog(t, r.disk, []string{"Start", "Stop Admin-Reset"}, []string{"ui h200", "di h200"})
	})
}

// TestOrderAndItsOutcomeAreOneCommit has the disk refuse: nothing is settled, and the order does it when it comes again.
func TestOrderAndItsOutcomeAreOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		defer r.stop()
		s := r.click(t, stationA)
		extend := sessions.Order{ID: "a", Kind: sessions.OrderExtend, AcctSessionID: s.AcctSessionID, Extension: sessions.Extension{Time: time.Hour}}
		r.disk.setFull(true)
		if err := r.Obey(t.Context(), extend); !errors.Is(err, errFull) {
			t.Fatalf("got %v", err)
		}
		r.disk.setFull(false)
		r.obey(t, extend)
		if got := r.View(stationA).Session.Limits.SessionTimeout; got != 2*time.Hour {
			t.Errorf("session timeout %v, want 2h", got)
		}
		wantEnds(t, r.disk, "a done ")
	})
}

func TestOrderToAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(8 * time.Hour)}))
		defer r.stop()
		r.mirror["bob"] = sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "bob", Active: true,
			Limits: sessions.Limits{SessionTimeout: ptr(4 * time.Hour), IdleTimeout: ptr(time.Hour)}}
		r.mirror["eve"] = sessions.Account{Source: sessions.SourceCentre, UserID: 8, Username: "eve"}
		admit := sessions.Order{ID: "a", Kind: sessions.OrderAdmit, MAC: stationA.MAC, Username: "bob", UserID: 7,
			Limits: sessions.Limits{SessionTimeout: ptr(30 * time.Minute)}}
		r.obey(t, admit)
		r.Seen(stationA, addrA)
		admit.ID = "b"
		r.obey(t, admit)
		s := r.View(stationA).Session
		if s == nil || s.Username != "bob" || s.UserID != 7 || s.Method != sessions.MethodPortal || s.Addr != addrA ||
			s.Limits.SessionTimeout != 30*time.Minute || s.Limits.IdleTimeout != time.Hour {
			t.Fatalf("session %+v", s)
		}
		if err := r.AccountChanged(t.Context(), "bob"); err != nil || r.View(stationA).Session.Limits.SessionTimeout != 30*time.Minute {
			t.Errorf("what the order gave is gone with the account's change: %v", err)
		}
		admit.ID = "c"
		r.obey(t, admit) // online already
		r.Seen(stationB, addrA)
		r.obey(t, sessions.Order{ID: "d", Kind: sessions.OrderAdmit, MAC: stationB.MAC, Username: "eve"})
		r.obey(t, sessions.Order{ID: "e", Kind: sessions.OrderAdmit, MAC: stationB.MAC, Username: "room 12", UserID: 9})
		if s := r.View(stationB).Session; s == nil || s.Username != "room 12" || s.UserID != 9 || s.Source != sessions.SourceGuest {
			t.Errorf("a name that no account has: %+v", s)
		}
		wantEnds(t, r.disk, "a not_found ", "b done ", "c done ", "d refused account_inactive", "e done ")
	})
}

func TestOrderToErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		hash, err := sessions.HashPassword("right")
		if err != nil {
			t.Fatal(err)
		}
		r.mirror["bob"] = sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "bob", CredentialVersion: 1, Active: true}
		r.verifiers["bob"] = sessions.Verifier{Username: "bob", Hash: hash, CredentialVersion: 1, MadeAt: sessions.Stamp{BootID: r.clock.BootID()}}
		r.cfg.Authority = nil
		r.Seen(stationA, addrA)
		r.obey(t, sessions.Order{ID: "a", Kind: sessions.OrderAdmit, MAC: stationA.MAC, Username: "bob"})
		r.click(t, stationB)
		r.obey(t, sessions.Order{ID: "b", Kind: sessions.OrderErase, Username: "bob"})
		if r.kernel.live(stationA) || !r.kernel.live(stationB) || len(r.verifiers) != 0 {
			t.Errorf("bob online: %v, the other one: %v, verifiers: %d", r.kernel.live(stationA), r.kernel.live(stationB), len(r.verifiers))
		}
		if diff := cmp.Diff([]string{"bob"}, r.disk.erased); diff != "" {
			t.Errorf("erased (-want +got):\n%s", diff)
		}
		wantEnds(t, r.disk, "a done ", "b done ")
	})
}
