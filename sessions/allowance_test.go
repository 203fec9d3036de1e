package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// counted is an account with a profile that has these checks, of anns's name and password.
func (r *rig) counted(t *testing.T, checks ...string) {
	t.Helper()
	p := sessions.Profile{ShortName: "p"}
	for i := 0; i < len(checks); i += 2 {
		p.Check = append(p.Check, sessions.Attribute{Name: checks[i], Op: ":=", Value: checks[i+1]})
	}
	r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", PasswordHash: annsHash, Active: true, Profiles: []sessions.Profile{p}}
}

func (r *rig) refusal(t *testing.T, st sessions.Station) sessions.Refusal {
	t.Helper()
	_, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodPassword,
		Credentials: sessions.Credentials{Username: "ann", Password: "secret"}})
	var refusal *sessions.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal == nil {
		return sessions.Refusal{}
	}
	return *refusal
}

func (r *rig) wantTimeout(t *testing.T, st sessions.Station, want time.Duration) {
	t.Helper()
	if got := r.kernel.grant(st).Timeout; (got - want).Abs() > 20*time.Second {
		t.Errorf("the kernel has %v, want %v", got, want)
	}
}

// calendarRig is in Berlin, where a bubble begins on Saturday, 1 January 2000, 01:00.
func calendarRig(t *testing.T, change ...func(*sessions.Config)) *rig {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, zone(sessions.Limits{}), append(change, func(c *sessions.Config) {
		c.TimeZone, c.Believable = berlin, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	})...)
}

func sleep(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestLoginTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Login-Time", "Sa0800-1159,Su")
		if got := r.refusal(t, stationA); got.Reason != sessions.RefusedHours || got.Until.Format(time.DateTime) != "2000-01-01 08:00:00" {
			t.Errorf("before the hours: %+v", got)
		}
		if got := r.disk.message(-1); got != "Outside of the account's hours" {
			t.Errorf("the log says %q", got)
		}
		sleep(7*time.Hour + 30*time.Minute)
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 3*time.Hour+30*time.Minute)
		if s := r.View(stationA).Session; s == nil {
			t.Error("not in")
		} else if left, ok := s.Left(s.Used); !ok || left > 3*time.Hour+30*time.Minute {
			t.Errorf("the guest is told %v", left)
		}
		sleep(4 * time.Hour)
		if rec := r.disk.last(); rec.Kind != sessions.Stop || rec.Session.Used != 3*time.Hour+30*time.Minute || r.disk.message(-1) != "Closing time" {
			t.Errorf("%v after %v: %s", rec.Kind, rec.Session.Used, r.disk.message(-1))
		}
		if got := r.refusal(t, stationA); got.Until.Format(time.DateTime) != "2000-01-02 00:00:00" {
			t.Errorf("after the hours: %+v", got)
		}
		r.counted(t, "Login-Time", "rubbish")
		if got := r.refusal(t, stationA); got.Reason != sessions.RefusedHours || !got.Until.IsZero() {
			t.Errorf("hours that cannot be read: %+v", got)
		}
	})
}

// Hours that change end a session or let it go on; without a clock they are not known, and a session is short.
func TestLoginTimeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Login-Time", "Al")
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 0)
		r.counted(t, "Login-Time", "Al0000-0159")
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		r.wantTimeout(t, stationA, time.Hour)
		r.counted(t, "Login-Time", "Al0900-1000")
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		if r.kernel.live(stationA) {
			t.Error("outside of the new hours, and still in")
		}
		const century = 100 * 365 * 24 * time.Hour
		r.clock.jump(-century)
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 15*time.Minute)
		r.clock.jump(century + 8*time.Hour + 30*time.Minute)
		poll()
		r.wantTimeout(t, stationA, 31*time.Minute)
	})
}

func TestDailyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Max-Daily-Session", "3600")
		r.login(t, stationA)
		r.wantTimeout(t, stationA, time.Hour)
		sleep(20 * time.Minute)
		r.login(t, stationB) // the two share what is left
		poll()
		r.wantTimeout(t, stationA, 20*time.Minute)
		r.wantTimeout(t, stationB, 20*time.Minute)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		poll()
		r.wantTimeout(t, stationA, 40*time.Minute)
		r.stop()
		sleep(10 * time.Minute)
		r.start(t)
		poll()
		if s := r.View(stationA).Session; s == nil {
			t.Error("out after a restart")
		} else if left, _ := s.Left(s.Used); (left - 30*time.Minute).Abs() > 30*time.Second {
			t.Errorf("after a restart %v are left", left)
		}
		sleep(31 * time.Minute)
		if rec := r.disk.last(); rec.Kind != sessions.Stop || r.disk.message(-1) != "Time of the account used up" {
			t.Errorf("%v: %s", rec.Kind, r.disk.message(-1))
		}
		if got := r.refusal(t, stationB); got.Reason != sessions.RefusedTimeUp || got.Until.Format(time.DateTime) != "2000-01-02 00:00:00" {
			t.Errorf("used up: %+v", got)
		}
		sleep(time.Until(time.Date(2000, 1, 1, 23, 0, 10, 0, time.UTC))) // ten seconds into the next day
		r.login(t, stationB)
		r.wantTimeout(t, stationB, time.Hour)
	})
}

// A session that has time left when a day ends goes on with what the new day gives.
func TestTimeOverMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Max-Daily-Session", "3600")
		sleep(time.Until(time.Date(2000, 1, 1, 22, 30, 0, 0, time.UTC))) // half an hour before midnight
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 90*time.Minute) // as FreeRADIUS does, and with the daemon dead
		sleep(40 * time.Minute)
		if !r.kernel.live(stationA) {
			t.Fatal("cut at midnight")
		}
		r.wantTimeout(t, stationA, 90*time.Minute) // of its beginning: nothing had to be moved
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 50*time.Minute) // ten minutes of the new day are spent
	})
}

