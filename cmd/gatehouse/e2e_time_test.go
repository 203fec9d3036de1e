package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestTimeBalance has a guest spend a balance: the kernel ends the session when it is used up, the centre's ledger says so,
// nobody gets in on nothing, and what is added counts at once, also for a session that runs.
func TestTimeBalance(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t)})
	var user struct {
		ID       int64 `json:"id"`
		UserTime int64 `json:"user_time"`
	}
	api := func(method, path string, in any) {
		t.Helper()
		if _, err := v.API(t.Context(), method, path, in, &user); err != nil {
			t.Fatal(err)
		}
	}
	api("POST", "/user_token/", map[string]any{"username": "payer", "password": "s3cret", "user_time": 6})
	path := fmt.Sprintf("/user_token/%d/", user.ID)
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	login := func() {
		t.Helper()
		if p, err := g.Password(t.Context(), "payer", "s3cret"); err != nil || p.Status != http.StatusOK {
			t.Fatalf("login: %d %v", p.Status, err)
		}
	}
	settled := func(sessions int, want int64) {
		t.Helper()
		err := lab.WaitFor(t.Context(), 60*time.Second, func() error {
			list, err := v.Accounting(t.Context(), "?session_status=inactive")
			if err != nil || len(list) != sessions {
				return fmt.Errorf("%d sessions have ended, %v", len(list), err)
			}
			if total := list[0].AcctSessionTime; total != want {
				return fmt.Errorf("the session had %d s, want %d", total, want)
			}
			api("GET", path+"?balance=true", nil)
			if user.UserTime != 0 {
				return fmt.Errorf("%d s are left", user.UserTime)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	login()
	settled(1, 6)
	if p, err := g.Password(t.Context(), "payer", "s3cret"); err != nil || !strings.Contains(p.Body, "no time left on this account") {
		t.Errorf("login with nothing left: %d %v\n%s", p.Status, err, p.Body)
	}
	api("PATCH", path, map[string]any{"user_time": 5})
	login()
	api("PATCH", path, map[string]any{"user_time": 10}) // before its accounting was heard: all of it is to be spent
	settled(2, 10)

	// More than is lent at once: the page and the API of a portal tell all of it while the centre is there, and what is lent while it is not.
	api("PATCH", path, map[string]any{"user_time": 20000})
	login()
	told := func(parts ...string) {
		t.Helper()
		if err := lab.WaitFor(t.Context(), 90*time.Second, func() error {
			p, err := g.Get(t.Context(), "http://"+lab.GuestGateway4+":2080/status")
			for _, part := range parts {
				if err == nil && !strings.Contains(p.Body, part) {
					err = fmt.Errorf("the page lacks %q:\n%s", part, p.Body)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	const all, lent = "<bdi>5\u00a0h 3", "<bdi>1\u00a0h 14\u00a0min" // an hour and the grace
	told(`<p class="figure">`+all, "<dt>Time balance</dt><dd>"+all)
	v.Centre.Kill()
	told(`<p class="figure">`+lent, "<dt>Time balance</dt><dd>"+all, "cannot be looked up at the moment", "<small>As of ")
	start(t, v.StartCentre)
	told(`<p class="figure">` + all)
}
