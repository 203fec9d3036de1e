package sessions_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

func wantLog(t *testing.T, d *disk, kinds, types []string) {
	t.Helper()
	gotKinds, gotTypes := d.log()
	if diff := cmp.Diff(kinds, gotKinds); diff != "" {
		t.Errorf("accounting records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(types, gotTypes); diff != "" {
		t.Errorf("transactions (-want +got):\n%s", diff)
	}
}

func TestClickThroughSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		defer r.stop()
		s := r.click(t, stationA)
		if again := r.click(t, stationA); again.AcctSessionID != s.AcctSessionID {
			t.Errorf("a double submit began a second session")
		}
		time.Sleep(10 * time.Minute)
		r.kernel.traffic(stationA, 1000, 5000)
		v := r.View(stationA)
		if v.State != sessions.Authorized || v.Session.Used != 10*time.Minute {
			t.Errorf("view = %v used %v, want authorized for 10m", v.State, v.Session.Used)
		}
		stopped, err := r.Logout(t.Context(), stationA, sessions.UserRequest)
		if err != nil {
			t.Fatal(err)
		}
		want := sessions.Usage{InputOctets: 1000, OutputOctets: 5000, InputPackets: 1, OutputPackets: 1}
		if stopped.Usage != want || stopped.Used != 10*time.Minute {
			t.Errorf("stopped with %+v after %v, want %+v after 10m", stopped.Usage, stopped.Used, want)
		}
		if r.kernel.live(stationA) || r.View(stationA).State != sessions.Captive {
			t.Error("station still let through after logout")
		}
		_, err = r.Logout(t.Context(), stationA, sessions.UserRequest)
		var refusal *sessions.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedNotLoggedIn {
			t.Errorf("second logout: %v, want not_logged_in", err)
		}
		wantLog(t, r.disk, []string{"Start", "Stop User-Request"}, []string{"ui h200", "uo h200"})
	})
}

func TestSessionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(90 * time.Second)}))
		defer r.stop()
		s := r.click(t, stationA)
		r.clock.jump(30 * 365 * 24 * time.Hour) // NTP answers
		time.Sleep(89 * time.Second)
		if !r.kernel.live(stationA) {
			t.Fatal("cut before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		rec := r.disk.last()
		if rec.Session.TerminateCause != sessions.SessionTimeout || rec.Session.Used != 90*time.Second {
			t.Errorf("stop %v after %v, want Session-Timeout after 90s", rec.Session.TerminateCause, rec.Session.Used)
		}
		if got := rec.Session.StoppedAt.Mono - s.StartedAt.Mono; got != 90*time.Second {
			t.Errorf("stopped %v after the start, want 90s", got)
		}
		wantLog(t, r.disk, []string{"Start", "Stop Session-Timeout"}, []string{"ui h200", "st h200"})
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{IdleTimeout: ptr(30 * time.Second)}))
		defer r.stop()
		s := r.click(t, stationA)
		time.Sleep(20 * time.Second)
		r.kernel.traffic(stationA, 100, 0)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		rec := r.disk.last()
		if rec.Session.TerminateCause != sessions.IdleTimeout {
			t.Fatalf("cause %v, want Idle-Timeout", rec.Session.TerminateCause)
		}
		if got := rec.Session.StoppedAt.Mono - s.StartedAt.Mono; got != 50*time.Second {
			t.Errorf("stopped %v after the start, want 50s", got)
		}
		wantLog(t, r.disk, []string{"Start", "Stop Idle-Timeout"}, []string{"ui h200", "si h200"})
	})
}

func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{IdleTimeout: ptr(31 * time.Second)}))
		defer r.stop()
		r.click(t, stationA)
		time.Sleep(32 * time.Second) // the next poll is three seconds away
		if r.View(stationA).State != sessions.Authorized {
			t.Fatal("somebody has looked already")
		}
		r.Recheck(t.Context())
		if r.View(stationA).State != sessions.Captive || r.disk.last().Session.TerminateCause != sessions.IdleTimeout {
			t.Errorf("after the check the station is %v", r.View(stationA).State)
		}
		r.click(t, stationA)
	})
}

func TestInterimAndPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{InterimInterval: ptr(5 * time.Minute)}))
		defer r.stop()
		r.click(t, stationA)
		time.Sleep(30 * time.Second) // so that traffic and interim records never fall together
		for range 11 {
			r.kernel.traffic(stationA, 100, 1000)
			time.Sleep(time.Minute)
		}
		rec := r.disk.last()
		if rec.Kind != sessions.InterimUpdate || rec.Session.Usage.InputOctets != 1000 {
			t.Errorf("last record %v with %d octets in, want the second Interim-Update with 1000", rec.Kind, rec.Session.Usage.InputOctets)
		}
		wantLog(t, r.disk, []string{"Start", "Interim-Update", "Interim-Update"}, []string{"ui h200"})
		if r.disk.saved < 10 {
			t.Errorf("usage written %d times in 11 minutes", r.disk.saved)
		}
	})
}

func TestLimitsPrecedence(t *testing.T) {
	zoneLimits := sessions.Limits{SessionTimeout: ptr(time.Hour), IdleTimeout: ptr(10 * time.Minute), InterimInterval: ptr(time.Minute)}
	for name, tt := range map[string]struct {
		bounds           sessions.Bounds
		account, profile sessions.Limits
		want             sessions.Effective
	}{
		"zone only": {want: sessions.Effective{SessionTimeout: time.Hour, IdleTimeout: 10 * time.Minute, InterimInterval: time.Minute}},
		"profile over zone": {profile: sessions.Limits{SessionTimeout: ptr(2 * time.Hour)},
			want: sessions.Effective{SessionTimeout: 2 * time.Hour, IdleTimeout: 10 * time.Minute, InterimInterval: time.Minute}},
		"account over profile": {account: sessions.Limits{SessionTimeout: ptr(3 * time.Hour)}, profile: sessions.Limits{SessionTimeout: ptr(2 * time.Hour)},
			want: sessions.Effective{SessionTimeout: 3 * time.Hour, IdleTimeout: 10 * time.Minute, InterimInterval: time.Minute}},
		"zero is unlimited": {account: sessions.Limits{SessionTimeout: ptr(time.Duration(0)), IdleTimeout: ptr(time.Duration(0))},
			want: sessions.Effective{InterimInterval: time.Minute}},
		"clamped, unlimited too": {bounds: sessions.Bounds{MaxSessionTimeout: 30 * time.Minute, MaxIdleTimeout: time.Minute},
			account: sessions.Limits{SessionTimeout: ptr(time.Duration(0))},
			want:    sessions.Effective{SessionTimeout: 30 * time.Minute, IdleTimeout: time.Minute, InterimInterval: time.Minute}},
		"bandwidth, clamped": {bounds: sessions.Bounds{MaxBandwidthUp: 3e6, MaxBandwidthDown: 9e6},
			account: sessions.Limits{BandwidthDown: ptr(sessions.BitRate(8e6))},
			profile: sessions.Limits{BandwidthDown: ptr(sessions.BitRate(2e6)), BandwidthUp: ptr(sessions.BitRate(5e6))},
			want: sessions.Effective{SessionTimeout: time.Hour, IdleTimeout: 10 * time.Minute, InterimInterval: time.Minute,
				BandwidthUp: 3e6, BandwidthDown: 8e6}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, sessions.Resolve(tt.bounds, tt.account, tt.profile, zoneLimits)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	z := zone(sessions.Limits{})
	z.Place = sessions.Place{CalledStationID: "02-00-5E-00-00-01:Lobby", SSID: "Lobby", LocationID: 12, LocationName: "Lobby"}
	z.AccessPoints = []sessions.AccessPoint{{Port: "lan3", ID: 7, Name: "East", MAC: "02-00-5E-10-00-07"}}
	east := z.Place
	east.AccessPointID, east.AccessPointName, east.AccessPointMAC = 7, "East", "02-00-5E-10-00-07"
	east.CalledStationID = "02-00-5E-10-00-07:Lobby"
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, z, func(c *sessions.Config) {
			c.PortOf = func(st sessions.Station) string {
				if st == stationA {
					return "lan3"
				}
				return "lan4"
			}
		})
		defer r.stop()
		if diff := cmp.Diff(east, r.click(t, stationA).Place); diff != "" {
			t.Errorf("behind the access point (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(z.Place, r.click(t, stationB).Place); diff != "" {
			t.Errorf("elsewhere (-want +got):\n%s", diff)
		}
	})
}

func TestKernelRefusesAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.kernel.fail = errors.New("no memory")
		_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: sessions.MethodClick, AcceptedTerms: "1"})
		if err == nil || len(r.Sessions()) != 0 {
			t.Fatalf("login: %v with %d sessions, want an error and none", err, len(r.Sessions()))
		}
		wantLog(t, r.disk, []string{"Start", "Stop NAS-Error"}, []string{"ui h200", "di h200"})
		r.kernel.fail = fmt.Errorf("admitting: %w", sessions.ErrEnforcerFull) // which the guest is told as it is
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: sessions.MethodClick, AcceptedTerms: "1"}); reason(err) != sessions.RefusedTooManyOnline {
			t.Errorf("a full gateway: %v", err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.disk.setFull(true)
		_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: sessions.MethodClick, AcceptedTerms: "1"})
		if !errors.Is(err, errFull) || r.kernel.live(stationA) {
			t.Fatalf("login on a full disk: %v, live %v; want refused and captive", err, r.kernel.live(stationA))
		}
		r.disk.setFull(false)
		r.click(t, stationB)
		r.kernel.traffic(stationB, 7, 8)
		r.disk.setFull(true)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); !errors.Is(err, errFull) {
			t.Fatalf("logout on a full disk: %v", err)
		}
		if r.kernel.live(stationB) || r.View(stationB).State != sessions.Captive {
			t.Error("station on though its logout was asked for")
		}
		time.Sleep(time.Minute)
		r.disk.setFull(false)
		time.Sleep(time.Minute)
		rec := r.disk.last()
		if rec.Kind != sessions.Stop || rec.Session.TerminateCause != sessions.UserRequest || rec.Session.Usage.OutputOctets != 8 || rec.Session.Used >= time.Minute {
			t.Errorf("the Stop written later is %+v", rec)
		}
	})
}

func TestLostTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		defer r.stop()
		r.click(t, stationA)
		r.kernel.traffic(stationA, 100, 1000)
		time.Sleep(10 * time.Second)
		r.kernel.wipe()
		time.Sleep(10 * time.Second)
		if !r.kernel.live(stationA) {
			t.Fatal("a paid station stays cut after its tables were deleted")
		}
		r.kernel.traffic(stationA, 1, 10)
		s, err := r.Logout(t.Context(), stationA, sessions.UserRequest)
		if err != nil || s.Usage.InputOctets != 101 || s.Usage.OutputOctets != 1010 {
			t.Errorf("usage over the loss %+v (%v), want 101 and 1010", s.Usage, err)
		}
	})
}

func TestRemovedRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.kernel.remove()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if r.kernel.removed() {
			t.Fatal("the rules stay away while nobody has a session")
		}
		r.click(t, stationA)
		r.kernel.traffic(stationA, 1, 2)
		time.Sleep(6 * time.Second)
		r.kernel.remove()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		r.kernel.traffic(stationA, 1, 2)
		if s, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil || s.Usage.OutputOctets != 4 {
			t.Errorf("usage over the removal %+v (%v), want 4 octets out", s.Usage, err)
		}
	})
}

// Who hears of a removal does not wait for the poll.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		defer r.stop()
		r.click(t, stationA)
		r.kernel.traffic(stationA, 1, 2)
		time.Sleep(6 * time.Second)
		r.kernel.wipe()
		r.Restore()
		synctest.Wait()
		if !r.kernel.live(stationA) {
			t.Fatal("a station stays cut after its tables were deleted")
		}
		r.kernel.traffic(stationA, 1, 2)
		if s, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil || s.Usage.OutputOctets != 4 {
			t.Errorf("usage over the loss %+v (%v), want 4 octets out", s.Usage, err)
		}
	})
}

func TestStrayGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		if err := r.kernel.Admit(t.Context(), sessions.Grant{Station: stationA, AcctSessionID: "nobody's"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Error("a station without a session is let through")
		}
	})
}

func TestDaemonRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		a := r.click(t, stationA)
		r.kernel.traffic(stationA, 100, 1000)
		r.stop()
		r.kernel.calls = nil
		time.Sleep(10 * time.Minute) // the daemon is away; the kernel is not
		r.kernel.traffic(stationA, 1, 1)
		r.start(t)
		defer func() { r.stop() }()
		s := r.Sessions()
		if len(s) != 1 || s[0].AcctSessionID != a.AcctSessionID || s[0].Used != 10*time.Minute || s[0].Usage.InputOctets != 101 {
			t.Fatalf("adopted %+v, want the session with 10m used and 101 octets in", s)
		}
		if diff := cmp.Diff([]string{"block", "reconcile"}, r.kernel.calls); diff != "" {
			t.Errorf("calls to the kernel (-want +got):\n%s", diff)
		}
		r.stop()
		time.Sleep(2 * time.Hour)
		r.start(t)
		rec := r.disk.last()
		if rec.Session.TerminateCause != sessions.SessionTimeout || rec.Session.Used != time.Hour ||
			rec.Session.StoppedAt.Mono-a.StartedAt.Mono != time.Hour {
			t.Errorf("stop after the daemon was away: %+v", rec.Session)
		}
		wantLog(t, r.disk, []string{"Start", "Stop Session-Timeout"}, []string{"ui h200", "st h200"})
	})
}

func TestIdleWhileDaemonAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{IdleTimeout: ptr(time.Minute)}))
		a := r.click(t, stationA)
		time.Sleep(30 * time.Second)
		r.kernel.traffic(stationA, 1, 1)
		r.stop()
		time.Sleep(time.Hour)
		r.start(t)
		defer r.stop()
		rec := r.disk.last()
		end := rec.Session.StoppedAt.Mono - a.StartedAt.Mono
		if rec.Session.TerminateCause != sessions.IdleTimeout || end != 90*time.Second {
			t.Errorf("stop %v after %v, want Idle-Timeout at the last reading and its bound, 90s", rec.Session.TerminateCause, end)
		}
	})
}

func TestDiedBetweenCutAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{IdleTimeout: ptr(time.Hour)}))
		r.click(t, stationA)
		r.kernel.traffic(stationA, 5, 6)
		r.stop()
		if _, err := r.kernel.Cut(t.Context(), stationA); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		defer r.stop()
		rec := r.disk.last()
		if rec.Session.TerminateCause != sessions.NASError || rec.Session.Usage.OutputOctets != 6 {
			t.Errorf("stop %+v, want NAS-Error with 6 octets out", rec.Session)
		}
	})
}

func TestRebootResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
		first := r.click(t, stationA)
		r.click(t, stationB)
		r.kernel.traffic(stationA, 10, 20)
		time.Sleep(20 * time.Minute)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("99999999-2222-3333-4444-555555555555")
		r.start(t)
		if r.kernel.live(stationA) {
			t.Fatal("admitted before it was seen")
		}
		r.Seen(stationA, addrA)
		synctest.Wait()
		if !r.kernel.live(stationA) || r.kernel.live(stationB) {
			t.Fatalf("after A was seen: A %v, B %v; want A only", r.kernel.live(stationA), r.kernel.live(stationB))
		}
		s := r.Sessions()[0]
		if s.Limits.SessionTimeout != 40*time.Minute || s.AcctMultiSessionID != first.AcctSessionID || s.AcctSessionID == first.AcctSessionID {
			t.Errorf("resumed as %+v, want a new session with 40m, linked to %s", s, first.AcctSessionID)
		}
		r.Seen(stationA, addrA)
		synctest.Wait()
		wantLog(t, r.disk, []string{"Start", "Start", "Stop NAS-Reboot", "Stop NAS-Reboot", "Start"},
			[]string{"ui h200", "ui h200", "di h200", "di h200", "ai h200"})
		r.stop()
		r.start(t) // another restart of the daemon in this boot: B can still come back, A is adopted
		defer r.stop()
		time.Sleep(25 * time.Hour)
		r.Seen(stationB, addrA)
		synctest.Wait()
		if r.kernel.live(stationB) {
			t.Error("resumed after the window")
		}
	})
}
