package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// month counts months since the year 0. aaa_accounting and txlog_portal have a partition for each.
type month int

func monthOf(t time.Time) month { t = t.UTC(); return month(t.Year()*12 + int(t.Month()) - 1) }

func (m month) start() time.Time {
	return time.Date(int(m/12), time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// partition is the name of the table of this month's rows.
func (m month) partition(parent string) string { return parent + m.start().Format("_2006_01") }

// monthsAhead is how many months to come always have their partitions.
const monthsAhead = 2

// partitioned are the tables that have a partition for each month, and the column that must be unique in it: PostgreSQL
// cannot see to that for the whole table.
func partitioned() map[string]string {
	return map[string]string{"aaa_accounting": "radacctid", "txlog_portal": "id"}
}

// prepare makes the partitions of records' months where they are missing.
func (e *postgresEngine) prepare(ctx context.Context, times []time.Time) error {
	var missing []month
	e.mu.Lock()
	for _, t := range times {
		if m := monthOf(t); !e.months[m] {
			missing = append(missing, m)
		}
	}
	e.mu.Unlock()
	for _, m := range distinct(missing) {
		if err := e.makePartitions(ctx, m); err != nil {
			return fmt.Errorf("making the partitions of %s: %w", m.start().Format("2006-01"), err)
		}
		e.mu.Lock()
		e.months[m] = true
		e.mu.Unlock()
	}
	return nil
}

// makePartitions attaches tables instead of making them as partitions: that does not wait for those who read.
func (e *postgresEngine) makePartitions(ctx context.Context, m month) error {
	return e.writeOnce(ctx, func(tx *dbTx) error {
		if _, err := tx.Exec("SELECT pg_advisory_xact_lock(" + strconv.Itoa(partitionKey) + ")"); err != nil {
			return err
		}
		for parent, id := range partitioned() {
			name := m.partition(parent)
			var there bool
			if err := tx.QueryRow("SELECT to_regclass(?) IS NOT NULL", name).Scan(&there); err != nil || there {
				if err != nil {
					return err
				}
				continue
			}
			// Rows of the running month are updated until their session ends: room for that beside them keeps the indexes still.
			for _, statement := range []string{
				"CREATE TABLE " + name + " (LIKE " + parent + " INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 75)",
				"CREATE UNIQUE INDEX " + name + "_id ON " + name + " (" + id + ")",
				fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)",
					parent, name, micros(m.start()), micros((m + 1).start())),
			} {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// unprepared: a partition was dropped, by retention in this process or another. What is known of them is forgotten.
func (e *postgresEngine) unprepared(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23514" || !strings.HasPrefix(pg.Message, "no partition") {
		return false
	}
	return e.forgetPartitions() > 0 // nothing known and still none: preparing does not help
}

// forgetPartitions makes prepare look again. It returns how many months were known.
func (e *postgresEngine) forgetPartitions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := len(e.months)
	clear(e.months)
	return known
}

// maintain makes the partitions of the months to come.
func (e *postgresEngine) maintain(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		e.forgetPartitions() // another process may have dropped some
		var times []time.Time
		for n := range month(monthsAhead + 1) {
			times = append(times, (monthOf(time.Now()) + n).start())
		}
		if err := e.prepare(ctx, times); err != nil && ctx.Err() == nil {
			return e.meaning(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// column is one column of many rows, as PostgreSQL takes it.
func column(name string, rows [][]any, i int) (sqlType string, array any) {
	if textColumns()[name] {
		list := make([]*string, len(rows))
		for r, row := range rows {
			switch v := row[i].(type) {
			case string:
				list[r] = &v
			case *string:
				list[r] = v
			}
		}
		return "text[]", list
	}
	list := make([]*int64, len(rows))
	for r, row := range rows {
		switch v := row[i].(type) {
		case int64:
			list[r] = &v
		case uint64:
			list[r] = new(int64(v))
		case *int64:
			list[r] = v
		}
	}
	return "bigint[]", list
}

// unnest is a FROM item x of rows with these columns, before them base: the first id of the row's second.
func unnest(columns []string, bases []int64, rows [][]any) (from string, args []any) {
	types := []string{"?::bigint[]"}
	args = []any{bases}
	for i, name := range columns {
		sqlType, array := column(name, rows, i)
		types, args = append(types, "?::"+sqlType), append(args, array)
	}
	return "unnest(" + strings.Join(types, ", ") + ") AS x (base, " + strings.Join(columns, ", ") + ")", args
}

// newID makes of base an id that no other row of its second has; the partition's unique index is there for the case that
// the sequence comes round within it.
const newID = "x.base + (nextval('record_ids') & 4194303)" // 2^sequenceBits - 1

func (*postgresEngine) insertTransactions(tx *dbTx, b *batch) error {
	if len(b.transactions) == 0 {
		return nil
	}
	columns := transactionColumns()
	bases, rows := make([]int64, len(b.transactions)), make([][]any, len(b.transactions))
	given := make(map[string]int)
	for i, t := range b.transactions {
		bases[i], rows[i], given[t.ID] = radacctBase(t.DateTime), t.values(b.organization), t.given
	}
	from, args := unnest(columns, bases, rows)
	list := strings.Join(columns, ", ")
	found, err := tx.Query("INSERT INTO txlog_portal (id, "+list+", email, external_id) SELECT "+newID+", x."+
		strings.Join(columns, ", x.")+", u.email, u.external_id FROM "+from+` LEFT JOIN users u ON u.id = x.user_id
		ON CONFLICT (organization_id, edge_id, datetime) DO NOTHING RETURNING edge_id`, args...)
	ids, err := collect(found, err, func(row scanner) (id string, err error) { err = row.Scan(&id); return id, err })
	for _, id := range ids {
		b.news[given[id]] = true
	}
	return err
}

func (*postgresEngine) mergeSessions(tx *dbTx, b *batch) error {
	if len(b.sessions) == 0 {
		return nil
	}
	type key struct {
		unique string
		start  int64
	}
	columns := accountingColumns()
	bases, rows := make([]int64, len(b.sessions)), make([][]any, len(b.sessions))
	byKey := make(map[key]*session)
	for i, m := range b.sessions {
		bases[i], rows[i] = radacctBase(m.acct.AcctStartTime), values(b.organization, m)
		byKey[key{m.acct.AcctUniqueID, micros(m.acct.AcctStartTime)}] = m
	}
	from, args := unnest(columns, bases, rows)
	found, err := tx.Query(mergeSQL(tx.d, columns, "SELECT "+newID+", x."+strings.Join(columns, ", x.")+" FROM "+from)+
		" RETURNING acctuniqueid, acctstarttime", args...)
	keys, err := collect(found, err, func(row scanner) (k key, err error) { err = row.Scan(&k.unique, &k.start); return k, err })
	for _, k := range keys {
		for _, i := range byKey[k].given {
			b.news[i] = true
		}
	}
	return err
}
