package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The classes of what is kept for a time.
const (
	KeepAccounting   = "accounting"
	KeepTransactions = "transactions"
	KeepDeviceLogs   = "device_logs"
	KeepTokens       = "tokens" // that are good no more
)

const expireBatch = 1000 // rows of one transaction

// Retention is for how long an organisation's rows of one class are kept.
type Retention struct {
	Class     string
	Days      int64 // 0: for ever
	Inherited bool  // from an organisation above, or by default
}

// expiring is a table of a class.
type expiring struct {
	class, table, id, at string
	of                   string // the condition that a row is of organisation ?
}

// expiringTables have rows that end. The audit log is no such class: entries of its chain cannot be taken away.
func expiringTables() []expiring {
	const own = "organization_id = ?"
	const byDevice = "device_id IN (SELECT id FROM devices WHERE organization_id = ?)"
	return []expiring{
		{KeepAccounting, "aaa_accounting", "radacctid", "acctstarttime", own},
		{KeepTransactions, "txlog_portal", "id", "datetime", own},
		{KeepTransactions, "portal_logins", "id", "created", own},
		{KeepTransactions, "events", "id", "created", "ended IS NOT NULL AND " + own},
		{KeepDeviceLogs, "connection_logs", "id", "at", byDevice},
		{KeepDeviceLogs, "test_reports", "id", "at", byDevice},
		{KeepTokens, "tokens", "id", "coalesce(revoked, expires)", own},
	}
}

// defaultRetention is in days.
func defaultRetention() map[string]int64 {
	return map[string]int64{KeepAccounting: 732, KeepTransactions: 366, KeepDeviceLogs: 93, KeepTokens: 93}
}

// RetentionClasses are the names of all classes, in order.
func RetentionClasses() []string {
	var list []string
	for _, t := range expiringTables() {
		list = append(list, t.class)
	}
	return distinct(list)
}

// Retention is what an organisation of the scope keeps, by class.
func (s *Store) Retention(ctx context.Context, scope Scope, organization int64) ([]Retention, error) {
	if !slices.Contains(scope, organization) {
		return nil, ErrNotFound
	}
	all, err := s.retentions(ctx, s.read())
	if err != nil {
		return nil, s.err("reading retention", err)
	}
	return all.list(organization), nil
}

// SetRetention changes for how many days an organisation of the scope keeps rows of these classes; nil: as the organisation
// above it does.
func (s *Store) SetRetention(ctx context.Context, scope Scope, organization int64, days map[string]*int64) error {
	if !slices.Contains(scope, organization) {
		return ErrNotFound
	}
	return s.write(ctx, "changing retention", func(tx *dbTx) error {
		before, err := s.retentions(ctx, tx)
		if err != nil {
			return err
		}
		for class, n := range days {
			if n == nil {
				_, err = tx.Exec("DELETE FROM retention WHERE organization_id = ? AND class = ?", organization, class)
			} else {
				_, err = tx.Exec(`INSERT INTO retention (organization_id, class, days) VALUES (?, ?, ?)
					ON CONFLICT (organization_id, class) DO UPDATE SET days = excluded.days`, organization, class, *n)
			}
			if err != nil {
				return err
			}
		}
		after, err := s.retentions(ctx, tx)
		if err != nil {
			return err
		}
		return tx.audit("retention", organization, organization, before.daysByClass(organization), after.daysByClass(organization))
	})
}

// retentions are the settings of all organisations.
type retentions struct {
	parents map[int64]int64
	days    map[int64]map[string]int64
}

func (s *Store) retentions(ctx context.Context, q querier) (*retentions, error) {
	r := &retentions{parents: make(map[int64]int64), days: make(map[int64]map[string]int64)}
	rows, err := q.QueryContext(ctx, `SELECT o.id, coalesce(o.parent_id, 0), coalesce(r.class, ''), coalesce(r.days, 0)
		FROM organizations o LEFT JOIN retention r ON r.organization_id = o.id ORDER BY o.id`)
	_, err = collect(rows, err, func(row scanner) (nothing struct{}, err error) {
		var id, parent, days int64
		var class string
		err = row.Scan(&id, &parent, &class, &days)
		r.parents[id] = parent
		if class != "" {
			if r.days[id] == nil {
				r.days[id] = make(map[string]int64)
			}
			r.days[id][class] = days
		}
		return nothing, err
	})
	return r, err
}

// of is for how many days an organisation keeps a class: as it says, or the nearest above it, or by default.
func (r *retentions) of(organization int64, class string) (days int64, inherited bool) {
	for id := organization; id != 0; id = r.parents[id] {
		if days, ok := r.days[id][class]; ok {
			return days, id != organization
		}
	}
	return defaultRetention()[class], true
}

func (r *retentions) list(organization int64) []Retention {
	var list []Retention
	for _, class := range RetentionClasses() {
		days, inherited := r.of(organization, class)
		list = append(list, Retention{class, days, inherited})
	}
	return list
}

// daysByClass is what the audit log shows of an organisation.
func (r *retentions) daysByClass(organization int64) map[string]int64 {
	m := make(map[string]int64)
	for _, class := range RetentionClasses() {
		m[class], _ = r.of(organization, class)
	}
	return m
}

// end is until when rows of a class are deleted, at the beginning of a day; false: for ever kept.
func (r *retentions) end(organization int64, class string, now time.Time) (time.Time, bool) {
	days, _ := r.of(organization, class)
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -int(days)), days > 0
}

// organizations are all of them, in order.
func (r *retentions) organizations() []int64 {
	var ids []int64
	for id := range r.parents {
		ids = append(ids, id)
	}
	return distinct(ids)
}

