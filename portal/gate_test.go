package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

const (
	authenticate = "/api/v1/device_app_user_authenticate/"
	verdictOf    = "/api/v1/portal_login/"
	goodToken    = "a-token-of-the-portal"
)

// gateBench is a portal with the local API, whose guest is phone at 10.0.0.9.
type gateBench struct {
	*bench
	zone *sessions.Zone
}

func startGate(t *testing.T) *gateBench {
	t.Helper()
	g := &gateBench{}
	g.bench = start(t, func(c *Config) {
		c.Trusted = func(token string) bool { return token == goodToken }
		c.Identify = func(_ context.Context, remote, _ netip.AddrPort) (sessions.Station, bool) {
			return phone, remote.Addr().IsLoopback() || remote.Addr() == netip.MustParseAddr("10.0.0.9")
		}
	})
	g.zone = &g.manager.zone
	return g
}

// call sends a body, a text as it is and anything else as JSON, and returns the status and the answer's fields.
func (g *gateBench) call(method, path, kind, token string, body any) (int, http.Header, map[string]any) {
	g.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			g.Fatal(err)
		}
		text = string(b)
	}
	req, err := http.NewRequestWithContext(g.Context(), method, "http://"+g.addr+path, strings.NewReader(text))
	if err != nil {
		g.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		g.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		g.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(answer, &fields); err != nil {
		g.Fatalf("%s: %s", resp.Status, answer)
	}
	if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("Cache-Control") != "no-store" {
		g.Errorf("header %v", resp.Header)
	}
	return resp.StatusCode, resp.Header, fields
}

func (g *gateBench) post(path string, body any) (int, map[string]any) {
	g.Helper()
	status, _, fields := g.call("POST", path, "application/json", "Bearer "+goodToken, body)
	return status, fields
}

var credentials = map[string]any{"username": "ann", "password": "tea for two"}

// TestGateAuthenticate has a row per documented code, and per form in which the body may come.
func TestGateAuthenticate(t *testing.T) {
	g := startGate(t)
	var refuse error
	var got sessions.LoginRequest
	g.manager.login = func(_ context.Context, r sessions.LoginRequest) (sessions.Session, error) {
		got = r
		return sessions.Session{Username: "ann", UserID: 7}, refuse
	}
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	inner := `{"username":"ann","password":"tea for two"}`
	for what, body := range map[string][2]string{
		"plain":          {asJSON, inner},
		"data as text":   {asJSON, fmt.Sprintf(`{"data":%q}`, inner)},
		"data as object": {asJSON, `{"data":` + inner + `}`},
		"form":           {asForm, "username=ann&password=tea+for+two"},
		"form with data": {asForm, url.Values{"data": {inner}}.Encode()},
	} {
		got = sessions.LoginRequest{}
		status, _, a := g.call("POST", authenticate, body[0], "Token "+goodToken, body[1])
		want := map[string]any{"username": "ann", "authenticated": true, "user_id": 7.0, "access_token": "", "token_expires": "2026-11-21T19:00:00Z",
			"user_profile": map[string]any{"first_name": nil, "last_name": nil, "email": nil, "role": "device_user", "permissions": []any{"device_access"}}}
		if diff := cmp.Diff(want, a); status != http.StatusCreated || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", what, status, diff)
		}
		if got.Station != phone || got.Method != sessions.MethodPassword || got.Credentials.Username != "ann" || got.Credentials.Password != "tea for two" || got.Secure {
			t.Errorf("%s: asked %+v", what, got)
		}
	}
	failed := func(reason string) map[string]any {
		return map[string]any{"username": "ann", "authenticated": false, "error": reason, "error_code": "AUTH_FAILED"}
	}
	refusal := func(r sessions.Reason) error {
		return &sessions.Refusal{Reason: r, RetryAfter: 1500 * time.Millisecond}
	}
	for what, c := range map[string]struct {
		err    error
		status int
		want   map[string]any
	}{
		"wrong":    {refusal(sessions.RefusedCredentials), 422, failed("Invalid credentials")},
		"too many": {refusal(sessions.RefusedTooMany), 422, failed("Refused: too_many_sessions")},
		"often":    {refusal(sessions.RefusedTooOften), 429, map[string]any{"detail": "Request was throttled. Expected available in 2 seconds."}},
		"away":     {refusal(sessions.RefusedCentreAway), 503, map[string]any{"detail": "Service temporarily unavailable, try again later."}},
		"fault":    {errors.New("disk"), 500, map[string]any{"detail": "A server error occurred."}},
	} {
		refuse = c.err
		status, head, a := g.call("POST", authenticate, asJSON, "Bearer "+goodToken, credentials)
		if diff := cmp.Diff(c.want, a); status != c.status || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", what, status, diff)
		}
		if wait := head.Get("Retry-After"); (wait != "") != (status == 429 || status == 503) {
			t.Errorf("%s: Retry-After %q", what, wait)
		}
	}
	if strings.Contains(g.log.String(), "tea for two") || strings.Contains(g.log.String(), goodToken) {
		t.Error("a secret is in the log")
	}
}

