package sessions_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

func rule(kind sessions.AccessKind, st sessions.Station) sessions.AccessRule {
	return sessions.AccessRule{Kind: kind, Zone: st.Zone, MAC: st.MAC}
}

func preauthorized(st sessions.Station, account string) sessions.AccessRule {
	r := rule(sessions.AccessPreauthorized, st)
	r.Account = account
	return r
}

func (r *rig) set(t *testing.T, rule sessions.AccessRule) {
	t.Helper()
	if err := r.SetAccess(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (r *rig) remove(t *testing.T, st sessions.Station, kinds ...sessions.AccessKind) {
	t.Helper()
	if _, err := r.RemoveAccess(t.Context(), st.Zone, st.MAC, kinds...); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (r *rig) see(st sessions.Station) {
	r.Seen(st, addrA)
	synctest.Wait()
}

// only is the one running session.
func (r *rig) only(t *testing.T) sessions.Session {
	t.Helper()
	all := r.Sessions()
	if len(all) != 1 {
		t.Fatalf("%d sessions, want one", len(all))
	}
	return all[0]
}

func account(name string, l sessions.Limits) sessions.Account {
	return sessions.Account{Source: sessions.SourceLocal, Username: name, Active: true, Limits: l}
}

func TestTrusted(t *testing.T) {
	z := zone(sessions.Limits{SessionTimeout: ptr(time.Hour), IdleTimeout: ptr(time.Minute), InterimInterval: ptr(time.Hour),
		BandwidthDown: ptr(sessions.BitRate(1e6))})
	z.Bounds.MaxSessionTimeout = time.Hour
	z.Access = []sessions.AccessRule{{Kind: sessions.AccessTrusted, MAC: stationA.MAC, Note: "printer"}}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, z)
		defer func() { r.stop() }()
		for _, early := range []netip.Addr{{}, netip.MustParseAddr("fe80::1")} { // it has no address yet
			r.Seen(stationA, early)
			synctest.Wait()
			if r.kernel.live(stationA) {
				t.Errorf("let in with %v", early)
			}
		}
		r.see(stationA)
		r.see(stationB)
		s := r.only(t)
		if s.Station != stationA || s.Addr != addrA || s.Method != sessions.MethodTrusted || s.Limits != (sessions.Effective{InterimInterval: time.Hour}) {
			t.Fatalf("let in as %+v", s)
		}
		if v := r.View(stationA); v.State != sessions.Authorized || v.Access == nil || v.Access.Note != "printer" {
			t.Errorf("view %+v", v)
		}
		r.stop()
		r.start(t)
		if got := r.only(t); got.AcctSessionID != s.AcctSessionID {
			t.Errorf("a restart of the daemon made a new session")
		}
		time.Sleep(3 * time.Hour)
		if _, err := r.Logout(t.Context(), stationA, sessions.AdminReset); err != nil {
			t.Fatal(err)
		}
		r.see(stationA)
		if !r.kernel.live(stationA) {
			t.Error("a trusted station that was ended is not let in again")
		}
		r.stop()
		r.cfg.Zones[0].Access = nil // and a new configuration
		r.start(t)
		if r.kernel.live(stationA) {
			t.Error("the configuration trusts it no more, and it is in")
		}
		_, types := r.disk.log()
		if diff := cmp.Diff([]string{"ai h200", "di h200", "ai h200", "di h200"}, types); diff != "" {
			t.Errorf("transactions (-want +got):\n%s", diff)
		}
		if got := r.disk.message(3); got != "No longer trusted" {
			t.Errorf("it ended because of %q", got)
		}
	})
}

func TestTrustedReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		r.set(t, rule(sessions.AccessTrusted, stationA))
		r.see(stationA)
		first := r.only(t)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		r.see(stationA)
		r.see(stationA)
		if s := r.only(t); s.Method != sessions.MethodTrusted || s.AcctSessionID == first.AcctSessionID || !r.kernel.live(stationA) {
			t.Errorf("after a reboot it is let in as %+v", s)
		}
		wantLog(t, r.disk, []string{"Start", "Stop NAS-Reboot", "Start"}, []string{"ai h200", "di h200", "ai h200"})
	})
}

