package sessions_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

func total(b sessions.Bytes) sessions.VolumeLimit { return sessions.VolumeLimit{Total: &b} }

// capRig is a rig with an account and a zone whose calendar is UTC's; the bubble begins on Saturday, 1 January 2000, 0:00.
func capRig(t *testing.T, l sessions.Limits, change ...func(*sessions.Config)) *rig {
	return newRig(t, zone(l), append(change, func(c *sessions.Config) { c.TimeZone = time.UTC })...)
}

// annsHash is of "secret", and cheap: checking what a router makes takes longer than all else here.
const annsHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QgMQ$TTNXbjEmSYz+jaDIz/rjo83nB8E8kEj3J+8fkSxJLYE"

func (r *rig) login(t *testing.T, st sessions.Station) {
	t.Helper()
	if _, known := r.local["ann"]; !known {
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", PasswordHash: annsHash, Active: true}
	}
	if _, reason := r.password(t, st, "ann", "secret"); reason != "" {
		t.Fatalf("login of %v refused: %v", st, reason)
	}
}

func (r *rig) wantRefused(t *testing.T, st sessions.Station) {
	t.Helper()
	if _, reason := r.password(t, st, "ann", "secret"); reason != sessions.RefusedCap {
		t.Errorf("login of %v: %q, want %q", st, reason, sessions.RefusedCap)
	}
}

func (r *rig) wantPassed(t *testing.T, st sessions.Station, want uint64) {
	t.Helper()
	if got := r.kernel.hammer(st); got != want {
		t.Errorf("%d octets of %v passed, want %d", got, st, want)
	}
}

// poll lets the manager look at the kernel.
func poll() { time.Sleep(6 * time.Second); synctest.Wait() }

func nextDay(r *rig) { r.clock.jump(24 * time.Hour); poll() }

func extendAccount(t *testing.T, r *rig, data sessions.Bytes) {
	t.Helper()
	if err := r.ExtendAccount(t.Context(), "ann", data); err != nil {
		t.Fatal(err)
	}
}

func TestSessionCapCuts(t *testing.T) {
	for name, tt := range map[string]struct {
		cap      sessions.VolumeLimit
		up, down int // packets of a hundred octets that pass
	}{
		"up":    {sessions.VolumeLimit{Up: ptr(sessions.Bytes(1000))}, 10, 12},
		"down":  {sessions.VolumeLimit{Down: ptr(sessions.Bytes(1000))}, 12, 10},
		"total": {sessions.VolumeLimit{Total: ptr(sessions.Bytes(1050))}, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: tt.cap}})
				defer func() { r.stop() }()
				told := false // the kernel's word is passed on later, so that nobody cuts between the packets
				r.kernel.reached = func() { told = true }
				s := r.click(t, stationA)
				up, down := 0, 0
				for range 12 { // down last, so that a cap of one direction shows that the other goes on
					if r.kernel.packet(stationA, 100, 0) {
						up++
					}
				}
				for range 12 {
					if r.kernel.packet(stationA, 0, 100) {
						down++
					}
				}
				if up != tt.up || down != tt.down {
					t.Errorf("%d packets up and %d down passed, want %d and %d", up, down, tt.up, tt.down)
				}
				if !told {
					t.Fatal("the kernel does not tell that the cap is reached")
				}
				r.CapReached()
				synctest.Wait() // no poll is due: the kernel's word is enough
				rec := r.disk.last()
				if rec.Session.AcctSessionID != s.AcctSessionID || rec.Session.TerminateCause != sessions.NASRequest {
					t.Errorf("last record: %v %v", rec.Kind, rec.Session.TerminateCause)
				}
				if got := rec.Session.Usage.InputOctets; got != uint64(100*up) {
					t.Errorf("%d octets accounted, want %d", got, 100*up)
				}
				if got := r.disk.txs[1].Message; got != "Data cap used up" {
					t.Errorf("the log says %q", got)
				}
				if r.View(stationA).State != sessions.Captive {
					t.Error("still in")
				}
				r.click(t, stationA) // a cap of a session is of that one
			})
		})
	}
}

