package store

import (
	"context"
	"database/sql"
)

// Health is what the database knows about how things are.
type Health struct {
	OpenSessions int64
	Marks        int64 // of days whose figures are to be made anew
	Erasures     int64 // that are not finished
	Deliveries   int64 // of webhooks, that are still to be made
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
		return nil
	})
	return h, s.err("reading figures", err)
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
