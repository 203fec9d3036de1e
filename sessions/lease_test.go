package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// payer is a centre with one account that pays with time, known at the gateway.
func payer(t *testing.T, l sessions.Lease) (*rig, *centre) {
	t.Helper()
	c := &centre{password: "s3cret", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1,
		Active: true, Lease: &l}}
	r := newRig(t, zone(sessions.Limits{}), func(cfg *sessions.Config) { cfg.Authority = c })
	c.mirror = r.mirror
	return r, c
}

// lend is the feed's news of a lease.
func (r *rig) lend(t *testing.T, c *centre, l sessions.Lease) {
	t.Helper()
	c.account.Lease = &l
	r.mirror["carl"] = c.account
	if err := r.AccountChanged(t.Context(), "carl"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// endsAfter says when from now the kernel lets go of a station.
func (r *rig) endsAfter(st sessions.Station) time.Duration {
	r.kernel.mu.Lock()
	defer r.kernel.mu.Unlock()
	h := r.kernel.grants[st]
	if h == nil || h.until.IsZero() {
		return 0
	}
	return time.Until(h.until).Round(time.Second)
}

func (r *rig) wantEnds(t *testing.T, what string, st sessions.Station, want time.Duration) {
	t.Helper()
	synctest.Wait()
	if got := r.endsAfter(st); got != want {
		t.Errorf("%s: ends after %v, want %v", what, got, want)
	}
}

func TestLeaseBoundsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(24 * time.Hour)}
		r, c := payer(t, lease)
		defer r.stop()
		if _, got := r.password(t, stationA, "carl", "s3cret"); got != "" {
			t.Fatal(got)
		}
		r.wantEnds(t, "begun", stationA, time.Hour)
		time.Sleep(50 * time.Minute)
		lease.Time, lease.Spent = 100*time.Minute, 40*time.Minute
		r.lend(t, c, lease)
		r.wantEnds(t, "more was lent", stationA, 50*time.Minute)
		time.Sleep(20 * time.Minute)
		lease.Time, lease.Spent = 71*time.Minute, 71*time.Minute // he spends elsewhere too
		r.lend(t, c, lease)
		r.wantEnds(t, "taken back", stationA, time.Second)
		time.Sleep(2 * time.Second)
		if n := len(r.Sessions()); n != 0 {
			t.Errorf("%d sessions run", n)
		}
		asked := c.asked
		if _, got := r.password(t, stationA, "carl", "s3cret"); got != sessions.RefusedNothingLeft || c.asked != asked+1 {
			t.Errorf("login with nothing left: %q, asked %d times", got, c.asked-asked)
		}
		c.account.Lease = &sessions.Lease{ID: 2, Time: time.Minute, Ends: lease.Ends}
		if _, got := r.password(t, stationA, "carl", "s3cret"); got != "" {
			t.Errorf("login after the centre lent again: %q", got)
		}
		r.wantEnds(t, "lent again", stationA, time.Minute)
	})
}

// Offline a gateway lets an account spend the lease and its grace, however often it logs in, and also after a restart.
func TestLeaseAndGraceAreAllThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := payer(t, sessions.Lease{ID: 1, Time: 30 * time.Minute, Grace: 15 * time.Minute, Ends: time.Now().Add(time.Hour)})
		defer func() { r.stop() }()
		in := func() sessions.Reason { _, got := r.password(t, stationA, "carl", "s3cret"); return got }
		out := func() {
			if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
		}
		if got := in(); got != "" {
			t.Fatal(got)
		}
		c.err = sessions.ErrUnreachable
		time.Sleep(20 * time.Minute)
		out()
		r.stop()
		r.start(t)
		if got := in(); got != "" {
			t.Fatal(got)
		}
		r.wantEnds(t, "with the grace", stationA, 25*time.Minute)
		time.Sleep(24 * time.Minute)
		out()
		if got := in(); got != "" {
			t.Errorf("in the grace: %q", got)
		}
		r.wantEnds(t, "a minute is left", stationA, time.Minute)
		time.Sleep(2 * time.Minute)
		if got := in(); got != sessions.RefusedNothingLeft {
			t.Errorf("after the grace: %q", got)
		}
	})
}

func TestSessionsShareALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := payer(t, sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(24 * time.Hour)})
		defer r.stop()
		for _, st := range []sessions.Station{stationA, stationB} {
			if _, got := r.password(t, st, "carl", "s3cret"); got != "" {
				t.Fatal(got)
			}
		}
		r.wantEnds(t, "the second", stationB, 30*time.Minute)
		r.wantEnds(t, "the first, from now on half", stationA, 30*time.Minute)
		time.Sleep(10 * time.Minute)
		if _, err := r.Logout(t.Context(), stationB, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "alone again", stationA, 40*time.Minute)
	})
}

func TestLeaseThatHasEndedIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := payer(t, sessions.Lease{ID: 1, Time: 5 * time.Hour, Grace: time.Minute, Ends: time.Now().Add(time.Hour)})
		defer r.stop()
		for i, pass := range []time.Duration{0, 30 * time.Minute, 40 * time.Minute} {
			time.Sleep(pass)
			if _, got := r.password(t, stationA, "carl", "s3cret"); got != "" {
				t.Fatal(got)
			}
			if want := []int{1, 1, 2}[i]; c.asked != want {
				t.Errorf("after %v the centre was asked %d times, want %d", pass, c.asked, want)
			}
			if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A balance that is nobody's business any more bounds nothing.
func TestAccountStopsPayingWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := payer(t, sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(time.Hour)})
		defer r.stop()
		r.password(t, stationA, "carl", "s3cret")
		c.account.Lease = nil
		r.mirror["carl"] = c.account
		if err := r.AccountChanged(t.Context(), "carl"); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "without a balance", stationA, 0)
	})
}

