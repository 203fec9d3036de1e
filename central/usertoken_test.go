package central_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
	"gatehouse/central"
)

const tokens = "/api/v1/user_token/"

func legacy(a ask) ask {
	a.header = map[string]string{"Accept": "application/json; variant=legacy"}
	return a
}

func TestUserTokenInBothForms(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.profile("acme", "wifi")
	var made map[string]any
	c.want(201, ask{who: "acme admin", method: "POST", path: tokens, body: map[string]any{
		"username": "ann", "email": "ann@example.org", "profile": []string{"wifi"}, "user_time": 3600}}, &made)
	if made["user_time"] != 3600.0 || made["token"] != nil || made["organization"] != 1.0 {
		t.Errorf("made %v", made)
	}
	id := fmt.Sprint(made["id"])
	for path, want := range map[string]any{tokens + id + "/": nil, tokens + id + "/?balance=true": 3600.0} {
		var got map[string]any
		if c.want(200, ask{who: "acme admin", method: "GET", path: path}, &got); got["user_time"] != want {
			t.Errorf("%s: user_time %v, want %v", path, got["user_time"], want)
		}
	}
	// The older form: an object leaves the AAA profiles alone, and goes in key by key.
	var old map[string]any
	c.want(200, legacy(ask{who: "acme admin", method: "PATCH", path: tokens + id + "/", body: map[string]any{
		"balance_seconds": 7200, "profile": map[string]any{"max_sessions": 4}, "role": "moderator"}}), &old)
	c.want(200, legacy(ask{who: "acme admin", method: "PATCH", path: tokens + id + "/", body: map[string]any{
		"data": map[string]any{"profile": map[string]any{"access_level": "premium"}}}}), &old)
	profile := map[string]any{"max_sessions": 4.0, "access_level": "premium", "role": "moderator", "total_usage_seconds": 0.0, "last_activity": nil}
	if diff := cmp.Diff(profile, old["profile"]); diff != "" || old["balance_seconds"] != 7200.0 || old["organization"] != "acme" || old["updated_at"] == nil {
		t.Errorf("%v (-want +got):\n%s", old, diff)
	}
	var now map[string]any
	c.want(200, ask{who: "acme admin", method: "GET", path: tokens + id + "/?balance=1"}, &now)
	if diff := cmp.Diff([]any{"wifi"}, now["profile"]); diff != "" || now["user_time"] != 7200.0 {
		t.Errorf("%v (-want +got):\n%s", now, diff)
	}
	// PUT clears what it does not name, but not the time.
	c.want(200, ask{who: "acme admin", method: "PUT", path: tokens + id + "/", body: map[string]any{"username": "ann"}}, &now)
	if now["email"] != nil || len(now["profile"].([]any)) != 0 || now["user_time"] != 7200.0 {
		t.Errorf("after PUT: %v", now)
	}
}

func TestUserTokenSecret(t *testing.T) {
	t.Parallel()
	c := newCentre(t, func(cfg *central.Config) { cfg.LegacyUserToken = true })
	var made, read gate.UserTokenLegacy
	c.want(201, ask{who: "acme admin", method: "POST", path: tokens, body: `{"username": "ann", "organization": "acme-west", "initial_balance_seconds": 172800}`}, &made)
	c.want(200, ask{who: "acme admin", method: "GET", path: tokens + fmt.Sprint(made.ID)}, &read)
	if !strings.HasPrefix(made.Token, "tok_") || len(made.Token) < 20 || read.Token != "tok_..."+made.Token[len(made.Token)-3:] {
		t.Errorf("token %q, then %q", made.Token, read.Token)
	}
	for password, want := range map[string]int{made.Token: 201, read.Token: 422} {
		c.want(want, ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]any{"username": "ann", "password": password}}, nil)
	}
	if made.Organization != "acme-west" || *made.BalanceSeconds != 172800 || read.BalanceSeconds != nil {
		t.Errorf("made %+v, read %+v", made, read)
	}
	got := c.want(409, ask{who: "acme admin", method: "POST", path: tokens, body: `{"username": "ann", "organization": "acme-west"}`}, nil)
	if !strings.Contains(got.text, `"code":"duplicate"`) {
		t.Error(got.text)
	}
	current := ask{who: "acme admin", method: "POST", path: tokens, body: `{"username": "ann", "organization": "acme-west"}`,
		header: map[string]string{"Accept": "application/json; variant=current"}}
	wantNamed(t, c.want(400, current, nil), "username")
}

