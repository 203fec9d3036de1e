package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// kind is a zone whose guests may extend an hour by half an hour, twice, and pause for a day.
func kind() sessions.Zone {
	z := zone(sessions.Limits{SessionTimeout: ptr(time.Hour)})
	z.Prolong, z.MaxPause = sessions.Prolonging{By: 30 * time.Minute, Times: 2}, 24*time.Hour
	return z
}

func wantReason(t *testing.T, what string, err error, want sessions.Reason) {
	t.Helper()
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) && refusal.Reason == want || err == nil && want == "" {
		return
	}
	t.Errorf("%s: %v, want %q", what, err, want)
}

func (r *rig) prolong(t *testing.T, nth int) (sessions.Session, error) {
	t.Helper()
	return r.Prolong(t.Context(), stationA, addrA, nth)
}

func TestProlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := kind()
		z.Bounds.MaxSessionTimeout = 110 * time.Minute
		r := newRig(t, z)
		defer func() { r.stop() }()
		_, err := r.prolong(t, 1)
		wantReason(t, "without a session", err, sessions.RefusedNotLoggedIn)
		first := r.click(t, stationA)
		time.Sleep(50 * time.Minute)
		if v := r.View(stationA); v.More != 30*time.Minute {
			t.Errorf("offers %v more", v.More)
		}
		for range 2 { // a double tap
			s, err := r.prolong(t, 1)
			if err != nil || s.AcctSessionID != first.AcctSessionID || s.Limits.SessionTimeout != 90*time.Minute {
				t.Fatalf("extended to %v as %s, %v", s.Limits.SessionTimeout, s.AcctSessionID, err)
			}
		}
		r.wantEnds(t, "extended once", stationA, 40*time.Minute)
		if v := r.View(stationA); v.More != 20*time.Minute {
			t.Errorf("offers %v more below the zone's bound of 110 min", v.More)
		}
		if _, err := r.prolong(t, 2); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "extended twice", stationA, time.Hour)
		_, err = r.prolong(t, 3)
		wantReason(t, "a third time", err, sessions.RefusedProlong)
		r.stop() // what was taken outlives a restart of the daemon
		r.start(t)
		r.wantEnds(t, "after a restart", stationA, time.Hour)
		_, err = r.prolong(t, 3)
		wantReason(t, "a third time, after a restart", err, sessions.RefusedProlong)
		wantLog(t, r.disk, []string{"Start"}, []string{"ui h200"})
	})
}

func TestProlongAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, kind())
		defer r.stop()
		first := r.click(t, stationA)
		time.Sleep(time.Hour + time.Minute)
		v := r.View(stationA)
		if v.Ended == nil || v.Ended.TerminateCause != sessions.SessionTimeout || v.More != 30*time.Minute {
			t.Fatalf("after the end: %+v, %v more", v.Ended, v.More)
		}
		s, err := r.prolong(t, 1)
		if err != nil || s.AcctMultiSessionID != first.AcctSessionID || s.AcctSessionID == first.AcctSessionID {
			t.Fatalf("%v, session %s of %s", err, s.AcctSessionID, s.AcctMultiSessionID)
		}
		r.wantEnds(t, "extended after its end", stationA, 30*time.Minute)
		if again, err := r.prolong(t, 1); err != nil || again.AcctSessionID != s.AcctSessionID {
			t.Errorf("a double tap: %v", err)
		}
		time.Sleep(31 * time.Minute)
		if _, err := r.prolong(t, 2); err != nil {
			t.Errorf("the second time: %v", err)
		}
		time.Sleep(31 * time.Minute)
		_, err = r.prolong(t, 3)
		wantReason(t, "the third time", err, sessions.RefusedProlong)
		time.Sleep(2 * time.Hour)
		if v := r.View(stationA); v.Ended != nil || v.More != 0 {
			t.Errorf("hours later: %+v", v)
		}
		wantLog(t, r.disk, []string{"Start", "Stop Session-Timeout", "Start", "Stop Session-Timeout", "Start", "Stop Session-Timeout"},
			[]string{"ui h200", "st h200", "ui h200", "st h200", "ui h200", "st h200"})
	})
}

// The page that comes back at the end is asked for before the Stop is written.
func TestProlongBeforeTheStopIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, kind())
		defer r.stop()
		first := r.click(t, stationA)
		r.disk.setFull(true)
		time.Sleep(time.Hour)
		for range 2 { // due, and cut without a durable Stop
			v := r.View(stationA)
			if v.State != sessions.Captive || v.Ended == nil || v.Ended.AcctSessionID != first.AcctSessionID || v.Ended.Used != time.Hour ||
				v.Ended.TerminateCause != sessions.SessionTimeout || v.More != 30*time.Minute {
				t.Fatalf("at the end: %s, %+v, %v more", v.State, v.Ended, v.More)
			}
			synctest.Wait()
		}
		if _, err := r.prolong(t, 1); err == nil {
			t.Error("extended without a Stop")
		}
		r.disk.setFull(false)
		if s, err := r.prolong(t, 1); err != nil || s.AcctMultiSessionID != first.AcctSessionID {
			t.Errorf("extended: %v, of %s", err, s.AcctMultiSessionID)
		}
		wantLog(t, r.disk, []string{"Start", "Stop Session-Timeout", "Start"}, []string{"ui h200", "st h200", "ui h200"})
	})
}

