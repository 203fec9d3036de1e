package sessions_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

func hash(t *testing.T, p sessions.Password) string {
	t.Helper()
	h, err := sessions.HashPassword(p)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLocalAccount(t *testing.T) {
	h := hash(t, "correct horse")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", PasswordHash: h, Active: true,
			Limits: sessions.Limits{SimultaneousUse: ptr(1), SessionTimeout: ptr(time.Hour)}}
		r.local["off"] = sessions.Account{Source: sessions.SourceLocal, Username: "off", PasswordHash: h}
		r.local["old"] = sessions.Account{Source: sessions.SourceLocal, Username: "old", PasswordHash: h, Active: true,
			Expiration: time.Now().Add(-time.Second)}
		r.local["soon"] = sessions.Account{Source: sessions.SourceLocal, Username: "soon", PasswordHash: h, Active: true,
			Expiration: time.Now().Add(10 * time.Minute)}
		for _, tt := range []struct {
			user string
			pass sessions.Password
			at   sessions.Station
			want sessions.Reason
		}{
			{"ann", "wrong", stationA, sessions.RefusedCredentials},
			{"nobody", "wrong", stationA, sessions.RefusedCredentials},
			{"ann", "", stationA, sessions.RefusedCredentials},
			{"off", "wrong", stationA, sessions.RefusedCredentials},
			{"off", "correct horse", stationA, sessions.RefusedInactive},
			{"old", "correct horse", stationA, sessions.RefusedExpired},
			{"ann", "correct horse", stationA, ""},
			{"ann", "correct horse", stationB, sessions.RefusedTooMany},
			{"soon", "correct horse", stationB, ""},
		} {
			s, got := r.password(t, tt.at, tt.user, tt.pass)
			if got != tt.want {
				t.Errorf("%s with %q: %q, want %q", tt.user, string(tt.pass), got, tt.want)
			}
			if tt.user == "soon" && s.Limits.SessionTimeout > 10*time.Minute {
				t.Errorf("session of %v outlives its account", s.Limits.SessionTimeout)
			}
		}
	})
}

func TestNoClock(t *testing.T) {
	h := hash(t, "pw")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) { c.Believable = time.Now().Add(24 * time.Hour) })
		defer r.stop()
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", PasswordHash: h, Active: true,
			Expiration: time.Now().Add(365 * 24 * time.Hour)}
		s, refused := r.password(t, stationA, "ann", "pw")
		if refused != "" || s.Limits.SessionTimeout != 15*time.Minute || !s.StartedAt.Wall.IsZero() {
			t.Errorf("%q, timeout %v, dated %v; want in, 15m, undated", refused, s.Limits.SessionTimeout, s.StartedAt.Wall)
		}
	})
}

func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.local["zoe"] = sessions.Account{Source: sessions.SourceLocal, Username: "zoe", Active: true, PasswordHash: annsHash}
		r.password(t, station(7), "zoe", "secret") // from now on strangers cost as little
		var reasons []sessions.Reason
		for range 9 {
			_, reason := r.password(t, stationA, "ann", "guess")
			reasons = append(reasons, reason)
		}
		if reasons[7] != sessions.RefusedCredentials || reasons[8] != sessions.RefusedTooOften {
			t.Errorf("nine guesses: %v", reasons)
		}
		if _, reason := r.password(t, stationB, "bea", "guess"); reason != sessions.RefusedCredentials {
			t.Errorf("another station is refused with %q", reason)
		}
		time.Sleep(15 * time.Second)
		if _, reason := r.password(t, stationA, "ann", "guess"); reason != sessions.RefusedCredentials {
			t.Errorf("after the wait: %q", reason)
		}
	})
}

// centre answers as told.
type centre struct {
	mu       sync.Mutex
	err      error
	password sessions.Password
	account  sessions.Account
	asked    int
	mirror   accounts
}

