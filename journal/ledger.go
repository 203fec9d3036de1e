package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/sessions"
)

// Ledger returns the lines of these accounts.
func (j *Journal) Ledger(ctx context.Context, accounts ...string) ([]sessions.Spent, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(accounts)
	if err != nil {
		return nil, fmt.Errorf("reading ledger: %w", err)
	}
	rows, err := j.db.Read().QueryContext(ctx, `SELECT account, period, start, up, down, extra, "full", seconds, first FROM spent
		WHERE account IN (SELECT value FROM json_each(?)) ORDER BY id`, string(list))
	if err != nil {
		return nil, fmt.Errorf("reading ledger: %w", j.db.Err(err))
	}
	defer rows.Close()
	var all []sessions.Spent
	for rows.Next() {
		var s sessions.Spent
		var first []byte
		if err := rows.Scan(&s.Account, &s.Period, &s.Start, &s.Up, &s.Down, &s.Extra, &s.Full, &s.Seconds, &first); err != nil {
			return nil, fmt.Errorf("reading ledger: %w", j.db.Err(err))
		}
		if first != nil {
			if err := json.Unmarshal(first, &s.First); err != nil {
				return nil, fmt.Errorf("reading ledger: %w", err)
			}
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading ledger: %w", j.db.Err(err))
	}
	return all, nil
}

// LeaseUsed is what the sessions that have ended spent of a lease of time.
func (j *Journal) LeaseUsed(ctx context.Context, id int64) (time.Duration, error) {
	var used int64
	err := j.db.Read().QueryRowContext(ctx, `SELECT coalesce(sum(max(0,
			json_extract(body, '$.used') - coalesce(json_extract(body, '$.lease.from'), 0))), 0)
		FROM sessions WHERE json_extract(body, '$.lease.id') = ? AND json_extract(body, '$.stopped_at') IS NOT NULL`, id).Scan(&used)
	if err != nil {
		return 0, fmt.Errorf("reading what is spent of a lease: %w", j.db.Err(err))
	}
	return time.Duration(used), nil
}

// spend adds to the ledger, in any order the same: the Stop of one session and that of another may pass each other. Of what
// is over only the last period stays.
func spend(tx *sql.Tx, s sessions.Spent) error {
	var first *string
	if s.First != nil {
		b, err := json.Marshal(s.First)
		if err != nil {
			return err
		}
		first = new(string(b))
	}
	_, err := tx.Exec(`INSERT INTO spent (account, period, start, up, down, extra, "full", seconds, first) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, period, start) DO UPDATE SET up = up + excluded.up, down = down + excluded.down,
			extra = extra + excluded.extra, seconds = seconds + excluded.seconds, first = coalesce(first, excluded.first), "full" = CASE excluded."full" WHEN 0 THEN "full" ELSE excluded."full" END`,
		s.Account, s.Period, s.Start, s.Up, s.Down, s.Extra, s.Full, s.Seconds, first)
	if err != nil || s.Start == "" {
		return err
	}
	_, err = tx.Exec(`DELETE FROM spent WHERE account = ?1 AND period = ?2 AND start <> '' AND start <
		(SELECT max(start) FROM spent WHERE account = ?1 AND period = ?2 AND start < ?3)`, s.Account, s.Period, s.Start)
	return err
}