func slowLimits(c sessions.CapsOf[sessions.VolumeLimit]) sessions.Limits {
	return sessions.Limits{Caps: c, BandwidthUp: ptr(sessions.BitRate(100e3)), BandwidthDown: ptr(sessions.BitRate(20e6)),
		SlowUp: ptr(sessions.BitRate(128e3)), SlowDown: ptr(sessions.BitRate(256e3))}
}

func TestSlowAtSessionCapAndExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, slowLimits(sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}))
		defer func() { r.stop() }()
		s := r.click(t, stationA)
		if d := r.View(stationA).Session.Data; d != (sessions.DataView{Limited: true, Left: 1000}) {
			t.Errorf("before: %+v", d)
		}
		r.wantPassed(t, stationA, 1000)
		poll()
		g := r.kernel.grant(stationA)
		if g.RateUp != 100e3 || g.RateDown != 256e3 || len(g.Caps) != 0 {
			t.Errorf("slow: %v up, %v down, caps %v; a rate for the slow is never above the session's own", g.RateUp, g.RateDown, g.Caps)
		}
		if d := r.View(stationA).Session.Data; d != (sessions.DataView{Limited: true, Slow: true}) {
			t.Errorf("slow: %+v", d)
		}
		r.kernel.traffic(stationA, 700, 0)
		r.stop()
		r.start(t) // it stays slow over a restart
		poll()
		if g := r.kernel.grant(stationA); g.RateDown != 256e3 || len(g.Caps) != 0 {
			t.Errorf("after a restart: %v down, caps %v", g.RateDown, g.Caps)
		}
		got, err := r.Extend(t.Context(), stationA, sessions.Extension{Data: 2000})
		if err != nil || got.AcctSessionID != s.AcctSessionID || got.Data.Left != 1300 || got.Data.Slow {
			t.Errorf("extended: %+v, %v; what was used slowly counts", got.Data, err)
		}
		if g := r.kernel.grant(stationA); g.RateDown != 20e6 {
			t.Errorf("extended: %v down", g.RateDown)
		}
		r.wantPassed(t, stationA, 1300)
		poll()
		if !r.View(stationA).Session.Data.Slow {
			t.Error("not slow at the end of the extension")
		}
		wantLog(t, r.disk, []string{"Start"}, []string{"ui h200"})
	})
}

func TestExtendExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{SessionTimeout: ptr(time.Hour), Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}})
		defer func() { r.stop() }()
		s := r.click(t, stationA)
		r.wantPassed(t, stationA, 1000)
		for range 600 { // refused, and not charged
			r.kernel.packet(stationA, 100, 0)
		}
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Data: 700, Time: time.Hour}); err != nil {
			t.Fatal(err)
		}
		r.wantPassed(t, stationA, 700)
		if r.disk.sessions[s.AcctSessionID].Limits.SessionTimeout != 2*time.Hour {
			t.Error("the extension is not in the journal")
		}
		if g := r.kernel.grant(stationA); g.Timeout != 2*time.Hour+kernelTick {
			t.Errorf("the kernel has %v", g.Timeout)
		}
		poll()
		if rec := r.disk.last(); rec.Session.Usage.InputOctets != 1700 || rec.Session.TerminateCause != sessions.NASRequest {
			t.Errorf("stopped with %d octets by %v", rec.Session.Usage.InputOctets, rec.Session.TerminateCause)
		}
		var refusal *sessions.Refusal
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Data: 1}); !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedNotLoggedIn {
			t.Errorf("extending what is over: %v", err)
		}
	})
}

func TestExtendAccountExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Week: total(1000)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		r.wantPassed(t, stationA, 1000)
		extendAccount(t, r, 300) // before anybody has looked
		r.kernel.traffic(stationA, 200, 0)
		r.wantPassed(t, stationB, 100)
		poll()
		wantLog(t, r.disk, []string{"Start", "Start", "Stop NAS-Request", "Stop NAS-Request"},
			[]string{"ui h200", "ui h200", "di h200", "di h200"})
	})
}