// A guest who is online when the operator trusts his device goes on without limits, and back behind the portal after.
func TestTrustedWhileOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		defer r.stop()
		r.click(t, stationA)
		r.set(t, rule(sessions.AccessTrusted, stationA))
		if s := r.only(t); s.Method != sessions.MethodTrusted || s.Limits.SessionTimeout != 0 || !r.kernel.live(stationA) {
			t.Fatalf("now %+v", s)
		}
		r.remove(t, stationA, sessions.AccessTrusted)
		if r.kernel.live(stationA) || r.View(stationA).State != sessions.Captive {
			t.Error("still in")
		}
		r.click(t, stationA)
		wantLog(t, r.disk, []string{"Start", "Stop Admin-Reset", "Start", "Stop Admin-Reset", "Start"},
			[]string{"ui h200", "di h200", "ai h200", "di h200", "ui h200"})
	})
}

func TestBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		r.click(t, stationA)
		blocked := rule(sessions.AccessBlocked, stationA)
		blocked.Zone, blocked.Note = "", "threw a chair"
		r.set(t, blocked)
		if r.kernel.live(stationA) || !r.kernel.blocks(stationA) || r.kernel.blocks(stationB) {
			t.Fatal("not blocked, or not he alone")
		}
		wantLog(t, r.disk, []string{"Start", "Stop Admin-Reset"}, []string{"ui h200", "di h200"})
		if got, want := r.disk.message(1), "Blocked by the operator: threw a chair"; got != want {
			t.Errorf("the log says %q, want %q", got, want)
		}
		for _, method := range []sessions.Method{sessions.MethodClick, sessions.MethodAdmin} {
			_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: method, AcceptedTerms: "1"})
			var refusal *sessions.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedBlocked {
				t.Errorf("login by %s: %v, want blocked", method, err)
			}
		}
		r.set(t, rule(sessions.AccessTrusted, stationA))
		r.see(stationA)
		r.stop()
		r.kernel.blocked = nil
		r.start(t)
		r.see(stationA)
		if v := r.View(stationA); !r.kernel.blocks(stationA) || v.State != sessions.Blocked || v.Session != nil {
			t.Fatalf("after a restart, and trusted: %+v", v)
		}
		r.remove(t, sessions.Station{MAC: stationA.MAC}, sessions.AccessBlocked)
		if r.kernel.blocks(stationA) || r.only(t).Method != sessions.MethodTrusted {
			t.Error("after unblocking the older rule does not count again")
		}
		_, err := r.RemoveAccess(t.Context(), "", stationA.MAC, sessions.AccessBlocked)
		if !errors.Is(err, sessions.ErrNoRule) {
			t.Errorf("unblocking twice: %v", err)
		}
	})
}

// Whoever is blocked while he logs in is out as well.
func TestBlockedDuringLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		r = newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) {
			c.Step = func(point string) {
				if point == "login.journaled" {
					if err := r.SetAccess(t.Context(), rule(sessions.AccessBlocked, stationA)); err != nil {
						t.Error(err)
					}
				}
			}
		})
		defer r.stop()
		r.click(t, stationA)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if len(r.Sessions()) > 0 || r.kernel.live(stationA) {
			t.Error("his session goes on")
		}
	})
}

// One MAC address in two zones is two stations; a rule names one of them or both.
func TestAccessPerZone(t *testing.T) {
	attic := sessions.Station{Zone: "attic", MAC: stationA.MAC}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) {
			z := c.Zones[0]
			z.Name = attic.Zone
			c.Zones = append(c.Zones, z)
		})
		defer r.stop()
		for _, st := range []sessions.Station{stationA, attic} {
			r.see(st)
		}
		want := func(what string, here, there sessions.StationState) {
			t.Helper()
			if a, b := r.View(stationA).State, r.View(attic).State; a != here || b != there {
				t.Errorf("%s: %v here and %v in the attic, want %v and %v", what, a, b, here, there)
			}
		}
		r.set(t, rule(sessions.AccessTrusted, attic))
		want("trusted there", sessions.Captive, sessions.Authorized)
		r.set(t, rule(sessions.AccessBlocked, stationA))
		want("blocked here", sessions.Blocked, sessions.Authorized)
		r.set(t, sessions.AccessRule{Kind: sessions.AccessBlocked, MAC: stationA.MAC})
		want("blocked everywhere", sessions.Blocked, sessions.Blocked)
		if _, err := r.RemoveAccess(t.Context(), "attic", stationA.MAC, sessions.AccessBlocked); !errors.Is(err, sessions.ErrNoRule) {
			t.Errorf("unblocking there what is blocked everywhere: %v", err)
		}
		r.remove(t, sessions.Station{MAC: stationA.MAC}, sessions.AccessBlocked)
		want("unblocked", sessions.Captive, sessions.Authorized)
	})
}

