package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"gatehouse/sessions"
)

// settle remembers that an order of the centre was dealt with, and has the centre told what became of it.
func (j *Journal) settle(tx *sql.Tx, o sessions.Outcome) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO settled (order_id) VALUES (?)", o.Order); err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO outbox (kind, session, body) VALUES (?, '', ?)", kindOutcome, string(body))
	return err
}

// Settled tells whether an outcome of that order was committed. The last ten thousand are known.
func (j *Journal) Settled(ctx context.Context, order string) (settled bool, err error) {
	err = j.db.Read().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM settled WHERE order_id = ?)", order).Scan(&settled)
	if err != nil {
		return false, fmt.Errorf("looking for an order: %w", j.db.Err(err))
	}
	return settled, nil
}

// forget takes out of a body who it is about. What counts stays.
const forget = `json_remove(json_set(body, '$.username', '', '$.station.mac', '00:00:00:00:00:00'),
	'$.user_id', '$.addr', '$.user_agent', '$.page_url', '$.class')`

// Erase takes a person out of the visits of stations that were the person's, ended sessions, the transaction log, what the centre has rejected and the ledger. Accounting
// records that the centre has not had yet stay as they are, and go when it has: it could not find their session otherwise.
func (j *Journal) Erase(ctx context.Context, username string) error {
	for _, e := range []struct{ find, change string }{
		{`SELECT v.id FROM visits v JOIN sessions s ON v.station = json_extract(s.body, '$.station.zone') || '/' || json_extract(s.body, '$.station.mac')
			WHERE json_extract(s.body, '$.username') = ?`, "DELETE FROM visits"},
		{"SELECT id FROM sessions WHERE open = 0 AND json_extract(body, '$.username') = ?", "UPDATE sessions SET body = " + forget},
		{"SELECT id FROM transactions WHERE json_extract(body, '$.username') = ?", "UPDATE transactions SET body = " + forget},
		{`SELECT seq FROM rejected WHERE coalesce(json_extract(body, '$.session.username'), json_extract(body, '$.username')) = ?`,
			"DELETE FROM rejected"},
		{"SELECT id FROM consents WHERE username = ?", "DELETE FROM consents"},
		{"SELECT id FROM spent WHERE account = 'centre/' || ?", "DELETE FROM spent"},
	} {
		if err := j.eraseRows(ctx, username, e.find, e.change); err != nil {
			return fmt.Errorf("erasing a person: %w", err)
		}
	}
	return nil
}

// eraseRows looks for rows outside of the writer's way and changes them a few at a time (DESIGN D7).
func (j *Journal) eraseRows(ctx context.Context, username, find, change string) error {
	rows, err := j.db.Read().QueryContext(ctx, find, username)
	if err != nil {
		return j.db.Err(err)
	}
	ids, err := scanAll[int64](rows)
	if err != nil {
		return j.db.Err(err)
	}
	for some := range slices.Chunk(ids, trimChunk) {
		list, err := json.Marshal(some)
		if err != nil {
			return err
		}
		err = j.db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(change+" WHERE rowid IN (SELECT value FROM json_each(?))", string(list))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
