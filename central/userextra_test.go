package central_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
)

const extras = "/api/v1/user_extra/"

func TestUserExtra(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann, bob := c.user("acme", "ann", ""), c.user("acme-west", "bob", "")
	sent := map[string]any{"parent": float64(ann), "gender": "f", "birthday": "1990-03-02", "country_id": "DE", "accept_terms": true, "event": "Tech 24"}
	for _, name := range gate.UserExtraTexts() {
		if sent[name] == nil {
			sent[name] = "some " + name
		}
	}
	want := map[string]any{"id": 1.0, "age": nil}
	for k, v := range sent {
		want[k] = v
	}
	var made map[string]any
	c.want(201, ask{who: "acme admin", method: "POST", path: extras, body: map[string]any{"data": sent}}, &made)
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	want["age"] = 35.0 // on 1 March 2026, a day before the birthday
	var read map[string]any
	c.want(200, ask{who: "acme admin", method: "GET", path: extras + "1/"}, &read)
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	c.want(200, ask{who: "acme admin", method: "PATCH", path: extras + "1/", body: map[string]any{"data": `{"gender":"o","age":40}`}}, &made)
	if made["gender"] != "o" || made["age"] != 40.0 || made["city"] != "some city" {
		t.Errorf("patched: %v", made)
	}
	c.want(200, ask{who: "acme admin", method: "PUT", path: extras + "1/", body: map[string]any{"parent": bob}}, &made)
	for k, v := range made {
		if v != nil && k != "id" && k != "parent" {
			t.Errorf("%s is %v after a PUT without it", k, v)
		}
	}
	if made["parent"] != float64(bob) {
		t.Errorf("parent %v", made["parent"])
	}
	c.want(204, ask{who: "acme admin", method: "DELETE", path: extras + "1"}, nil)
	c.want(404, ask{who: "acme admin", method: "DELETE", path: extras + "1"}, nil)
}

func TestUserExtraIsChecked(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann := c.user("acme", "ann", "")
	for field, bad := range map[string][]any{"gender": {"x", "female"}, "birthday": {"2.3.1990", "1990-02-30", 5}, "country_id": {"DEU", "1A"},
		"age": {-1, 151, "old", 1.5}, "accept_terms": {"maybe"}, "parent": {"nobody", nil, ""}, "title": {[]int{1}}} {
		for _, v := range bad {
			body := map[string]any{"parent": ann, field: v}
			wantNamed(t, c.want(400, ask{who: "acme admin", method: "POST", path: extras, body: body}, nil), field)
		}
	}
	c.want(404, ask{who: "acme admin", method: "POST", path: extras, body: map[string]any{"parent": 999}}, nil)
	c.want(404, ask{who: "globex admin", method: "POST", path: extras, body: map[string]any{"parent": ann}}, nil)
}

func TestUserExtraLists(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann, bob, carl := c.user("acme", "ann", ""), c.user("acme-west", "bob", ""), c.user("globex", "carl", "")
	for i, e := range []map[string]any{{"parent": ann, "event": "a"}, {"parent": bob, "event": "a"}, {"parent": bob, "event": "b"}} {
		var made struct{ ID int }
		if c.want(201, ask{who: "acme admin", method: "POST", path: extras, body: e}, &made); made.ID != i+1 {
			t.Fatal(made)
		}
	}
	c.want(201, ask{who: "globex admin", method: "POST", path: extras, body: map[string]any{"parent": carl, "event": "a"}}, nil)
	for query, want := range map[string]int64{"": 3, fmt.Sprint("parent=", bob): 2, fmt.Sprint("parent=user_", ann): 1, "parent=x": 0,
		fmt.Sprint("parent=", carl): 0, "parent__organization_id=2": 2, "parent__organization_id=acme-west": 2, "parent__organization_id=3": 0,
		"event=a": 2, "event=A": 0, fmt.Sprint("event=b&parent=", bob): 1, "parent__organization_id=none": 0} {
		var p gate.OffsetPage[gate.UserExtra]
		if c.want(200, ask{who: "acme readonly", method: "GET", path: extras + "?" + query}, &p); p.Count != want || int64(len(p.Results)) != want {
			t.Errorf("%s: %d, want %d", query, p.Count, want)
		}
	}
	c.want(404, ask{who: "acme admin", method: "GET", path: extras + "4"}, nil)
	c.want(201, ask{who: "acme-west admin", method: "POST", path: "/api/v1/device_app_register/", body: `{"username":"bob","mac_addr":"02:00:5e:10:00:07"}`}, nil)
	var e gate.UserExtra
	c.want(200, ask{who: "acme admin", method: "GET", path: extras + "2?device_info=true"}, &e)
	if e.DeviceInfo == nil || len(*e.DeviceInfo) != 1 || *(*e.DeviceInfo)[0].MACAddr != "02:00:5e:10:00:07" {
		t.Errorf("devices: %+v", e.DeviceInfo)
	}
	c.want(204, ask{who: "acme admin", method: "DELETE", path: fmt.Sprint("/api/v1/user/", bob)}, nil)
	c.want(404, ask{who: "acme admin", method: "GET", path: extras + "2"}, nil)
}
