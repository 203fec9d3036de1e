package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"
)

// How long a transaction takes up calls that wait before it commits: as long as the last commit waited for the device, so that at most half
// of the time goes into waiting, within these (DESIGN D7, decision 0048).
const (
	batchTime    = 5 * time.Millisecond
	maxBatchTime = 25 * time.Millisecond
)

var errAbandoned = errors.New("write was not committed: the one that shared its transaction crashed")

// group makes concurrent writes share one transaction and so one wait for the device. There is no goroutine: whoever
// gets the turn runs what is queued, his own call among it, and answers all.
type group struct {
	turn   chan struct{} // full while somebody leads
	waited time.Duration // for the device, by the last commit; whoever leads has it

	mu    sync.Mutex
	queue []*call
}

type call struct {
	fn   func(*sql.Tx) error
	err  error // valid once done is closed
	done chan struct{}
}

// Write runs fn in a transaction and returns once that is durable as far as Options.Synchronous promises. Concurrent calls
// share a transaction, each behind its own savepoint: an error that fn returns undoes what this fn did and nothing else,
// and is what Write returns. fn may run on another caller's goroutine; it must be quick, must not call Write or Read, and
// uses tx without a context of its own, because an interrupted statement would undo its neighbours' work.
//
// When ctx ends before fn has begun, fn never runs. After that, Write waits for the outcome, which is never in doubt.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{fn: fn, err: errAbandoned, done: make(chan struct{})}
	db.group.add(c)
	for {
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			if db.group.withdraw(c) {
				return ctx.Err()
			}
			<-c.done
			return c.err
		case db.group.turn <- struct{}{}:
			select {
			case <-c.done:
				<-db.group.turn
			default:
				db.lead()
			}
		}
	}
}

func (g *group) add(c *call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, c)
}

// next takes the call that has waited longest; nil when there is none.
func (g *group) next() *call {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return nil
	}
	c := g.queue[0]
	g.queue = slices.Delete(g.queue, 0, 1)
	return c
}

func (g *group) withdraw(c *call) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, c)
	if i < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return true
}

// lead runs one transaction with the turn held, answers its calls and gives the turn back, also when a call panics.
func (db *DB) lead() {
	var calls []*call
	defer func() {
		for _, c := range calls {
			close(c.done)
		}
		<-db.group.turn
	}()
	tx, err := db.writer.Begin()
	if err != nil {
		if c := db.group.next(); c != nil {
			c.err = db.Err(err)
			calls = append(calls, c)
		}
		return
	}
	defer tx.Rollback() // does nothing after the commit
	limit := min(max(batchTime, db.group.waited), maxBatchTime)
	for begun := time.Now(); time.Since(begun) < limit && err == nil; {
		c := db.group.next()
		if c == nil {
			break
		}
		calls = append(calls, c)
		err = run(tx, c)
	}
	if err == nil {
		begun := time.Now()
		err = db.commit(tx)
		db.group.waited = time.Since(begun)
	}
	for _, c := range calls {
		if err != nil {
			c.err = err
		}
		c.err = db.Err(c.err)
	}
}

// run runs one call behind a savepoint. Its error means that the transaction is lost: SQLite undoes all of it by itself
// when the disk is full or fails.
func run(tx *sql.Tx, c *call) error {
	if _, err := tx.Exec("SAVEPOINT c"); err != nil {
		return err
	}
	if err := c.fn(tx); err != nil {
		c.err = err
		if _, undo := tx.Exec("ROLLBACK TO c; RELEASE c"); undo != nil {
			return err
		}
		return nil
	}
	_, err := tx.Exec("RELEASE c")
	if err == nil {
		c.err = nil
	}
	return err
}

// commit makes sure that a commit that failed leaves no open transaction on the one connection.
func (db *DB) commit(tx *sql.Tx) error {
	err := tx.Commit()
	if err != nil {
		_, _ = db.writer.Exec("ROLLBACK") // fails when SQLite has rolled back already, which is as good
	}
	return err
}
