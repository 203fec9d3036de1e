package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"
)

// CallMonth is where calls of an organisation are counted: a calendar month, UTC.
type CallMonth struct {
	Organization int64
	Month        int64 // as 202611
}

// CallMonthOf is the month of a time.
func CallMonthOf(organization int64, at time.Time) CallMonth {
	at = at.UTC()
	return CallMonth{organization, int64(at.Year())*100 + int64(at.Month())}
}

// AddAPICalls adds calls to those that were counted before, by this process and others, and returns how many they are now.
func (s *Store) AddAPICalls(ctx context.Context, calls map[CallMonth]int64) (now map[CallMonth]int64, err error) {
	sorted := slices.SortedFunc(maps.Keys(calls), func(a, b CallMonth) int { // no deadlocks
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Month, b.Month))
	})
	err = s.write(ctx, "counting API calls", func(tx *dbTx) error {
		now = make(map[CallMonth]int64, len(calls))
		const add = `INSERT INTO api_calls (organization_id, month, calls) VALUES (?, ?, ?)
			ON CONFLICT (organization_id, month) DO UPDATE SET calls = api_calls.calls + excluded.calls RETURNING calls`
		for _, m := range sorted {
			var n int64
			if err := tx.QueryRow(add, m.Organization, m.Month, calls[m]).Scan(&n); err != nil {
				return err
			}
			now[m] = n
		}
		return nil
	})
	return now, err
}

// APICalls is how many calls have been counted.
func (s *Store) APICalls(ctx context.Context, m CallMonth) (n int64, err error) {
	const q = "SELECT calls FROM api_calls WHERE organization_id = ? AND month = ?"
	if err = s.read().QueryRowContext(ctx, q, m.Organization, m.Month).Scan(&n); err == sql.ErrNoRows {
		return 0, nil
	}
	return n, s.err("reading API calls", err)
}
