package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// rememberRig is a zone that remembers devices for thirty days, with an account of two hours for two devices.
func rememberRig(t *testing.T) *rig {
	z := zone(sessions.Limits{})
	z.Remember, z.AddDevices = 30*24*time.Hour, true
	z.Trial = &sessions.Trial{PerDay: 9, Limits: sessions.Limits{SessionTimeout: ptr(time.Hour)}}
	r := newRig(t, z, func(c *sessions.Config) { c.Believable = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) })
	r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: hash(t, "secret"),
		Limits: sessions.Limits{SessionTimeout: ptr(2 * time.Hour), SimultaneousUse: ptr(2)}}
	return r
}

// enter logs ann in with her password and has the device remembered.
func (r *rig) enter(t *testing.T, st sessions.Station, secret sessions.Password) sessions.Session {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodPassword, Remember: true,
		Credentials: sessions.Credentials{Username: "ann", Password: "secret"}, NewSecret: secret, Device: "iPhone", AcceptedTerms: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// back comes with the secret of a browser and wants a new one.
func (r *rig) back(t *testing.T, st sessions.Station, secret, next sessions.Password) (sessions.Session, sessions.Reason) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodMAC, Secret: secret, NewSecret: next})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, refusal.Reason
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, ""
}

func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, stationA, "")
		r.Seen(stationA, addrA)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Fatal("who logs out is let in again at once")
		}
		r.stop()
		r.start(t)
		time.Sleep(11 * time.Hour)
		r.Seen(stationA, addrA)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Fatal("who logs out is let in again after a restart")
		}
		time.Sleep(time.Hour)
		r.Seen(stationA, addrA)
		synctest.Wait()
		s := r.View(stationA).Session
		if s == nil || s.Username != "ann" || s.Method != sessions.MethodMAC || s.Limits.SessionTimeout != 2*time.Hour {
			t.Fatalf("after a restart: %+v", s)
		}
		if got := r.disk.message(-1); got != "Remembered device let in" {
			t.Errorf("the log says %q", got)
		}
		for _, st := range []sessions.Station{stationB, {Zone: "elsewhere", MAC: stationA.MAC}} {
			if r.Seen(st, addrA); r.kernel.live(st) {
				t.Errorf("%v is let in", st)
			}
		}
		// Another password ends what the device was remembered for.
		ann := r.local["ann"]
		ann.PasswordHash = hash(t, "other")
		r.local["ann"] = ann
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) || r.disk.ruleCount() != 0 {
			t.Errorf("with another password it is still in, or remembered (%d)", r.disk.ruleCount())
		}
	})
}

// A guest who has logged out comes back by one tap, and then the device comes in by itself again.
func TestRememberedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, stationA, "one")
		for range 2 {
			if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
			if n := r.disk.ruleCount(); n != 2 {
				t.Fatalf("%d rules after the logout", n)
			}
			if _, reason := r.back(t, stationA, "one", "one"); reason != "" {
				t.Fatal(reason)
			}
			if n := r.disk.ruleCount(); n != 1 {
				t.Fatalf("%d rules after he came back", n)
			}
		}
		time.Sleep(2*time.Hour + time.Minute) // all of the account's time; it ends by itself
		if _, reason := r.back(t, stationA, "one", "one"); reason != sessions.RefusedNothingLeft {
			t.Errorf("a limit is no logout: %q", reason)
		}
		time.Sleep(23 * time.Hour)
		if !r.kernel.live(stationA) {
			t.Error("the device does not come in by itself again")
		}
		ann := r.local["ann"]
		for _, active := range []bool{false, true} { // by the operator; he takes it back
			ann.Active = active
			r.local["ann"] = ann
			if err := r.AccountChanged(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			r.Seen(stationA, addrA)
			synctest.Wait()
			if r.kernel.live(stationA) != active {
				t.Errorf("the device is in: %v", !active)
			}
		}
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		delete(r.local, "ann")
		if err := r.AccountChanged(t.Context(), "ann"); err != nil || r.disk.ruleCount() != 0 {
			t.Errorf("%d rules are left of an account that is gone, %v", r.disk.ruleCount(), err)
		}
	})
}

