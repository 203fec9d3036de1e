package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	keepRejected = 1000
	keepBoots    = 1000
	keepSettled  = 10_000
	keepConsents = 100_000
	keepTrials   = 20_000 // devices
	trimInterval = time.Minute
	trimChunk    = 100 // rows of one transaction, so that a login never waits long for it (DESIGN D7)
)

// Run keeps the file small until ctx ends: every minute it moves the write-ahead log into the database, so that no commit
// has to, and trims what is old. What goes wrong is logged and tried again; Run returns nil.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := j.Tidy(ctx); err != nil && ctx.Err() == nil {
				j.options.Logger.Error("journal is not kept small", "error", err)
			}
		}
	}
}

// Tidy does once what Run does every minute. An ended session stays while a record of it is undelivered, a transaction
// while it is undelivered itself; beyond that the newest stay, as many as Options say.
func (j *Journal) Tidy(ctx context.Context) error {
	for _, t := range []struct {
		sql  string
		keep int
	}{
		{`DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s
			WHERE s.open = 0 AND s.id <= (SELECT max(id) FROM sessions) - ?
			AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.session = s.acct_session_id) LIMIT ?)`, j.options.KeepSessions},
		{`DELETE FROM transactions WHERE id IN (SELECT t.id FROM transactions t
			WHERE t.id <= (SELECT max(id) FROM transactions) - ?
			AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.tx = t.id) LIMIT ?)`, j.options.KeepTransactions},
		{`DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE id <= (SELECT max(id) FROM spent) - ?
			AND NOT (period = 3 AND EXISTS (SELECT 1 FROM vouchers v WHERE v.id = CAST(substr(spent.account, length('voucher/voucher#') + 1) AS INTEGER)))
			LIMIT ?)`, j.options.KeepSpent}, // what nobody else knows of a voucher stays as long as the voucher
		{`DELETE FROM visits WHERE id IN (SELECT id FROM visits WHERE id <= (SELECT max(id) FROM visits) - ? LIMIT ?)`, j.options.KeepVisits},
		{`DELETE FROM consents WHERE id IN (SELECT id FROM consents WHERE id <= (SELECT max(id) FROM consents) - ? LIMIT ?)`, keepConsents},
		{`DELETE FROM trials WHERE id IN (SELECT id FROM trials WHERE id <= (SELECT max(id) FROM trials) - ? LIMIT ?)`, keepTrials},
		{`DELETE FROM rejected WHERE seq IN (SELECT seq FROM rejected ORDER BY seq DESC LIMIT ?2 OFFSET ?1)`, keepRejected},
		{`DELETE FROM settled WHERE id IN (SELECT id FROM settled WHERE id <= (SELECT max(id) FROM settled) - ? LIMIT ?)`, keepSettled},
		{`DELETE FROM boots WHERE id IN (SELECT id FROM boots ORDER BY id DESC LIMIT ?2 OFFSET ?1)`, keepBoots},
	} {
		if err := j.trim(ctx, t.sql, t.keep); err != nil {
			return fmt.Errorf("trimming journal: %w", err)
		}
	}
	return j.db.Checkpoint(ctx)
}

// trim runs a statement that deletes at most trimChunk rows until there is nothing more to delete.
func (j *Journal) trim(ctx context.Context, query string, keep int) error {
	for {
		var n int64
		err := j.db.Write(ctx, func(tx *sql.Tx) error {
			res, err := tx.Exec(query, keep, trimChunk)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil || n < trimChunk {
			return err
		}
	}
}
