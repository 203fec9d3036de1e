package central_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// deeds does every operation so that it succeeds, as often as one likes: each time on something new that is there for it alone.
type deeds struct {
	*world
	n     int
	codes map[string]string   // how a user without a role asks: by the codes of his token
	roles map[string][]string // who may what
}

func newDeeds(w *world) *deeds {
	d := &deeds{world: w, roles: mays(w.t)}
	d.codes = d.member("guest", "").codes
	for _, role := range store.Roles() {
		d.token(d.org + " " + string(role))
	}
	return d
}

// tokenHolder is a user with a user token.
type tokenHolder struct {
	id    int64
	name  string
	pair  pair
	codes map[string]string
}

// member is a new one.
func (d *deeds) member(name string, role store.Role) tokenHolder {
	d.t.Helper()
	m := tokenHolder{name: d.name(name)}
	m.id = d.centre.member(d.org, m.name, role)
	m.pair = d.userToken(m.name)
	m.codes = basic(m.pair.UserCode, m.pair.PassCode)
	return m
}

func (d *deeds) name(kind string) string {
	d.n++
	return fmt.Sprintf("%s%s%d", kind, d.mark, d.n)
}

// op is an operation by its method and path.
func (d *deeds) op(name string) contractOp {
	d.t.Helper()
	i := slices.IndexFunc(d.ops, func(o contractOp) bool { return o.String() == name })
	if i < 0 {
		d.t.Fatalf("there is no operation %s", name)
	}
	return d.ops[i]
}

// done makes a request that must succeed, and reads a field of its answer.
func (d *deeds) done(method, path string, body any, field string) string {
	d.t.Helper()
	got := d.do(ask{who: d.who(), method: method, path: path, body: body})
	if got.status/100 != 2 {
		d.t.Fatalf("%s %s %v: %d %s", method, path, body, got.status, got.text)
	}
	var answer map[string]json.RawMessage
	_ = json.Unmarshal([]byte(got.text), &answer) // nothing, where there is no body
	return strings.Trim(string(answer[field]), `"`)
}

// first is a field of the first of a list.
func (d *deeds) first(path, field string) string {
	d.t.Helper()
	var page struct{ Results []map[string]any }
	d.want(http.StatusOK, ask{who: d.who(), method: "GET", path: path}, &page)
	if len(page.Results) == 0 {
		d.t.Fatalf("%s is empty", path)
	}
	if n, ok := page.Results[0][field].(float64); ok {
		return fmt.Sprint(int64(n))
	}
	return fmt.Sprint(page.Results[0][field])
}

// fresh makes something for the list at this path and returns how it is named there.
func (d *deeds) fresh(list string) string {
	d.t.Helper()
	switch {
	case list == "/api/v1/user/username":
		return d.done("POST", "/api/v1/user/", d.body("POST /api/v1/user/"), "username")
	case list == "/admin/v1/persons":
		return d.fresh("/api/v1/user")
	case list == "/admin/v1/gateways":
		d.done("POST", list+"/", d.body("POST "+list+"/"), "")
		return d.first(list+"/?limit=1", "id")
	case list == "/admin/v1/retention":
		return d.made["organization"]
	case list == "/api/v1/aaa_accounting", list == "/admin/v1/sessions":
		return d.session()
	case list == "/admin/v1/actions":
		return d.done("POST", "/admin/v1/sessions/"+d.session()+"/disconnect/", nil, "id")
	case list == "/admin/v1/vouchers":
		plan := d.done("POST", "/admin/v1/plans/", map[string]any{"name": d.name("plan"), "extendable": true, "time_seconds": 3600, "time_mode": "elapsed"}, "id")
		batch := d.done("POST", "/admin/v1/voucher_batches/", map[string]any{"plan": json.Number(plan), "quantity": 1}, "id")
		return d.first("/admin/v1/vouchers/?batch="+batch, "id")
	case list == "/admin/v1/devices":
		d.done("POST", "/api/v1/device_app_register/", map[string]any{"generic_id": d.name("device")}, "")
		return d.first("/admin/v1/devices/?limit=1", "id")
	case list == "/admin/v1/settings/oidc":
		name := strings.ToLower(d.name("idp"))
		d.done("PUT", list+"/"+name+"/", d.body("PUT /admin/v1/settings/oidc/{name}/"), "")
		return name
	case strings.HasSuffix(list, "/deliveries"):
		return d.done("POST", strings.TrimSuffix(list, "deliveries")+"test/", nil, "id")
	case list == "/api/auth-tokens":
		return fmt.Sprint(d.member("holder", "").id)
	case list == "/api/v2/userTokens/userCode":
		return d.member("holder", "").pair.UserCode
	}
	return d.done("POST", list+"/", d.body("POST "+list+"/"), "id")
}

// session is the id of a new one that runs.
func (d *deeds) session() string {
	d.t.Helper()
	d.n++
	s := session(100000*int(d.worlds.Load())+d.n, noon.Add(time.Duration(d.n)*time.Second), true) // the latest
	d.ingest(d.org, s)
	return d.first("/admin/v1/sessions/?limit=1", "id")
}