// What a remembered device may not outlive: its time, the terms, the account, the operator's word.
func TestRememberedNoMore(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, r *rig){
		"expiry": func(t *testing.T, r *rig) { time.Sleep(30*24*time.Hour + time.Minute) },
		"terms": func(t *testing.T, r *rig) {
			r.stop()
			r.cfg.Zones[0].TermsVersion = "2"
			r.start(t)
		},
		"switched off": func(t *testing.T, r *rig) {
			r.stop()
			r.cfg.Zones[0].Remember = 0
			r.start(t)
		},
		"account": func(t *testing.T, r *rig) {
			delete(r.local, "ann")
			if err := r.AccountChanged(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
		},
		"operator": func(t *testing.T, r *rig) {
			if _, err := r.RemoveAccess(t.Context(), "", stationA.MAC, sessions.AccessRemembered); err != nil {
				t.Fatal(err)
			}
		},
		"block": func(t *testing.T, r *rig) {
			if err := r.SetAccess(t.Context(), sessions.AccessRule{Kind: sessions.AccessBlocked, MAC: stationA.MAC}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rememberRig(t)
				defer func() { r.stop() }()
				r.cfg.Zones[0].TermsForAll = true // the manager's own copy of the slice
				seldom(&r.cfg)
				r.stop()
				r.start(t)
				r.enter(t, stationA, "browser")
				if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
					t.Fatal(err)
				}
				end(t, r)
				time.Sleep(13 * time.Hour)
				r.Seen(stationA, addrA)
				synctest.Wait()
				if r.kernel.live(stationA) {
					t.Error("it is let in by its MAC address")
				}
				if _, reason := r.back(t, stationB, "browser", "next"); reason == "" {
					t.Error("it is let in by its browser")
				}
			})
		})
	}
}

// A device with another MAC address is its guest's by the browser's secret: what its session has left moves, and the secret is
// another one then.
func TestMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		first := r.enter(t, stationA, "one")
		time.Sleep(50 * time.Minute)
		if name, ok := r.Recognized("guests", "one"); name != "ann" || !ok {
			t.Errorf("recognized: %q %v", name, ok)
		}
		s, reason := r.back(t, stationB, "one", "two")
		if reason != "" {
			t.Fatal(reason)
		}
		if s.AcctSessionID == first.AcctSessionID || s.AcctMultiSessionID != first.AcctSessionID || s.Limits.SessionTimeout != 70*time.Minute || s.Username != "ann" {
			t.Errorf("moved: %+v", s)
		}
		if r.kernel.live(stationA) || !r.kernel.live(stationB) {
			t.Error("the old one is in, or the new one is not")
		}
		if stop := r.disk.sessions[first.AcctSessionID]; stop.Running() || stop.Station != stationA || stop.Used != 50*time.Minute {
			t.Errorf("the old session: %+v", stop)
		}
		for _, secret := range []sessions.Password{"one", "made up by somebody", ""} { // a used one; one that a stranger has set
			if _, reason := r.back(t, station(7), secret, "fixed"); reason == "" {
				t.Errorf("%q lets in", string(secret))
			}
			if _, ok := r.Recognized("guests", "fixed"); ok {
				t.Error("a secret is good that came with nothing")
			}
		}
		if _, ok := r.Recognized("elsewhere", "two"); ok {
			t.Error("the secret is good in another zone")
		}
		if s, reason := r.back(t, station(8), "two", "three"); reason != "" || s.Limits.SessionTimeout != 70*time.Minute {
			t.Errorf("moved again at once: %v %q", s.Limits.SessionTimeout, reason)
		}
		time.Sleep(71 * time.Minute)
		synctest.Wait()
		if s, reason := r.back(t, station(9), "three", "four"); reason != sessions.RefusedNothingLeft {
			t.Errorf("a limit that is reached is had again with another MAC address: %v %q", s.Limits, reason)
		}
	})
}

// Nobody fills the disk with remembered devices, and an account keeps its newest.
func TestRememberedBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		for n := range byte(14) {
			r.enter(t, station(n), "")
			if _, err := r.Logout(t.Context(), station(n), sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if n := r.disk.ruleCount(); n != 2*12 { // each with the word that its guest has logged it out
			t.Errorf("%d rules for remembered devices", n)
		}
		for _, rule := range r.Access() {
			if rule.MAC == station(0).MAC || rule.MAC == station(1).MAC {
				t.Error("an old device has not given way")
			}
		}
		r.cfg.Zones[0].Methods = append(r.cfg.Zones[0].Methods, sessions.MethodTrial)
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: station(99), Method: sessions.MethodTrial, AcceptedTerms: "1", Remember: true}); err != nil {
			t.Fatal(err)
		}
		if n := r.disk.ruleCount(); n != 2*12 {
			t.Error("a trial is remembered")
		}
	})
}
