package central_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBodyForms sends one user in every form that the documentation shows.
func TestBodyForms(t *testing.T) {
	c := newCentre(t)
	c.profile("acme", "a")
	c.profile("acme", "b")
	type sent struct {
		contentType, body string
	}
	form := "application/x-www-form-urlencoded"
	multipart := "--X\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nU\r\n--X\r\nContent-Disposition: form-data; name=\"profile\"\r\n\r\na\r\n" +
		"--X\r\nContent-Disposition: form-data; name=\"profile\"\r\n\r\nb\r\n--X\r\nContent-Disposition: form-data; name=\"is_active\"\r\n\r\n0\r\n--X--\r\n"
	tests := map[string]sent{
		"plain":          {"application/json", `{"username":"U","is_active":false,"profile":["a","b"]}`},
		"no type":        {"", `{"username":"U","is_active":false,"profile":["a","b"]}`},
		"charset":        {"application/json; charset=utf-8", `{"username":"U","is_active":"no","profile":["a","b","a"]}`},
		"data object":    {"application/json", `{"username":"other","data":{"username":"U","is_active":false,"profile":["a","b"]}}`},
		"data text":      {"application/json", `{"data":"{\"username\":\"U\",\"is_active\":false,\"profile\":[\"a\",\"b\"]}","username":"other"}`},
		"form":           {form, url.Values{"username": {"U"}, "is_active": {"false"}, "profile": {"a", "b"}}.Encode()},
		"form with JSON": {form, url.Values{"username": {"U"}, "is_active": {"f"}, "profile": {`["a","b"]`}}.Encode()},
		"form data":      {form, url.Values{"data": {`{"username":"U","is_active":false,"profile":["a","b"]}`}, "username": {"other"}}.Encode()},
		"multipart":      {"multipart/form-data; boundary=X", multipart},
		"read-only":      {"application/json", `{"id":99,"source_id":5,"date_joined":"x","unknown":1,"username":"U","is_active":0,"profile":["a","b"]}`},
	}
	n := 0
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			username := fmt.Sprintf("user%d", n)
			body := strings.NewReplacer(`"U"`, `"`+username+`"`, `\"U\"`, `\"`+username+`\"`, "=U", "="+username, "\r\nU\r\n", "\r\n"+username+"\r\n",
				"%22U%22", "%22"+username+"%22").Replace(test.body)
			var got struct {
				Username string
				IsActive bool `json:"is_active"`
				Profile  []string
			}
			c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/api/v1/user/", body: body,
				header: map[string]string{"Content-Type": test.contentType}}, &got)
			if got.Username != username || got.IsActive || !cmp.Equal(got.Profile, []string{"a", "b"}) {
				t.Errorf("made %+v", got)
			}
		})
	}
}

func TestMalformedBodies(t *testing.T) {
	c := newCentre(t)
	tests := map[string]struct {
		contentType, body string
		status            int
		detail            string
	}{
		"not JSON":      {"application/json", `{"username":`, 400, "JSON parse error"},
		"empty":         {"application/json", ``, 400, "JSON parse error"},
		"two values":    {"application/json", `{"username":"a"}{}`, 400, "JSON parse error"},
		"list":          {"application/json", `[]`, 400, "Expected a dictionary"},
		"null":          {"application/json", `null`, 400, "Expected a dictionary"},
		"broken data":   {"application/json", `{"data":"{"}`, 400, "JSON parse error"},
		"number data":   {"application/json", `{"data":5}`, 400, "Expected a dictionary"},
		"plain text":    {"text/plain", `{"username":"a"}`, 415, `Unsupported media type \"text/plain\" in request.`},
		"too large":     {"application/json", `{"username":"` + strings.Repeat("a", 1<<20) + `"}`, 400, "too large"},
		"large form":    {"application/x-www-form-urlencoded", "username=" + strings.Repeat("a", 1<<20), 400, "too large"},
		"broken form":   {"application/x-www-form-urlencoded", "a=%zz", 400, "Form parse error"},
		"bad multipart": {"multipart/form-data", "x", 400, "Form parse error"},
	}
	for name, test := range tests {
		got := c.do(ask{who: "acme admin", method: "POST", path: "/api/v1/user/", body: test.body, header: map[string]string{"Content-Type": test.contentType}})
		if got.status != test.status || !strings.Contains(got.text, test.detail) {
			t.Errorf("%s: %d %.300s, want %d with %q", name, got.status, got.text, test.status, test.detail)
		}
	}
}

