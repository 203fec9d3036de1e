package central_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/central/store"
)

func (c *centre) claim(status int, r edge.ClaimRequest) (a edge.ClaimAnswer) {
	c.t.Helper()
	c.want(status, ask{method: "POST", path: edge.ClaimPath, body: r}, &a)
	return a
}

// as has the requests of who be made with this token.
func (c *centre) as(who, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[who] = token
}

func named(nas string) map[string]string { return map[string]string{edge.NASHeader: nas} }

// feed is a request for changes by who as a gateway of that name, which must end so.
func (c *centre) feed(status int, who, nas string) reply {
	c.t.Helper()
	return c.want(status, ask{who: who, method: "GET", path: edge.ChangesPath, header: named(nas)}, nil)
}

func TestClaimByCode(t *testing.T) {
	c := newCentre(t)
	offer := c.claim(http.StatusCreated, edge.ClaimRequest{NASIdentifier: "lobby", Version: "1.2"})
	if offer.State != edge.ClaimPending || len(offer.Code) != 9 || offer.ExpiresIn != 900 || offer.Interval != 5 || offer.Token != "" {
		t.Fatalf("offer %+v", offer)
	}
	mine := edge.ClaimRequest{NASIdentifier: "lobby", Secret: offer.Secret}
	if a := c.claim(http.StatusOK, mine); a.State != edge.ClaimPending || a.Token != "" || a.Code != "" {
		t.Errorf("before it is claimed: %+v", a)
	}
	typed := strings.ToLower(strings.ReplaceAll(offer.Code, "-", " "))
	claim := ask{who: "acme admin", method: "POST", path: "/admin/v1/gateways/claim/", body: map[string]any{"code": typed, "name": "Lobby", "organization": "acme-west"}}
	var g admin.Gateway
	c.want(http.StatusOK, claim, &g)
	if g.NASIdentifier != "lobby" || g.Name != "Lobby" || g.Organization != 2 || g.Claimed != nil || !g.Silent {
		t.Errorf("claimed %+v", g)
	}
	c.want(http.StatusBadRequest, claim, nil) // a code is good once
	c.claim(http.StatusForbidden, edge.ClaimRequest{NASIdentifier: "bar", Secret: offer.Secret})
	lost := c.claim(http.StatusOK, mine) // the answer does not arrive
	got := c.claim(http.StatusOK, mine)
	if got.State != edge.ClaimDone || got.Organization != "acme-west" || got.Token == "" || got.Token == lost.Token {
		t.Fatalf("got %+v", got)
	}
	c.as("lost", lost.Token)
	c.as("lobby", got.Token)
	c.feed(http.StatusUnauthorized, "lost", "lobby")
	c.feed(http.StatusOK, "lobby", "lobby")
	c.claim(http.StatusNotFound, mine) // over with the first use of the token
	c.feed(http.StatusForbidden, "lobby", "bar")
	c.feed(http.StatusForbidden, "acme-west edge", "lobby") // nobody else speaks in its name
	c.feed(http.StatusOK, "acme-west edge", "bar")
	c.want(http.StatusForbidden, ask{who: "lobby", method: "GET", path: "/api/v1/user/"}, nil)

	foreign := session(1, noon, true)
	foreign.Accounting.NASIdentifier = "bar"
	own := session(2, noon, true)
	own.Accounting.NASIdentifier = "lobby"
	var answer edge.IngestAnswer
	c.want(http.StatusOK, ask{who: "lobby", method: "POST", path: edge.IngestPath, header: named("lobby"), body: ingestBody(t, foreign, own)}, &answer)
	if got := statuses(answer.Results); got != "1:rejectedinvalid 2:merged" {
		t.Errorf("records in another's name: %s", got)
	}
	for what, who := range map[string]string{"secret": offer.Secret, "token": got.Token, "code": offer.Code} {
		if strings.Contains(c.log.String(), who) {
			t.Errorf("the %s is in the log", what)
		}
	}
}

