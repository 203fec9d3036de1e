package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
)

// TestLocalAPI: an app logs its device in by the GATE API of the router, and a portal elsewhere has another device let in, over HTTPS and
// with a token that the router knows.
func TestLocalAPI(t *testing.T) {
	const token = "2f9d1c55-0b1e-4f37-9a51-6f1f8f6f0e1c"
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	s := newSecureSite(t, time.Now().Add(24*time.Hour), "", fmt.Sprintf("api_tokens = %q\n", tokens))
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "gatehouse.toml", strings.Replace(string(text), `methods = ["click"]`, `methods = ["password"]`, 1))
	if err := os.WriteFile(tokens, fmt.Appendf(nil, "# the hotel's app\n%x  -\n", sha256.Sum256([]byte(token))), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	add := s.Gateway.Command(t.Context(), s.program, "account", "add", "--password-stdin", "ann", "--socket", filepath.Join(s.dir, "run/control.sock"))
	add.Stdin = strings.NewReader("tea for two\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	phone, television := s.guest(t), s.guest(t)
	b := surfer(phone, "4", lab.GuestGateway4)
	defer b.CloseIdleConnections()
	post := func(base, path string, want int, body map[string]any) string {
		t.Helper()
		sent, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1"+path, bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := b.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s%s: %s %s %v", base, path, resp.Status, answer, err)
		}
		return string(answer)
	}
	const authenticate = "/device_app_user_authenticate/"
	right := map[string]any{"username": "ann", "password": "tea for two"}
	post("http://"+lab.GuestGateway4+":2080", authenticate, http.StatusForbidden, right)
	post(portalHome, authenticate, http.StatusUnprocessableEntity, map[string]any{"username": "ann", "password": "wrong"})
	answered(t, phone, http.StatusFound)
	if got := post(portalHome, authenticate, http.StatusCreated, right); !strings.Contains(got, `"authenticated":true`) {
		t.Error(got)
	}
	answered(t, phone, http.StatusNoContent)

	answered(t, television, http.StatusFound)
	verdict := map[string]any{"uid": "room 7", "ap_mac": "02:00:5e:00:00:01", "mac": television.MAC.String(), "ip": television.Addr4.String(), "session_timeout": 600}
	post(portalHome, "/portal_login/", http.StatusUnprocessableEntity, map[string]any{"uid": "room 7", "ap_mac": "x", "mac": phone.MAC.String(), "ip": television.Addr4.String()})
	answered(t, television, http.StatusFound)
	post(portalHome, "/portal_login/", http.StatusCreated, verdict)
	answered(t, television, http.StatusNoContent)
	if said, err := s.cli(t, "sessions", "--json"); err != nil || !strings.Contains(said, "room 7") {
		t.Errorf("%s %v", said, err)
	}
	if err := os.WriteFile(tokens, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	post(portalHome, "/portal_login/", http.StatusUnauthorized, verdict)
}
