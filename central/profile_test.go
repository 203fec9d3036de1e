package central_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

const profiles = "/api/v1/aaa_profile/"

func TestProfileIsChangedAndTold(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var feed edge.ChangesAnswer
	changes := func() edge.ChangesAnswer {
		t.Helper()
		var a edge.ChangesAnswer
		c.want(200, ask{who: "acme edge", method: "GET", path: edge.ChangesPath + "?cursor=" + feed.Cursor}, &a)
		feed.Cursor = a.Cursor
		return a
	}
	path := profiles + fmt.Sprint(c.profile("acme", "wifi")) + "/"
	changes()
	var p gate.AaaProfile
	c.want(200, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{
		"check_attribute": []gate.Attr{{Attribute: "NAS-Identifier", Op: "=~", Value: "^lobby"}, {Attribute: "Simultaneous-Use", Op: ":=", Value: "2"}}}}, &p)
	if len(p.CheckAttribute) != 2 || len(p.ReplyAttribute) != 1 || p.Name != "wifi" {
		t.Errorf("patched: %+v", p)
	}
	c.want(200, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{
		"check_attribute": []gate.Attr{{Attribute: "User-Name", Op: "=*", Value: ""}}}}, &p)
	if diff := cmp.Diff([]gate.Attr{{Attribute: "User-Name", Op: "=*"}}, p.CheckAttribute); diff != "" {
		t.Errorf("an array takes the place of the whole one (-want +got):\n%s", diff)
	}
	got := changes()
	if len(got.Changes) != 1 || got.Changes[0].Profile == nil || got.Changes[0].Profile.CheckAttribute[0].Op != "=*" {
		t.Errorf("feed: %+v", got.Changes)
	}
	c.want(200, ask{who: "acme admin", method: "PUT", path: path, body: map[string]any{"name": "Wi-Fi", "short_name": "wifi2"}}, &p)
	want := gate.AaaProfile{ID: p.ID, Name: "Wi-Fi", ShortName: "wifi2", OrganizationID: p.OrganizationID, ReplyAttribute: []gate.Attr{}, CheckAttribute: []gate.Attr{}}
	var read gate.AaaProfile
	c.want(200, ask{who: "acme admin", method: "GET", path: path}, &read)
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("after PUT (-want +got):\n%s", diff)
	}
	changes()
	user := c.user("acme", "ann", "", "wifi2")
	if got := c.want(409, ask{who: "acme admin", method: "DELETE", path: path}, nil); !strings.Contains(got.text, "assigned") {
		t.Error(got.text)
	}
	c.want(204, ask{who: "acme admin", method: "DELETE", path: "/api/v1/user/" + fmt.Sprint(user)}, nil)
	c.want(204, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	c.want(404, ask{who: "acme admin", method: "GET", path: path}, nil)
	if got := changes(); len(got.Changes) != 1 || got.Changes[0].DeletedProfile != p.ID {
		t.Errorf("feed: %+v", got.Changes)
	}
}

func TestProfileWarns(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var p gate.AaaProfile
	got := c.want(201, ask{who: "acme admin", method: "POST", path: profiles, body: map[string]any{"name": "n", "short_name": "n",
		"check_attribute": []gate.Attr{{Attribute: "Login-Time", Op: ":=", Value: "Wk0800-1700"}, {Attribute: "Max-Daily-Session", Op: "==", Value: "0"},
			{Attribute: "Huntgroup-Name", Op: "==", Value: "x"}, {Attribute: "Expiration", Op: ":=", Value: "1 Jan 2030"}, {Attribute: "NAS-Port", Op: "!*"}},
		"reply_attribute": []gate.Attr{{Attribute: "Tunnel-Type", Op: ":=", Value: "VLAN"}, {Attribute: "Session-Timeout", Op: "=", Value: "1h"},
			{Attribute: "Mikrotik-Total-Limit", Op: "=", Value: "5"}, {Attribute: "Fall-Through", Op: "=", Value: "No"}}}}, &p)
	want := []string{"Max-Daily-Session: 0 is no bound", "Huntgroup-Name: no login has it, so that the profile never counts", "Expiration: sets nothing",
		"Tunnel-Type: does nothing in a reply", `Session-Timeout: "1h" is not a whole number from 0 to 4294967295`}
	if diff := cmp.Diff(want, got.header["Profile-Warning"]); diff != "" {
		t.Errorf("what is told of what means nothing (-want +got):\n%s", diff)
	}
	for value, status := range map[string]int{"9 to 5": 400, "": 400, "Sa,Su2305-1655": 200} {
		body := map[string]any{"check_attribute": []gate.Attr{{Attribute: "Login-Time", Op: ":=", Value: value}}}
		got := c.want(status, ask{who: "acme admin", method: "PATCH", path: profiles + fmt.Sprint(p.ID) + "/", body: body}, nil)
		if status == 400 {
			wantNamed(t, got, "check_attribute")
		}
	}
}

func TestProfileRefuses(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.profile("acme", "other")
	path := profiles + fmt.Sprint(c.profile("acme", "wifi")) + "/"
	for _, method := range []string{"PUT", "PATCH"} {
		got := c.want(400, ask{who: "acme admin", method: method, path: path, body: map[string]any{"name": "x", "short_name": "other"}}, nil)
		if !strings.Contains(got.text, `"code":"duplicate"`) {
			t.Error(got.text)
		}
		c.want(404, ask{who: "globex admin", method: method, path: path, body: map[string]any{"name": "x", "short_name": "y"}}, nil)
	}
	for field, bad := range map[string]any{"name": "", "short_name": "a b", "check_attribute": []gate.Attr{{Attribute: "A", Op: "=~", Value: "("}},
		"reply_attribute": []gate.Attr{{Attribute: "A", Op: "~", Value: "("}}} {
		wantNamed(t, c.want(400, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{field: bad}}, nil), field)
	}
	wantNamed(t, c.want(400, ask{who: "acme admin", method: "PUT", path: path, body: map[string]any{"short_name": "y"}}, nil), "name")
	for _, method := range []string{"GET", "DELETE"} {
		c.want(404, ask{who: "acme-west admin", method: method, path: path}, nil)
		c.want(404, ask{who: "acme admin", method: method, path: profiles + "x/"}, nil)
	}
}