func TestClaimToken(t *testing.T) {
	c := newCentre(t)
	create := ask{who: "acme admin", method: "POST", path: "/admin/v1/gateways/", body: map[string]any{"nas_identifier": "lobby", "name": "Lobby"}}
	var made admin.ClaimToken
	c.want(http.StatusCreated, create, &made)
	c.want(http.StatusConflict, create, nil)
	if made.Gateway.NASIdentifier != "lobby" || !made.Expires.Equal(noon.Add(7*24*time.Hour)) {
		t.Errorf("made %+v", made)
	}
	path := fmt.Sprintf("/admin/v1/gateways/%d/", made.Gateway.ID)
	first := made.ClaimToken
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: path + "claim_token/"}, &made)
	c.claim(http.StatusNotFound, edge.ClaimRequest{NASIdentifier: "lobby", Secret: first}) // the newer takes its place
	got := c.claim(http.StatusOK, edge.ClaimRequest{NASIdentifier: "lobby", Secret: made.ClaimToken})
	c.as("lobby", got.Token)
	c.feed(http.StatusOK, "lobby", "lobby")
	c.want(http.StatusConflict, ask{who: "acme admin", method: "POST", path: path + "claim_token/"}, nil)

	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/gateways/", body: map[string]any{"nas_identifier": "bar"}}, &made)
	c.clock.Advance(8 * 24 * time.Hour)
	c.claim(http.StatusNotFound, edge.ClaimRequest{NASIdentifier: "bar", Secret: made.ClaimToken})
	for name, bad := range map[string]map[string]any{"no name": {}, "a line": {"nas_identifier": "a\nb"}, "nowhere": {"nas_identifier": "x", "location": 7},
		"not ours": {"nas_identifier": "x", "organization": "globex"}} {
		if got := c.do(ask{who: "acme admin", method: "POST", path: "/admin/v1/gateways/", body: bad}); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestCodesCannotBeGuessed(t *testing.T) {
	c := newCentre(t)
	offer := c.claim(http.StatusCreated, edge.ClaimRequest{NASIdentifier: "lobby"})
	guess := func(code string) int {
		return c.do(ask{who: "globex admin", method: "POST", path: "/admin/v1/gateways/claim/", body: map[string]any{"code": code}}).status
	}
	for range 10 {
		if got := guess("0000-0000"); got != http.StatusBadRequest {
			t.Fatalf("status %d", got)
		}
	}
	if got := guess(offer.Code); got != http.StatusTooManyRequests {
		t.Errorf("an eleventh guess: %d", got)
	}
	for range 9 {
		c.claim(http.StatusCreated, edge.ClaimRequest{NASIdentifier: "lobby"})
	}
	if got := c.do(ask{method: "POST", path: edge.ClaimPath, body: edge.ClaimRequest{NASIdentifier: "lobby"}}); got.status != http.StatusTooManyRequests {
		t.Errorf("one address asks for an eleventh code: %d", got.status)
	}
	c.clock.Advance(16 * time.Minute)
	if got := guess(offer.Code); got != http.StatusBadRequest {
		t.Errorf("an old code: %d", got)
	}
	for name, body := range map[string]any{"rubbish": "{", "a null": edge.ClaimRequest{NASIdentifier: "lobby", Version: "1.2\x00"}, "nobody": edge.ClaimRequest{}, "a line": edge.ClaimRequest{NASIdentifier: "a\nb"}} {
		if got := c.do(ask{method: "POST", path: edge.ClaimPath, body: body}); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	c.want(http.StatusMethodNotAllowed, ask{method: "GET", path: edge.ClaimPath}, nil)
}

// TestRevokedGateway: it is refused at once, also where it waits, and the accounts that it has seen are told.
func TestRevokedGateway(t *testing.T) {
	c := newCentre(t)
	var made admin.ClaimToken
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/gateways/", body: map[string]any{"nas_identifier": "gw1"}}, &made)
	c.as("gw1", c.claim(http.StatusOK, edge.ClaimRequest{NASIdentifier: "gw1", Secret: made.ClaimToken}).Token)
	ann := c.user("acme", "ann", "right")
	c.user("acme", "bob", "right")
	c.login("gw1", "ann", "right")
	cursor := c.changes("gw1", "").Cursor
	held := make(chan reply, 1)
	go func() {
		held <- c.do(ask{who: "gw1", method: "GET", path: edge.ChangesPath + "?wait=60&cursor=" + cursor, header: map[string]string{"X-Request-Id": "waits"}})
	}()
	c.waitForLog(`msg="changes read" request=waits`)

	path := fmt.Sprintf("/admin/v1/gateways/%d/", made.Gateway.ID)
	var g admin.Gateway
	c.want(http.StatusOK, ask{who: "acme admin", method: "POST", path: path + "revoke/"}, &g)
	if g.Revoked == nil || g.Claimed != nil {
		t.Errorf("revoked %+v", g)
	}
	if got := within(t, 2*time.Second, held); got.status != http.StatusForbidden {
		t.Errorf("the request that was held open: %d %s", got.status, got.text)
	}
	c.feed(http.StatusUnauthorized, "gw1", "gw1")
	c.feed(http.StatusForbidden, "acme edge", "gw1")
	var seen admin.Page[admin.SeenAccount]
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path + "accounts/"}, &seen)
	if len(seen.Results) != 1 || seen.Results[0].UserID != ann || seen.Results[0].Username != "ann" {
		t.Errorf("accounts %+v", seen.Results)
	}
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: path + "claim_token/"}, &made) // it may come back
	c.as("gw1", c.claim(http.StatusOK, edge.ClaimRequest{NASIdentifier: "gw1", Secret: made.ClaimToken}).Token)
	c.feed(http.StatusOK, "gw1", "gw1")
	for _, who := range []string{"acme staff", "acme readonly", "globex admin"} {
		want := map[string]int{"acme staff": 403, "acme readonly": 403, "globex admin": 404}[who]
		for _, method := range []string{"PATCH", "DELETE"} {
			c.want(want, ask{who: who, method: method, path: path, body: map[string]any{}}, nil)
		}
		c.want(want, ask{who: who, method: "POST", path: path + "revoke/"}, nil)
		c.want(want, ask{who: who, method: "GET", path: path + "accounts/"}, nil)
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: path}, nil)
	c.feed(http.StatusUnauthorized, "gw1", "gw1")
}