func TestGateWrongRequests(t *testing.T) {
	g := startGate(t)
	g.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		t.Error("a login was tried")
		return sessions.Session{}, errors.New("tried")
	}
	g.manager.admit = func(sessions.Station, netip.Addr, string, sessions.Limits) (sessions.Session, error) {
		t.Error("a station was let in")
		return sessions.Session{}, errors.New("tried")
	}
	for _, c := range []struct{ method, path, kind, token, body, want string }{
		{"POST", authenticate, "application/json", "", "{}", "401 Authentication credentials were not provided."},
		{"POST", authenticate, "application/json", "Basic YTpi", "{}", "401 Authentication credentials were not provided."},
		{"POST", verdictOf, "application/json", "Bearer another", "{}", "401 Invalid token."},
		{"POST", verdictOf, "application/json", "Bearer ", "{}", "401 Invalid token."},
		{"GET", verdictOf, "application/json", "Bearer " + goodToken, "", `405 Method "GET" not allowed.`},
		{"POST", verdictOf, "text/plain", "Bearer " + goodToken, "{}", "415 Unsupported media type in request."},
		{"POST", authenticate, "application/json", "Bearer " + goodToken, "{", "400 JSON parse error: an object is expected."},
		{"POST", authenticate, "application/json", "Bearer " + goodToken, "[]", "400 JSON parse error: an object is expected."},
		{"POST", authenticate, "application/json", "Bearer " + goodToken, "null", "400 JSON parse error: an object is expected."},
		{"POST", authenticate, "application/json", "Bearer " + goodToken, `{"data":"{"}`, "400 JSON parse error in data: an object is expected."},
		{"POST", authenticate, "application/json", "Bearer " + goodToken, `{"username":"` + strings.Repeat("a", maxForm) + `"}`, "413 Request body is too large."},
		{"POST", strings.TrimSuffix(authenticate, "/"), "application/json", "Bearer " + goodToken, `{}`, "400 Invalid input."},
	} {
		status, head, a := g.call(c.method, c.path, c.kind, c.token, c.body)
		if got := fmt.Sprint(status, " ", a["detail"]); got != c.want {
			t.Errorf("%s %s %.40s: %s, want %s", c.method, c.path, c.body, got, c.want)
		}
		if (head.Get("WWW-Authenticate") != "") != (status == 401) || head.Get("Allow") != "POST" {
			t.Errorf("%s %s: header %v", c.method, c.path, head)
		}
	}
	guest := map[string]any{"uid": "room 7", "ap_mac": "02:00:5E:00:00:01", "mac": phone.MAC.String(), "ip": "10.0.0.9"}
	for _, c := range []struct {
		path, field string
		value       any
		status      int
		want        string
	}{
		{authenticate, "username", nil, 400, "This field may not be null."},
		{authenticate, "password", "", 400, "This field may not be blank."},
		{authenticate, "username", map[string]any{}, 400, "Not a valid string."},
		{authenticate, "username", "a\x00b", 400, "Null characters are not allowed."},
		{verdictOf, "uid", true, 400, "Not a valid string."},
		{verdictOf, "uid", strings.Repeat("a", 254), 422, "Ensure this field has no more than 253 characters."},
		{verdictOf, "mac", "02:00", 422, "Enter a valid MAC address, as in 00:1A:2B:3C:4D:5E."},
		{verdictOf, "mac", "02:00:5e:99:99:99", 422, "This gateway does not see this station at this address."},
		{verdictOf, "ip", "10.0.0", 422, "Enter a valid IPv4 or IPv6 address."},
		{verdictOf, "ip", "10.0.0.10", 422, ""}, // told at mac
		{verdictOf, "session_timeout", "soon", 400, "A valid integer is required."},
		{verdictOf, "session_timeout", []any{}, 400, "A valid integer is required."},
		{verdictOf, "idle_timeout", -1, 422, "Ensure this value is greater than or equal to 0."},
		{verdictOf, "idle_timeout", "9223372037", 422, "Ensure this value is less than or equal to 9223372036."},
	} {
		body := map[string]any{}
		for name, v := range map[bool]map[string]any{true: credentials, false: guest}[c.path == authenticate] {
			body[name] = v
		}
		body[c.field] = c.value
		field := c.field
		if c.want == "" {
			field, c.want = "mac", "This gateway does not see this station at this address."
		}
		status, a := g.post(c.path, body)
		want := map[string]any{"detail": "Invalid input.", "errors": map[string]any{field: []any{c.want}}, field: []any{c.want}}
		if diff := cmp.Diff(want, a); status != c.status || diff != "" {
			t.Errorf("%s %s=%v: %d (-want +got):\n%s", c.path, c.field, c.value, status, diff)
		}
	}
	if status, a := g.post(verdictOf, map[string]any{"uid": "x"}); status != 400 || len(a["errors"].(map[string]any)) != 3 {
		t.Errorf("%d %v", status, a)
	}
}