// A reading that was on its way when more was given says nothing about what was given.
func TestExtendedWhileBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1050)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.wantPassed(t, stationA, 1000)
		r.kernel.beforeAnswer(func() {
			time.Sleep(time.Millisecond)
			r.kernel.packet(stationA, 50, 0)
			extendAccount(t, r, 450)
		})
		poll()
		r.wantPassed(t, stationA, 400)
		poll()
		if rec := r.disk.last(); rec.Session.Usage.InputOctets != 1450 {
			t.Errorf("%d octets accounted, want 1450", rec.Session.Usage.InputOctets)
		}
	})
}

func TestExtendNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{})
		defer func() { r.stop() }()
		r.click(t, stationA)
		for _, x := range []sessions.Extension{{Time: time.Minute}, {Data: 1}} {
			if _, err := r.Extend(t.Context(), stationA, x); !errors.Is(err, sessions.ErrNoLimit) {
				t.Errorf("%+v: %v", x, err)
			}
		}
		if err := r.ExtendAccount(t.Context(), "nobody", 1); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("an unknown account: %v", err)
		}
	})
}

func TestExtensionOutlivesChangedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{SessionTimeout: ptr(time.Hour), Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Data: 500, Time: time.Minute}); err != nil {
			t.Fatal(err)
		}
		ann := r.local["ann"]
		ann.Limits.Caps.Session = total(2000)
		r.local["ann"] = ann
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		r.wantPassed(t, stationA, 2500)
		if got := r.View(stationA).Session.Limits.SessionTimeout; got != time.Hour+time.Minute {
			t.Errorf("session timeout %v", got)
		}
	})
}

func TestAccountCapIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000), Month: total(2500)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		r.kernel.traffic(stationA, 300, 300)
		r.wantPassed(t, stationB, 400)
		if r.kernel.packet(stationA, 1, 0) {
			t.Error("the other station has its own allowance")
		}
		poll()
		wantLog(t, r.disk, []string{"Start", "Start", "Stop NAS-Request", "Stop NAS-Request"},
			[]string{"ui h200", "ui h200", "di h200", "di h200"})
		r.wantRefused(t, stationA)

		extendAccount(t, r, 500)
		r.login(t, stationA)
		r.wantPassed(t, stationA, 500)
		poll()
		r.wantRefused(t, stationB)

		nextDay(r) // Sunday
		r.login(t, stationB)
		r.wantPassed(t, stationB, 1000)
		poll()
		nextDay(r) // Monday: 3000 are the month's, with the extension, and 2500 are used
		r.login(t, stationA)
		r.wantPassed(t, stationA, 500)
		poll()
		nextDay(r)
		r.wantRefused(t, stationA)
		r.clock.jump(28 * 24 * time.Hour) // February
		poll()
		r.login(t, stationA)
		r.wantPassed(t, stationA, 1000)
	})
}

// More for one session by its own cap leaves it in the account's.
func TestExtendedSessionSharesTheAccountsCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(5000), Day: total(1000)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Data: 100}); err != nil {
			t.Fatal(err)
		}
		r.kernel.traffic(stationA, 300, 0)
		r.wantPassed(t, stationB, 700)
	})
}

func TestPeriodRollsOverARunningSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, slowLimits(sessions.CapsOf[sessions.VolumeLimit]{Day: total(1050), Week: total(2650)}))
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		wantSlow := func(want bool) {
			t.Helper()
			poll()
			for _, st := range []sessions.Station{stationA, stationB} {
				if got := r.kernel.grant(st).RateDown == 256e3; got != want || r.View(st).Session.Data.Slow != want {
					t.Errorf("%v slow: %v, want %v", st, got, want)
				}
			}
		}
		r.wantPassed(t, stationA, 1000)
		wantSlow(true)
		r.kernel.traffic(stationB, 400, 0) // slowly
		nextDay(r)                         // Sunday
		wantSlow(false)
		r.wantPassed(t, stationA, 1000) // 200 of the week are left
		wantSlow(true)
		nextDay(r) // Monday: another day, another week
		wantSlow(false)
		r.wantPassed(t, stationB, 1000)
		wantSlow(true)
		r.stop()
		time.Sleep(24 * time.Hour) // midnight passes while the daemon is away
		r.start(t)
		wantSlow(false)
		r.wantPassed(t, stationB, 1000)
		wantSlow(true)
		nextDay(r)
		wantSlow(false)
		r.wantPassed(t, stationB, 600) // what the week leaves
		wantSlow(true)
		nextDay(r)
		wantSlow(true)
		wantLog(t, r.disk, []string{"Start", "Start"}, []string{"ui h200", "ui h200"})
	})
}