func (c *centre) waitForLog(text string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(c.log.String(), text); {
		if time.Now().After(end) {
			c.t.Fatalf("the log never had %s", text)
		}
		<-time.After(time.Millisecond)
	}
}

func TestGatewaySettings(t *testing.T) {
	c := newCentre(t)
	c.changes("acme edge", "")
	var list admin.Page[admin.Gateway]
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/gateways/?nas_identifier=gw1"}, &list)
	path := fmt.Sprintf("/admin/v1/gateways/%d/configuration/", list.Results[0].ID)
	configured := func(a edge.ChangesAnswer) (list []string) {
		for _, ch := range a.Changes {
			if ch.Configuration != nil {
				list = append(list, fmt.Sprintf("%d %s", ch.Configuration.Version, ch.Configuration.Settings))
			}
		}
		return list
	}
	var set admin.GatewaySettings
	etag := c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: path}, &set).header.Get("ETag")
	if set.State != admin.ConfigurationNone || string(set.Settings) != "{}" {
		t.Errorf("at first %+v", set)
	}
	put := ask{who: "acme admin", method: "PUT", path: path, body: `{"settings": {"portal": {"venue": "Hotel"}}}`, header: map[string]string{"If-Match": etag}}
	c.want(http.StatusOK, put, &set)
	c.want(http.StatusPreconditionFailed, put, nil)
	told := c.status("acme edge", edge.Status{BootID: "b"})
	if diff := cmp.Diff([]string{`1 {"portal":{"venue":"Hotel"}}`}, configured(told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	state := func(want, reason string) {
		t.Helper()
		c.server.WriteHeard(t.Context(), false)
		set = admin.GatewaySettings{}
		c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: path}, &set)
		if set.State != want || (set.Error != nil) != (reason != "") || reason != "" && *set.Error != reason {
			t.Errorf("state %+v, want %s %s", set, want, reason)
		}
	}
	state(admin.ConfigurationPending, "")
	c.status("acme edge", edge.Status{BootID: "b", ConfigurationVersion: 1, ConfigurationError: "no such zone"})
	state(admin.ConfigurationRefused, "no such zone")
	c.status("acme edge", edge.Status{BootID: "b", ConfigurationVersion: 1})
	state(admin.ConfigurationApplied, "")
	if again := configured(c.changes("acme edge", "cursor="+told.Cursor)); len(again) != 0 {
		t.Errorf("told again to who has it: %v", again)
	}
	if again := configured(c.changes("acme edge", "")); len(again) != 1 {
		t.Errorf("who begins again is told %v", again)
	}
	for _, bad := range []string{`{}`, `{"settings": []}`, `{"settings": {"portal": 1}}`, `{"settings": {}, "x": 1}`, `{"settings": {"a": {"b": "` + strings.Repeat("x", 70000) + `"}}}`} {
		if got := c.do(ask{who: "acme admin", method: "PUT", path: path, body: bad}); got.status != http.StatusBadRequest {
			t.Errorf("%.40s: %d %s", bad, got.status, got.text)
		}
	}
	c.want(http.StatusForbidden, ask{who: "acme staff", method: "PUT", path: path, body: `{"settings": {}}`}, nil)
}

