package sessions_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"gatehouse/sessions"
)

func (a accounts) SetPassword(_ context.Context, username, old, hash string) error {
	acct, ok := a[username]
	if !ok || acct.PasswordHash != old {
		return sessions.ErrNoAccount
	}
	acct.PasswordHash = hash
	a[username] = acct
	return nil
}

func (c *centre) ChangePassword(ctx context.Context, cr sessions.Credentials, changed sessions.Password, at sessions.Station) (sessions.Account, error) {
	a, err := c.Authenticate(ctx, cr, at)
	if err == nil {
		c.password, c.account.CredentialVersion = changed, c.account.CredentialVersion+1
		c.mirror[cr.Username] = c.account
		a = c.account
	}
	return a, err
}

func TestChangePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &centre{password: "present-1", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true}}
		r := newRig(t, zone(sessions.Limits{}), func(cfg *sessions.Config) { cfg.Authority = c })
		r.cfg.Passwords = r.local
		r.stop()
		r.start(t)
		defer func() { r.stop() }()
		c.mirror = r.mirror
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: hash(t, "present-1")}
		change := func(present, changed sessions.Password) error {
			return r.ChangePassword(t.Context(), stationA, false, present, changed)
		}
		wantReason(t, "without a session", change("present-1", "changed-1"), sessions.RefusedNotLoggedIn)
		r.click(t, stationA)
		wantReason(t, "nobody's session", change("present-1", "changed-1"), sessions.RefusedMethod)
		for _, who := range []string{"ann", "carl"} {
			_, _ = r.Logout(t.Context(), stationA, sessions.UserRequest)
			if _, got := r.password(t, stationA, who, "present-1"); got != "" {
				t.Fatal(got)
			}
			wantReason(t, who+", too short", change("present-1", "short"), sessions.RefusedWeak)
			wantReason(t, who+", too long", change("present-1", sessions.Password(strings.Repeat("a", 1025))), sessions.RefusedWeak)
			wantReason(t, who+", another present one", change("wrong", "changed-1"), sessions.RefusedCredentials)
			wantReason(t, who, change("present-1", "changed-1"), "")
			_, _ = r.Logout(t.Context(), stationA, sessions.UserRequest)
			if _, got := r.password(t, stationA, who, "present-1"); got != sessions.RefusedCredentials {
				t.Errorf("%s: the old password is answered %q", who, got)
			}
			c.err = sessions.ErrUnreachable // what the gateway has is the proof of the new one
			if _, got := r.password(t, stationA, who, "changed-1"); got != "" {
				t.Errorf("%s: the new password is answered %q", who, got)
			}
			if who == "carl" {
				wantReason(t, "the centre is away", change("changed-1", "changed-2"), sessions.RefusedCentreAway)
			}
			c.err = nil
		}
		for range 10 {
			if err := change("wrong", "changed-2"); err == nil {
				t.Fatal("changed by a wrong password")
			}
		}
		wantReason(t, "after many guesses", change("changed-1", "changed-2"), sessions.RefusedTooOften)
	})
}

func TestChangePasswordInTheClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone(sessions.Limits{})
		z.AllowCleartext = false
		r := newRig(t, z)
		defer r.stop()
		wantReason(t, "over clear HTTP", r.ChangePassword(t.Context(), stationA, false, "present-1", "changed-1"), sessions.RefusedCleartext)
	})
}
