package central_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/api/edge"
	"gatehouse/central"
)

// samples are valid values for every documented field of every body.
func samples(n int) map[string]any {
	attr := []any{map[string]any{"attribute": "Session-Timeout", "op": ":=", "value": "3600"}}
	all := map[string]any{
		"username": fmt.Sprintf("jané.smith_%d@x", n), "password": "SecurePassword123!", "email": "jane@company.com",
		"first_name": "Jane", "last_name": "Smith", "external_id": "EMP005678", "klass": "premium", "is_active": false,
		"organization": 2, "description": "Software <Developer>", "expiration": "2031-12-31T23:59:59Z",
		"avatar_url": "https://example.org/a.jpg", "profile": []any{"west"}, "user_time": 7200, "balance_seconds": 7200,
		"initial_balance_seconds": 7200, "role": "guest",
		"name": "Guest WiFi", "short_name": fmt.Sprintf("guest-%d", n), "reply_attribute": attr, "check_attribute": attr,
		// what devices send
		"network_name": "Café <5G>", "network_type": "wi", "network_security": "wp2", "network_mccmnc": "310260", "frequency": 5.18,
		"authentication": "psk", "bssid": "02:00:5E:00:00:01", "cellid": "c1", "roaming": false, "latitude": "40.712800",
		"longitude": "-74.006000", "inbytes": 1 << 40, "outbytes": 5, "link_speed": 866.7, "quality_metric": "rssi", "quality_value": -45,
		"test_type": "dl", "destination": "example.org", "value": 94.5, "count": 10, "unit": "Kbps",
		"number": fmt.Sprintf("+15551%06d", n), "generic_id": fmt.Sprintf("dev-%d", n), "imei": fmt.Sprintf("3548%011d", n),
		"imsi": "310260123456789", "iccid": "8901260123456789012", "mac_addr": fmt.Sprintf("02:00:5E:%02X:%02X:%02X", n>>16&255, n>>8&255, n&255),
		"home_mobile_network_name": "T-Mobile", "home_mobile_network_mccmnc": "310260", "app_version": "2.1.0", "os_family": "Android",
		"os_version": "13.0", "os_api_version": "33", "device_family": "Galaxy", "device_brand": "Samsung", "device_model": "SM-G998B",
		"device_type": "ph", "push_key": "fGx1", "user_external_id": "EXT-1", "user_class": "premium",
		// what a portal sends
		"uid": "ann", "ap_mac": "02:00:5E:00:00:01", "mac": "02:00:5E:10:00:01", "ip": "10.0.0.9", "original_url": "https://example.org/?a=b",
		"controller_address": "10.0.0.1", "session_timeout": 3600, "idle_timeout": 600,
		// what is known of a person
		"title": "Ms.", "gender": "f", "birthday": "1990-05-15", "age": 35, "age_range": "35-44", "telephone": "+1-555-0123",
		"address": "123 Main Street", "city": "New York", "state": "NY", "postal_code": "10001", "country": "United States", "country_id": "US",
		"company": "Acme & Sons", "tax_id": "T-1", "passport_number": "P-1", "hometown": "Lyon", "location": "Lobby", "locale": "en_US",
		"event": "Tech Conference", "accept_terms": true,
	}
	all["host"], all["callingstationid"] = "127.0.0.1", "02-00-5E-10-00-01"
	all["domain"], all["server"], all["directory"] = "wifi.example.net", "127.0.0.1:9", "https://127.0.0.1:9/" // nobody is there
	all["seconds"], all["network"] = 60, fmt.Sprintf("192.0.%d.%d", n>>8&255, n&255)
	for i := range 8 {
		all[fmt.Sprintf("custom_field_%d", i+1)] = fmt.Sprintf("value %d", i)
	}
	return all
}

// stage is a centre with something of everything, and fills the holes of paths.
type stage struct {
	*centre
	n        int
	org, ann string // ann is somebody who can log in
	ids      map[string]string
}

func newStage(t testing.TB, change ...func(*central.Config)) *stage {
	return stageOf(newCentre(t, change...), "acme", "")
}

// stageOf puts something of everything into an organisation. mark stands in all that has a name.
func stageOf(c *centre, org, mark string) *stage {
	s := &stage{centre: c, org: org, ann: "ann" + mark, ids: map[string]string{"userCode": "abcdefgh"}}
	s.t.Helper()
	child := org
	if mark == "" { // samples make users of the organisation below
		child = "acme-west"
	}
	s.profile(child, "west"+mark)
	records := []edge.Record{session(1, noon, true), session(2, noon, false), session(3, noon, true), transaction(4, noon), transaction(5, noon)}
	for _, r := range records {
		if r.Accounting != nil {
			r.Accounting.Username, r.Accounting.SSID = "guest"+mark, "guests"+mark
		} else {
			r.Transaction.Username, r.Transaction.Message = "guest"+mark, "login"+mark
		}
	}
	s.ingest(org, records...)
	var page struct {
		Results []struct{ RadAcctID int64 }
	}
	s.want(http.StatusOK, ask{who: s.who(), method: "GET", path: "/api/v1/aaa_accounting/"}, &page)
	s.ids["radacctid"] = strconv.FormatInt(page.Results[0].RadAcctID, 10)
	for _, kind := range []string{"locations", "access_points", "access_devices"} {
		s.want(http.StatusCreated, ask{who: s.who(), method: "POST", path: "/admin/v1/" + kind + "/", body: map[string]any{
			"name": kind + mark, "short_name": "first" + mark, "latitude": "40.7", "longitude": "-74.0"}}, nil)
	}
	device := map[string]any{"generic_id": "device" + mark, "device_model": "model" + mark}
	s.want(http.StatusCreated, ask{who: s.who(), method: "POST", path: "/api/v1/device_app_register/", body: device}, nil)
	s.want(http.StatusCreated, ask{who: s.who(), method: "POST", path: "/api/v1/device_app_connection_log/", body: map[string]any{
		"generic_id": "device" + mark, "network_name": "network" + mark, "network_type": "wi", "network_security": "wp2"}}, nil)
	s.make("/user_extra/", map[string]any{"parent": s.user(org, s.ann, ""), "city": "city" + mark})
	return s
}