// TestGatePortalLogin: the station that the verdict names is let in, with its limits, and the answer is the verdict.
func TestGatePortalLogin(t *testing.T) {
	g := startGate(t)
	var refuse error
	var got string
	g.manager.admit = func(st sessions.Station, addr netip.Addr, username string, l sessions.Limits) (sessions.Session, error) {
		got = fmt.Sprint(st == phone, " ", addr, " ", username, " ", *l.SessionTimeout, " ", l.IdleTimeout == nil)
		return sessions.Session{}, refuse
	}
	body := map[string]any{"uid": "room 7", "ap_mac": "02:00:5E:00:00:01", "mac": strings.ReplaceAll(phone.MAC.String(), ":", "-"), "ip": "::ffff:10.0.0.9",
		"session_timeout": "3600", "original_url": "https://example.org/"}
	status, a := g.post(verdictOf, body)
	want := map[string]any{"page_id": 0.0, "uid": "room 7", "ap_mac": "02:00:5E:00:00:01", "mac": body["mac"], "ip": "::ffff:10.0.0.9",
		"session_timeout": 3600.0, "idle_timeout": nil, "original_url": "https://example.org/", "controller_address": nil}
	if diff := cmp.Diff(want, a); status != http.StatusCreated || diff != "" {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
	if got != "true 10.0.0.9 room 7 1h0m0s true" {
		t.Error(got)
	}
	refuse = &sessions.Refusal{Reason: sessions.RefusedBlocked}
	if status, a := g.post(verdictOf, body); status != 422 || !strings.Contains(fmt.Sprint(a["mac"]), "(blocked)") {
		t.Errorf("%d %v", status, a)
	}
	refuse = errors.New("disk")
	if status, _ := g.post(verdictOf, body); status != 500 {
		t.Error(status)
	}
}

// TestGateAway: without tokens there is no such API.
func TestGateAway(t *testing.T) {
	b := start(t, nil)
	if got := b.raw("POST " + verdictOf + " HTTP/1.1\r\nHost: " + b.addr + "\r\nContent-Length: 0\r\n\r\n"); got.status != http.StatusNotFound {
		t.Errorf("status %d", got.status)
	}
}