func (c *centre) Authenticate(_ context.Context, cr sessions.Credentials, _ sessions.Station) (sessions.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	switch {
	case c.err != nil:
		return sessions.Account{}, c.err
	case cr.Username != c.account.Username || cr.Password != c.password:
		return sessions.Account{}, sessions.ErrWrongPassword
	}
	c.mirror[cr.Username] = c.account
	return c.account, nil
}

func TestCentreAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &centre{password: "s3cret", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true}}
		r := newRig(t, zone(sessions.Limits{}), seldom, func(cfg *sessions.Config) { cfg.Authority = c })
		defer r.stop()
		c.mirror = r.mirror
		login := func(pass sessions.Password, wantAsked int, want sessions.Reason, what string) {
			t.Helper()
			s, got := r.password(t, stationA, "carl", pass)
			if got != want || c.asked != wantAsked {
				t.Errorf("%s: %q with the centre asked %d times, want %q and %d", what, got, c.asked, want, wantAsked)
			}
			if got == "" {
				if s.UserID != 7 {
					t.Errorf("%s: user id %d", what, s.UserID)
				}
				if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.err = fmt.Errorf("dialing: %w", sessions.ErrUnreachable)
		login("s3cret", 1, sessions.RefusedCentreAway, "unknown, centre away")
		c.err = nil
		login("wrong", 2, sessions.RefusedCredentials, "unknown, wrong password")
		login("s3cret", 3, "", "unknown, right password")
		login("s3cret", 3, "", "known: the centre is not asked")
		c.err = sessions.ErrUnreachable
		login("s3cret", 3, "", "known, centre away")
		login("new", 4, sessions.RefusedCredentials, "known, other password, centre away")
		c.err, c.password = nil, "new"
		c.account.CredentialVersion = 2
		login("new", 5, "", "changed at the centre, asked once")
		c.err = sessions.ErrUnreachable
		login("s3cret", 6, sessions.RefusedCredentials, "the old password is void")
		login("new", 6, "", "the new one is kept")
		time.Sleep(31 * 24 * time.Hour)
		login("new", 7, sessions.RefusedCentreAway, "verifier past its offline age")
	})
}

func TestAccountChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &centre{password: "pw", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true}}
		r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}), func(cfg *sessions.Config) { cfg.Authority = c })
		defer func() { r.stop() }()
		c.mirror = r.mirror
		if _, reason := r.password(t, stationA, "carl", "pw"); reason != "" {
			t.Fatal(reason)
		}
		r.click(t, stationB)
		time.Sleep(10 * time.Minute)
		changed := c.account
		changed.Limits.SessionTimeout = ptr(20 * time.Minute)
		r.mirror["carl"] = changed
		if err := r.AccountChanged(t.Context(), "carl"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9*time.Minute + 59*time.Second)
		if !r.kernel.live(stationA) {
			t.Fatal("cut before the new end")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) || r.disk.last().Session.Used != 20*time.Minute {
			t.Errorf("the new session timeout does not hold: %+v", r.disk.last().Session)
		}
		delete(r.mirror, "carl")
		c.account.Limits = sessions.Limits{}
		if _, reason := r.password(t, stationA, "carl", "pw"); reason != "" {
			t.Fatal(reason)
		}
		delete(r.mirror, "carl")
		if err := r.AccountChanged(t.Context(), "carl"); err != nil {
			t.Fatal(err)
		}
		if r.kernel.live(stationA) || !r.kernel.live(stationB) {
			t.Errorf("after the account was deleted: A %v, B %v; want B only", r.kernel.live(stationA), r.kernel.live(stationB))
		}
		if len(r.verifiers) != 0 {
			t.Error("the verifier of a deleted account is kept")
		}
		if rec := r.disk.last(); rec.Session.TerminateCause != sessions.AdminReset {
			t.Errorf("cause %v, want Admin-Reset", rec.Session.TerminateCause)
		}
		if _, reason := r.password(t, stationA, "carl", "pw"); reason != "" {
			t.Fatal(reason)
		}
		r.stop()
		delete(r.mirror, "carl") // the daemon died before it could act on it
		r.start(t)
		if r.kernel.live(stationA) || !r.kernel.live(stationB) {
			t.Errorf("deleted while the daemon was away: A %v, B %v; want B only", r.kernel.live(stationA), r.kernel.live(stationB))
		}
	})
}

