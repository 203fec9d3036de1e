package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

func TestHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	week := func(from, to int, days ...time.Weekday) (all []sessions.Span) {
		for _, d := range days {
			all = append(all, sessions.Span{Day: d, From: from * 60, To: to * 60})
		}
		return all
	}
	office := append(week(8, 22, 1, 2, 3, 4, 5), week(22, 26, 6)...) // Saturday 22:00 to 02:00
	always := week(0, 24, 0, 1, 2, 3, 4, 5, 6)
	for _, tt := range []struct {
		now   string
		spans []sessions.Span
		open  bool
		until string
	}{
		{"2026-11-23 07:59", office, false, "2026-11-23 08:00"}, // Monday
		{"2026-11-23 08:00", office, true, "2026-11-23 22:00"},
		{"2026-11-23 22:00", office, false, "2026-11-24 08:00"},
		{"2026-11-27 22:00", office, false, "2026-11-28 22:00"},
		{"2026-11-29 01:59", office, true, "2026-11-29 02:00"},
		{"2026-11-29 02:00", office, false, "2026-11-30 08:00"},
		{"2026-12-23 23:00", office, false, "2026-12-25 08:00"}, // not on the 24th
		{"2026-12-25 00:30", week(22, 26, 4), false, "2026-12-31 22:00"},
		{"2026-12-24 12:00", always, false, "2026-12-25 00:00"},
		{"2026-12-22 12:00", always, true, "2026-12-24 00:00"},
		{"2027-01-02 12:00", always, true, ""},
		{"2026-03-28 23:00", week(22, 28, 6), true, "2026-03-29 04:00"}, // five hours, but four by a watch: the clock is put on
		{"2026-10-24 23:00", week(22, 28, 6), true, "2026-10-25 04:00"},
		{"2026-05-01 12:00", nil, true, ""},
	} {
		h := sessions.Hours{Spans: tt.spans, Closed: []string{"2026-12-24"}}
		now, err := time.ParseInLocation("2006-01-02 15:04", tt.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		open, until := h.At(now)
		got := ""
		if !until.IsZero() {
			got = until.Format("2006-01-02 15:04")
		}
		if open != tt.open || got != tt.until {
			t.Errorf("%s: open %v until %q, want %v until %q", tt.now, open, got, tt.open, tt.until)
		}
	}
	spring := time.Date(2026, 3, 28, 23, 0, 0, 0, berlin)
	if _, until := (&sessions.Hours{Spans: week(22, 28, 6)}).At(spring); until.Sub(spring) != 4*time.Hour {
		t.Errorf("the night in which the clock is put on lasts %v from 23:00 to 04:00", until.Sub(spring))
	}
}

// hoursRig is open from 08:00 to 22:00. A bubble begins on Saturday, the first of January 2000, at midnight.
func hoursRig(t *testing.T, change ...func(*sessions.Config)) *rig {
	z := zone(sessions.Limits{SessionTimeout: ptr(20 * time.Hour)})
	for d := range 7 {
		z.Hours.Spans = append(z.Hours.Spans, sessions.Span{Day: time.Weekday(d), From: 8 * 60, To: 22 * 60})
	}
	z.Access = []sessions.AccessRule{{Kind: sessions.AccessTrusted, MAC: stationB.MAC}}
	return newRig(t, z, append(change, func(c *sessions.Config) {
		c.TimeZone, c.Believable = time.UTC, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	})...)
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prover := &provers{}
		r := hoursRig(t, func(c *sessions.Config) {
			c.Provers = prover
			c.Zones[0].Methods = append(c.Zones[0].Methods, sessions.MethodEmail)
		})
		defer func() { r.stop() }()
		enter := func() sessions.Refusal {
			_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodClick, AcceptedTerms: "1"})
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) {
				return *refusal
			}
			return sessions.Refusal{}
		}
		if _, err := r.BeginProof(t.Context(), sessions.ProofRequest{Station: stationA, Method: sessions.MethodEmail}); reason(err) != sessions.RefusedClosed || prover.begun > 0 {
			t.Errorf("a code is sent that nobody can use before opening: %v", err)
		}
		opens := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
		if got := enter(); got.Reason != sessions.RefusedClosed || !got.Until.Equal(opens) {
			t.Errorf("before opening: %+v", got)
		}
		r.Seen(stationB, addrA)
		synctest.Wait()
		if !r.kernel.live(stationB) {
			t.Error("a trusted device is shut out at night")
		}
		time.Sleep(time.Until(opens))
		if got := enter(); got.Reason != "" {
			t.Fatalf("open: %+v", got)
		}
		if got := r.kernel.grant(stationA).Timeout; got != 14*time.Hour+kernelTick { // the kernel ends it, with the daemon dead
			t.Errorf("the kernel has %v", got)
		}
		s := r.View(stationA).Session
		if left, ok := s.Left(s.Used); !ok || left != 14*time.Hour {
			t.Errorf("told: %v %v", left, ok)
		}
		time.Sleep(14*time.Hour + time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) || !r.kernel.live(stationB) {
			t.Error("at closing time the guest is not out, or the trusted device is")
		}
		if rec := r.disk.last(); rec.Session.TerminateCause != sessions.SessionTimeout || rec.Session.Used != 14*time.Hour || r.disk.message(-1) != "Closing time" {
			t.Errorf("%v after %v: %s", rec.Session.TerminateCause, rec.Session.Used, r.disk.message(-1))
		}
		if got := enter(); got.Reason != sessions.RefusedClosed || !got.Until.Equal(opens.AddDate(0, 0, 1)) {
			t.Errorf("after closing: %+v", got)
		}
	})
}