// The kernel knows who is blocked before anybody is admitted, and a session of the blocked ends at the start.
func TestBlockedInConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		r.click(t, stationA)
		r.stop()
		r.cfg.Zones[0].Access = []sessions.AccessRule{{Kind: sessions.AccessBlocked, MAC: stationA.MAC}}
		r.start(t)
		if r.kernel.live(stationA) || !r.kernel.blocks(stationA) || len(r.Sessions()) != 0 {
			t.Error("a station that the configuration blocks is in")
		}
		_, err := r.RemoveAccess(t.Context(), "", stationA.MAC, sessions.AccessBlocked)
		if !errors.Is(err, sessions.ErrConfigured) {
			t.Errorf("unblocking what the configuration blocks: %v", err)
		}
	})
}

func TestBlockedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		blocked := rule(sessions.AccessBlocked, stationA)
		blocked.For = 2 * time.Hour
		r.set(t, blocked)
		time.Sleep(2*time.Hour - time.Second)
		if !r.kernel.blocks(stationA) {
			t.Fatal("free before the time")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r.kernel.blocks(stationA) || r.disk.ruleCount() > 0 {
			t.Error("blocked beyond the time")
		}

		r.set(t, blocked)
		r.stop()
		time.Sleep(90 * time.Minute)
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		if left, ends := r.AccessLeft(r.Access()[0]); !ends || left != 30*time.Minute || !r.kernel.blocks(stationA) {
			t.Errorf("after a reboot %v are left", left)
		}
		r.stop()
		r.cfg.Believable = time.Now().Add(time.Hour) // this clock tells nothing: what is known is that the machine is up
		r.start(t)
		if left, _ := r.AccessLeft(r.Access()[0]); left < 119*time.Minute {
			t.Errorf("with a wrong clock %v are left", left)
		}
	})
}

func TestPreauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone(sessions.Limits{IdleTimeout: ptr(10 * time.Minute)})
		z.Access = []sessions.AccessRule{preauthorized(stationA, "anna"), preauthorized(stationB, "anna")}
		r := newRig(t, z)
		defer r.stop()
		r.see(stationA)
		if v := r.View(stationA); v.State != sessions.Captive || v.Refused != sessions.RefusedNoAccount {
			t.Fatalf("without an account: %+v", v)
		}
		for range 100 { // no tight loop, and no line for each
			time.Sleep(time.Second)
			r.see(stationA)
		}
		wantLog(t, r.disk, nil, []string{"aa u401"})

		r.local["anna"] = account("anna", sessions.Limits{SimultaneousUse: ptr(1), SessionTimeout: ptr(8 * time.Hour)})
		if err := r.AccountChanged(t.Context(), "anna"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := r.only(t)
		if s.Username != "anna" || s.Method != sessions.MethodPreauthorized || s.Limits.SessionTimeout != 8*time.Hour {
			t.Fatalf("let in as %+v", s)
		}
		r.see(stationB)
		if v := r.View(stationB); v.Session != nil || v.Refused != sessions.RefusedTooMany {
			t.Errorf("over the account's simultaneous use: %+v", v)
		}
		r.click(t, stationB) // the portal works for it

		time.Sleep(20 * time.Minute)
		if r.kernel.live(stationA) {
			t.Fatal("not idle")
		}
		r.see(stationA)
		if !r.kernel.live(stationA) {
			t.Error("seen again after an idle timeout, and not let in")
		}
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.see(stationA)
		if r.kernel.live(stationA) {
			t.Error("let in again at once though he logged out")
		}
		time.Sleep(5 * time.Minute)
		r.see(stationA)
		if !r.kernel.live(stationA) {
			t.Error("not let in again after a while")
		}
	})
}