// wantTold judges what the guest of stationA is told of his time: what is left, and the balance at the centre.
func (r *rig) wantTold(t *testing.T, what string, left, balance time.Duration, away bool) {
	t.Helper()
	v := r.View(stationA)
	if v.Balance == nil || !v.Limited || v.Left.Round(time.Second) != left || v.Balance.Left.Round(time.Second) != balance || v.Balance.Away != away {
		t.Errorf("%s: told %v of %+v, want %v of %v", what, v.Left, v.Balance, left, balance)
	}
}

// What a guest is told is what he gets: all of his balance while the centre lends, and what is lent once it is away or says no more.
func TestToldOfALeaseIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := sessions.Lease{ID: 1, Time: time.Hour, Grace: 15 * time.Minute, Ends: time.Now().Add(24 * time.Hour),
			Balance: 10 * time.Hour, Behind: 9 * time.Hour, Told: time.Now()}
		r, c := payer(t, lease)
		defer func() { r.stop() }()
		reach := true
		r.stop()
		r.cfg.InReach = func() bool { return reach }
		r.start(t)
		if s, got := r.password(t, stationA, "carl", "s3cret"); got != "" || s.Limits.InterimInterval != 450*time.Second {
			t.Fatalf("%q, accounted every %v: the centre lends more when it hears that half is spent", got, s.Limits.InterimInterval)
		}
		r.wantTold(t, "begun", 10*time.Hour, 10*time.Hour, false)
		r.wantEnds(t, "begun", stationA, 75*time.Minute)
		time.Sleep(20 * time.Minute)
		r.wantTold(t, "later", 10*time.Hour-20*time.Minute, 10*time.Hour-20*time.Minute, false)
		reach = false
		r.wantTold(t, "the centre is away", 55*time.Minute, 10*time.Hour-20*time.Minute, true)
		reach = true
		time.Sleep(26 * time.Minute)
		r.wantTold(t, "nothing was lent in time", 29*time.Minute, 10*time.Hour-46*time.Minute, false)
		lease.Time, lease.Spent, lease.Balance, lease.Behind = 106*time.Minute, 46*time.Minute, 554*time.Minute, 494*time.Minute
		r.lend(t, c, lease)
		r.wantTold(t, "lent again", 554*time.Minute, 554*time.Minute, false)
		lease.Grace, lease.Balance, lease.Behind = 0, time.Hour, 0 // the rest was taken away, or is spent elsewhere
		r.lend(t, c, lease)
		r.wantTold(t, "the end of the balance", time.Hour, time.Hour, false)
		r.stop()
		r.start(t)
		time.Sleep(56 * time.Minute)
		r.wantTold(t, "near the end, after a restart", 4*time.Minute, 4*time.Minute, false)
		r.wantEnds(t, "near the end", stationA, 4*time.Minute)
	})
}

// The session's own timeout is what is told where it comes before the end of the balance, and more of it is offered only where the
// lease has it.
func TestOwnTimeoutBesideALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := sessions.Lease{ID: 1, Time: 80 * time.Minute, Ends: time.Now().Add(24 * time.Hour), Balance: 10 * time.Hour, Behind: 520 * time.Minute, Told: time.Now()}
		c := &centre{password: "s3cret", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true, Lease: &lease}}
		r := newRig(t, kind(), func(cfg *sessions.Config) { cfg.Authority, cfg.InReach = c, func() bool { return true } })
		c.mirror = r.mirror
		defer r.stop()
		if _, got := r.password(t, stationA, "carl", "s3cret"); got != "" {
			t.Fatal(got)
		}
		r.wantTold(t, "begun", time.Hour, 10*time.Hour, false)
		if v := r.View(stationA); v.More != 20*time.Minute {
			t.Errorf("offers %v more, the lease has 20 min", v.More)
		}
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Time: 3 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		r.wantEnds(t, "extended by the operator beyond the lease", stationA, 80*time.Minute)
		r.wantTold(t, "extended by the operator", 4*time.Hour, 10*time.Hour, false)
		if v := r.View(stationA); v.More != 0 {
			t.Errorf("offers %v more of what the lease does not have", v.More)
		}
		lease.Time = 5 * time.Hour
		r.lend(t, c, lease)
		r.wantEnds(t, "lent for it", stationA, 4*time.Hour)
	})
}

func TestExtendNoMoreThanTheBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := payer(t, sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(24 * time.Hour)})
		defer r.stop()
		r.password(t, stationA, "carl", "s3cret")
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{Time: time.Hour}); !errors.Is(err, sessions.ErrNoLimit) {
			t.Errorf("time of a balance is given here: %v", err)
		}
		if _, err := r.Extend(t.Context(), stationA, sessions.Extension{RateDown: new(sessions.BitRate(1e6))}); err != nil {
			t.Error(err)
		}
		r.wantEnds(t, "with another rate", stationA, time.Hour)
	})
}
