package central_test

import (
	"net/http"
	"testing"

	"gatehouse/api/edge"
)

// TestOwnPassword: who shows the present password changes it, within the limits of guessing; a token is no password.
func TestOwnPassword(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "present1")
	change := func(username, present, changed string) (a edge.PasswordAnswer) {
		t.Helper()
		c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.PasswordPath,
			body: edge.PasswordRequest{Username: username, Password: present, NewPassword: changed}}, &a)
		return a
	}
	before := c.login("acme edge", "ann", "present1").Account.CredentialVersion
	for _, v := range []struct{ username, present, changed, code string }{
		{"ann", "wrong", "changed-1", edge.PasswordWrong},
		{"nobody", "present1", "changed-1", edge.PasswordWrong},
		{"ann", "present1", "short", edge.PasswordWeak},
		{"ann", "present1", "ann", edge.PasswordWeak},
	} {
		if a := change(v.username, v.present, v.changed); a.Changed || a.Code != v.code || a.Account != nil {
			t.Errorf("%+v: %+v", v, a)
		}
	}
	a := change("ann", "present1", "changed-1")
	if !a.Changed || a.Account == nil || a.Account.CredentialVersion <= before {
		t.Fatalf("%+v, the version was %d", a, before)
	}
	if c.login("acme edge", "ann", "present1").Authenticated || !c.login("acme edge", "ann", "changed-1").Authenticated {
		t.Error("the present password is not the one that was given")
	}
	var user struct {
		ID    int64
		Token string `json:"token"`
	}
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/api/v1/user_token/", body: map[string]any{"username": "tom", "password": "present1"}}, &user)
	if user.Token != "" {
		if a := change("tom", user.Token, "changed-1"); a.Changed || a.Code != edge.PasswordWrong {
			t.Errorf("by the token: %+v", a)
		}
	}
	c.want(http.StatusForbidden, ask{who: "acme staff", method: "POST", path: edge.PasswordPath,
		body: edge.PasswordRequest{Username: "ann", Password: "changed-1", NewPassword: "changed-2"}}, nil)
	for range 12 {
		if got := c.do(ask{who: "acme edge", method: "POST", path: edge.PasswordPath, body: edge.PasswordRequest{Username: "ann", Password: "x", NewPassword: "changed-2"}}); got.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("passwords can be guessed without end")
}