// A limit of a pre-authorized station's session limits what it has in a day, over restarts, until the account changes.
func TestPreauthorizedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		r.local["tv"] = account("tv", sessions.Limits{SessionTimeout: ptr(2 * time.Hour)})
		r.set(t, preauthorized(stationA, "tv"))
		r.see(stationA)
		begun := r.only(t).StartedAt.Mono
		time.Sleep(2*time.Hour + time.Minute)
		r.see(stationA)
		if r.kernel.live(stationA) || r.View(stationA).Access.Kind != sessions.AccessSuspended {
			t.Fatalf("after its limit: %+v", r.View(stationA))
		}
		r.click(t, stationA) // the portal works for it
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.stop()
		r.start(t)
		time.Sleep(begun + 24*time.Hour - r.clock.Mono() - time.Second)
		r.see(stationA)
		if r.kernel.live(stationA) {
			t.Fatal("let in before the day is over")
		}
		time.Sleep(2 * time.Second)
		r.see(stationA)
		if !r.kernel.live(stationA) {
			t.Fatal("not let in on the next day")
		}
		time.Sleep(3 * time.Hour)
		r.local["tv"] = account("tv", sessions.Limits{SessionTimeout: ptr(4 * time.Hour)})
		if err := r.AccountChanged(t.Context(), "tv"); err != nil {
			t.Fatal(err)
		}
		r.see(stationA)
		if r.only(t).Limits.SessionTimeout != 4*time.Hour {
			t.Error("a changed account changes nothing")
		}
	})
}

// A cap of the session is a limit like its timeout; one of the account's day holds until the day is over, and no longer.
func TestPreauthorizedCaps(t *testing.T) {
	for name, tt := range map[string]struct {
		caps sessions.CapsOf[sessions.VolumeLimit]
		back time.Duration // after it was capped, at noon
	}{
		"session": {sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}, 24 * time.Hour},
		"day":     {sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}, 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, zone(sessions.Limits{Caps: tt.caps}), func(c *sessions.Config) { c.TimeZone = time.UTC })
				defer func() { r.stop() }()
				r.local["ann"] = account("ann", sessions.Limits{})
				r.set(t, preauthorized(stationA, "ann"))
				time.Sleep(12 * time.Hour)
				r.see(stationA)
				r.wantPassed(t, stationA, 1000)
				poll()
				r.stop()
				r.start(t)
				for left := tt.back - time.Minute; left > 0; left -= time.Hour {
					r.see(stationA)
					if r.kernel.live(stationA) {
						t.Fatalf("let in again %v too early", left)
					}
					time.Sleep(min(left, time.Hour))
				}
				time.Sleep(2 * time.Minute)
				r.see(stationA)
				if !r.kernel.live(stationA) {
					t.Errorf("not let in again: %+v", r.View(stationA))
				}
			})
		})
	}
}

// A reboot does not give a pre-authorized station its limits anew.
func TestPreauthorizedReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		r.local["tv"] = account("tv", sessions.Limits{SessionTimeout: ptr(2 * time.Hour)})
		r.set(t, preauthorized(stationA, "tv"))
		r.see(stationA)
		time.Sleep(90 * time.Minute)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		r.see(stationA)
		if s := r.only(t); s.Limits.SessionTimeout != 30*time.Minute {
			t.Fatalf("after the reboot %+v", s)
		}
		time.Sleep(31 * time.Minute)
		r.see(stationA)
		if r.kernel.live(stationA) {
			t.Error("let in again after its limit")
		}
	})
}

func TestAccessRulesRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer func() { r.stop() }()
		elsewhere := sessions.Station{Zone: "attic", MAC: stationA.MAC}
		for name, bad := range map[string]sessions.AccessRule{
			"zone":      rule(sessions.AccessBlocked, elsewhere),
			"multicast": {Kind: sessions.AccessBlocked, MAC: sessions.MAC{1, 2, 3, 4, 5, 6}},
			"nobody":    {Kind: sessions.AccessBlocked},
			"kind":      rule(sessions.AccessSuspended, stationA),
			"account":   rule(sessions.AccessPreauthorized, stationA),
			"time":      {Kind: sessions.AccessBlocked, MAC: stationA.MAC, For: -1},
		} {
			var refusal *sessions.Refusal
			if err := r.SetAccess(t.Context(), bad); !errors.Is(err, sessions.ErrBadRule) && !errors.As(err, &refusal) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.disk.setFull(true)
		if err := r.SetAccess(t.Context(), rule(sessions.AccessBlocked, stationA)); !errors.Is(err, errFull) || r.kernel.blocks(stationA) {
			t.Errorf("on a full disk: %v, blocked %v", err, r.kernel.blocks(stationA))
		}
		r.disk.setFull(false)
		r.stop()
		for i := range sessions.MaxAccessRules - 1 {
			r.disk.rules = append(r.disk.rules, sessions.AccessRule{Kind: sessions.AccessTrusted, MAC: sessions.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}})
		}
		r.start(t)
		r.set(t, rule(sessions.AccessTrusted, stationA))
		r.set(t, rule(sessions.AccessTrusted, stationA)) // the same again takes no room
		if err := r.SetAccess(t.Context(), rule(sessions.AccessTrusted, stationB)); !errors.Is(err, sessions.ErrTooManyRules) {
			t.Errorf("beyond the bound: %v", err)
		}
	})
}

