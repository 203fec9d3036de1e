package central_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central"
)

func (c *centre) post(status int, who, endpoint string, body any, to any) reply {
	c.t.Helper()
	return c.want(status, ask{who: who, method: "POST", path: "/api/v1/" + endpoint + "/", body: body}, to)
}

// bearer asks with a secret that is no token of the organisation's.
func (c *centre) bearer(status int, secret, method, path string, body any) reply {
	c.t.Helper()
	return c.want(status, ask{method: method, path: "/api/v1/" + path, body: body, header: map[string]string{"Authorization": "Bearer " + secret}}, nil)
}

// accessTokenOf logs a user in.
func (c *centre) accessTokenOf(who, username, password string) string {
	c.t.Helper()
	var a struct {
		AccessToken string `json:"access_token"`
	}
	c.post(http.StatusCreated, who, "device_app_user_authenticate", map[string]any{"username": username, "password": password}, &a)
	return a.AccessToken
}

func TestRegisterDevice(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.user("acme", "ann", "right")
	phone := map[string]any{"imei": "123456789012345", "mac_addr": "00:1B:44:11:3A:B7", "device_type": "ph", "username": "ann", "password": "right"}
	got := c.post(http.StatusCreated, "acme portal", "device_app_register", phone, nil)
	if strings.Contains(got.text, "password") || strings.Contains(c.log.String(), "right") {
		t.Errorf("the password shows: %s", got.text)
	}
	for name, body := range map[string]map[string]any{"imei": {"imei": "123456789012345"}, "mac_addr": {"mac_addr": "001b.4411.3ab7"}} {
		var e struct{ Code, Field string }
		if c.post(http.StatusConflict, "acme staff", "device_app_register", body, &e); e.Code != "duplicate" || e.Field != name {
			t.Errorf("%+v", e)
		}
		c.post(http.StatusCreated, "globex portal", "device_app_register", body, nil)
	}
	for field, body := range map[string]map[string]any{
		"imei": {"imei": "12345"}, "mac_addr": {"mac_addr": "00:1B:44"}, "device_type": {"device_type": "xx"},
		"password": {"username": "ann", "password": "wrong"}} {
		wantNamed(t, c.post(http.StatusUnprocessableEntity, "acme portal", "device_app_register", body, nil), field)
	}
	wantNamed(t, c.post(http.StatusUnprocessableEntity, "acme portal", "device_app_register",
		map[string]any{"username": "nobody", "password": "right"}, nil), "password")
	// In every form that bodies may have.
	for i, body := range []any{map[string]any{}, map[string]any{"data": `{"number":"+1"}`}, map[string]any{"data": map[string]any{"number": "+1"}}} {
		got := c.post(http.StatusCreated, "acme portal", "device_app_register", body, nil)
		if want := `"number":"+1"`; i > 0 && !strings.Contains(got.text, want) {
			t.Errorf("%v: %s", body, got.text)
		}
	}
}

