package central_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/api/edge"
	"gatehouse/central"
)

// gathered are the values of counters and the counts of histograms, by name and labels in their order.
func gathered(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "gatehouse_database_connection") { // depends on what else goes on
			continue
		}
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}

// TestMetrics is also the list of names and labels that dashboards and alerts are made of.
func TestMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	c := newCentre(t, func(cfg *central.Config) { cfg.Metrics = r })
	ann := c.user("acme", "ann", "")
	for _, path := range []string{fmt.Sprintf("/api/v1/user/%d/", ann), fmt.Sprintf("/api/v1/user/%d", ann), "/api/v1/user/999/"} {
		c.do(ask{who: "acme admin", method: "GET", path: path})
	}
	c.do(ask{method: "PROPFIND", path: "/wp-login.php"})
	c.do(ask{method: "BREW", path: "/wp-login.php"})
	c.do(ask{method: "GET", path: "/healthz"})
	bad := session(2, noon, true)
	bad.Accounting.AcctSessionID = ""
	c.ingest("acme", session(1, noon, true), session(1, noon, true), bad)
	want := map[string]float64{
		"gatehouse_http_requests_total POST /api/v1/user 201":             1,
		"gatehouse_http_requests_total GET /api/v1/user/{id} 200":         2,
		"gatehouse_http_requests_total GET /api/v1/user/{id} 404":         1,
		"gatehouse_http_requests_total other none 404":                    2,
		"gatehouse_http_requests_total GET /healthz 200":                  1,
		"gatehouse_http_requests_total POST " + edge.IngestPath + " 200":  1,
		"gatehouse_http_request_duration_seconds POST /api/v1/user":       1,
		"gatehouse_http_request_duration_seconds GET /api/v1/user/{id}":   3,
		"gatehouse_http_request_duration_seconds other none":              2,
		"gatehouse_http_request_duration_seconds GET /healthz":            1,
		"gatehouse_http_request_duration_seconds POST " + edge.IngestPath: 1,
		"gatehouse_http_requests_running":                                 0,
		"gatehouse_ingest_records_total merged":                           1,
		"gatehouse_ingest_records_total duplicate":                        1,
		"gatehouse_ingest_records_total rejected":                         1,
		"gatehouse_ingest_records_total stored":                           0,
		"gatehouse_ingest_batch_records":                                  1,
		"gatehouse_database_away_total":                                   0,
		"gatehouse_feed_waiters":                                          0,
		"gatehouse_database_up":                                           1,
		"gatehouse_sessions_open":                                         1,
		"gatehouse_rollup_backlog":                                        1,
		"gatehouse_gateways 5m":                                           0, "gatehouse_gateways 1h": 0, "gatehouse_gateways 1d": 0, "gatehouse_gateways older": 0, "gatehouse_gateways never": 1,
		"gatehouse_webhook_deliveries_waiting": 0,
		"gatehouse_erasures_running":           0,
	}
	// A request is counted after its answer has left: wait for the last one.
	poll(t, "the last request is counted", func() bool {
		return cmp.Equal(want, gathered(t, r))
	}, func() string { return cmp.Diff(want, gathered(t, r)) })
}

// TestRequestLog has one line per request that says who asked, without any secret, and links an error with its request.
func TestRequestLog(t *testing.T) {
	c := newCentre(t)
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/?username=ann",
		header: map[string]string{"X-Request-Id": "abc-1"}}, nil)
	c.ingest("acme", session(1, noon, true))
	c.login("acme edge", "nobody", "s3cret-word")
	c.spoil()
	failed := c.do(ask{who: "acme admin", method: "GET", path: "/api/v1/user/"})
	if failed.status < 500 {
		t.Fatalf("status %d of a spoiled database", failed.status)
	}
	id := failed.header.Get("X-Request-Id")
	wanted := []string{
		`level=INFO msg=request request=abc-1 method=GET route=/api/v1/user status=200 took=\S+ organization=1 token=1\n`,
		`level=DEBUG msg=request request=\S+ method=POST route=/edge/v1/ingest status=200 took=\S+ organization=1 token=2\n`,
		fmt.Sprintf(`level=ERROR msg="[^"]*" request=%s `, id),
		fmt.Sprintf(`level=WARN msg=request request=%s method=GET route=/api/v1/user status=%d `, id, failed.status),
	}
	poll(t, "the lines of the log", func() bool {
		return !slices.ContainsFunc(wanted, func(w string) bool { return !regexp.MustCompile(w).MatchString(c.log.String()) })
	}, c.log.String)
	for _, secret := range []string{c.token("acme admin"), c.token("acme edge"), "s3cret-word", "username=ann", "nobody"} {
		if strings.Contains(c.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// poll waits for what must come true, and says what is instead when it does not.
func poll(t *testing.T, what string, ok func() bool, instead func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s:\n%s", what, instead())
		}
	}
}