// What was used is not forgotten and not counted twice when the daemon dies, the machine dies, or the rules are removed.
func TestLedgerOverDeaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(10_000)}})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		r.kernel.traffic(stationA, 1000, 0)
		r.kernel.traffic(stationB, 500, 0)
		poll()
		r.disk.setFull(true) // the daemon dies: what it would still have written is lost
		r.stop()
		r.kernel.traffic(stationA, 200, 0)
		r.disk.setFull(false)
		r.start(t)
		left := func(want sessions.Bytes) {
			t.Helper()
			poll()
			if got := r.View(stationA).Session.Data.Left; got != want {
				t.Errorf("%d left, want %d", got, want)
			}
		}
		left(8300)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		left(8300)
		r.kernel.remove()
		left(8300)
		r.kernel.traffic(stationA, 300, 0)
		left(8000)
		time.Sleep(time.Minute) // usage is written
		r.disk.setFull(true)
		r.stop()
		r.disk.setFull(false)
		r.start(t) // which must know that the kernel's counters began anew
		left(8000)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("66666666-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(stationA, addrA)
		left(8000)
		r.wantPassed(t, stationA, 8000)
	})
}

func TestClockThatIsNotBelievable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}},
			func(c *sessions.Config) { c.Believable = now.Add(-time.Hour) })
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.kernel.traffic(stationA, 600, 0)
		time.Sleep(2 * time.Minute)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("66666666-2222-3333-4444-555555555555")
		r.clock.jump(-10 * 365 * 24 * time.Hour)
		r.start(t)
		left := func(st sessions.Station, want sessions.Bytes) {
			t.Helper()
			poll()
			if got := r.View(st).Session.Data.Left; got != want {
				t.Errorf("%d left, want %d", got, want)
			}
		}
		r.login(t, stationB)
		left(stationB, 400) // the last day known goes on
		r.kernel.traffic(stationB, 100, 0)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.login(t, stationA)
		r.kernel.traffic(stationA, 50, 0)
		left(stationA, 250)
		r.clock.jump(10*365*24*time.Hour + 24*time.Hour) // it is another day
		left(stationA, 850)                              // in which this and the session before were
		r.stop()
		r.start(t)
		left(stationA, 850)
		r.clock.jump(-10 * 365 * 24 * time.Hour) // and lost again: it is known by the time since
		time.Sleep(24 * time.Hour)
		left(stationA, 1000)
	})
}

func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, slowLimits(sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}))
		defer func() { r.stop() }()
		r.login(t, stationA)
		left := func(want sessions.Bytes) {
			t.Helper()
			poll()
			if got := r.View(stationA).Session.Data.Left; got != want {
				t.Errorf("%d left, want %d", got, want)
			}
		}
		time.Sleep(24*time.Hour - 3*time.Second)
		r.kernel.traffic(stationA, 100, 0)
		time.Sleep(2 * time.Second)
		left(1000)
		r.clock.jump(-time.Minute) // back over midnight, a little
		r.kernel.traffic(stationA, 300, 0)
		left(700)
		time.Sleep(2 * time.Hour)
		left(700)

		r.clock.jump(10 * 365 * 24 * time.Hour) // ahead, and back: today's are not given twice, nor lost
		left(1000)
		r.kernel.traffic(stationA, 200, 0)
		left(800)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		extendAccount(t, r, 50)
		r.login(t, stationA)
		left(850)
		r.clock.jump(-10 * 365 * 24 * time.Hour)
		left(550)
		r.stop()
		r.start(t)
		left(550)
		time.Sleep(24 * time.Hour)
		left(1000)
	})
}

func TestGuestsAndZonesCountApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := zone(sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(2000)}})
		free.Name = "free"
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}},
			func(c *sessions.Config) { c.Zones = append(c.Zones, free) })
		defer func() { r.stop() }()
		elsewhere := sessions.Station{Zone: "free", MAC: stationA.MAC}
		for _, st := range []sessions.Station{stationA, stationB, elsewhere} {
			r.click(t, st)
		}
		r.wantPassed(t, stationA, 1000) // a click-through guest is his station
		r.wantPassed(t, stationB, 1000)
		r.wantPassed(t, elsewhere, 2000)
		poll()
		if err := r.ExtendGuest(t.Context(), stationA, 300); err != nil {
			t.Fatal(err)
		}
		r.click(t, stationA)
		r.wantPassed(t, stationA, 300)
		poll()

		r.login(t, stationB) // an account has one ledger, each zone its own caps for it
		r.login(t, elsewhere)
		r.wantPassed(t, stationB, 1000)
		poll()
		if r.View(stationB).Session != nil || r.View(elsewhere).Session.Data.Left != 1000 {
			t.Errorf("here %+v, there %+v", r.View(stationB).Session, r.View(elsewhere).Session.Data)
		}
		r.kernel.traffic(elsewhere, 1000, 0)
		poll()
		if r.View(elsewhere).Session != nil {
			t.Error("what was used in the other zone does not count")
		}
	})
}

func TestCapsBeginDuringASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.kernel.traffic(stationA, 5000, 0)
		change := func(l sessions.Limits) {
			t.Helper()
			ann := r.local["ann"]
			ann.Limits = l
			r.local["ann"] = ann
			if err := r.AccountChanged(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
		}
		poll()
		change(sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}})
		r.kernel.traffic(stationA, 400, 0)
		poll()
		change(sessions.Limits{})
		r.kernel.traffic(stationA, 5000, 0)
		poll()
		change(sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}})
		r.wantPassed(t, stationA, 600)
		poll()
		if rec := r.disk.last(); rec.Session.TerminateCause != sessions.NASRequest || rec.Session.Usage.InputOctets != 11_000 {
			t.Errorf("stopped by %v with %d octets", rec.Session.TerminateCause, rec.Session.Usage.InputOctets)
		}
	})
}

func TestCapsPrecedence(t *testing.T) {
	b := func(n uint64) *sessions.Bytes { return ptr(sessions.Bytes(n)) }
	account := sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Up: b(1), Total: b(0)}}}
	profile := sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Up: b(2), Down: b(3)}, Month: total(70)},
		SlowDown: ptr(sessions.BitRate(0))}
	zone := sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Total: b(9), Down: b(9)}, Week: total(9)},
		SlowDown: ptr(sessions.BitRate(64e3))}
	bounds := sessions.Bounds{MaxCaps: sessions.CapsOf[sessions.Volume]{Session: sessions.Volume{Total: 100}, Day: sessions.Volume{Up: 5}, Month: sessions.Volume{Total: 60}}}
	want := sessions.Effective{Caps: sessions.CapsOf[sessions.Volume]{Session: sessions.Volume{Up: 1, Down: 3, Total: 100},
		Day: sessions.Volume{Up: 5}, Week: sessions.Volume{Total: 9}, Month: sessions.Volume{Total: 60}}}
	if diff := cmp.Diff(want, sessions.Resolve(bounds, account, profile, zone)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A MAC address alone does not let a device in again that has used up its session's cap: not on the same day.
func TestCapOfPreauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) { c.TimeZone = time.UTC })
		defer func() { r.stop() }()
		limits := sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}}
		r.local["tv"] = account("tv", limits)
		r.set(t, preauthorized(stationA, "tv"))
		r.see(stationA)
		r.wantPassed(t, stationA, 1000)
		poll()
		r.see(stationA)
		if v := r.View(stationA); v.Session != nil || v.Access.Kind != sessions.AccessSuspended || v.Access.Note != "Data cap used up" {
			t.Errorf("at the cap of its session: %+v", v)
		}
		time.Sleep(24 * time.Hour)
		r.see(stationA)
		r.wantPassed(t, stationA, 1000)

		limits.Caps = sessions.CapsOf[sessions.VolumeLimit]{Day: total(3000)} // of the day there is left what the account leaves
		r.local["tv"] = account("tv", limits)
		if err := r.AccountChanged(t.Context(), "tv"); err != nil {
			t.Fatal(err)
		}
		poll()
		r.see(stationA)
		r.wantPassed(t, stationA, 3000)
		poll()
		r.see(stationA)
		if v := r.View(stationA); v.Session != nil || v.Access.Kind == sessions.AccessSuspended || v.Refused != sessions.RefusedCap {
			t.Errorf("at the cap of its day: %+v", v)
		}
		nextDay(r)
		time.Sleep(time.Hour) // it tries now and then
		r.see(stationA)
		r.wantPassed(t, stationA, 3000)
	})
}

