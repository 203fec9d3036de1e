package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/api/admin"
)

// TestWebhooksSurviveAKill kills the program right after it has answered a write, before or while it tells of it: in the end the
// receiver has heard of each, and knows by the event's id what it hears twice.
func TestWebhooksSurviveAKill(t *testing.T) {
	t.Parallel() // what a killed process was about is left to it for half a minute
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	var mu sync.Mutex
	heard := make(map[string]map[string]bool) // user, ids
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e admin.Event
		var u struct{ Username string }
		body, _ := io.ReadAll(r.Body) // a killed sender breaks off
		if json.Unmarshal(body, &e) != nil || json.Unmarshal(e.Data, &u) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if heard[u.Username] == nil {
			heard[u.Username] = make(map[string]bool)
		}
		heard[u.Username][e.ID] = true
	}))
	defer receiver.Close()
	key := t.TempDir() + "/key"
	if err := os.WriteFile(key, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, db: db, token: map[string]string{"admin": done(t, "token", "create", "--database", db, "--org", "acme", "--role", "admin")},
		args: []string{"--secrets-key", key, "--private-networks", "127.0.0.0/8"}}
	c.start()
	hook := fmt.Sprintf(`{"name": "x", "url": %q, "events": ["user.created"]}`, receiver.URL)
	if status, text, err := c.send("admin", "POST", "/admin/v1/webhooks/", hook); err != nil || status != http.StatusCreated {
		t.Fatal(status, err, text)
	}
	const users = 6
	for n := range users {
		user := fmt.Sprintf(`{"username": "u%d"}`, n)
		if status, text, err := c.send("admin", "POST", "/api/v1/user/", user); err != nil || status != http.StatusCreated {
			t.Fatal(status, err, text)
		}
		<-time.After(time.Duration(n*120) * time.Millisecond) // a little later each time
		if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait() // it was killed
		c.start()
	}
	for deadline := time.Now().Add(90 * time.Second); ; {
		mu.Lock()
		n := len(heard)
		mu.Unlock()
		if n == users {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the receiver has heard of %d of %d users", n, users)
		}
		<-time.After(50 * time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	for user, ids := range heard {
		if len(ids) != 1 || !strings.HasPrefix(user, "u") {
			t.Errorf("%s: events %v", user, ids)
		}
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("stopped by SIGTERM: %v", err)
	}
}
