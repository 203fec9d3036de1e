package sessions_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// trialZone gives fifteen minutes and a megabyte to two devices at once and three a day.
func trialZone() sessions.Zone {
	z := zone(sessions.Limits{SessionTimeout: ptr(8 * time.Hour)})
	z.Methods = []sessions.Method{sessions.MethodTrial}
	z.Trial = &sessions.Trial{AtOnce: 2, PerDay: 3, Limits: sessions.Limits{SessionTimeout: ptr(15 * time.Minute),
		Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Total: ptr(sessions.Bytes(1e6))}}}}
	return z
}

func station(n byte) sessions.Station {
	return sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0x5e, 0x20, 0, n}}
}

// trial asks for one; the reason is empty where it is given.
func (r *rig) trial(t *testing.T, st sessions.Station) (sessions.Session, sessions.Refusal) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodTrial, AcceptedTerms: "1"})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, *refusal
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, sessions.Refusal{}
}

func trialRig(t *testing.T) *rig {
	return newRig(t, trialZone(), func(c *sessions.Config) {
		c.TimeZone = time.FixedZone("venue", 5*3600+1800)
		c.Believable = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) // before any bubble begins
	})
}

func TestTrialInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trialRig(t)
		defer func() { r.stop() }()
		s, _ := r.trial(t, stationA)
		if s.Limits.SessionTimeout != 15*time.Minute || s.Limits.Caps.Session.Total != 1e6 || s.TermsVersion != "1" {
			t.Errorf("limits %+v, terms %q", s.Limits, s.TermsVersion)
		}
		time.Sleep(5 * time.Minute)
		r.kernel.traffic(stationA, 100e3, 300e3)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.stop() // what is used outlives the daemon
		r.start(t)
		s, refusal := r.trial(t, stationA)
		if s.Limits.SessionTimeout != 10*time.Minute || s.Limits.Caps.Session.Total != 600e3 {
			t.Fatalf("the rest is %v and %v octets (%v)", s.Limits.SessionTimeout, s.Limits.Caps.Session.Total, refusal.Reason)
		}
		r.stop() // and so does what a running session goes on using
		time.Sleep(time.Minute)
		r.start(t)
		time.Sleep(9*time.Minute + time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Fatal("the trial goes on after its time")
		}
		_, refusal = r.trial(t, stationA)
		want := time.Date(2000, 1, 2, 0, 0, 0, 0, r.cfg.TimeZone)
		if refusal.Reason != sessions.RefusedTrialUsed || !refusal.Until.Equal(want) {
			t.Errorf("refused %q until %v, want until %v", refusal.Reason, refusal.Until, want)
		}
		time.Sleep(time.Until(want) + time.Minute)
		synctest.Wait()
		if s, refusal := r.trial(t, stationA); s.Limits.SessionTimeout != 15*time.Minute {
			t.Errorf("the next day's trial: %v %v", s.Limits.SessionTimeout, refusal)
		}
	})
}

// A reboot without a believable clock gives no second trial, and what is used meanwhile counts for the day known next.
func TestTrialWithoutClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trialRig(t)
		defer func() { r.stop() }()
		r.trial(t, stationA)
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.clock.jump(-20 * 365 * 24 * time.Hour)
		r.start(t)
		if _, refusal := r.trial(t, stationA); refusal.Reason != sessions.RefusedTrialUsed || !refusal.Until.IsZero() {
			t.Errorf("after a reboot: %q until %v", refusal.Reason, refusal.Until)
		}
		r.trial(t, stationB)
		time.Sleep(16 * time.Minute)
		r.clock.jump(20 * 365 * 24 * time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, refusal := r.trial(t, stationB); refusal.Reason != sessions.RefusedTrialUsed || refusal.Until.IsZero() {
			t.Errorf("once the clock is right: %q until %v", refusal.Reason, refusal.Until)
		}
		if got := r.disk.trials[stationB].Day; got != "2000-01-01" {
			t.Errorf("dated %q", got)
		}
	})
}

// A power cut ends the session with what was last written down; its rest is the trial's rest.
func TestTrialResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trialRig(t)
		defer func() { r.stop() }()
		r.trial(t, stationA)
		time.Sleep(10 * time.Minute)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(stationA, addrA)
		synctest.Wait()
		if s := r.View(stationA).Session; s == nil || !s.OnTrial || s.Limits.SessionTimeout != 5*time.Minute {
			t.Fatalf("resumed: %+v", s)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if got := r.disk.trials[stationA].Time; got != 15*time.Minute {
			t.Errorf("%v used of 15 minutes", got)
		}
		if _, refusal := r.trial(t, stationA); refusal.Reason != sessions.RefusedTrialUsed {
			t.Errorf("refused: %q", refusal.Reason)
		}
	})
}

func TestTrialBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trialRig(t)
		defer func() { r.stop() }()
		r.trial(t, station(1))
		r.trial(t, station(2))
		if _, refusal := r.trial(t, station(3)); refusal.Reason != sessions.RefusedTrialFull || !refusal.Until.IsZero() {
			t.Errorf("a third at once: %+v", refusal)
		}
		if _, err := r.Logout(t.Context(), station(1), sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.trial(t, station(3))
		for _, st := range []sessions.Station{station(2), station(3)} {
			if _, err := r.Logout(t.Context(), st, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
		}
		if _, refusal := r.trial(t, station(4)); refusal.Reason != sessions.RefusedTrialFull || refusal.Until.IsZero() {
			t.Errorf("a fourth in a day: %+v", refusal)
		}
		if _, refusal := r.trial(t, station(2)); refusal.Reason != "" {
			t.Errorf("the rest of one of the three: %+v", refusal)
		}
		r.disk.setFull(true) // a Start that is not written spends nothing
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: station(3), Method: sessions.MethodTrial, AcceptedTerms: "1"}); err == nil {
			t.Error("let in without a Start")
		}
		r.disk.setFull(false)
	})
}

func TestConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone(sessions.Limits{})
		z.TermsForAll = true
		r := newRig(t, z)
		defer func() { r.stop() }()
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: hash(t, "secret")}
		req := sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodPassword,
			Credentials: sessions.Credentials{Username: "ann", Password: "secret"}, Terms: sessions.Shown{Text: "Be kind.", Locale: "de"}}
		for _, version := range []string{"", "0"} { // not accepted, or another version than this
			req.AcceptedTerms = version
			_, err := r.Login(t.Context(), req)
			var refusal *sessions.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedTerms {
				t.Errorf("version %q: %v", version, err)
			}
		}
		req.AcceptedTerms = "1"
		s, err := r.Login(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got := r.disk.consents
		if len(got) != 1 || got[0].AcctSessionID != s.AcctSessionID || got[0].Station != stationA || got[0].Username != "ann" ||
			got[0].Method != sessions.MethodPassword || got[0].TermsVersion != "1" || got[0].Locale != "de" || got[0].At != s.StartedAt {
			t.Fatalf("receipts: %+v", got)
		}
		if m := r.disk.message(0); !strings.Contains(m, "terms 1 accepted (de, SHA-256 "+got[0].TextHash) || len(got[0].TextHash) != 64 {
			t.Errorf("the centre hears %q", m)
		}
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationB, Method: sessions.MethodAdmin}); err != nil {
			t.Errorf("the operator is asked for terms: %v", err)
		}
		if n := len(r.disk.consents); n != 1 {
			t.Errorf("%d receipts", n)
		}
	})
}