// in makes a failure one of a subtest, until that ends.
func (s *stage) in(t *testing.T) {
	parent := s.t
	s.t = t
	t.Cleanup(func() { s.t = parent })
}

// who is who asks, when nothing else is said.
func (s *stage) who() string { return s.org + " admin" }

// make makes something by a POST and returns its id.
func (s *stage) make(path string, body map[string]any) string {
	s.t.Helper()
	var made struct{ ID int64 }
	s.want(http.StatusCreated, ask{who: s.who(), method: "POST", path: "/api/v1" + path, body: body}, &made)
	return strconv.FormatInt(made.ID, 10)
}

// fresh makes what the row's path names.
func (s *stage) fresh(r row) {
	s.t.Helper()
	s.n++
	name := fmt.Sprintf("user.%d", s.n)
	switch {
	case strings.HasPrefix(r.Path, "/aaa_profile/{"):
		s.ids["id"] = s.make("/aaa_profile/", map[string]any{"name": name, "short_name": fmt.Sprintf("p-%d", s.n)})
	case strings.HasPrefix(r.Path, "/user_token/{"):
		s.ids["id"] = s.make("/user_token/", map[string]any{"username": name})
	case strings.HasPrefix(r.Path, "/user_extra/{"):
		s.ids["id"] = s.make("/user_extra/", map[string]any{"parent": s.make("/user/", map[string]any{"username": name})})
	case r.API != "GATE":
		s.freshUserToken(r)
	case strings.HasPrefix(r.Path, "/user"):
		s.ids["username"], s.ids["id"] = name, s.make("/user/", map[string]any{"username": name})
	}
}

const annsPassword = "SecurePassword123!"

// basic is how ann shows who she is.
func (s *stage) basic() map[string]string {
	s.t.Helper()
	if s.ids["user_id"] == "" {
		s.change(s.ann, map[string]any{"password": annsPassword})
		var u struct{ ID int64 }
		s.want(http.StatusOK, ask{who: s.who(), method: "GET", path: "/api/v1/user/username/" + s.ann + "/"}, &u)
		s.ids["user_id"] = strconv.FormatInt(u.ID, 10)
	}
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(s.ann+":"+annsPassword))}
}

// freshUserToken gives ann a user token, or takes hers away where the row is to make one.
func (s *stage) freshUserToken(r row) {
	s.t.Helper()
	const own = "/api/v2/userTokens/currentUser"
	if s.do(ask{method: "DELETE", path: own, header: s.basic()}); r.Method == "POST" {
		return
	}
	var made struct{ UserCode string }
	s.want(http.StatusOK, ask{method: "POST", path: own, header: s.basic()}, &made)
	s.ids["userCode"] = made.UserCode
}

func (s *stage) path(r row) string {
	path := r.base() + strings.Replace(r.Path, "?createdAfter&createdBefore", "?createdAfter=2019-01-01&createdBefore=2030-01-01", 1)
	for name, id := range s.ids {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	return path
}

// body is a body with every documented field.
func (s *stage) body(r row) map[string]any {
	if r.Body == nil {
		return nil
	}
	s.n++
	body, all := make(map[string]any), samples(s.n)
	for name := range r.Body {
		body[name] = all[name]
	}
	switch {
	case strings.HasPrefix(r.Path, "/user_extra"):
		body["parent"] = s.make("/user/", map[string]any{"username": fmt.Sprintf("parent.%d", s.n)})
	case strings.HasPrefix(r.Path, "/user_token"):
		delete(body, "balance_seconds")
		delete(body, "initial_balance_seconds")
	case strings.Contains(r.Path, "user_update"):
		body["username"] = fmt.Sprintf("owner.%d", s.n)
		s.make("/user/", map[string]any{"username": body["username"]})
	case strings.Contains(r.Path, "authenticate"):
		body["username"] = "ann"
		return body
	}
	delete(body, "password") // hashing takes its time; TestBodyFields sends one where it is about that
	return body
}

func (s *stage) ask(r row) ask {
	a := ask{who: s.who(), method: r.Method, path: s.path(r)}
	if b := s.body(r); b != nil {
		a.body = b
	}
	if strings.HasSuffix(r.Path, "/currentUser") {
		a.who, a.header = "", s.basic()
	}
	return a
}

// change changes the user with this name.
func (s *stage) change(username string, fields map[string]any) {
	s.t.Helper()
	s.want(http.StatusOK, ask{who: s.who(), method: "PATCH", path: "/api/v1/user/username/" + username + "/", body: fields}, nil)
}

// with is a copy of a body with another value in one field.
func with(body any, field string, value any) map[string]any {
	changed := maps.Clone(body.(map[string]any))
	changed[field] = value
	return changed
}