func TestGatewayStatus(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "right")
	c.login("acme edge", "ann", "right")
	first := c.status("acme edge", edge.Status{Version: "1.2", BootID: "boot-a", UptimeSeconds: 60, Sessions: 3, Backlog: 4,
		Clock: noon.Add(1500 * time.Millisecond).UnixMicro()})
	c.ingest("acme", session(41, noon, true))
	c.changes("acme edge", "cursor="+first.Cursor)
	see := func() admin.Gateway {
		t.Helper()
		c.server.WriteHeard(t.Context(), true)
		var list admin.Page[admin.Gateway]
		c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: "/admin/v1/gateways/"}, &list)
		return list.Results[0]
	}
	got := see()
	started := noon.Add(-time.Minute)
	want := admin.Gateway{ID: got.ID, Organization: 1, NASIdentifier: "gw1", Created: noon, LastSeen: &noon, Address: new("127.0.0.1"), Version: new("1.2"),
		Started: &started, Sessions: new(int64(3)), Backlog: new(int64(4)), ClockOffsetMS: new(int64(1500)),
		Synced:        admin.Synced{FeedPosition: got.Synced.FeedPosition, MergedThrough: 41, Accounts: 1},
		Configuration: admin.Configuration{State: admin.ConfigurationNone}}
	if diff := cmp.Diff(want, got); diff != "" || got.Synced.FeedPosition == 0 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, boot := range []string{"boot-b", "boot-c"} { // it starts anew, twice
		c.status("acme edge", edge.Status{BootID: boot, Version: "nu\x00ll"})
		if g := see(); g.Conflict != nil || g.ClockOffsetMS != nil {
			t.Errorf("after %s: %+v", boot, g)
		}
	}
	c.clock.Advance(time.Minute)
	c.status("acme edge", edge.Status{BootID: "boot-b"}) // no machine goes back to an earlier boot
	if g := see(); g.Conflict == nil || !g.Conflict.Equal(noon.Add(time.Minute)) {
		t.Errorf("two machines of one name: %+v", g)
	}
	c.clock.Advance(store.SilentAfter + time.Second)
	for query, want := range map[string]int{"?silent=true": 1, "?silent=false": 0, "?organization=acme-west": 0, "?location=3": 0} {
		var list admin.Page[admin.Gateway]
		if c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: "/admin/v1/gateways/" + query}, &list); len(list.Results) != want {
			t.Errorf("%s: %d gateways, want %d", query, len(list.Results), want)
		}
	}
	for _, bad := range []string{"{", `{"boot_id": 7}`, `{"sessions": -1}`, `{"uptime_seconds": 9e18}`, `{"version": "` + strings.Repeat("x", 5000) + `"}`} {
		c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.StatusHeader: bad}}, nil)
	}
	var changed admin.Gateway
	path := fmt.Sprintf("/admin/v1/gateways/%d/", got.ID)
	etag := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, nil).header.Get("ETag")
	patch := ask{who: "acme admin", method: "PATCH", path: path, body: json.RawMessage(`{"name": " Lobby "}`), header: map[string]string{"If-Match": etag}}
	if c.want(http.StatusOK, patch, &changed); changed.Name != "Lobby" {
		t.Errorf("changed %+v", changed)
	}
	c.want(http.StatusPreconditionFailed, patch, nil)
}