// TestSpoofing has one row per evidence and treatment: who is treated, and how.
func TestSpoofing(t *testing.T) {
	addrB := addrA.Next()
	copied := sessions.Suspicion{Station: stationA, What: "two-ports", Shared: true}
	router := sessions.Suspicion{Station: stationA, What: "as-router"}
	taken := func(st, rival sessions.Station) sessions.Suspicion {
		return sessions.Suspicion{Station: st, What: "two-macs", Rival: rival, Addr: addrA}
	}
	for name, tt := range map[string]struct {
		treatment sessions.Treatment
		evidence  sessions.Suspicion
		bAddr     bool                 // B has logged in from A's address too
		moved     map[sessions.MAC]int // minutes after the logins
		want      map[sessions.Station]sessions.AccessKind
	}{
		"log":                                   {sessions.TreatLog, copied, false, nil, nil},
		"copied MAC, captive":                   {sessions.TreatCaptive, copied, false, nil, map[sessions.Station]sessions.AccessKind{stationA: sessions.AccessSuspended}},
		"copied MAC, block":                     {sessions.TreatBlock, copied, false, nil, map[sessions.Station]sessions.AccessKind{stationA: sessions.AccessSuspended}},
		"router, captive":                       {sessions.TreatCaptive, router, false, nil, map[sessions.Station]sessions.AccessKind{stationA: sessions.AccessSuspended}},
		"router, block":                         {sessions.TreatBlock, router, false, nil, map[sessions.Station]sessions.AccessKind{stationA: sessions.AccessBlocked}},
		"router, in another's name":             {sessions.TreatBlock, router, false, map[sessions.MAC]int{stationA.MAC: 5}, nil},
		"taker of an address":                   {sessions.TreatBlock, taken(stationB, stationA), false, nil, map[sessions.Station]sessions.AccessKind{stationB: sessions.AccessBlocked}},
		"its owner":                             {sessions.TreatBlock, taken(stationA, stationB), false, nil, nil},
		"an address that nobody logged in from": {sessions.TreatBlock, sessions.Suspicion{Station: stationB, What: "two-macs", Rival: stationA, Addr: addrB.Next()}, false, nil, nil},
		"owner's name was used":                 {sessions.TreatBlock, taken(stationB, stationA), false, map[sessions.MAC]int{stationA.MAC: 5}, nil},
		"taker's name was used":                 {sessions.TreatBlock, taken(stationB, stationA), false, map[sessions.MAC]int{stationB.MAC: 5}, nil},
		"both logged in from it":                {sessions.TreatBlock, taken(stationB, stationA), true, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			z := zone(sessions.Limits{})
			z.Spoofing = sessions.Spoofing{Treatment: tt.treatment, For: 10 * time.Minute}
			synctest.Test(t, func(t *testing.T) {
				moved := map[sessions.MAC]time.Duration{}
				r := newRig(t, z, func(c *sessions.Config) {
					c.MovedAt = func(st sessions.Station) time.Duration { return moved[st.MAC] }
				})
				defer r.stop()
				r.click(t, stationA)
				at := addrB
				if tt.bAddr {
					at = addrA
				}
				if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationB, Addr: at, Method: sessions.MethodClick, AcceptedTerms: "1"}); err != nil {
					t.Fatal(err)
				}
				for mac, minutes := range tt.moved {
					moved[mac] = r.clock.Mono() + time.Duration(minutes)*time.Minute
				}
				time.Sleep(20 * time.Minute)
				noise := sessions.Suspicion{Station: tt.evidence.Station, What: "proves nothing", Rival: stationA, Addr: addrB.Prev().Prev()}
				r.Suspect(noise)
				r.Suspect(tt.evidence)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				for _, st := range []sessions.Station{stationA, stationB} {
					want, treated := tt.want[st]
					if r.kernel.live(st) == treated || r.kernel.blocks(st) != (want == sessions.AccessBlocked) {
						t.Errorf("%s: in %v, blocked %v; want %q", st, r.kernel.live(st), r.kernel.blocks(st), want)
					}
				}
				if len(tt.want) == 0 {
					return
				}
				if why := r.disk.message(-1); !strings.HasSuffix(why, "for a suspicion: "+tt.evidence.What) {
					t.Errorf("the log does not say why, but %q", why)
				}
				time.Sleep(10 * time.Minute)
				if len(r.Access()) > 0 || r.kernel.blocks(tt.evidence.Station) {
					t.Errorf("after the time: %+v", r.Access())
				}
			})
		})
	}
}