func TestUsernames(t *testing.T) {
	c := newCentre(t)
	tests := map[string]bool{
		"john.doe@company.com": true, "a_b-c+d:e": true, "josé": true, "名前": true, strings.Repeat("é", 150): true,
		"": false, "a b": false, "a/b": false, "a\n": true, "a\x00": false, "a%": false, strings.Repeat("a", 151): false,
	}
	for name, ok := range tests {
		got := c.do(ask{who: "acme admin", method: "POST", path: "/api/v1/user/", body: map[string]any{"username": name}})
		if (got.status == http.StatusCreated) != ok || !ok && got.status != http.StatusBadRequest {
			t.Errorf("%.20q: %d %s", name, got.status, got.text)
		}
		if trimmed := strings.TrimSpace(name); ok {
			c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/username/" + url.PathEscape(trimmed) + "/"}, nil)
		}
	}
}

func TestDuplicates(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "")
	c.user("acme", "bob", "")
	c.user("acme-west", "ann", "") // another organisation's namespace
	want := `{"code":"duplicate","detail":"A user with that username already exists.","field":"username"}`
	if got := c.want(http.StatusConflict, ask{who: "acme admin", method: "POST", path: "/api/v1/user/", body: map[string]any{"username": "ann"}}, nil); got.text != want {
		t.Errorf("POST: %s", got.text)
	}
	want = `{"code":"duplicate","detail":"A user with that username already exists.",` +
		`"errors":{"username":["A user with that username already exists."]},"field":"username","username":["A user with that username already exists."]}`
	for _, method := range []string{"PUT", "PATCH"} {
		got := c.want(http.StatusBadRequest, ask{who: "acme admin", method: method, path: "/api/v1/user/username/bob/", body: map[string]any{"username": "ann"}}, nil)
		if got.text != want {
			t.Errorf("%s: %s", method, got.text)
		}
	}
}

// TestPutAndPatch holds replacing against changing.
func TestPutAndPatch(t *testing.T) {
	c := newCentre(t)
	c.profile("acme", "a")
	id := c.user("acme", "ann", "right", "a")
	path := fmt.Sprintf("/api/v1/user/%d/", id)
	var u map[string]any
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{"email": "a@b.cd", "is_active": false}}, &u)
	if u["email"] != "a@b.cd" || u["is_active"] != false || fmt.Sprint(u["profile"]) != "[a]" || u["username"] != "ann" {
		t.Errorf("PATCH: %v", u)
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "PUT", path: path, body: map[string]any{"username": "ann", "klass": "k"}}, &u)
	if u["email"] != nil || u["is_active"] != true || fmt.Sprint(u["profile"]) != "[]" || u["klass"] != "k" || u["organization"] != 1.0 {
		t.Errorf("PUT: %v", u)
	}
	if got := c.login("acme edge", "ann", "right"); !got.Authenticated || got.Account.CredentialVersion != 1 {
		t.Errorf("a PUT without password changed it: %+v", got)
	}
	wantNamed(t, c.want(http.StatusBadRequest, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{"profile": []string{"zz"}}}, nil), "profile")
	wantNamed(t, c.want(http.StatusBadRequest, ask{who: "acme admin", method: "PUT", path: path, body: map[string]any{"klass": "k"}}, nil), "username")
}

func TestDeviceLogin(t *testing.T) {
	c := newCentre(t)
	id := c.user("acme", "ann", "right")
	ask := ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
		body: map[string]any{"data": `{"username":"ann","password":"right"}`}}
	var ok struct {
		UserID       int64  `json:"user_id"`
		TokenExpires string `json:"token_expires"`
	}
	c.want(http.StatusCreated, ask, &ok)
	if ok.UserID != id || ok.TokenExpires != "2026-03-01T13:00:00Z" {
		t.Errorf("%+v", ok)
	}
	var u struct {
		First string `json:"first_login"`
		Last  string `json:"last_login"`
	}
	c.want(http.StatusOK, readUser(id), &u)
	if u.First != "2026-03-01T12:00:00Z" || u.Last != u.First {
		t.Errorf("logins %+v", u)
	}
	refused := `{"username":"ann","authenticated":false,"error":"Invalid credentials","error_code":"AUTH_FAILED"}`
	for _, change := range []map[string]any{{"is_active": false}, {"is_active": true, "expiration": "2026-03-01T12:00:00Z"}} {
		patch := readUser(id)
		patch.method, patch.body = "PATCH", change
		c.want(http.StatusOK, patch, nil)
		if got := c.want(http.StatusUnprocessableEntity, ask, nil); got.text != refused {
			t.Errorf("%v: %s", change, got.text)
		}
	}
}

