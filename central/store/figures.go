package store

import (
	"context"
	"database/sql"
	"time"
)

// Health is what the database knows about how things are.
type Health struct {
	OpenSessions int64
	Gateways     map[string]int64 // that are not revoked, by how long ago they were heard of: 5m, 1h, 1d, older, never
	Marks        int64            // of days whose figures are to be made anew
	Erasures     int64            // that are not finished
	Deliveries   int64            // of webhooks, that are still to be made
}

// Health reads it at one moment. It costs some milliseconds per 100,000 open sessions.
func (s *Store) Health(ctx context.Context) (h Health, err error) {
	err = s.snapshot(ctx, func(q querier) error {
		for query, to := range map[string]*int64{
			"SELECT count(*) FROM aaa_accounting WHERE acctstoptime IS NULL":  &h.OpenSessions,
			"SELECT count(*) FROM rollup_dirty":                               &h.Marks,
			"SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting'": &h.Deliveries,
			"SELECT count(*) FROM erasures WHERE finished IS NULL":            &h.Erasures,
		} {
			if err := q.QueryRowContext(ctx, query).Scan(to); err != nil {
				return err
			}
		}
		h.Gateways, err = gatewayAges(ctx, q, s.now())
		return err
	})
	return h, s.err("reading figures", err)
}

func gatewayAges(ctx context.Context, q querier, now time.Time) (map[string]int64, error) {
	ages := map[string]int64{"5m": 0, "1h": 0, "1d": 0, "older": 0, "never": 0}
	const query = `SELECT CASE WHEN last_seen IS NULL THEN 'never' WHEN last_seen >= ? THEN '5m' WHEN last_seen >= ? THEN '1h'
		WHEN last_seen >= ? THEN '1d' ELSE 'older' END AS age, count(*) FROM gateways WHERE revoked IS NULL GROUP BY 1`
	ago := func(d time.Duration) int64 { return micros(now.Add(-d)) }
	rows, err := q.QueryContext(ctx, query, ago(5*time.Minute), ago(time.Hour), ago(24*time.Hour))
	_, err = collect(rows, err, func(row scanner) (nothing struct{}, err error) {
		var age string
		var n int64
		err = row.Scan(&age, &n)
		ages[age] = n
		return nothing, err
	})
	return ages, err
}

// Pools are the connections to the database, by what they are for.
func (s *Store) Pools() map[string]sql.DBStats {
	pools := map[string]sql.DBStats{"main": s.db.reader().Stats()}
	for name, db := range map[string]*sql.DB{"lists": s.db.lister(), "figures": s.db.counter()} {
		if db != s.db.reader() {
			pools[name] = db.Stats()
		}
	}
	return pools
}
