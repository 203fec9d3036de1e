package central

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/central/store"
)

const (
	figuresFor    = 15 * time.Second // how long what was read from the database is shown
	figuresWithin = 5 * time.Second  // how long the reading may take
)

// figures shows what the database knows, and the connections to it, as metrics. While the database is away
// gatehouse_database_up is 0 and what it knows is missing.
type figures struct {
	store *store.Store
	log   *slog.Logger

	up, sessions, gateways, marks, erasures, deliveries, connections, waits *prometheus.Desc

	mu    sync.Mutex
	until time.Time
	last  store.Health
	ok    bool
}

func newFigures(db *store.Store, log *slog.Logger) *figures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
	}
	return &figures{store: db, log: log,
		up:          desc("database_up", "1 when the database has answered when it was asked for these figures."),
		sessions:    desc("sessions_open", "Sessions without an end."),
		gateways:    desc("gateways", "Gateways that are not revoked, by how long ago they were last heard of.", "seen"),
		marks:       desc("rollup_backlog", "Batches of records whose sessions are not in the figures for dashboards yet."),
		erasures:    desc("erasures_running", "Persons who are being forgotten."),
		deliveries:  desc("webhook_deliveries_waiting", "Deliveries of webhooks that are still to be made."),
		connections: desc("database_connections", "Connections to the database.", "pool", "state"),
		waits:       desc("database_connection_waits_total", "How often a request had to wait for a connection.", "pool"),
	}
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.up, f.sessions, f.gateways, f.marks, f.erasures, f.deliveries, f.connections, f.waits} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for name, p := range f.store.Pools() {
		gauge(f.connections, int64(p.InUse), name, "busy")
		gauge(f.connections, int64(p.Idle), name, "idle")
		to <- prometheus.MustNewConstMetric(f.waits, prometheus.CounterValue, float64(p.WaitCount), name)
	}
	h, ok := f.health()
	if !ok {
		gauge(f.up, 0)
		return
	}
	gauge(f.up, 1)
	gauge(f.sessions, h.OpenSessions)
	for age, n := range h.Gateways {
		gauge(f.gateways, n, age)
	}
	gauge(f.marks, h.Marks)
	gauge(f.erasures, h.Erasures)
	gauge(f.deliveries, h.Deliveries)
}

// health asks the database now and then, however many scrape.
func (f *figures) health() (store.Health, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.After(f.until) {
		ctx, cancel := context.WithTimeout(context.Background(), figuresWithin) // a collector has no other
		defer cancel()
		var err error
		if f.last, err = f.store.Health(ctx); err != nil {
			f.log.Warn("figures for metrics", "err", err)
		}
		f.ok, f.until = err == nil, now.Add(figuresFor)
	}
	return f.last, f.ok
}
