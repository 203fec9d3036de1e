package sessions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"gatehouse/sessions"
)

// tokenCentre knows carl by his password and by a user token, as the centre does.
type tokenCentre struct {
	centre
	code, pass string
}

func (c *tokenCentre) Authenticate(ctx context.Context, cr sessions.Credentials, st sessions.Station) (sessions.Account, error) {
	if cr.Username == c.code && string(cr.Password) == c.pass {
		cr = sessions.Credentials{Username: c.account.Username, Password: c.password}
	}
	return c.centre.Authenticate(ctx, cr, st)
}

// TestUserToken: its proof is kept for when the centre is away, beside that of the password; revoked, it ends its session.
func TestUserToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &tokenCentre{centre: centre{password: "pw", account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true}},
			code: "AbCd1234", pass: "long and random"}
		z := zone(sessions.Limits{})
		z.Methods = append(z.Methods, sessions.MethodToken)
		r := newRig(t, z, func(cfg *sessions.Config) { cfg.Authority = c })
		defer r.stop()
		c.mirror = r.mirror
		login := func(st sessions.Station, pass string, want sessions.Reason) {
			t.Helper()
			s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodToken,
				Credentials: sessions.Credentials{Username: c.code, Password: sessions.Password(pass)}})
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) && refusal.Reason == want {
				return
			}
			if err != nil || want != "" || s.Username != "carl" || s.UserID != 7 {
				t.Fatalf("%q as %q: %v, want %q", pass, s.Username, err, want)
			}
		}
		out := func(st sessions.Station) {
			t.Helper()
			if _, err := r.Logout(t.Context(), st, sessions.UserRequest); err != nil {
				t.Fatal(err)
			}
		}
		login(stationA, "wrong", sessions.RefusedCredentials)
		login(stationA, c.pass, "")
		out(stationA)
		if _, reason := r.password(t, stationA, "carl", "pw"); reason != "" {
			t.Fatal(reason)
		}
		out(stationA)
		asked := c.asked
		c.err = sessions.ErrUnreachable
		login(stationA, c.pass, "")
		if _, reason := r.password(t, stationB, "carl", "pw"); reason != "" || c.asked != asked {
			t.Errorf("by password while the centre is away: %q, asked %d times more", reason, c.asked-asked)
		}

		c.err, c.pass, c.account.CredentialVersion = nil, "revoked", 2 // the centre deletes the token, and tells by the version
		r.mirror["carl"] = c.account
		if err := r.AccountChanged(t.Context(), "carl"); err != nil {
			t.Fatal(err)
		}
		if r.kernel.live(stationA) || !r.kernel.live(stationB) {
			t.Errorf("after the token was revoked: by token %v, by password %v; want only the latter in", r.kernel.live(stationA), r.kernel.live(stationB))
		}
		login(stationA, "long and random", sessions.RefusedCredentials)
	})
}

// TestUserTokenIsASecret: it crosses no air in clear text, and a gateway without a centre knows none.
func TestUserTokenIsASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone(sessions.Limits{})
		z.Methods = append(z.Methods, sessions.MethodToken)
		for want, cleartext := range map[sessions.Reason]bool{sessions.RefusedMethod: true, sessions.RefusedCleartext: false} {
			z.AllowCleartext = cleartext
			r := newRig(t, z)
			_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodToken,
				Credentials: sessions.Credentials{Username: "AbCd1234", Password: "x"}})
			var refusal *sessions.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != want {
				t.Errorf("cleartext allowed %v: %v, want %q", cleartext, err, want)
			}
			r.stop()
		}
	})
}