func TestCapsOnDevices(t *testing.T) {
	t.Parallel()
	c := newCentre(t, func(cfg *central.Config) { cfg.DevicesPerUser, cfg.RegistrationsPerDay = 2, 5 })
	c.user("acme", "ann", "")
	register := func(status int, who string, body map[string]any) reply {
		return c.post(status, who, "device_app_register", body, nil)
	}
	for range 2 {
		register(http.StatusCreated, "acme staff", map[string]any{"username": "ann"})
		c.clock.Advance(time.Hour)
	}
	wantNamed(t, register(http.StatusUnprocessableEntity, "acme staff", map[string]any{"username": "ann"}), "username")
	var page admin.Page[admin.Device]
	c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: "/admin/v1/devices/?user=1"}, &page)
	if len(page.Results) != 2 || *page.Results[1].Username != "ann" || page.Results[0].ID != 2 {
		t.Errorf("devices %+v", page.Results)
	}
	for who, status := range map[string]int{"globex admin": 404, "acme-west staff": 404, "acme readonly": 403} {
		c.want(status, ask{who: who, method: "DELETE", path: "/admin/v1/devices/2/"}, nil)
	}
	c.want(http.StatusNoContent, ask{who: "acme staff", method: "DELETE", path: "/admin/v1/devices/2/"}, nil)
	register(http.StatusCreated, "acme admin", map[string]any{"username": "ann"})
	register(http.StatusCreated, "acme portal", map[string]any{"username": "ann"}) // only says so
	for range 4 {
		register(http.StatusCreated, "acme staff", map[string]any{})
	}
	if got := register(http.StatusTooManyRequests, "acme staff", map[string]any{}); got.header.Get("Retry-After") != fmt.Sprint(22*3600) {
		t.Errorf("Retry-After %s", got.header.Get("Retry-After"))
	}
	register(http.StatusCreated, "acme portal", map[string]any{}) // another token
	c.clock.Advance(22 * time.Hour)
	register(http.StatusCreated, "acme staff", map[string]any{})
	register(http.StatusTooManyRequests, "acme staff", map[string]any{})
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann := c.user("acme", "ann", "right")
	token := c.accessTokenOf("acme portal", "ann", "right")
	log := map[string]any{"network_type": "wi", "network_security": "wp2", "network_name": "Lobby"}
	c.bearer(http.StatusCreated, token, "POST", "device_app_connection_log/", log)
	c.bearer(http.StatusOK, token, "GET", "hostspot_locations/", nil)
	c.bearer(http.StatusOK, token, "GET", "me/organization/", nil)
	if s := c.summary("acme admin", "?time_period=1d"); s.Count != 1 || s.Results[0].DeviceName != fmt.Sprintf("Device user %d", ann) || s.Results[0].DeviceType != "iot" {
		t.Errorf("the only device: %+v", s.Results)
	}
	for _, path := range []string{"user/", "aaa_accounting/", "txlog_portal/", "device_app_connection_summary/", "aaa_profile/"} {
		c.bearer(http.StatusForbidden, token, "GET", path, nil)
	}
	c.bearer(http.StatusForbidden, token, "POST", "device_app_user_authenticate/", map[string]any{"username": "ann", "password": "right"})
	for _, base := range []string{"/admin/v1/locations/", "/edge/v1/changes"} {
		c.want(http.StatusUnauthorized, ask{method: "GET", path: base, header: map[string]string{"Authorization": "Bearer " + token}}, nil)
	}
	// A token that was tampered with, of another key, or of no signature is none.
	part := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(claims, &v); err != nil {
		t.Fatal(err)
	}
	v["sub"] = "1000"
	other, _ := json.Marshal(v) // came from JSON
	b64 := base64.RawURLEncoding
	none := b64.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	for name, bad := range map[string]string{"claims": part[0] + "." + b64.EncodeToString(other) + "." + part[2], "unsigned": none + "." + part[1] + ".",
		"no signature": part[0] + "." + part[1], "cut": token[:len(token)-1], "another's": newCentreToken(t)} {
		if got := c.bearer(http.StatusUnauthorized, bad, "GET", "me/organization/", nil); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	// It ends with its hour, with the password, and with the account.
	c.clock.Advance(59 * time.Minute)
	c.bearer(http.StatusOK, token, "GET", "me/organization/", nil)
	c.clock.Advance(time.Minute)
	c.bearer(http.StatusUnauthorized, token, "GET", "me/organization/", nil)
	token = c.accessTokenOf("acme portal", "ann", "right")
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann/", body: map[string]any{"password": "new"}}, nil)
	c.bearer(http.StatusUnauthorized, token, "GET", "me/organization/", nil)
	token = c.accessTokenOf("acme portal", "ann", "new")
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann/", body: map[string]any{"is_active": false}}, nil)
	c.bearer(http.StatusUnauthorized, token, "GET", "me/organization/", nil)
	c.post(http.StatusUnprocessableEntity, "acme portal", "device_app_user_authenticate", map[string]any{"username": "ann", "password": "new"}, nil)
}

// newCentreToken is an access token of another centre, of the same account and time.
func newCentreToken(t *testing.T) string {
	c := newCentre(t)
	c.user("acme", "ann", "right")
	return c.accessTokenOf("acme portal", "ann", "right")
}

// TestLockOut guesses from one device, then another, and wants clear waiting times.
func TestLockOut(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.user("acme", "ann", "right")
	try := func(who, password, device string) (status int, wait string) {
		got := c.do(ask{who: who, method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]any{"username": "ann", "password": password, "generic_id": device}})
		return got.status, got.header.Get("Retry-After")
	}
	guesses := 0
	for ; guesses < 30; guesses++ {
		if status, _ := try("acme portal", "wrong", fmt.Sprint("device ", guesses%3)); status == http.StatusTooManyRequests {
			c.clock.Advance(15 * time.Second)
			if status, _ := try("acme portal", "wrong", "x"); status != http.StatusUnprocessableEntity {
				t.Fatalf("guess %d after 15 s: %d", guesses, status)
			}
		} else if guesses >= 10 && status == http.StatusUnprocessableEntity {
			t.Errorf("guess %d had not to wait", guesses)
		}
	}
	c.clock.Advance(time.Minute)
	if status, wait := try("acme portal", "right", "x"); status != http.StatusTooManyRequests || wait == "" || wait == "15" {
		t.Errorf("locked out: %d, Retry-After %s", status, wait)
	}
	if status, _ := try("acme staff", "right", "x"); status != http.StatusCreated {
		t.Errorf("through another token: %d", status)
	}
	c.clock.Advance(10 * time.Minute)
	if status, _ := try("acme portal", "right", "x"); status != http.StatusCreated {
		t.Errorf("ten minutes later: %d", status)
	}
}

func TestGuessesOfOneDevice(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	for i := range 20 { // each at another account
		c.post(http.StatusUnprocessableEntity, "acme portal", "device_app_user_authenticate",
			map[string]any{"username": fmt.Sprint("user", i), "password": "x", "imei": "123456789012345"}, nil)
	}
	body := map[string]any{"username": "ann", "password": "x", "imei": "123456789012345"}
	if got := c.post(http.StatusTooManyRequests, "acme portal", "device_app_user_authenticate", body, nil); got.header.Get("Retry-After") != "15" {
		t.Errorf("Retry-After %s", got.header.Get("Retry-After"))
	}
	body["imei"] = "123456789012346"
	c.post(http.StatusUnprocessableEntity, "acme portal", "device_app_user_authenticate", body, nil)
}