// A clock that is put right moves the end of sessions; one that nobody can believe lets guests in for a while.
func TestClosingMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hoursRig(t)
		defer func() { r.stop() }()
		const century = 100 * 365 * 24 * time.Hour
		r.clock.jump(-century)
		s := r.click(t, stationA)
		if got := r.kernel.grant(stationA).Timeout; got != 15*time.Minute+kernelTick || s.Closing != 15*time.Minute {
			t.Errorf("without a clock: %v", got)
		}
		time.Sleep(10 * time.Minute)
		r.clock.jump(century + 21*time.Hour) // 21:10
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, want := r.kernel.grant(stationA).Timeout, 50*time.Minute; (got - want).Abs() > 11*time.Second {
			t.Errorf("with a clock: %v, want %v", got, want)
		}
		if got := r.disk.sessions[s.AcctSessionID].Closing; got < 59*time.Minute || got > time.Hour {
			t.Errorf("the journal has %v", got)
		}
		r.clock.jump(-2 * time.Hour)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := r.kernel.grant(stationA).Timeout; got < 169*time.Minute || got > 170*time.Minute {
			t.Errorf("put back: %v", got)
		}
		r.clock.jump(3 * time.Hour)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Error("put on beyond closing time, and nobody is out")
		}
	})
}

// Nobody is offered more time than there is until closing time.
func TestNoMoreThanUntilClosing(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{20 * time.Hour: 0, 45 * time.Minute: 15 * time.Minute, 20 * time.Minute: 30 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := hoursRig(t, func(c *sessions.Config) {
				c.Zones[0].Prolong, c.Zones[0].Limits.SessionTimeout = sessions.Prolonging{By: 30 * time.Minute, Times: 2}, &timeout
			})
			defer func() { r.stop() }()
			time.Sleep(21 * time.Hour)
			r.click(t, stationA)
			if got := r.View(stationA).More; got != want {
				t.Errorf("%v an hour before closing: %v more, want %v", timeout, got, want)
			}
			s, err := r.Prolong(t.Context(), stationA, addrA, 1)
			if want == 0 && reason(err) != sessions.RefusedProlong || want > 0 && s.Limits.SessionTimeout != timeout+want {
				t.Errorf("%v: extended to %v: %v", timeout, s.Limits.SessionTimeout, err)
			}
		})
	}
}

// The daemon dies before closing time and comes back after it: the session ended at closing time.
func TestClosedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hoursRig(t)
		defer func() { r.stop() }()
		time.Sleep(21 * time.Hour)
		r.click(t, stationA)
		r.stop()
		time.Sleep(2 * time.Hour)
		r.start(t)
		if rec := r.disk.last(); rec.Kind != sessions.Stop || rec.Session.Used != time.Hour || rec.Session.TerminateCause != sessions.SessionTimeout {
			t.Errorf("%v after %v: %v", rec.Kind, rec.Session.Used, rec.Session.TerminateCause)
		}
		r.kernel.wipe()
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.stop()
		r.start(t)
		r.Seen(stationA, addrA)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Error("resumed after closing time")
		}
	})
}