// What an account has bounds what its guest may take: its balance, its end date.
func TestProlongWithinTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &centre{password: "s3cret", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1,
			Active: true, Lease: &sessions.Lease{ID: 1, Time: 80 * time.Minute, Ends: time.Now().Add(24 * time.Hour)}}}
		r := newRig(t, kind(), func(cfg *sessions.Config) { cfg.Authority = c })
		c.mirror = r.mirror
		defer r.stop()
		if _, got := r.password(t, stationA, "carl", "s3cret"); got != "" {
			t.Fatal(got)
		}
		r.wantEnds(t, "begun", stationA, time.Hour)
		if _, err := r.prolong(t, 1); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "extended by what the balance has", stationA, 80*time.Minute)
		_, err := r.prolong(t, 2)
		wantReason(t, "beyond the balance", err, sessions.RefusedProlong)

		r.local["ben"] = sessions.Account{Source: sessions.SourceLocal, Username: "ben", Active: true, PasswordHash: hash(t, "x"),
			Expiration: time.Now().Add(70 * time.Minute)}
		if _, got := r.password(t, stationB, "ben", "x"); got != "" {
			t.Fatal(got)
		}
		if _, err := r.Prolong(t.Context(), stationB, addrA, 1); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "extended to the account's end", stationB, 70*time.Minute)
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, kind())
		_, err := r.Pause(t.Context(), stationA)
		wantReason(t, "pause without a session", err, sessions.RefusedNotLoggedIn)
		first := r.click(t, stationA)
		time.Sleep(20 * time.Minute)
		for range 2 {
			if _, err := r.Pause(t.Context(), stationA); err != nil {
				t.Fatal(err)
			}
		}
		if r.kernel.live(stationA) {
			t.Fatal("a paused station is let through")
		}
		time.Sleep(3 * time.Hour)
		r.Seen(stationA, addrA)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Fatal("a pause ends by itself")
		}
		r.stop() // a restart and a reboot later
		r.kernel.wipe()
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		defer func() { r.stop() }()
		r.Seen(stationA, addrA)
		synctest.Wait()
		if v := r.View(stationA); v.State != sessions.Captive || v.Paused == nil || v.PauseLeft != 21*time.Hour {
			t.Fatalf("after a reboot: %s, %v left of the pause", v.State, v.PauseLeft)
		}
		s, err := r.Resume(t.Context(), stationA, addrA)
		if err != nil || s.AcctMultiSessionID != first.AcctSessionID {
			t.Fatal(err)
		}
		r.wantEnds(t, "resumed", stationA, 40*time.Minute)
		if again, err := r.Resume(t.Context(), stationA, addrA); err != nil || again.AcctSessionID != s.AcctSessionID {
			t.Errorf("a double tap: %v", err)
		}
		wantLog(t, r.disk, []string{"Start", "Stop User-Request", "Start"}, []string{"ui h200", "uo h200", "ui h200"})
		if got := r.disk.message(1); got != "Paused by the guest" {
			t.Errorf("message %q", got)
		}
		if _, err := r.Pause(t.Context(), stationA); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		_, err = r.Resume(t.Context(), stationA, addrA)
		wantReason(t, "resume after the zone's day", err, sessions.RefusedNotPaused)
		if all, err := r.disk.Load(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%d sessions are kept that nobody can resume, %v", len(all), err)
		}
	})
}

func TestWhoCannotPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, v := range map[string]struct {
			change func(*sessions.Zone)
			want   sessions.Reason
		}{
			"the zone offers none": {func(z *sessions.Zone) { z.MaxPause = 0 }, sessions.RefusedPause},
			"no time to be kept":   {func(z *sessions.Zone) { z.Limits.SessionTimeout = nil }, sessions.RefusedPause},
			"comes back by its MAC": {func(z *sessions.Zone) {
				z.Access = []sessions.AccessRule{{Kind: sessions.AccessPreauthorized, MAC: stationA.MAC, Account: "ben"}}
			}, sessions.RefusedPause},
		} {
			z := kind()
			v.change(&z)
			r := newRig(t, z)
			r.click(t, stationA)
			_, err := r.Pause(t.Context(), stationA)
			wantReason(t, name, err, v.want)
			if !r.kernel.live(stationA) {
				t.Errorf("%s: cut", name)
			}
			r.stop()
		}
	})
}

// A guest whose device is remembered has asked for the pause; the device does not end it.
func TestPauseOfARememberedDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := kind()
		z.Access = []sessions.AccessRule{{Kind: sessions.AccessRemembered, MAC: stationA.MAC, Account: "ben"}}
		r := newRig(t, z)
		defer r.stop()
		r.click(t, stationA)
		if _, err := r.Pause(t.Context(), stationA); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.Seen(stationA, addrA)
		synctest.Wait()
		if v := r.View(stationA); v.Paused == nil || v.Session != nil || v.Refused != "" {
			t.Errorf("the pause is over: %+v", v)
		}
	})
}

// Time of a balance is spent by who is online, and a pause keeps it for all who share it.
func TestPauseOfABalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{Time: 2 * time.Hour})
		defer r.stop()
		r.in(t, stationA)
		time.Sleep(30 * time.Minute)
		if _, err := r.Pause(t.Context(), stationA); err != nil {
			t.Fatal(err)
		}
		r.in(t, stationB)
		r.wantEnds(t, "alone", stationB, 90*time.Minute)
		time.Sleep(30 * time.Minute)
		if _, err := r.Resume(t.Context(), stationA, addrA); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "the one that stayed", stationB, 30*time.Minute)
		r.wantEnds(t, "the one that came back", stationA, 30*time.Minute)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "alone again", stationA, time.Hour)
	})
}

func TestElapsedTimeCannotBePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{Time: 2 * time.Hour, Elapsed: true})
		defer r.stop()
		r.in(t, stationA)
		_, err := r.Pause(t.Context(), stationA)
		wantReason(t, "a plan whose clock runs", err, sessions.RefusedElapsed)
		_, err = r.prolong(t, 1)
		wantReason(t, "more than the voucher is worth", err, sessions.RefusedProlong)
	})
}
