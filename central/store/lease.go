package store

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// leaseTime is how long after its last sign of life another process takes over a job.
const leaseTime = 2 * time.Minute

// ErrNotOurs says that another process does the job.
var ErrNotOurs = errors.New("another process does this")

// Lease is the right to do a job that one of several processes does. It is safe for one goroutine.
type Lease struct {
	s            *Store
	name, holder string
}

// Lease makes the wish to do a job; Hold makes it true.
func (s *Store) Lease(job string) *Lease { return &Lease{s, job, rand.Text()} }

// Hold takes the job or keeps it for another while. It returns ErrNotOurs while another process has it.
func (l *Lease) Hold(ctx context.Context) error {
	return l.s.write(ctx, "taking turns", func(tx *dbTx) error { return l.hold(tx) })
}

// hold is Hold within the transaction of the work, so that a process which was stopped for long cannot finish it.
func (l *Lease) hold(tx *dbTx) error {
	now := l.s.now()
	n, err := tx.affected(`INSERT INTO turns (name, holder, until) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE
		SET holder = excluded.holder, until = excluded.until WHERE turns.holder = excluded.holder OR turns.until < ?4`,
		l.name, l.holder, micros(now.Add(leaseTime)), micros(now))
	if err == nil && n == 0 {
		err = ErrNotOurs
	}
	return err
}

// Release lets another process have the job at once.
func (l *Lease) Release(ctx context.Context) error {
	return l.s.write(ctx, "giving up a turn", func(tx *dbTx) error {
		_, err := tx.Exec("DELETE FROM turns WHERE name = ? AND holder = ?", l.name, l.holder)
		return err
	})
}
