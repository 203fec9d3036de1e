package central_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// verdict is what a portal sends.
func verdict(uid string) map[string]any {
	return map[string]any{"uid": uid, "ap_mac": "aa:bb:cc:dd:ee:ff", "mac": "11:22:33:44:55:66", "ip": "192.168.1.100", "session_timeout": 7200,
		"idle_timeout": 3600, "original_url": "https://www.example.com", "controller_address": "192.168.1.1"}
}

// hears has the centre know that a gateway is listening, and returns where it reads on.
func (c *centre) hears(org, nas string) (cursor string) {
	c.t.Helper()
	var a edge.ChangesAnswer
	c.want(http.StatusOK, ask{who: org + " edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.NASHeader: nas}}, &a)
	c.server.WriteHeard(c.t.Context(), true)
	return a.Cursor
}

func TestPortalLoginTakesEffect(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	cursor := c.hears("acme", "gw1")
	for name, test := range map[string]struct {
		status, reason string
		want           int
	}{"done": {edge.Done, "", http.StatusCreated}, "no such station": {edge.NotFound, "", http.StatusUnprocessableEntity},
		"refused": {edge.Refused, "too many sessions", http.StatusUnprocessableEntity}} {
		held := c.held("acme edge", cursor, strings.ReplaceAll(name, " ", "-"))
		c.token("acme portal")
		answer := make(chan reply)
		go func() {
			answer <- c.do(ask{who: "acme portal", method: "POST", path: "/api/v1/portal_login/", body: map[string]any{"data": verdict("room_401")}})
		}()
		told := within(t, 2*time.Second, held)
		cursor = told.Cursor
		e := events(told)
		want := edge.Admit{MAC: "11:22:33:44:55:66", Username: "room_401", SessionTimeout: new(int64(7200)), IdleTimeout: new(int64(3600))}
		if diff := cmp.Diff(&want, e[0].Admit); diff != "" || len(e) != 1 {
			t.Fatalf("%d events (-want +got):\n%s", len(e), diff)
		}
		c.outcome("acme edge", e[0].ID, test.status, test.reason)
		got := within(t, 3*time.Second, answer)
		if got.status != test.want || test.reason != "" && !strings.Contains(got.text, test.reason) {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
		if want := `"uid":"room_401","controller_address":"192.168.1.1","session_timeout":7200,"idle_timeout":3600}`; test.want == 201 && !strings.HasSuffix(got.text, want) {
			t.Error(got.text)
		}
	}
	var p struct {
		PageID int64 `json:"page_id"`
	}
	c.clock.Advance(time.Hour) // nobody is listening: it is told when somebody is
	c.post(http.StatusCreated, "acme portal", "portal_login", verdict("room_402"), &p)
	if e := events(c.changes("acme edge", "cursor="+cursor)); len(e) != 1 || e[0].Admit.Username != "room_402" {
		t.Errorf("events %+v", e)
	}
	log := c.places("acme admin", fmt.Sprintf("txlog_portal/?expand=true&page=%d", p.PageID))
	if len(log.Results) != 1 {
		t.Fatalf("%+v", log)
	}
	l := log.Results[0]
	if got := fmt.Sprint(l["type"], l["status"], l["username"], l["page"], l["remote_ip"], l["mac"]); got != fmt.Sprint("uah201room_402", p.PageID, "192.168.1.10011:22:33:44:55:66") {
		t.Error(got)
	}
	if n := len(c.places("acme admin", "txlog_portal/?page=999").Results); n != 0 {
		t.Errorf("%d lines of no page", n)
	}
}

func TestPortalLoginOfAnAccount(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann := c.user("acme", "ann", "")
	c.changes("acme edge", "")
	c.post(http.StatusCreated, "acme portal", "portal_login", verdict("ann"), nil)
	told := c.changes("acme edge", "")
	if e := events(told); len(e) != 1 || e[0].Admit.UserID != ann {
		t.Errorf("events %+v", e)
	}
	accounts := 0
	for _, ch := range told.Changes {
		if ch.Account != nil && ch.Account.UserID == ann {
			accounts++
		}
	}
	if accounts != 1 {
		t.Errorf("the account was told %d times", accounts)
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann/", body: map[string]any{"is_active": false}}, nil)
	wantNamed(t, c.post(http.StatusUnprocessableEntity, "acme portal", "portal_login", verdict("ann"), nil), "uid")
	if got := c.places("acme admin", "txlog_portal/?status=u401").Results; len(got) != 1 || got[0]["user"] != float64(ann) || got[0]["page"] == nil {
		t.Errorf("the refusal: %+v", got)
	}
	if e := events(c.changes("acme edge", "")); len(e) != 1 {
		t.Errorf("events %+v", e)
	}
}

// TestWhichGatewayIsAsked: that of the access point, else all while they are few.
func TestWhichGatewayIsAsked(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	wantNamed(t, c.post(http.StatusUnprocessableEntity, "acme portal", "portal_login", verdict("guest"), nil), "ap_mac")
	asked := func(nas string) int {
		var a edge.ChangesAnswer
		c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.NASHeader: nas}}, &a)
		return len(events(a))
	}
	for _, nas := range []string{"gw1", "gw2", "gw3"} {
		asked(nas)
	}
	login := func(want string) {
		t.Helper()
		before := [3]int{asked("gw1"), asked("gw2"), asked("gw3")}
		c.post(http.StatusCreated, "acme portal", "portal_login", verdict("guest"), nil)
		if got := fmt.Sprint(asked("gw1")-before[0], asked("gw2")-before[1], asked("gw3")-before[2]); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
	}
	login("1 1 1")
	hall := c.place("acme", admin.LocationsPath, map[string]any{"short_name": "hall"})
	c.place("acme", admin.AccessPointsPath, map[string]any{"short_name": "ap", "mac_addr": "aa:bb:cc:dd:ee:ff", "location_id": hall.ID})
	login("1 1 1")
	r := session(1, noon, true)
	r.Accounting.NASIdentifier, r.Accounting.CalledStationID = "gw2", "AA-BB-CC-DD-EE-FF:guests"
	c.ingest("acme", r)
	login("0 1 0")
	var page admin.Page[admin.Gateway]
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/gateways/"}, &page)
	for _, g := range page.Results {
		if g.NASIdentifier == "gw3" {
			c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: fmt.Sprintf("/admin/v1/gateways/%d/", g.ID), body: map[string]any{"location": hall.ID}}, nil)
		}
	}
	login("0 1 1")
	for who, status := range map[string]int{"acme staff": 403, "acme readonly": 403, "acme edge": 403, "globex portal": 422} {
		c.post(status, who, "portal_login", verdict("guest"), nil)
	}
}

func TestPortalLoginBodies(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.changes("acme edge", "")
	for field, v := range map[string]any{"ap_mac": "xx", "mac": "11:22", "ip": "300.1.1.1", "session_timeout": -1} {
		wantNamed(t, c.post(http.StatusUnprocessableEntity, "acme portal", "portal_login", with(verdict("x"), field, v), nil), field)
	}
	for _, field := range []string{"uid", "ap_mac", "mac", "ip"} {
		wantNamed(t, c.post(http.StatusBadRequest, "acme portal", "portal_login", with(verdict("x"), field, nil), nil), field)
	}
}