func TestUserTokenListsAndRefuses(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	for _, name := range []string{"ann", "anna"} {
		c.user("acme", name, "")
	}
	c.user("acme-west", "ann", "")
	c.user("globex", "ann", "")
	for query, want := range map[string]int64{"": 3, "username=ann": 2, "username=an": 0, "organization=acme-west": 1,
		"organization=2&username=ann": 1, "organization=globex": 0, "organization=org_1": 2, "username=ann&limit=1": 2} {
		var p gate.OffsetPage[map[string]any]
		c.want(200, ask{who: "acme readonly", method: "GET", path: tokens + "?balance=true&" + query}, &p)
		if p.Count != want {
			t.Errorf("%s: %d, want %d", query, p.Count, want)
		}
		for _, u := range p.Results {
			if u["user_time"] != 0.0 {
				t.Errorf("user_time %v of %v", u["user_time"], u["username"])
			}
		}
	}
	id := fmt.Sprint(c.user("acme", "bob", ""))
	for field, bad := range map[string][]any{"user_time": {-1, "x", 1.5, int64(1e15)}, "balance_seconds": {"-5"}, "username": {"a/b", ""}, "profile": {[]string{"none"}}} {
		for _, v := range bad {
			wantNamed(t, c.want(400, ask{who: "acme admin", method: "PATCH", path: tokens + id, body: map[string]any{field: v}}, nil), field)
		}
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		c.want(404, ask{who: "globex admin", method: method, path: tokens + id, body: map[string]any{"username": "bob"}}, nil)
	}
}

func TestUserTokenDeleteWithSessions(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	id := c.user("acme", "guest", "")
	c.ingest("acme", session(1, noon, true))
	path := tokens + fmt.Sprint(id) + "/"
	got := c.want(409, legacy(ask{who: "acme admin", method: "DELETE", path: path}), nil)
	if !strings.Contains(got.text, "active_sessions") {
		t.Error(got.text)
	}
	c.want(409, ask{who: "acme admin", method: "DELETE", path: path + "?force=false"}, nil)
	stop := session(1, noon, false)
	c.ingest("acme", stop)
	c.want(204, legacy(ask{who: "acme admin", method: "DELETE", path: path}), nil)
	c.want(404, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	id = c.user("acme", "guest", "")
	c.ingest("acme", session(2, noon, true))
	c.want(204, ask{who: "acme admin", method: "DELETE", path: tokens + fmt.Sprint(id)}, nil)
}

func TestMaxUsersIsABound(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.user("acme", "ann", "")
	two := int64(2)
	c.organization("acme", func(o *organization) { o.MaxUsers = &two })
	c.user("acme", "bob", "")
	for _, path := range []string{"/api/v1/user/", tokens} {
		got := c.want(http.StatusBadRequest, ask{who: "acme admin", method: "POST", path: path, body: `{"username":"carl"}`}, nil)
		if !strings.Contains(got.text, "limit of 2 users") {
			t.Error(got.text)
		}
	}
	var me gate.MyOrg
	c.want(200, ask{who: "acme admin", method: "GET", path: "/api/v1/me/organization/"}, &me)
	if *me.Limits.MaxUsers != 2 || me.Limits.CurrentUsers != 2 {
		t.Errorf("limits %+v", me.Limits)
	}
}