// body is a body for an operation, with what is this test's to know.
func (d *deeds) body(name string) map[string]any {
	d.t.Helper()
	op := d.op(name)
	if op.body() == nil {
		return nil
	}
	body := d.object(op.body())
	more := map[string]map[string]any{
		"POST /admin/v1/sessions/{id}/rate/":         {"up": 1000000},
		"POST /admin/v1/vouchers/{id}/extend/":       {"seconds": 60},
		"PATCH /admin/v1/retention/{organization}/":  {"accounting": d.n + 1},
		"PUT /admin/v1/gateways/{id}/configuration/": {"settings": map[string]any{"portal": map[string]any{"venue": d.name("venue")}}},
	}[name]
	maps.Copy(body, more)
	if body["name"] != nil {
		body["name"] = d.name("name")
	}
	return body
}

// deed is a request that does what the operation is for.
func (d *deeds) deed(op contractOp) ask {
	d.t.Helper()
	a := ask{who: d.who(), method: op.method, path: op.path}
	for at := hole.FindStringIndex(a.path); at != nil; at = hole.FindStringIndex(a.path) {
		a.path = a.path[:at[0]] + d.fresh(list(a.path[:at[0]])) + a.path[at[1]:]
	}
	if b := d.body(op.String()); b != nil {
		a.body = b
	}
	if op.settings() && !strings.Contains(op.path, "{") && op.method != "PUT" && op.path != "/admin/v1/settings/oidc/" {
		at := strings.TrimSuffix(op.path, "test/")
		d.done("PUT", at, d.body("PUT "+at), "")
	}
	switch op.String() {
	case "POST /api/v1/portal_login/":
		location := json.Number(d.fresh("/admin/v1/locations"))
		mac := fmt.Sprintf("02:00:5E:99:%02X:%02X", d.n>>8&255, d.n&255)
		d.done("POST", "/admin/v1/access_points/", map[string]any{"name": "ap", "short_name": d.name("ap"), "mac_addr": mac, "location_id": location}, "")
		d.done("POST", "/admin/v1/gateways/", map[string]any{"nas_identifier": d.name("nas"), "location": location}, "")
		a.body = with(a.body, "ap_mac", mac)
	case "DELETE /admin/v1/voucher_batches/{id}/":
		d.done("POST", a.path+"revoke/", nil, "")
	case "GET /admin/v1/persons/{id}/erase/":
		d.done("POST", a.path, nil, "")
	case "POST /api/v1/device_app_user_authenticate/":
		a.body = map[string]any{"username": d.member("login", "").name, "password": cheapPassword}
	case "POST /api/v1/device_app_user_update/":
		a.body = map[string]any{"username": d.fresh("/api/v1/user/username"), "user_class": d.name("class"), "generic_id": d.name("dev")}
	case "POST /admin/v1/gateways/claim/":
		a.body = map[string]any{"code": d.offer().Code}
	case "POST /api/v2/userTokens/currentUser":
		name := d.name("holder")
		d.centre.member(d.org, name, "")
		a.who, a.header = "", basic(name, cheapPassword)
	case "DELETE /api/v2/userTokens/currentUser":
		a.who, a.header = "", d.member("holder", "").codes
	case "DELETE /api/v2/userTokens/purge":
		gone := d.member("gone", "")
		d.done("DELETE", fmt.Sprintf("/api/v1/user/%d/", gone.id), nil, "")
	}
	if strings.HasPrefix(op.path, "/edge/") {
		a.who = d.org + " edge"
		d.edgeDeed(op, &a)
	}
	return a
}

// offer is a gateway that waits to be claimed.
func (d *deeds) offer() (o edge.ClaimAnswer) {
	d.t.Helper()
	d.clock.Advance(time.Hour) // so many codes are asked for no faster
	d.want(http.StatusCreated, ask{method: "POST", path: edge.ClaimPath, body: edge.ClaimRequest{NASIdentifier: d.name("nas")}}, &o)
	return o
}

func (d *deeds) edgeDeed(op contractOp, a *ask) {
	d.t.Helper()
	const station, zone = "02-00-5E-10-00-01", "guests"
	switch op.path {
	case edge.IngestPath:
		d.n++
		s := session(100000*int(d.worlds.Load())+d.n, noon, false)
		a.body = ingestBody(d.t, s)
	case edge.AuthenticatePath:
		a.body = edge.AuthenticateRequest{Username: d.member("login", "").name, Password: cheapPassword}
	case edge.PasswordPath:
		a.body = edge.PasswordRequest{Username: d.member("login", "").name, Password: cheapPassword, NewPassword: "another-Password-1"}
	case edge.ProofPath:
		a.body = map[string]any{"method": "register", "callingstationid": station, "zone": zone, "fields": map[string]string{"first_name": d.name("Ann")}}
	case edge.ProofCheckPath:
		d.clock.Advance(time.Hour) // nobody registers that often
		var begun edge.ProofAnswer
		d.want(http.StatusCreated, ask{who: a.who, method: "POST", path: edge.ProofPath,
			body: map[string]any{"method": "register", "callingstationid": station, "zone": zone, "fields": map[string]string{"first_name": d.name("Ann")}}}, &begun)
		a.body = map[string]any{"ticket": begun.Ticket, "callingstationid": station, "zone": zone}
	case edge.ClaimPath:
		o := d.offer()
		d.done("POST", "/admin/v1/gateways/claim/", map[string]any{"code": o.Code}, "id")
		a.body = map[string]any{"nas_identifier": fmt.Sprintf("nas%s%d", d.mark, d.n), "secret": o.Secret}
	case edge.ChangesPath, edge.CertificatePath:
	}
}
