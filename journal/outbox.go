package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/sessions"
)

// The outbox's kinds of what is not an accounting record.
const (
	kindTransaction = "transaction"
	kindOutcome     = "outcome"
)

// unreadable is the code of a row that this program could not decode.
const unreadable = "unreadable"

// queueRecord puts a record into the outbox. An Interim-Update takes the place of an undelivered one of its session, under
// a new number: the old one may be on its way, and its answer must not take the new one out.
func (j *Journal) queueRecord(tx *sql.Tx, r *sessions.AccountingRecord, body string) error {
	if j.options.Standalone {
		return nil
	}
	id := r.Session.AcctSessionID
	if r.Kind == sessions.InterimUpdate {
		if _, err := tx.Exec("DELETE FROM outbox WHERE session = ? AND kind = ?", id, r.Kind); err != nil {
			return err
		}
	}
	_, err := tx.Exec("INSERT INTO outbox (kind, session, body) VALUES (?, ?, ?)", r.Kind, id, body)
	return err
}

// logTransaction writes the line into the local log and, as a reference to it, into the outbox.
func (j *Journal) logTransaction(tx *sql.Tx, body string) error {
	if _, err := tx.Exec("INSERT INTO transactions (body) VALUES (?)", body); err != nil || j.options.Standalone {
		return err
	}
	_, err := tx.Exec("INSERT INTO outbox (kind, session, tx) VALUES (?, '', last_insert_rowid())", kindTransaction)
	return err
}

// Pending returns what the centre must still hear of, the oldest first, at most limit entries.
func (j *Journal) Pending(ctx context.Context, limit int) ([]sessions.OutboxEntry, error) {
	entries, bad, err := j.pending(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("reading outbox: %w", j.db.Err(err))
	}
	for seq, why := range bad { // one row that cannot be read must not hold up all behind it
		j.options.Logger.Error("outbox entry put aside", "seq", seq, "error", why)
		if err := j.Rejected(ctx, seq, unreadable, why.Error()); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (j *Journal) pending(ctx context.Context, limit int) (entries []sessions.OutboxEntry, bad map[int64]error, err error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT o.seq, o.kind, coalesce(o.body, t.body, '')
		FROM outbox o LEFT JOIN transactions t ON t.id = o.tx ORDER BY o.seq LIMIT ?`, limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	bad = make(map[int64]error)
	for rows.Next() {
		var e sessions.OutboxEntry
		var kind string
		var body []byte
		if err := rows.Scan(&e.Seq, &kind, &body); err != nil {
			return nil, nil, err
		}
		var into any = &e.Accounting
		switch kind {
		case kindTransaction:
			into = &e.Transaction
		case kindOutcome:
			into = &e.Outcome
		}
		if err := json.Unmarshal(body, into); err != nil {
			bad[e.Seq] = err
			continue
		}
		entries = append(entries, e)
	}
	return entries, bad, rows.Err()
}

// Merged takes entries out that the centre has in its database. Numbers that are not there, or no more, are ignored.
func (j *Journal) Merged(ctx context.Context, seqs []int64) error {
	list, err := json.Marshal(seqs)
	if err != nil || len(seqs) == 0 {
		return err
	}
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))", string(list))
		return err
	})
	if err != nil {
		return fmt.Errorf("emptying outbox: %w", err)
	}
	return nil
}

// Rejected puts an entry aside that the centre will never take, with what it said. The last thousand are kept.
func (j *Journal) Rejected(ctx context.Context, seq int64, code, message string) error {
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO rejected (seq, kind, session, body, code, message)
			SELECT o.seq, o.kind, o.session, coalesce(o.body, t.body, ''), ?, ?
			FROM outbox o LEFT JOIN transactions t ON t.id = o.tx WHERE o.seq = ?`, code, message, seq)
		if err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM outbox WHERE seq = ?", seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("putting rejected record aside: %w", err)
	}
	return nil
}

// SkipTo makes the numbers of new entries greater than seq: the centre has seen that one from a journal that is no more.
// It reports whether they were not.
func (j *Journal) SkipTo(ctx context.Context, seq int64) (behind bool, err error) {
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'outbox')"); err != nil {
			return err
		}
		done, err := tx.Exec("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'outbox' AND seq < ?1", seq)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		behind = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("numbering outbox: %w", err)
	}
	return behind, nil
}

// Depth is how many entries wait in the outbox.
func (j *Journal) Depth(ctx context.Context) (int, error) {
	var n int
	if err := j.db.Read().QueryRowContext(ctx, "SELECT count(*) FROM outbox").Scan(&n); err != nil {
		return 0, fmt.Errorf("counting outbox: %w", j.db.Err(err))
	}
	return n, nil
}

// Anchor returns the wall time at which that boot began; ok is false while it is not known.
func (j *Journal) Anchor(ctx context.Context, bootID string) (a sessions.Anchor, ok bool, err error) {
	var zero string
	err = j.db.Read().QueryRowContext(ctx, "SELECT zero FROM boots WHERE boot_id = ?", bootID).Scan(&zero)
	if errors.Is(err, sql.ErrNoRows) {
		return sessions.Anchor{}, false, nil
	}
	if err == nil {
		a.BootID = bootID
		a.Zero, err = time.Parse(time.RFC3339Nano, zero)
	}
	if err != nil {
		return sessions.Anchor{}, false, fmt.Errorf("reading time of boot: %w", j.db.Err(err))
	}
	return a, true, nil
}

// SaveAnchor writes down when a boot began. The first anchor of a boot stays: what was dated by it must not move.
func (j *Journal) SaveAnchor(ctx context.Context, a sessions.Anchor) error {
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO boots (boot_id, zero) VALUES (?, ?) ON CONFLICT (boot_id) DO NOTHING",
			a.BootID, a.Zero.UTC().Format(time.RFC3339Nano))
		return err
	})
	if err != nil {
		return fmt.Errorf("saving time of boot: %w", err)
	}
	return nil
}
