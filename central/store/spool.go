package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/api/edge"
	"gatehouse/internal/sqlite"
)

const (
	spoolPage  = 1000    // records that are merged at once
	spoolLimit = 1 << 30 // bytes of records
)

const spoolSchema = `
-- One row per thing that was said, however often a gateway said it while the database was away.
CREATE TABLE spool (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    hash            BLOB    NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL,
    record          TEXT    NOT NULL
) STRICT;
CREATE TABLE size (bytes INTEGER NOT NULL) STRICT;
INSERT INTO size VALUES (0);
-- What the database will never take: for a person to look at.
CREATE TABLE refused (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    record          TEXT    NOT NULL,
    error           TEXT    NOT NULL
) STRICT;`

// Spool is the local log of DESIGN D13: a file beside this process that takes records while the database is away. Whoever
// sent a record keeps his copy until the database has it, so that a lost disk loses nothing.
type Spool struct{ db *sqlite.DB }

// OpenSpool opens the log at path, and makes it when there is none.
func OpenSpool(ctx context.Context, path string) (*Spool, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schema: []sqlite.Step{{SQL: spoolSchema}},
		Loss: "records that arrived while the database was away; gateways send theirs again"})
	if err != nil {
		return nil, fmt.Errorf("opening local log: %w", err)
	}
	return &Spool{db: db}, nil
}

// Close closes the file.
func (p *Spool) Close() error { return p.db.Close() }

// Add keeps valid records of a gateway whose token has this scope; they are on disk when it returns. It fails with
// ErrUnavailable when the log is full too.
func (p *Spool) Add(ctx context.Context, scope Scope, records []edge.Record) error {
	texts := make([][]byte, len(records))
	for i, r := range records {
		r.Seq = 0 // the gateway's own affair
		var err error
		if texts[i], err = json.Marshal(r); err != nil {
			return err
		}
	}
	return p.add(ctx, scope.Own(), texts)
}

// ofNASes stands in for the organisation of RADIUS records, which say theirs themselves.
const ofNASes = 0

// AddRADIUS is Add for records of NASes. A NAS that was answered keeps no copy: these are as safe as the disk that the log is on.
func (p *Spool) AddRADIUS(ctx context.Context, records []RADIUSRecord) error {
	texts := make([][]byte, len(records))
	for i := range records {
		var err error
		if texts[i], err = json.Marshal(&records[i]); err != nil {
			return err
		}
	}
	return p.add(ctx, ofNASes, texts)
}

func (p *Spool) add(ctx context.Context, organization int64, texts [][]byte) error {
	err := p.db.Write(ctx, func(tx *sql.Tx) error {
		var size, added int64
		if err := tx.QueryRow("SELECT bytes FROM size").Scan(&size); err != nil {
			return err
		}
		for _, text := range texts {
			hash := sha256.Sum256(fmt.Appendf(nil, "%d %s", organization, text))
			done, err := tx.Exec("INSERT INTO spool (hash, organization_id, record) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
				hash[:], organization, string(text))
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			added += n * int64(len(text))
		}
		if size+added > spoolLimit {
			return fmt.Errorf("%w: the local log has %d bytes", ErrUnavailable, size)
		}
		_, err := tx.Exec("UPDATE size SET bytes = bytes + ?", added)
		return err
	})
	if err != nil && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("writing local log: %w: %w", ErrUnavailable, p.db.Err(err))
	}
	return err
}

// Len is how many records wait.
func (p *Spool) Len(ctx context.Context) (n int64, err error) {
	err = p.db.Read().QueryRowContext(ctx, "SELECT count(*) FROM spool").Scan(&n)
	return n, p.wrap("counting", err)
}

// Refused is how many records the database will never take. They stay in the file.
func (p *Spool) Refused(ctx context.Context) (n int64, err error) {
	err = p.db.Read().QueryRowContext(ctx, "SELECT count(*) FROM refused").Scan(&n)
	return n, p.wrap("counting", err)
}

func (p *Spool) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s local log: %w", doing, p.db.Err(err))
}

type spooled struct {
	id, organization int64
	text             string
}

// Drain moves all that waits into the database, and returns how much that was. ErrUnavailable: the database is still away.
func (p *Spool) Drain(ctx context.Context, s *Store) (moved int, err error) {
	for {
		rows, err := p.db.Read().QueryContext(ctx, `SELECT id, organization_id, record FROM spool
			WHERE organization_id = (SELECT organization_id FROM spool ORDER BY id LIMIT 1) ORDER BY id LIMIT ?`, spoolPage)
		list, err := collect(rows, err, func(row scanner) (r spooled, err error) {
			err = row.Scan(&r.id, &r.organization, &r.text)
			return r, err
		})
		if err != nil || len(list) == 0 {
			return moved, p.wrap("reading", err)
		}
		var scope Scope
		if organization := list[0].organization; organization != ofNASes {
			if scope, err = s.subtree(ctx, organization); err != nil {
				return moved, err
			}
		}
		if err := p.move(ctx, s, scope, list); err != nil {
			return moved, err
		}
		moved += len(list)
	}
}

// move merges a page and takes it out of the log. A page that the database refuses as a whole is halved until the culprit
// is alone; that is set aside.
func (p *Spool) move(ctx context.Context, s *Store, scope Scope, list []spooled) error {
	var err error
	if list[0].organization == ofNASes {
		var records []RADIUSRecord
		if records, err = spooledRecords[RADIUSRecord](list); err == nil {
			err = s.IngestRADIUS(ctx, records)
		}
	} else {
		var records []edge.Record
		if records, err = spooledRecords[edge.Record](list); err == nil {
			_, err = s.Ingest(ctx, scope, records)
		}
	}
	switch {
	case err == nil:
		return p.remove(ctx, list, nil)
	case errors.Is(err, ErrUnavailable) || ctx.Err() != nil:
		return err
	case len(list) == 1:
		return p.remove(ctx, list, err)
	}
	half := len(list) / 2
	if err := p.move(ctx, s, scope, list[:half]); err != nil {
		return err
	}
	return p.move(ctx, s, scope, list[half:])
}

func spooledRecords[T any](list []spooled) ([]T, error) {
	records := make([]T, len(list))
	for i, r := range list {
		if err := json.Unmarshal([]byte(r.text), &records[i]); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// remove takes records out of the log; with a reason they go among the refused.
func (p *Spool) remove(ctx context.Context, list []spooled, reason error) error {
	return p.wrap("writing", p.db.Write(ctx, func(tx *sql.Tx) error {
		for _, r := range list {
			if reason != nil {
				const aside = "INSERT INTO refused (id, organization_id, record, error) VALUES (?, ?, ?, ?)"
				if _, err := tx.Exec(aside, r.id, r.organization, r.text, reason.Error()); err != nil {
					return err
				}
			}
			if _, err := tx.Exec("DELETE FROM spool WHERE id = ?", r.id); err != nil {
				return err
			}
			if _, err := tx.Exec("UPDATE size SET bytes = bytes - ?", len(r.text)); err != nil {
				return err
			}
		}
		return nil
	}))
}