func TestUpdateDeviceUser(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ann, bob := c.user("acme", "ann", "old"), c.user("acme", "bob", "")
	c.registerDevice("acme", map[string]any{"imei": "111111111111111", "username": "ann"})
	update := func(status int, who string, body map[string]any) reply {
		t.Helper()
		return c.post(status, who, "device_app_user_update", body, nil)
	}
	user := func(id int64) (u struct {
		Username   string
		ExternalID string `json:"external_id"`
		Klass      string
	}) {
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", id)}, &u)
		return u
	}
	// The account by its name: class, external id and password.
	got := update(http.StatusCreated, "acme staff", map[string]any{"data": `{"username":"ann","password":"new","user_class":"gold","user_external_id":"E1"}`})
	if !strings.Contains(got.text, `"password":null`) || !strings.Contains(got.text, `"status":"success"`) || user(ann).Klass != "gold" || user(ann).ExternalID != "E1" {
		t.Errorf("%s; %+v", got.text, user(ann))
	}
	token := c.accessTokenOf("acme portal", "ann", "new")
	// A new SIM card; the device by its IMEI, the account by the device.
	update(http.StatusCreated, "acme admin", map[string]any{"imei": "111111111111111", "iccid": "89014103211118510720", "user_class": "silver"})
	if user(ann).Klass != "silver" {
		t.Errorf("%+v", user(ann))
	}
	// A new device: the only one of the account gets the new identifiers.
	update(http.StatusCreated, "acme admin", map[string]any{"username": "ann", "imei": "222222222222222"})
	c.registerDevice("acme", map[string]any{"imei": "111111111111111"}) // the old one is free again
	// Handed on to bob, then renamed.
	update(http.StatusCreated, "acme admin", map[string]any{"username": "bob", "iccid": "89014103211118510720"})
	update(http.StatusCreated, "acme admin", map[string]any{"username": "robert", "imei": "222222222222222"})
	if user(bob).Username != "robert" || user(ann).Username != "ann" {
		t.Errorf("%+v, %+v", user(ann), user(bob))
	}
	for field, body := range map[string]map[string]any{
		"username": {"username": "nobody"}, "password": {"imei": "333333333333333", "password": "x"}, "imei": {"imei": "12", "username": "ann"},
		"non_field_errors": {}} {
		wantNamed(t, update(http.StatusUnprocessableEntity, "acme admin", body), field)
	}
	wantNamed(t, update(http.StatusUnprocessableEntity, "globex admin", map[string]any{"username": "ann", "user_class": "x"}), "username")
	update(http.StatusForbidden, "acme portal", map[string]any{"username": "ann", "password": "mine"})
	// Who has logged in changes his own password, and nothing else of the account.
	path := "device_app_user_update/"
	for _, body := range []map[string]any{{"username": "robert"}, {"user_class": "gold"}, {"user_external_id": "x"}, {"imei": "222222222222222", "number": "+1"}} {
		c.bearer(http.StatusUnprocessableEntity, token, "POST", path, body)
	}
	c.bearer(http.StatusCreated, token, "POST", path, map[string]any{"password": "newer"})
	c.bearer(http.StatusUnauthorized, token, "POST", path, map[string]any{"password": "again"}) // it was of the old password
	c.accessTokenOf("acme portal", "ann", "newer")
	if strings.Contains(c.log.String(), "newer") {
		t.Error("a password is in the log")
	}
}

// TestUpdateIsWhole: an update whose device cannot be leaves the account as it was.
func TestUpdateIsWhole(t *testing.T) {
	t.Parallel()
	c := newCentre(t, func(cfg *central.Config) { cfg.DevicesPerUser = 2 })
	ann := c.user("acme", "ann", "")
	for _, imei := range []string{"111111111111111", "222222222222222"} {
		c.registerDevice("acme", map[string]any{"imei": imei, "username": "ann"})
	}
	c.post(http.StatusUnprocessableEntity, "acme admin", "device_app_user_update", map[string]any{"username": "ann", "user_class": "gold", "imei": "333333333333333"}, nil)
	var u struct{ Klass *string }
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", ann)}, &u)
	if u.Klass != nil {
		t.Errorf("class %s of an update that was refused", *u.Klass)
	}
}

// TestImportedHash: an administrator's bcrypt hash is taken as it is, anybody else's is a password that looks like one.
func TestImportedHash(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.user("acme", "ann", "")
	const hash = "$2a$04$RpDTRHQR5O6jLm5/P3bimOJ8YVgHtdr5enuJi6hciPc1TTpyEtfVO" // of "secret"
	for who, password := range map[string]string{"acme staff": hash, "acme admin": "secret"} {
		c.post(http.StatusCreated, who, "device_app_user_update", map[string]any{"username": "ann", "password": hash}, nil)
		c.accessTokenOf("acme portal", "ann", password)
	}
}
