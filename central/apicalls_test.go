package central_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central"
)

// writeDown has a process write down what it has counted, as it does every few seconds and at its end.
func (c *centre) writeDown(s *central.Server) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	cancel()
	if err := s.Tend(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// currentCalls is what the organisation of who is told; asking is a call, too.
func (c *centre) currentCalls(url, who string) int64 {
	c.t.Helper()
	var o gate.MyOrg
	c.want(http.StatusOK, ask{who: who, method: "GET", path: url + whoAmI}, &o)
	return *o.Limits.CurrentAPICalls
}

// TestAPICallsAreCounted: by all processes together, over their restarts, by calendar month.
func TestAPICallsAreCounted(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	second := c.another(t)
	url := second.url
	for range 3 {
		c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: url + usersPath}, nil)
	}
	c.want(http.StatusNotFound, ask{who: "acme staff", method: "GET", path: usersPath + "99/"}, nil)
	c.want(http.StatusOK, ask{who: "acme-west admin", method: "GET", path: usersPath}, nil)
	for range 5 { // what is no call of the organisation's
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/plans/"}, nil)
		c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: whoAmI}, nil)
		c.want(http.StatusOK, ask{who: "acme portal", method: "GET", path: "/api/v1/hostspot_locations/"}, nil)
		c.want(http.StatusUnauthorized, ask{method: "GET", path: usersPath}, nil)
	}
	if got := c.currentCalls(url, "acme admin"); got != 4 {
		t.Errorf("the second process tells %d calls of its own, want 4", got)
	}
	c.writeDown(c.server)
	c.writeDown(second.server)
	if got := c.currentCalls(c.url, "acme admin"); got != 6 {
		t.Errorf("%d calls, want 6", got)
	}
	if got := c.currentCalls(c.url, "acme-west admin"); got != 2 {
		t.Errorf("%d calls below, want 2", got)
	}
	c.writeDown(c.server)
	c.writeDown(c.server) // once is enough
	if got := c.currentCalls(c.another(t).url, "acme admin"); got != 7 {
		t.Error("what was counted is lost with its process")
	}
	c.clock.Skew(31 * 24 * time.Hour)
	if got := c.currentCalls(c.url, "acme admin"); got != 1 {
		t.Errorf("%d calls in a new month, want 1", got)
	}
}

// TestAPICallsAreBounded: by max_api_calls, in every process, and never what lets guests in.
func TestAPICallsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.organization("acme", func(o *organization) { o.MaxAPICalls = new(int64(5)) })
	second := c.another(t)
	url := second.url
	for range 3 {
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: url + usersPath}, nil)
	}
	c.writeDown(second.server)
	for range 2 {
		c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: usersPath}, nil)
	}
	for _, who := range []string{"acme admin", "acme staff", "acme readonly"} {
		got := c.want(http.StatusTooManyRequests, ask{who: who, method: "GET", path: usersPath}, nil)
		if got.header.Get("Retry-After") != "2635200" || !strings.Contains(got.text, `"api_calls_exceeded"`) || !strings.Contains(got.text, "2026-04-01T00:00:00Z") {
			t.Errorf("%s: %v %s", who, got.header, got.text)
		}
	}
	c.writeDown(c.server)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: url + usersPath}, nil) // has not heard of the others yet
	c.writeDown(second.server)
	c.want(http.StatusTooManyRequests, ask{who: "acme admin", method: "GET", path: url + usersPath}, nil)

	c.ingest("acme", session(1, noon, true))
	c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: edge.ChangesPath}, nil)
	c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: whoAmI}, nil)
	c.want(http.StatusOK, ask{who: "acme portal", method: "GET", path: "/api/v1/hostspot_locations/"}, nil)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/accounts/"}, nil)
	c.want(http.StatusOK, ask{who: "acme-west admin", method: "GET", path: usersPath}, nil)

	c.organization("acme", func(o *organization) { o.MaxAPICalls = new(int64(100)) })
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: usersPath}, nil)
	c.organization("acme", func(o *organization) { o.MaxAPICalls = new(int64(1)) })
	c.want(http.StatusTooManyRequests, ask{who: "acme admin", method: "GET", path: usersPath}, nil)
	c.clock.Skew(31 * 24 * time.Hour)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: usersPath}, nil)
}

// TestAPICallsSurviveTheDatabase: what cannot be written down is kept, and written once it can be.
func TestAPICallsSurviveTheDatabase(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	for range 3 {
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: usersPath}, nil)
	}
	c.exec("ALTER TABLE api_calls RENAME TO gone")
	c.writeDown(c.server)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: usersPath}, nil)
	c.exec("ALTER TABLE gone RENAME TO api_calls")
	c.writeDown(c.server)
	if got := c.currentCalls(c.another(t).url, "acme admin"); got != 5 {
		t.Errorf("%d calls, want 5", got)
	}
}
