package central_test

import (
	"context"

	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central"

	"github.com/prometheus/client_golang/prometheus"
)

// operate runs the work in the background until the test ends.
func (c *centre) operate() {
	ctx, stop := context.WithCancel(c.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.server.Operate(ctx) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
}

// TestStatistics asks for figures that are kept and for the same counted anew.
func TestStatistics(t *testing.T) {
	c := newCentre(t)
	at := func(n, hours int, username string, octets uint64) edge.Record {
		r := session(n, noon.Add(-time.Duration(hours)*time.Hour), false)
		r.Accounting.Username, r.Accounting.AcctInputOctets, r.Accounting.AcctOutputOctets = username, octets, 2*octets
		return r
	}
	c.ingest("acme", at(1, 0, "ann", 10), at(2, 0, "ann", 10), at(3, 1, "bob", 10), at(4, 24, "ann", 7))
	c.ingest("acme-west", at(1, 0, "ann", 100))
	c.ingest("globex", at(1, 0, "ann", 1000))
	const span = "from=2026-02-20&to=2026-03-01T09:00:00Z"
	get := func(who, path string) string {
		t.Helper()
		return c.want(http.StatusOK, ask{who: who, method: "GET", path: "/admin/v1/statistics/" + path}, nil).text
	}
	if got := get("acme readonly", "users?"+span); !strings.Contains(got, `"stale":true,"results":[]`) {
		t.Errorf("before the figures are made: %s", got)
	}
	c.operate()
	poll(t, "figures", func() bool { return strings.Contains(get("acme admin", "sessions?"+span), `"stale":false`) }, c.log.String)
	const head = `{"from":"2026-02-20T00:00:00Z","to":"2026-03-02T00:00:00Z","stale":false,"results":[`
	for path, want := range map[string]string{
		"sessions?" + span:                           `{"time":"2026-02-28T12:00:00Z","sessions":1},{"time":"2026-03-01T11:00:00Z","sessions":1},{"time":"2026-03-01T12:00:00Z","sessions":3}]}`,
		"sessions/?interval=day&" + span:             `{"time":"2026-02-28T00:00:00Z","sessions":1},{"time":"2026-03-01T00:00:00Z","sessions":4}]}`,
		"sessions?organization=acme-west&" + span:    `{"time":"2026-03-01T12:00:00Z","sessions":1}]}`,
		"sessions?organization=globex&" + span:       `]}`,
		"traffic?organization=1&" + span:             `{"time":"2026-02-28T00:00:00Z","location_id":null,"sessions":1,"input_octets":7,"output_octets":14},{"time":"2026-03-01T00:00:00Z","location_id":null,"sessions":3,"input_octets":30,"output_octets":60}]}`,
		"traffic?by=location&" + span:                `{"time":null,"location_id":null,"sessions":5,"input_octets":137,"output_octets":274}]}`,
		"traffic?location=5&" + span:                 `]}`,
		"users?" + span:                              `{"time":"2026-02-28T00:00:00Z","users":1},{"time":"2026-03-01T00:00:00Z","users":3}]}`,
		"users?from=2026-02-20&to=2026-03-02T00:00Z": `{"time":"2026-02-28T00:00:00Z","users":1},{"time":"2026-03-01T00:00:00Z","users":3}]}`,
	} {
		for _, exact := range []string{"", "&exact=true"} {
			if got := get("acme readonly", path+exact); got != head+want {
				t.Errorf("%s%s:\n got %s\nwant %s", path, exact, got, head+want)
			}
		}
	}
	for query, field := range map[string]string{"from=x": "from", "to=2026-13-01": "to", "from=2026-03-01&to=2026-02-01": "to",
		"from=2020-01-01": "from", "from=1980-01-01&to=1980-02-01": "from", "interval=week": "interval", "nothing=1": "nothing"} {
		got := c.want(http.StatusBadRequest, ask{who: "acme admin", method: "GET", path: "/admin/v1/statistics/sessions/?" + query}, nil)
		if !strings.Contains(got.text, `"`+field+`":[`) {
			t.Errorf("%s: %s, want what is wrong with %s", query, got.text, field)
		}
	}
}

// TestRetentionIsKept changes it by the API; the centre deletes by itself and counts what it deletes.
func TestRetentionIsKept(t *testing.T) {
	r := prometheus.NewRegistry()
	c := newCentre(t, func(cfg *central.Config) { cfg.Metrics = r })
	const path = "/admin/v1/retention/acme-west"
	patch := func(who, path, body string, status int) string {
		t.Helper()
		return c.want(status, ask{who: who, method: "PATCH", path: path, body: body}, nil).text
	}
	const defaults = `{"accounting":{"days":732,"inherited":true},"device_logs":{"days":93,"inherited":true},"tokens":{"days":93,"inherited":true},"transactions":{"days":366,"inherited":true}}`
	if got := c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: path}, nil).text; got != defaults {
		t.Errorf("defaults %s", got)
	}
	patch("acme admin", "/admin/v1/retention/acme/", `{"transactions":30}`, http.StatusOK)
	if got, want := patch("acme admin", path, `{"accounting":0}`, http.StatusOK), `{"accounting":{"days":0,"inherited":false},`+
		`"device_logs":{"days":93,"inherited":true},"tokens":{"days":93,"inherited":true},"transactions":{"days":30,"inherited":true}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	patch("acme staff", path, `{"accounting":1}`, http.StatusForbidden)
	patch("globex admin", path, `{"accounting":1}`, http.StatusNotFound)
	for _, body := range []string{`{"accounting":-1}`, `{"accounting":36501}`, `{"accounting":"x"}`, `{"nothing":1}`, `{"accounting":1.5}`} {
		patch("acme admin", path, body, http.StatusBadRequest)
	}
	patch("acme admin", path, `{"accounting":null}`, http.StatusOK)

	for _, org := range []string{"acme-west", "globex"} {
		for days := range 3 {
			c.ingest(org, transaction(days, noon.AddDate(0, 0, -20*days)))
		}
	}
	c.operate()
	poll(t, "old transactions are gone", func() bool {
		return gathered(t, r)["gatehouse_retention_deleted_rows_total txlog_portal"] == 1
	}, c.log.String)
	for org, want := range map[string]int{"acme-west": 2, "globex": 3} {
		var page struct{ Results []struct{ ID int64 } }
		c.want(http.StatusOK, ask{who: org + " admin", method: "GET", path: "/api/v1/txlog_portal/"}, &page)
		if len(page.Results) != want {
			t.Errorf("%s has %d transactions, want %d", org, len(page.Results), want)
		}
	}
	if strings.Contains(c.log.String(), "level=ERROR") {
		t.Error(c.log.String())
	}
}
