package central_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const usersPath = "/api/v1/user/"

func (c *centre) postUser(who, key, username string) reply {
	c.t.Helper()
	return c.do(ask{who: who, method: "POST", path: usersPath, body: map[string]any{"username": username, "description": "secret of " + username},
		header: map[string]string{"Idempotency-Key": key}})
}

func (c *centre) countUsers() (n int) {
	c.t.Helper()
	var page struct{ Count int }
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: usersPath}, &page)
	return page.Count
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	first := c.postUser("acme admin", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, "ann")
	if first.status != http.StatusCreated {
		t.Fatal(first)
	}
	for _, key := range []string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`, "8e03978e-40d5-43e8-bc93-6894a57f9324"} {
		again := c.postUser("acme admin", key, "ann")
		if again.status != first.status || again.text != first.text || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("again: %d %s, first %d %s", again.status, again.text, first.status, first.text)
		}
	}
	if got := c.postUser("acme admin", "8e03978e-40d5-43e8-bc93-6894a57f9324", "bob"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", got.status, got.text)
	}
	if got := c.postUser("acme staff", "8e03978e-40d5-43e8-bc93-6894a57f9324", "bob"); got.status != http.StatusCreated {
		t.Errorf("another token: %d %s", got.status, got.text)
	}
	for _, bad := range []string{`""`, strings.Repeat("x", 256), "a b", "ü"} {
		if got := c.postUser("acme admin", bad, "eve"); got.status != http.StatusBadRequest {
			t.Errorf("key %q: %d %s", bad, got.status, got.text)
		}
	}
	if n := c.countUsers(); n != 2 {
		t.Errorf("%d users, want 2", n)
	}
	// What was refused and changed nothing may be put right under the same key.
	if got := c.postUser("acme admin", "k2", "no such name!"); got.status != http.StatusBadRequest {
		t.Fatal(got)
	}
	if got := c.postUser("acme admin", "k2", "cho"); got.status != http.StatusCreated {
		t.Errorf("after a 400: %d %s", got.status, got.text)
	}
	c.clock.Advance(24*time.Hour + time.Second)
	if got := c.postUser("acme admin", "k2", "dan"); got.status != http.StatusCreated {
		t.Errorf("after a day: %d %s", got.status, got.text)
	}
}

// Twenty of the same at once: one is carried out, the others hear that it runs, or its answer.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.token("acme admin")
	var wg sync.WaitGroup
	answers := make([]reply, 20)
	for i := range answers {
		wg.Go(func() { answers[i] = c.postUser("acme admin", "k", "ann") })
	}
	wg.Wait()
	made := ""
	for _, a := range answers {
		switch {
		case a.status == http.StatusCreated && (made == "" || made == a.text):
			made = a.text
		case a.status == http.StatusConflict && a.header.Get("Retry-After") != "":
		default:
			t.Errorf("%d %s", a.status, a.text)
		}
	}
	if n := c.countUsers(); n != 1 || made == "" {
		t.Errorf("%d users, answer %q", n, made)
	}
}

// An answer is sealed with the caller's secret: with another secret of the same token the truth is all that can be told.
func TestIdempotencyAnswerIsLostWithTheSecret(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	if got := c.postUser("acme admin", "k", "ann"); got.status != http.StatusCreated {
		t.Fatal(got)
	}
	secret, err := c.store.RotateToken(t.Context(), c.lastToken().ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.tokens["acme admin"] = secret
	got := c.postUser("acme admin", "k", "ann")
	if got.status != http.StatusConflict || !strings.Contains(got.text, `"answer_lost"`) || !strings.Contains(got.text, "2026-03-01T12:00:00Z") {
		t.Errorf("%d %s", got.status, got.text)
	}
	if n := c.countUsers(); n != 1 {
		t.Errorf("%d users", n)
	}
}

// What went wrong after the change was committed is told as it is: the change is there, and its answer is not.
func TestIdempotencyKeyOfAChangeWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	post := func() reply {
		return c.do(ask{who: "acme admin", method: "POST", path: "/admin/v1/accounts/", body: map[string]any{"username": "ann"},
			header: map[string]string{"Idempotency-Key": "k"}})
	}
	c.token("acme admin")
	c.exec("ALTER TABLE aaa_accounting RENAME TO gone") // the answer has figures of it
	if got := post(); got.status != http.StatusInternalServerError {
		t.Fatalf("%d %s", got.status, got.text)
	}
	c.exec("ALTER TABLE gone RENAME TO aaa_accounting")
	if got := post(); got.status != http.StatusConflict || !strings.Contains(got.text, `"answer_lost"`) {
		t.Errorf("%d %s", got.status, got.text)
	}
	if n := c.countUsers(); n != 1 {
		t.Errorf("%d users, want 1", n)
	}
}

func TestAdminAudit(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	for i := range 3 {
		c.user("acme", fmt.Sprint("u", i), "")
	}
	id := c.user("acme-west", "west", "")
	c.user("globex", "other", "")
	type page struct {
		Next    *string
		Results []struct {
			ID, Organization int64
			Object, Actor    string
			Changes          map[string][]any
		}
	}
	read := func(who, query string) (p page) {
		c.want(http.StatusOK, ask{who: who, method: "GET", path: "/admin/v1/audit/" + query}, &p)
		return p
	}
	if p := read("acme admin", fmt.Sprint("?user=", id)); len(p.Results) != 1 || p.Results[0].Organization != 2 || p.Results[0].Object != "user" {
		t.Errorf("%+v", p)
	}
	seen, before := 0, int64(1<<62)
	for p := read("acme admin", "?object=user&limit=2"); ; c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: *p.Next}, &p) {
		for _, e := range p.Results {
			if e.ID >= before || e.Organization > 2 {
				t.Errorf("%+v after %d", e, before)
			}
			before, seen = e.ID, seen+1
		}
		if p.Next == nil {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d users were made, want 4", seen)
	}
	if p := read("acme admin", "?to=2026-02-28"); len(p.Results) != 0 {
		t.Errorf("before anything was done: %+v", p)
	}
	for _, bad := range []string{"?from=x", "?user=x", "?nobody=1"} {
		c.want(http.StatusBadRequest, ask{who: "acme admin", method: "GET", path: "/admin/v1/audit/" + bad}, nil)
	}
	c.want(http.StatusForbidden, ask{who: "acme staff", method: "GET", path: "/admin/v1/audit/"}, nil)
}