// Who was made to log in again stays in when he has; a MAC address that lets in does not, for as long.
func TestSpoofingTreatedOnce(t *testing.T) {
	z := zone(sessions.Limits{})
	z.Spoofing = sessions.Spoofing{Treatment: sessions.TreatCaptive, For: 10 * time.Minute}
	z.Access = []sessions.AccessRule{rule(sessions.AccessTrusted, stationB)}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, z)
		defer func() { r.stop() }()
		r.click(t, stationA)
		r.see(stationB)
		suspect := func() {
			for _, st := range []sessions.Station{stationA, stationB} {
				r.Suspect(sessions.Suspicion{Station: st, What: "two-ports", Shared: true})
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		suspect()
		if r.kernel.live(stationA) || r.kernel.live(stationB) {
			t.Fatal("still in")
		}
		r.see(stationB)
		r.click(t, stationA)
		suspect()
		r.stop()
		r.start(t)
		r.see(stationB)
		if !r.kernel.live(stationA) || r.kernel.live(stationB) {
			t.Errorf("A, who logged in again, %v; B, by his MAC address, %v; want A only", r.kernel.live(stationA), r.kernel.live(stationB))
		}
		r.click(t, stationB)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if i := slices.IndexFunc(r.Sessions(), func(s sessions.Session) bool { return s.Station == stationB }); i < 0 || r.Sessions()[i].Method != sessions.MethodTrusted {
			t.Error("trusted again after the time, and treated like a guest")
		}
	})
}

// Random MACs with evidence against them fill neither disk nor kernel.
func TestSpoofingBounded(t *testing.T) {
	z := zone(sessions.Limits{})
	z.Spoofing = sessions.Spoofing{Treatment: sessions.TreatBlock, For: 10 * time.Minute}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, z)
		defer r.stop()
		for i := range 2000 {
			r.Suspect(sessions.Suspicion{Station: sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 9, 9, 9, byte(i >> 8), byte(i)}}, What: "as-router"})
			if i%200 == 0 {
				time.Sleep(2 * time.Second)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(r.Access()); n == 0 || n > 256 {
			t.Errorf("%d rules", n)
		}
	})
}

// A guest's address is his by whatever form he came in, and nobody's who only has a MAC address that is known.
func TestSpoofedAddressOfAnyGuest(t *testing.T) {
	password := hash(t, "secret")
	for how, want := range map[sessions.Method]bool{sessions.MethodClick: true, sessions.MethodTrial: true, sessions.MethodPassword: true, sessions.MethodAdmin: false} {
		synctest.Test(t, func(t *testing.T) {
			z := zone(sessions.Limits{})
			z.Methods = append(z.Methods, sessions.MethodTrial)
			z.Trial = &sessions.Trial{PerDay: 9, Limits: sessions.Limits{SessionTimeout: ptr(time.Hour)}}
			z.Spoofing = sessions.Spoofing{Treatment: sessions.TreatBlock, For: 10 * time.Minute}
			r := newRig(t, z)
			defer r.stop()
			r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: password}
			for st, addr := range map[sessions.Station]netip.Addr{stationA: addrA, stationB: addrA.Next()} {
				if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addr, Method: how, AcceptedTerms: "1",
					Credentials: sessions.Credentials{Username: "ann", Password: "secret"}}); err != nil {
					t.Fatal(how, err)
				}
			}
			time.Sleep(20 * time.Minute)
			r.Suspect(sessions.Suspicion{Station: stationB, What: "two-macs", Rival: stationA, Addr: addrA})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if r.kernel.blocks(stationB) != want || r.kernel.blocks(stationA) {
				t.Errorf("%s: who took the address is blocked: %v, want %v", how, r.kernel.blocks(stationB), want)
			}
		})
	}
}