func TestManyLoginsAtOnce(t *testing.T) {
	r := newRig(t, zone(sessions.Limits{SessionTimeout: ptr(time.Hour)}))
	defer r.stop()
	var wg sync.WaitGroup
	for i := range 200 {
		st := sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}}
		for range 2 { // every guest taps twice
			wg.Go(func() { r.click(t, st) })
		}
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, s := range r.Sessions() {
		ids[s.AcctSessionID] = true
	}
	kinds, _ := r.disk.log()
	if len(ids) != 200 || len(kinds) != 200 {
		t.Errorf("%d sessions and %d records, want 200 each", len(ids), len(kinds))
	}
}

func TestFindSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		s := r.click(t, stationA)
		for _, which := range []string{s.AcctSessionID, stationA.MAC.String(), stationA.String(), stationA.MAC.CallingStationID()} {
			if got, ok := r.FindSession(which); !ok || got.AcctSessionID != s.AcctSessionID {
				t.Errorf("FindSession(%q) = %v, %v", which, got.AcctSessionID, ok)
			}
		}
		for _, which := range []string{"", "other/" + stationA.MAC.String(), stationB.MAC.String()} {
			if _, ok := r.FindSession(which); ok {
				t.Errorf("FindSession(%q) found one", which)
			}
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001", "", "02:00", "zz:00:5e:10:00:01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := sessions.ParseMAC(s)
		if err != nil {
			return
		}
		if again, err := sessions.ParseMAC(m.String()); err != nil || again != m {
			t.Errorf("%q reads as %v, which does not read back", s, m)
		}
	})
}

// processorTime is what this process has had: other programs on the machine do not change it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// How long a refusal takes must not tell whether there is such a user.
func TestUnknownUserTakesAsLong(t *testing.T) {
	const costly = "$argon2id$v=19$m=8192,t=32,p=1$q8JdB2d4cFzVqvJmZbWb0g$Y2x5oO1uQ7m1sEw0tKj0m6mJw3c1q0b9Xo5yT2kH8eI"
	for _, authority := range []*centre{nil, {}} {
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) {
			if authority != nil {
				c.Authority = authority
			}
		})
		ann := sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: costly}
		if authority == nil {
			r.local["ann"] = ann
		} else {
			r.mirror["ann"], r.verifiers["ann"] = ann, sessions.Verifier{Username: "ann", Hash: costly}
		}
		took := func(user string) time.Duration {
			begun := processorTime(t)
			for range 2 {
				if _, reason := r.password(t, stationA, user, "guess"); reason != sessions.RefusedCredentials {
					t.Fatal(reason)
				}
			}
			return processorTime(t) - begun
		}
		if known, unknown := took("ann"), took("bea"); unknown < known/3 || unknown > known*3 {
			t.Errorf("with a centre %v: a wrong password of a user takes %v, of nobody %v", authority != nil, known, unknown)
		}
		r.stop()
	}
}

// Who is refused for nothing, again and again, does not fill the disk.
func TestRefusalsWrittenAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		for range 500 {
			_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodRoom})
			if reason(err) != sessions.RefusedMethod {
				t.Fatal(err)
			}
		}
		if n := len(r.disk.txs); n < 8 || n > 20 {
			t.Errorf("%d of 500 refusals are written down", n)
		}
		time.Sleep(time.Minute)
		before := len(r.disk.txs)
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodRoom}); err == nil {
			t.Fatal("let in")
		}
		if len(r.disk.txs) != before+1 {
			t.Error("a minute later a refusal is not written down")
		}
	})
}
