package central_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

func (c *centre) account(body map[string]any) (a admin.Account) {
	c.t.Helper()
	c.want(http.StatusCreated, ask{who: "acme staff", method: "POST", path: "/admin/v1/accounts/", body: body}, &a)
	return a
}

func TestAccounts(t *testing.T) {
	c := newCentre(t)
	p := c.plan(map[string]any{"name": "Week", "time_seconds": 3600, "valid_seconds": 7200, "devices": 2})
	ann := c.account(map[string]any{"username": "ann", "plan": p.ID, "first_name": "Ann"})
	if len(ann.Password) != 10 || ann.State != "offline" || *ann.Plan != p.ID || *ann.PlanName != "Week" || !ann.Expiration.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("made %+v", ann)
	}
	login := func(status int, password string) {
		t.Helper()
		c.want(status, ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]any{"username": "ann", "password": password}}, nil)
	}
	login(http.StatusCreated, ann.Password)
	path := fmt.Sprintf("/admin/v1/accounts/%d/", ann.ID)
	var got admin.Account
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: path + "reset_password/", body: map[string]any{}}, &got)
	login(http.StatusUnprocessableEntity, ann.Password)
	login(http.StatusCreated, got.Password)
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: path + "reset_password/", body: map[string]any{"password": "of her own"}}, &got)
	login(http.StatusCreated, "of her own")
	if r := c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: path}, &got); strings.Contains(r.text, "password") {
		t.Error(r.text)
	}

	s := session(1, noon.Add(-time.Minute), true)
	s.Accounting.Username, s.Accounting.AcctSessionTime, s.Accounting.AcctUpdateTime = "ann", 60, noon
	c.ingest("acme", s)
	c.account(map[string]any{"username": "bob", "password": "right-password", "is_active": false})
	c.account(map[string]any{"username": "eve", "password": "right-password", "expiration": "2026-03-01T11:00:00Z"})
	c.account(map[string]any{"username": "Zoe", "password": "right-password"})
	list := func(query string) (names []string) {
		t.Helper()
		var page admin.Page[admin.Account]
		c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: "/admin/v1/accounts/?" + query}, &page)
		for _, a := range page.Results {
			names = append(names, a.Username+" "+a.State)
		}
		return names
	}
	for query, want := range map[string][]string{
		"":              {"Zoe offline", "eve expired", "bob inactive", "ann online"},
		"state=online":  {"ann online"},
		"state=offline": {"Zoe offline"}, "state=inactive": {"bob inactive"}, "state=expired": {"eve expired"},
		"username=O":                 {"Zoe offline", "bob inactive"},
		fmt.Sprintf("plan=%d", p.ID): {"ann online"}, "organization=acme-west": nil, "username=%25": nil,
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: path}, &got)
	if got.Sessions != 1 || got.UsedSeconds != 60 || got.UsedOctets != 3 || !got.LastSeen.Equal(noon) {
		t.Errorf("online: %+v", got)
	}

	patch := func(status int, body string) reply {
		t.Helper()
		return c.want(status, ask{who: "acme staff", method: "PATCH", path: path, body: body}, &got)
	}
	patch(http.StatusOK, `{"is_active":false}`)
	if got.State != "inactive" || *got.FirstName != "Ann" {
		t.Errorf("deactivated: %+v", got)
	}
	day := c.plan(map[string]any{"valid_until": "2026-03-05T00:00:00Z"})
	patch(http.StatusOK, fmt.Sprintf(`{"is_active":true,"plan":%d}`, day.ID))
	if !got.Expiration.Equal(*day.ValidUntil) || *got.Plan != day.ID {
		t.Errorf("with another plan: %+v", got)
	}
	patch(http.StatusOK, `{"plan":null}`)
	if got.Plan != nil || !got.Expiration.Equal(*day.ValidUntil) {
		t.Errorf("without a plan: %+v", got)
	}
	for body, in := range map[string]string{`{"plan":99999}`: "plan", `{"username":"a b"}`: "username", `{"passwort":"x"}`: "passwort"} {
		if r := patch(http.StatusBadRequest, body); !strings.Contains(r.text, `"`+in+`":[`) {
			t.Errorf("%s: %s", body, r.text)
		}
	}
	if r := patch(http.StatusConflict, `{"username":"bob"}`); !strings.Contains(r.text, `"code":"duplicate"`) {
		t.Error(r.text)
	}
	for _, a := range []ask{{who: "globex staff", method: "GET", path: path}, {who: "globex staff", method: "PATCH", path: path, body: `{"is_active":true}`},
		{who: "globex staff", method: "POST", path: path + "reset_password/", body: `{}`}} {
		c.want(http.StatusNotFound, a, nil)
	}
	c.want(http.StatusForbidden, ask{who: "acme readonly", method: "PATCH", path: path, body: `{"is_active":true}`}, nil)
	if strings.Contains(c.log.String(), ann.Password) {
		t.Error("a password is in the log")
	}
}

// TestAccountsPlanReachesTheGateway: what the gateway hears of an account names its plan, and running time is a balance.
func TestAccountsPlanReachesTheGateway(t *testing.T) {
	c := newCentre(t)
	p := c.plan(map[string]any{"time_seconds": 3600})
	c.account(map[string]any{"username": "ann", "password": "right-password", "plan": p.ID})
	var a edge.AuthenticateAnswer
	c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: "ann", Password: "right-password"}}, &a)
	if !a.Authenticated || a.Account.PlanID != p.ID || a.Account.TimeBalance == nil {
		t.Errorf("answered %+v", a.Account)
	}
	if r := c.want(http.StatusConflict, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/plans/%d/", p.ID)}, nil); !strings.Contains(r.text, "accounts") {
		t.Error(r.text)
	}
}
