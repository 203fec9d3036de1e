package central_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

func TestTimeIsGrantedLentAndSpent(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann := c.user("acme", "guest", "right-password")
	path := fmt.Sprint("/admin/v1/accounts/", ann, "/time/")
	var e admin.TimeEntry
	c.want(201, ask{who: "acme staff", method: "POST", path: path, body: map[string]any{
		"kind": "grant", "seconds": 3600, "reason": "bought", "reference": "R-1", "expires": noon.Add(time.Hour)}}, &e)
	if e.Kind != "grant" || e.Seconds != 3600 || !strings.HasPrefix(e.Actor, "token ") || !e.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", e)
	}
	var login edge.AuthenticateAnswer
	c.want(200, ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: "guest", Password: "right-password"}}, &login)
	if b := login.Account.TimeBalance; b == nil || b.Seconds != 3600 || b.Lease == 0 {
		t.Fatalf("lent %+v", b)
	}
	var feed edge.ChangesAnswer
	c.want(200, ask{who: "acme edge", method: "GET", path: edge.ChangesPath}, &feed)
	s := session(1, noon, false)
	for range 3 {
		c.ingest("acme", s)
	}
	c.want(200, ask{who: "acme edge", method: "GET", path: edge.ChangesPath + "?cursor=" + feed.Cursor}, &feed)
	if len(feed.Changes) != 1 || feed.Changes[0].Account.TimeBalance.Spent != 60 {
		t.Errorf("the gateway is not told of the settled lease: %+v", feed.Changes)
	}
	c.want(201, ask{who: "acme admin", method: "POST", path: path, body: map[string]any{"kind": "refund", "seconds": 10}}, nil)
	var ledger admin.TimeLedger
	c.want(200, ask{who: "acme readonly", method: "GET", path: path + "?limit=2"}, &ledger)
	if ledger.Balance != 3550 || len(ledger.Results) != 2 || ledger.Results[1].Kind != "spend" || ledger.Results[1].SessionID == nil || ledger.Next == nil {
		t.Errorf("%+v", ledger)
	}
	c.want(200, ask{who: "acme readonly", method: "GET", path: *ledger.Next}, &ledger)
	if len(ledger.Results) != 1 || ledger.Results[0].ID != e.ID || ledger.Next != nil {
		t.Errorf("second page: %+v", ledger)
	}
	var u gate.UserToken
	c.want(200, ask{who: "acme admin", method: "GET", path: fmt.Sprint(tokens, ann, "/?balance=true")}, &u)
	if *u.UserTime != 3550 {
		t.Errorf("user_time %d", *u.UserTime)
	}
	for field, body := range map[string]string{"kind": `{"kind":"spend","seconds":1}`, "seconds": `{"kind":"grant","seconds":0}`,
		"expires": `{"kind":"grant","seconds":1,"expires":"2020-01-01T00:00:00Z"}`, "why": `{"kind":"grant","seconds":1,"why":"x"}`} {
		if got := c.want(400, ask{who: "acme admin", method: "POST", path: path, body: body}, nil); !strings.Contains(got.text, `"`+field+`"`) {
			t.Errorf("%s: %s", body, got.text)
		}
	}
	c.want(400, ask{who: "acme admin", method: "POST", path: path, body: `{"kind":"refund","seconds":1,"expires":"2030-01-01T00:00:00Z"}`}, nil)
	c.want(403, ask{who: "acme readonly", method: "POST", path: path, body: `{"kind":"grant","seconds":1}`}, nil)
	for _, method := range []string{"GET", "POST"} {
		c.want(404, ask{who: "globex admin", method: method, path: path, body: `{"kind":"grant","seconds":1}`}, nil)
	}
}

// A profile that says Auth-Type := Reject, or at another time, refuses at the API as at a gateway.
func TestProfilesDecideAtTheAPI(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.want(201, ask{who: "acme admin", method: "POST", path: profiles, body: map[string]any{"name": "No", "short_name": "no",
		"check_attribute": []gate.Attr{{Attribute: "User-Name", Op: "=~", Value: "^a"}, {Attribute: "Auth-Type", Op: ":=", Value: "Reject"}}}}, nil)
	for name, times := range map[string]string{"morning": "Al0000-1159", "noon": "Al1200-1259"} {
		c.want(201, ask{who: "acme admin", method: "POST", path: profiles, body: map[string]any{"name": name, "short_name": name,
			"check_attribute": []gate.Attr{{Attribute: "Login-Time", Op: ":=", Value: times}}}}, nil)
	}
	for name, want := range map[string]int{"ann": 422, "bob": 201, "cid": 422, "dan": 201} {
		c.user("acme", name, "right-password", map[string]string{"ann": "no", "bob": "no", "cid": "morning", "dan": "noon"}[name])
		c.want(want, ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]any{"username": name, "password": "right-password"}}, nil)
	}
}
