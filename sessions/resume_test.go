package sessions_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// After a reboot a session gets further leases, and the limits that its account has now, less what the chain has used.
func TestResumedSessionGoesOnAsAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(24 * time.Hour)}
		r, c := payer(t, lease)
		defer func() { r.stop() }()
		ben := sessions.Account{Source: sessions.SourceLocal, Username: "ben", Active: true, PasswordHash: hash(t, "x"),
			Limits: sessions.Limits{SessionTimeout: ptr(2 * time.Hour), BandwidthDown: ptr(sessions.BitRate(5e6)),
				Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Total: ptr(sessions.Bytes(1000))}}}}
		r.local["ben"] = ben
		r.password(t, stationA, "carl", "s3cret")
		r.password(t, stationB, "ben", "x")
		r.kernel.traffic(stationB, 100, 200)
		if _, err := r.Extend(t.Context(), stationB, sessions.Extension{Time: 10 * time.Minute, Data: 50, RateUp: ptr(sessions.BitRate(1e6))}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		for i := range 2 { // the second reboot finds sessions that were resumed
			r.stop()
			r.kernel.wipe()
			r.clock.reboot(fmt.Sprintf("%08d-2222-3333-4444-555555555555", i))
			r.start(t)
			r.Seen(stationA, addrA)
			r.Seen(stationB, addrA)
			r.wantEnds(t, "resumed, of the lease", stationA, 40*time.Minute)
			r.wantEnds(t, "resumed", stationB, 110*time.Minute)
		}
		lease.Time, lease.Spent = 100*time.Minute, 20*time.Minute
		r.lend(t, c, lease)
		r.wantEnds(t, "lent more", stationA, 80*time.Minute)
		if g := r.kernel.grant(stationB); g.RateDown != 5e6 || g.RateUp != 1e6 || len(g.Caps) != 1 || g.Caps[0].Total != 750 {
			t.Errorf("resumed with %+v", g)
		}
		ben.Limits.SessionTimeout, ben.Limits.BandwidthDown = ptr(3*time.Hour), ptr(sessions.BitRate(9e6))
		ben.Limits.Caps.Session.Total = ptr(sessions.Bytes(2000))
		r.local["ben"] = ben
		if err := r.AccountChanged(t.Context(), "ben"); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "with the account's new limits", stationB, 170*time.Minute)
		if g := r.kernel.grant(stationB); g.RateDown != 9e6 || g.RateUp != 1e6 || g.Caps[0].Total != 1750 {
			t.Errorf("after the change: %+v", g)
		}
		ben.Limits.SessionTimeout = ptr(time.Hour)
		r.local["ben"] = ben // while the router is off
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(stationB, addrA)
		r.wantEnds(t, "resumed with the limits of now", stationB, 50*time.Minute)
	})
}
