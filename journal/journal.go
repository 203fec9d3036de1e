package journal

import (
	"context"
	"database/sql"
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"log/slog"

	"gatehouse/internal/sqlite"
	"gatehouse/sessions"
)

//go:embed schema/0001.sql
var schema0001 string

//go:embed schema/0002.sql
var schema0002 string

//go:embed schema/0003.sql
var schema0003 string

//go:embed schema/0004.sql
var schema0004 string

//go:embed schema/0005.sql
var schema0005 string

//go:embed schema/0006.sql
var schema0006 string

//go:embed schema/0007.sql
var schema0007 string

//go:embed schema/0008.sql
var schema0008 string

//go:embed schema/0009.sql
var schema0009 string

//go:embed schema/0010.sql
var schema0010 string

//go:embed schema/0011.sql
var schema0011 string

func schema() []sqlite.Step {
	return []sqlite.Step{{SQL: schema0001}, {SQL: schema0002}, {SQL: schema0003}, {SQL: schema0004}, {SQL: schema0005}, {SQL: schema0006}, {SQL: schema0007}, {SQL: schema0008}, {SQL: schema0009},
		{SQL: schema0010}, {SQL: schema0011}}
}

// The points at which Options.Step is called, on the goroutine that commits.
const (
	StepBeforeCommit = "journal.before_commit" // the batch is written, not yet committed
	StepAfterCommit  = "journal.after_commit"  // the batch is on disk, its caller does not know yet
)

// Options say how to open a journal. The zero value of each field is its default.
type Options struct {
	// Standalone is true where there is no centre to tell: the outbox stays empty.
	Standalone bool
	// Synchronous is for tests that must see what is lost without it. Default: full.
	Synchronous sqlite.Synchronous
	// KeepSessions and KeepTransactions are how many ended sessions and lines of the transaction log stay once nobody
	// waits for them any more. Default 10,000 each.
	KeepSessions     int
	KeepTransactions int
	// KeepSpent is how many lines the ledger of data caps has at most. Default 60,000: the day, week and month of 20,000
	// accounts, or stations where sessions are nobody's. Beyond it the oldest go.
	KeepSpent int
	// KeepVisits is how many visits can be found by their support codes. Default 2,000.
	KeepVisits int
	// Logger hears of rows that cannot be read and of what Run could not do. Default: nobody.
	Logger *slog.Logger
	// Step is called at each named point of Commit. Default: nothing.
	Step func(point string)
}

// Journal is an open journal. Safe for concurrent use.
type Journal struct {
	db      *sqlite.DB
	options Options
}

var (
	_ sessions.Store     = (*Journal)(nil)
	_ sessions.Accounts  = (*Journal)(nil)
	_ sessions.Verifiers = (*Journal)(nil)
	_ sessions.Orders    = (*Journal)(nil)
	_ sessions.Trials    = (*Journal)(nil)
	_ sessions.Vouchers  = (*Journal)(nil)
	_ sessions.Stays     = (*Journal)(nil)
)

// Open opens the journal in the file path, or makes it. It looks through the whole file: the error wraps sqlite.ErrDamaged
// when something is wrong, and the other sentinels of that package; its text says what to do.
func Open(ctx context.Context, path string, o Options) (*Journal, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{
		Schema:      schema(),
		Synchronous: o.Synchronous,
		Check:       true,
		Loss:        "sessions, accounting not yet delivered, and the gateway's own accounts",
	})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if o.KeepSessions == 0 {
		o.KeepSessions = 10_000
	}
	if o.KeepTransactions == 0 {
		o.KeepTransactions = 10_000
	}
	if o.KeepSpent == 0 {
		o.KeepSpent = 60_000
	}
	if o.KeepVisits == 0 {
		o.KeepVisits = 2000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	return &Journal{db: db, options: o}, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Load returns the sessions that have no Stop and the resumable ones, in the order of their starts, with what the last
// SaveUsage knew of them.
func (j *Journal) Load(ctx context.Context) ([]sessions.Session, error) {
	rows, err := j.db.Read().QueryContext(ctx, "SELECT body FROM sessions WHERE open = 1 ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", j.db.Err(err))
	}
	all, err := scanAll[sessions.Session](rows)
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", j.db.Err(err))
	}
	if err := j.mergeUsage(ctx, all); err != nil {
		return nil, fmt.Errorf("reading usage: %w", j.db.Err(err))
	}
	return all, nil
}

// scanAll reads one column of JSON.
func scanAll[T any](rows *sql.Rows) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// Commit makes the batch durable: all of it or, with an error, nothing. Concurrent commits share one write to the disk.
func (j *Journal) Commit(ctx context.Context, b sessions.Batch) error {
	w, err := encode(b) // outside of the transaction, which others wait for
	if err != nil {
		return fmt.Errorf("committing to journal: %w", err)
	}
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		if err := j.write(tx, w); err != nil {
			return err
		}
		j.options.Step(StepBeforeCommit)
		return nil
	})
	if err != nil {
		return fmt.Errorf("committing to journal: %w", err)
	}
	j.options.Step(StepAfterCommit)
	return nil
}

// encoded is a batch on its way into the tables.
type encoded struct {
	batch                                             sessions.Batch
	sessions, records, transactions, access, consents []string // JSON
}

func encode(b sessions.Batch) (encoded, error) {
	w := encoded{batch: b}
	var err error
	if w.sessions, err = marshalAll(b.Sessions); err != nil {
		return w, err
	}
	if w.records, err = marshalAll(b.Records); err != nil {
		return w, err
	}
	if w.access, err = marshalAll(b.Access); err != nil {
		return w, err
	}
	if w.consents, err = marshalAll(b.Consents); err != nil {
		return w, err
	}
	w.transactions, err = marshalAll(b.Transactions)
	return w, err
}

func marshalAll[T any](all []T) ([]string, error) {
	out := make([]string, len(all))
	for i := range all {
		body, err := json.Marshal(&all[i])
		if err != nil {
			return nil, err
		}
		out[i] = string(body)
	}
	return out, nil
}

func (j *Journal) write(tx *sql.Tx, w encoded) error {
	for i := range w.batch.Sessions {
		s := &w.batch.Sessions[i]
		_, err := tx.Exec(`INSERT INTO sessions (acct_session_id, open, body) VALUES (?, ?, ?)
			ON CONFLICT (acct_session_id) DO UPDATE SET open = excluded.open, body = excluded.body`,
			s.AcctSessionID, s.Running() || s.Resumable, w.sessions[i])
		if err != nil {
			return err
		}
	}
	for i := range w.batch.Records {
		if err := j.queueRecord(tx, &w.batch.Records[i], w.records[i]); err != nil {
			return err
		}
	}
	for _, body := range w.transactions {
		if err := j.logTransaction(tx, body); err != nil {
			return err
		}
	}
	for _, o := range w.batch.Outcomes {
		if err := j.settle(tx, o); err != nil {
			return err
		}
	}
	for _, s := range w.batch.Spent {
		if err := spend(tx, s); err != nil {
			return err
		}
	}
	if err := writeConsents(tx, w.batch.Consents, w.consents); err != nil {
		return err
	}
	if err := writeTrials(tx, w.batch.Trials); err != nil {
		return err
	}
	return writeAccess(tx, w.batch.Access, w.access, w.batch.Revoked)
}
