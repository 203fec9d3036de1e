package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	hourLength = 3600 * 1000000 // microseconds
	dayLength  = 24 * hourLength
	dirtyPage  = 20000 // marks that are looked at together; SQLite takes 32,766 values in one statement
)

// markDirty notes the days whose figures the batch's new sessions change.
func markDirty(tx *dbTx, b *batch) error {
	var days []int64
	for _, m := range b.sessions {
		if len(m.given) > 0 && b.news[m.given[0]] {
			days = append(days, micros(m.acct.AcctStartTime)/dayLength)
		}
	}
	if days = distinct(days); len(days) == 0 {
		return nil
	}
	var args []any
	for _, day := range days {
		args = append(args, b.organization, day)
	}
	_, err := tx.Exec("INSERT INTO rollup_dirty (organization_id, day) VALUES (?, ?)"+strings.Repeat(", (?, ?)", len(days)-1), args...)
	return err
}

type bucket struct{ organization, day int64 }

func (b bucket) span() (from, to int64) { return b.day * dayLength, (b.day + 1) * dayLength }

// RollUp makes the figures anew of all days whose sessions have changed until now, each day of an organisation for itself.
func (s *Store) RollUp(ctx context.Context, lease *Lease) error {
	var last int64 // what comes meanwhile is for the next time, or there would be no end of today's figures
	if err := s.read().QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM rollup_dirty").Scan(&last); err != nil {
		return s.err("looking for what has changed", err)
	}
	for {
		b, marks, err := s.dirtyDay(ctx, last)
		if err != nil || len(marks) == 0 {
			return s.err("looking for what has changed", err)
		}
		f, err := s.countDay(ctx, b)
		if err != nil {
			return s.err("counting sessions", err)
		}
		if err := s.keepDay(ctx, lease, b, marks, f); err != nil {
			return err
		}
	}
}

// dirtyDay is the day that has waited longest, of marks up to the last, and its marks that are there now. The figures are read
// after them, so what commits later has a mark that stays.
func (s *Store) dirtyDay(ctx context.Context, last int64) (b bucket, marks []int64, err error) {
	first := "SELECT organization_id, day FROM rollup_dirty WHERE id <= ? ORDER BY id LIMIT 1"
	if err := s.read().QueryRowContext(ctx, first, last).Scan(&b.organization, &b.day); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return b, nil, err
	}
	rows, err := s.read().QueryContext(ctx, "SELECT id FROM rollup_dirty WHERE organization_id = ? AND day = ? ORDER BY id LIMIT ?",
		b.organization, b.day, dirtyPage)
	marks, err = collect(rows, err, func(row scanner) (id int64, err error) { err = row.Scan(&id); return id, err })
	return b, marks, err
}

// keepDay puts the figures in place of those that were, where there are any, and takes the marks away.
func (s *Store) keepDay(ctx context.Context, lease *Lease, b bucket, marks []int64, f *figures) error {
	return s.write(ctx, "keeping figures", func(tx *dbTx) error {
		if err := lease.hold(tx); err != nil {
			return err
		}
		if f != nil {
			if err := f.keep(tx, b); err != nil {
				return err
			}
		}
		condition, args := among(tx.d, "id", marks)
		_, err := tx.Exec("DELETE FROM rollup_dirty WHERE "+condition, args...)
		return err
	})
}

// figures are those of one bucket.
type figures struct {
	hours []HourFigure
	days  []DayFigure
	users int64
}

// countDay is nil where sessions of the day have been deleted: then the figures are the only thing that is left of them.
func (s *Store) countDay(ctx context.Context, b bucket) (*figures, error) {
	f := new(figures)
	err := s.snapshot(ctx, func(q querier) error {
		from, to := b.span()
		var deleted int64
		const done = "SELECT coalesce(max(before), 0) FROM retention_done WHERE organization_id = ?"
		if err := q.QueryRowContext(ctx, done, b.organization).Scan(&deleted); err != nil {
			return err
		}
		if deleted > from {
			f = nil
			return nil
		}
		scope := Scope{b.organization}
		var err error
		if f.hours, err = countHours(ctx, q, s.d, scope, from, to, hourLength); err != nil {
			return err
		}
		if f.days, err = countDays(ctx, q, s.d, scope, from, to); err != nil {
			return err
		}
		f.users, err = countUsers(ctx, q, s.d, b.organization, from, to)
		return err
	})
	return f, err
}

