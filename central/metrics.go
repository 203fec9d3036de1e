package central

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/api/edge"
)

// metrics are what the requests of this process count. What the database knows is in figures. No label has values that
// come from outside: routes are the patterns of routes.go, methods and results are lists.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	running  prometheus.Gauge
	records  *prometheus.CounterVec
	batch    prometheus.Histogram
	away     prometheus.Counter
	waiting  prometheus.Gauge
	expired  *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_http_requests_total",
			Help: "Requests that were answered."}, []string{"route", "method", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gatehouse_http_request_duration_seconds",
			Help:    "From a request's header to the end of its answer; requests for changes are held open.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"route", "method"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatehouse_http_requests_running",
			Help: "Requests that are not answered yet, those held open among them."}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_ingest_records_total",
			Help: "Records of gateways, by what became of them."}, []string{"result"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gatehouse_ingest_batch_records",
			Help: "Records of one request of a gateway.", Buckets: []float64{1, 3, 10, 30, 100, 300, edge.MaxBatch}}),
		away: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_database_away_total",
			Help: "Requests that were refused with 503 because the database could not be used."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatehouse_feed_waiters",
			Help: "Gateways that wait for the next change."}),
		expired: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_retention_deleted_rows_total",
			Help: "Rows that had been kept for their time; those of months that were dropped as a whole are not counted."}, []string{"table"}),
	}
	for _, r := range []string{edge.Merged, edge.Duplicate, edge.Rejected, edge.Stored} {
		m.records.WithLabelValues(r) // at zero, so that the first one is an increase
	}
	for _, c := range []prometheus.Collector{m.requests, m.took, m.running, m.records, m.batch, m.away, m.waiting, m.expired} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(r *http.Request, status int, took time.Duration) {
	route, method := routeOf(r), methodOf(r)
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route, method).Observe(took.Seconds())
}

func (m *metrics) expire(table string, rows int64) {
	if rows > 0 {
		m.expired.WithLabelValues(table).Add(float64(rows))
	}
}

func (m *metrics) ingested(results []edge.Result) {
	m.batch.Observe(float64(len(results)))
	for _, r := range results {
		m.records.WithLabelValues(r.Status).Inc()
	}
}

// routeOf is the pattern that a request went to, the same with and without the slash at its end.
func routeOf(r *http.Request) string {
	_, path, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		path = r.Pattern
	}
	if path = strings.TrimSuffix(path, "/{$}"); path == "" || path == "/" {
		return "none"
	}
	return path
}

func methodOf(r *http.Request) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, r.Method) {
		return r.Method
	}
	return "other"
}