func TestWeekMonthAndAll(t *testing.T) {
	for name, tt := range map[string]struct {
		counter string
		until   string // when there is more
	}{
		"week":  {"Max-Weekly-Session", "2000-01-03 00:00:00"}, // Monday
		"month": {"Max-Monthly-Session", "2000-02-01 00:00:00"},
		"all":   {"Max-All-Session", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := calendarRig(t, seldom)
				defer func() { r.stop() }()
				r.counted(t, tt.counter, "7200", "Max-Daily-Session", "86400")
				r.login(t, stationA)
				r.wantTimeout(t, stationA, 2*time.Hour)
				sleep(3 * time.Hour)
				got := r.refusal(t, stationA)
				if tt.until == "" {
					if got.Reason != sessions.RefusedNothingLeft {
						t.Errorf("used up: %+v", got)
					}
					return
				}
				if got.Reason != sessions.RefusedTimeUp || got.Until.Format(time.DateTime) != tt.until {
					t.Errorf("used up: %+v", got)
				}
				sleep(time.Until(got.Until) + 10*time.Second)
				r.login(t, stationA)
				r.wantTimeout(t, stationA, 2*time.Hour)
			})
		})
	}
}

// On the day on which the clock is put on a day has 23 hours, and begins at midnight all the same.
func TestDayOfOtherLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t, seldom)
		defer func() { r.stop() }()
		r.counted(t, "Max-Daily-Session", "3600")
		sleep(time.Until(time.Date(2000, 3, 25, 23, 30, 0, 0, time.UTC))) // Sunday, 26 March, 00:30 in Berlin
		r.login(t, stationA)
		sleep(2 * time.Hour)
		got := r.refusal(t, stationA)
		if want := time.Date(2000, 3, 26, 22, 0, 0, 0, time.UTC); got.Reason != sessions.RefusedTimeUp || !got.Until.Equal(want) {
			t.Errorf("used up: %+v, want until %v", got, want)
		}
		sleep(time.Until(got.Until) - time.Minute)
		if got := r.refusal(t, stationA); got.Reason != sessions.RefusedTimeUp {
			t.Errorf("a minute before midnight: %+v", got)
		}
		sleep(70 * time.Second)
		r.login(t, stationA)
	})
}

// Without a clock no new day begins: what is used up stays so until it is known which day it is.
func TestTimeWithoutClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Max-Daily-Session", "3600")
		r.login(t, stationA)
		sleep(70 * time.Minute)
		const century = 100 * 365 * 24 * time.Hour
		r.stop()
		r.clock.jump(-century)
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.kernel.wipe()
		r.start(t)
		if got := r.refusal(t, stationA); got.Reason != sessions.RefusedTimeUp || !got.Until.IsZero() {
			t.Errorf("no clock, and the day's time is used up: %+v", got)
		}
		r.clock.jump(century + 24*time.Hour)
		poll()
		r.login(t, stationA)
		r.wantTimeout(t, stationA, time.Hour)
	})
}

// A profile that begins to count does so for sessions that run; a spent allowance ends them.
func TestCounterComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 0)
		sleep(3 * time.Minute) // nobody counted them
		r.counted(t, "Max-Daily-Session", "600")
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		poll()
		r.wantTimeout(t, stationA, 10*time.Minute)
		sleep(5 * time.Minute)
		r.counted(t, "Max-Daily-Session", "120")
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		sleep(2 * time.Second)
		if r.kernel.live(stationA) {
			t.Error("more is spent than there is, and it goes on")
		}
	})
}

// Time that passes before the date is known counts into the day that it turns out to be, once; and shares are dealt meanwhile.
func TestTimeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const century = 100 * 365 * 24 * time.Hour
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.stop()
		r.clock.jump(-century)
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.start(t)
		r.counted(t, "Max-Daily-Session", "1200")
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 20*time.Minute)
		sleep(10 * time.Minute)
		r.login(t, stationB)
		poll()
		r.wantTimeout(t, stationA, 5*time.Minute)
		for _, st := range []sessions.Station{stationA, stationB} {
			if _, err := r.Logout(t.Context(), st, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
		}
		r.clock.jump(century)
		poll()
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 9*time.Minute+48*time.Second)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		nextDay(r)
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 20*time.Minute)
	})
}

// What the centre tells of other gateways counts in its period, also for a session that runs.
func TestTimeElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := calendarRig(t)
		defer func() { r.stop() }()
		r.counted(t, "Max-Daily-Session", "3600")
		tell := func(start string, used time.Duration) {
			a := r.local["ann"]
			a.Elsewhere[sessions.Day] = sessions.Mark{Start: start, Used: used}
			r.local["ann"] = a
		}
		tell("1999-12-31", time.Hour)
		r.login(t, stationA)
		r.wantTimeout(t, stationA, time.Hour)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		tell("2000-01-01", 10*time.Minute)
		r.login(t, stationA)
		r.wantTimeout(t, stationA, 50*time.Minute)
		tell("2000-01-01", 30*time.Minute)
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		poll()
		r.wantTimeout(t, stationA, 30*time.Minute)
		tell("2000-01-01", 2*time.Hour)
		if err := r.AccountChanged(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		poll()
		if r.kernel.live(stationA) {
			t.Error("all is spent elsewhere, and it goes on")
		}
		if got := r.refusal(t, stationA); got.Reason != sessions.RefusedTimeUp {
			t.Errorf("all is spent elsewhere: %+v", got)
		}
	})
}