func (f *figures) keep(tx *dbTx, b bucket) error {
	for _, table := range []string{"rollup_days", "rollup_users"} {
		if _, err := tx.Exec("DELETE FROM "+table+" WHERE organization_id = ? AND day = ?", b.organization, b.day); err != nil {
			return err
		}
	}
	_, err := tx.Exec("DELETE FROM rollup_hours WHERE organization_id = ? AND hour >= ? AND hour < ?", b.organization, 24*b.day, 24*(b.day+1))
	if err != nil || len(f.hours) == 0 {
		return err
	}
	for _, h := range f.hours {
		const insert = "INSERT INTO rollup_hours (organization_id, hour, sessions) VALUES (?, ?, ?)"
		if _, err := tx.Exec(insert, b.organization, micros(h.Time)/hourLength, h.Sessions); err != nil {
			return err
		}
	}
	for _, d := range f.days {
		const insert = `INSERT INTO rollup_days (organization_id, day, location_id, sessions, input_octets, output_octets)
			VALUES (?, ?, ?, ?, ?, ?)`
		if _, err := tx.Exec(insert, b.organization, b.day, d.Location, d.Sessions, d.InputOctets, d.OutputOctets); err != nil {
			return err
		}
	}
	_, err = tx.Exec("INSERT INTO rollup_users (organization_id, day, users) VALUES (?, ?, ?)", b.organization, b.day, f.users)
	return err
}

// sessionsBetween reads sessions of the scope that began in a span, in microseconds.
func sessionsBetween(d dialect, scope Scope, columns, group string) string {
	index := d.index("aaa_accounting_organization")
	return "SELECT " + columns + " FROM aaa_accounting" + index + " WHERE " + scope.in("organization_id") +
		" AND acctstarttime >= ? AND acctstarttime < ? " + group
}

func countHours(ctx context.Context, q querier, d dialect, scope Scope, from, to, length int64) ([]HourFigure, error) {
	at := fmt.Sprintf("acctstarttime / %d", length)
	rows, err := q.QueryContext(ctx, sessionsBetween(d, scope, at+", count(*)", "GROUP BY "+at+" ORDER BY "+at), from, to)
	return collect(rows, err, func(row scanner) (h HourFigure, err error) {
		var n int64
		err = row.Scan(&n, &h.Sessions)
		h.Time = time.UnixMicro(n * length).UTC()
		return h, err
	})
}

// countDays adds octets in two halves: a gateway may send any counter, and the sum must not overflow.
func countDays(ctx context.Context, q querier, d dialect, scope Scope, from, to int64) ([]DayFigure, error) {
	columns := fmt.Sprintf(`acctstarttime / %d, coalesce(location_id, 0), count(*),
		CAST(sum(acctinputoctets / 1048576) AS BIGINT), CAST(sum(acctinputoctets %% 1048576) AS BIGINT),
		CAST(sum(acctoutputoctets / 1048576) AS BIGINT), CAST(sum(acctoutputoctets %% 1048576) AS BIGINT)`, int64(dayLength))
	group := fmt.Sprintf("GROUP BY acctstarttime / %d, coalesce(location_id, 0) ORDER BY 1, 2", int64(dayLength))
	rows, err := q.QueryContext(ctx, sessionsBetween(d, scope, columns, group), from, to)
	return collect(rows, err, func(row scanner) (f DayFigure, err error) {
		var day, inHigh, inLow, outHigh, outLow int64
		err = row.Scan(&day, &f.Location, &f.Sessions, &inHigh, &inLow, &outHigh, &outLow)
		f.Day, f.InputOctets, f.OutputOctets = time.UnixMicro(day*dayLength).UTC(), joined(inHigh, inLow), joined(outHigh, outLow)
		return f, err
	})
}

// joined is high·2^20 + low, or the greatest number there is.
func joined(high, low int64) int64 {
	high += low >> 20
	if high > math.MaxInt64>>20 {
		return math.MaxInt64
	}
	return high<<20 | low&(1<<20-1)
}

// countUsers counts who is known by id or else by name.
func countUsers(ctx context.Context, q querier, d dialect, organization, from, to int64) (n int64, err error) {
	query := sessionsBetween(d, Scope{organization}, "count(DISTINCT coalesce(CAST(user_id AS TEXT), '/' || username))", "")
	err = q.QueryRowContext(ctx, query, from, to).Scan(&n)
	return n, err
}