func readUser(user int64) ask {
	return ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", user)}
}

func TestAuthorizationHeader(t *testing.T) {
	c := newCentre(t)
	token := c.token("acme admin")
	tests := map[string]struct {
		header string
		status int
		body   string
	}{
		"bearer":       {"Bearer " + token, 200, ""},
		"token":        {"Token " + token, 200, ""},
		"small":        {"bearer " + token, 200, ""},
		"none":         {"", 401, `{"detail":"Authentication credentials were not provided."}`},
		"basic":        {"Basic YTpi", 401, `{"detail":"Invalid username/password."}`},
		"basic, null":  {"Basic YQA6Yg==", 401, `{"detail":"Invalid basic header. Credentials not correctly base64 encoded."}`},
		"digest":       {"Digest a", 401, `{"detail":"Authentication credentials were not provided."}`},
		"empty":        {"Bearer ", 401, `{"detail":"Invalid token header. No credentials provided."}`},
		"unknown":      {"Bearer gh_x", 401, `{"detail":"Invalid token."}`},
		"nearly right": {"Bearer " + token + "x", 401, `{"detail":"Invalid token."}`},
	}
	for name, test := range tests {
		for _, path := range []string{"/api/v1/me/organization/", "/api/v1/user/1/"} {
			got := c.do(ask{method: "GET", path: path, header: map[string]string{"Authorization": test.header}})
			if test.status == 401 && (got.status != 401 || got.text != test.body || got.header.Get("WWW-Authenticate") != "Bearer") {
				t.Errorf("%s: %d %s", name, got.status, got.text)
			}
			if test.status == 200 && got.status == 401 {
				t.Errorf("%s: %d %s", name, got.status, got.text)
			}
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	c := newCentre(t)
	tests := []struct {
		method, path  string
		status        int
		allow, detail string
	}{
		{"POST", "/api/v1/aaa_accounting/", 405, "GET, HEAD, OPTIONS", `{"detail":"Method \"POST\" not allowed."}`},
		{"DELETE", "/api/v1/txlog_portal", 405, "GET, HEAD, OPTIONS", `{"detail":"Method \"DELETE\" not allowed."}`},
		{"DELETE", "/api/v1/user/", 405, "GET, POST, HEAD, OPTIONS", `{"detail":"Method \"DELETE\" not allowed."}`},
		{"GET", "/api/v1/device_app_user_authenticate/", 405, "POST, OPTIONS", `{"detail":"Method \"GET\" not allowed."}`},
		{"POST", "/api/v1/user/1/", 405, "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", `{"detail":"Method \"POST\" not allowed."}`},
		{"OPTIONS", "/api/v1/user/", 200, "GET, POST, HEAD, OPTIONS", ""},
		{"HEAD", "/api/v1/user", 200, "GET, POST, HEAD, OPTIONS", ""},
		{"GET", "/api/v1/nothing/", 404, "", `{"detail":"Not found."}`},
		{"GET", "/nothing", 404, "", `{"detail":"Not found."}`},
		{"GET", "/api/v1/user/abc/", 404, "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", `{"detail":"Not found."}`},
		{"GET", "/api/v1/aaa_accounting/abc/", 404, "GET, HEAD, OPTIONS", `{"detail":"Not found."}`},
		{"GET", "/edge/v1/ingest", 405, "POST, OPTIONS", ""},
	}
	for _, test := range tests {
		who := "acme admin"
		if strings.HasPrefix(test.path, "/edge") {
			who = "acme edge"
		}
		got := c.do(ask{who: who, method: test.method, path: test.path, header: map[string]string{"X-Request-Id": "my-id.1"}})
		if got.status != test.status || got.header.Get("Allow") != test.allow || test.detail != "" && got.text != test.detail {
			t.Errorf("%s %s: %d, Allow %q, %s", test.method, test.path, got.status, got.header.Get("Allow"), got.text)
		}
		if got.header.Get("X-Request-Id") != "my-id.1" {
			t.Errorf("X-Request-Id %q", got.header.Get("X-Request-Id"))
		}
	}
	if got := c.do(ask{method: "GET", path: "/healthz", header: map[string]string{"X-Request-Id": "a b"}}); got.header.Get("X-Request-Id") == "a b" {
		t.Error("a request id with a space was taken over")
	}
}