// Expire deletes what has been kept for its time: a partition that nobody wants any more as a whole, else at most some rows of
// one table and organisation at once. after is called with the number of rows of each such step (-1: a partition), and may
// wait so that others have their turn; an error of it ends the work.
func (s *Store) Expire(ctx context.Context, lease *Lease, after func(table string, rows int64) error) error {
	all, err := s.retentions(ctx, s.read())
	if err != nil {
		return s.err("reading retention", err)
	}
	if err := s.dropPartitions(ctx, lease, all, after); err != nil {
		return err
	}
	for _, t := range expiringTables() {
		for _, organization := range all.organizations() {
			end, ends := all.end(organization, t.class, s.now())
			if !ends {
				continue
			}
			if err := s.expireTable(ctx, lease, t, organization, end, after); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) expireTable(ctx context.Context, lease *Lease, t expiring, organization int64, end time.Time, after func(string, int64) error) error {
	if wait, err := s.uncounted(ctx, t.class, Scope{organization}, end); err != nil || wait {
		return err
	}
	find := "SELECT " + t.id + " FROM " + t.table + " WHERE " + t.of + " AND " + t.at + " < ? LIMIT "
	for {
		var first any // looked for without a transaction: mostly there is nothing
		err := s.read().QueryRowContext(ctx, find+"1", organization, micros(end)).Scan(&first)
		if err == sql.ErrNoRows {
			return nil
		}
		if err != nil {
			return s.err("looking for old rows", err)
		}
		var n int64
		err = s.write(ctx, "deleting old rows", func(tx *dbTx) (err error) {
			if err = lease.hold(tx); err != nil {
				return err
			}
			if t.class == KeepAccounting {
				if err := keepFigures(tx, "id = "+strconv.FormatInt(organization, 10), end); err != nil {
					return err
				}
			}
			n, err = tx.affected("DELETE FROM "+t.table+" WHERE "+t.id+" IN ("+find+strconv.Itoa(expireBatch)+")", organization, micros(end))
			return err
		})
		if err == nil && n > 0 {
			err = after(t.table, n)
		}
		if err != nil || n < expireBatch {
			return err
		}
	}
}

// uncounted tells whether figures of sessions that would be deleted are still to be made: they go first.
func (s *Store) uncounted(ctx context.Context, class string, scope Scope, end time.Time) (bool, error) {
	if class != KeepAccounting {
		return false, nil
	}
	return s.Stale(ctx, scope, StatisticsFilter{From: FirstTime(), To: end})
}

// keepFigures notes that sessions before end are gone: the figures of those days are what they are from now on.
func keepFigures(tx *dbTx, organizations string, end time.Time) error {
	_, err := tx.Exec("INSERT INTO retention_done (organization_id, before) SELECT id, CAST(? AS BIGINT) FROM organizations WHERE "+
		organizations+" ON CONFLICT (organization_id) DO UPDATE SET before = "+tx.d.greatest("retention_done.before", "excluded.before"),
		micros(end))
	return err
}

// dropPartitions drops the months of PostgreSQL that no organisation keeps. It does not wait long for those who read: the
// next time will do.
func (s *Store) dropPartitions(ctx context.Context, lease *Lease, all *retentions, after func(string, int64) error) error {
	e, ok := s.db.(*postgresEngine)
	if !ok {
		return nil
	}
	for parent, class := range map[string]string{"aaa_accounting": KeepAccounting, "txlog_portal": KeepTransactions} {
		end, ends := all.earliest(class, s.now())
		if !ends {
			continue
		}
		months, err := e.partitions(ctx, parent)
		if err != nil {
			return s.err("listing partitions", err)
		}
		for _, m := range months {
			if (m + 1).start().After(end) {
				continue
			}
			if wait, err := s.uncounted(ctx, class, all.organizations(), (m + 1).start()); err != nil {
				return err
			} else if wait {
				break
			}
			if err := s.write(ctx, "dropping partition", func(tx *dbTx) error { return s.dropPartition(tx, lease, class, parent, m) }); err != nil {
				return err
			}
			e.forgetPartitions()
			if err := after(m.partition(parent), -1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) dropPartition(tx *dbTx, lease *Lease, class, parent string, m month) error {
	if err := lease.hold(tx); err != nil {
		return err
	}
	if class == KeepAccounting {
		if err := keepFigures(tx, "1 = 1", (m + 1).start()); err != nil {
			return err
		}
	}
	for _, statement := range []string{"SET LOCAL lock_timeout = '2s'", "SELECT pg_advisory_xact_lock(" + strconv.Itoa(partitionKey) + ")",
		"DROP TABLE " + m.partition(parent)} {
		if _, err := tx.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// earliest is the first of the ends of all organisations; false where one keeps its rows for ever.
func (r *retentions) earliest(class string, now time.Time) (first time.Time, ends bool) {
	for _, id := range r.organizations() {
		end, ends := r.end(id, class, now)
		if !ends {
			return first, false
		}
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first, !first.IsZero()
}

// partitions are the months that a table has partitions for, in order.
func (e *postgresEngine) partitions(ctx context.Context, parent string) ([]month, error) {
	const q = `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1) ORDER BY 1`
	rows, err := e.db.QueryContext(ctx, q, parent)
	return collect(rows, err, func(row scanner) (month, error) {
		var name string
		if err := row.Scan(&name); err != nil {
			return 0, err
		}
		t, err := time.Parse("2006_01", strings.TrimPrefix(name, parent+"_"))
		return monthOf(t), err
	})
}