// A reboot gives what the session's own cap had left, and nothing where it had nothing.
func TestSessionCapOverAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}})
		defer func() { r.stop() }()
		r.click(t, stationA)
		reboot := func(id string) {
			poll()
			time.Sleep(2 * time.Minute)
			r.stop()
			r.kernel.wipe()
			r.clock.reboot(id)
			r.start(t)
			r.Seen(stationA, addrA)
			poll()
		}
		r.kernel.traffic(stationA, 600, 0)
		reboot("22222222-2222-3333-4444-555555555555")
		r.kernel.traffic(stationA, 100, 0)
		reboot("33333333-2222-3333-4444-555555555555")
		r.wantPassed(t, stationA, 300)
		r.disk.setFull(true) // the end cannot be written before the power is cut
		poll()
		r.stop()
		r.disk.setFull(false)
		r.kernel.wipe()
		r.clock.reboot("44444444-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(stationA, addrA)
		poll()
		if r.kernel.hammer(stationA) > 300 { // what was used since it was last written down
			t.Error("a power cut gives more than it cost")
		}
	})
}

// Who goes on slowly does so after a reboot.
func TestSlowOverAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capRig(t, slowLimits(sessions.CapsOf[sessions.VolumeLimit]{Session: total(1000)}))
		defer func() { r.stop() }()
		r.click(t, stationA)
		r.wantPassed(t, stationA, 1000)
		poll()
		time.Sleep(2 * time.Minute)
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(stationA, addrA)
		poll()
		if g := r.kernel.grant(stationA); g.RateDown != 256e3 || !r.View(stationA).Session.Data.Slow {
			t.Errorf("%v down", g.RateDown)
		}
	})
}

func BenchmarkCaps(b *testing.B) {
	k, d := newKernel(), newDisk()
	z := zone(sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: total(1e9), Day: total(1e9), Month: total(1e10)}})
	m := sessions.New(sessions.Config{Clock: newClock(), Enforcer: k, Store: d, Local: accounts{}, Verifiers: verifiers{},
		Logger: slog.New(slog.DiscardHandler), Zones: []sessions.Zone{z}, NASID: "x"})
	if err := m.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	for n := range 5000 {
		st := sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0, 1, byte(n >> 8), byte(n)}}
		if _, err := m.Login(b.Context(), sessions.LoginRequest{Station: st, Method: sessions.MethodClick, AcceptedTerms: "1"}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		m.Sessions() // each with what it has left
	}
}

// slowDisk takes a moment to write.
type slowDisk struct{ *disk }

func (d slowDisk) Commit(ctx context.Context, b sessions.Batch) error {
	time.Sleep(10 * time.Millisecond)
	return d.disk.Commit(ctx, b)
}

// The kernel is read by Run and for guests at the same moment: what has no date yet goes to its day once.
func TestTwoReadingsBringADateOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const years = 11 * 365 * 24 * time.Hour
		r := capRig(t, sessions.Limits{Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: total(1000)}},
			func(c *sessions.Config) {
				c.Believable, c.Store = time.Now().Add(years-time.Hour), slowDisk{c.Store.(*disk)}
			})
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.login(t, stationB)
		r.kernel.traffic(stationA, 600, 0)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.clock.jump(years)
		r.CapReached()
		r.Recheck(t.Context())
		time.Sleep(time.Second)
		if s := r.View(stationB).Session; s == nil || s.Data.Left != 400 {
			t.Errorf("ann may not use what is left of her day: %+v", s)
		}
	})
}
