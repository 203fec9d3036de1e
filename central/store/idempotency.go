package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"
)

// A request is taken to have died with its process when it is not answered after this time; whoever repeats it then runs instead.
const keyLease = time.Minute

// errTwoTransactions says that a handler has a fault: of two transactions the first alone may be there after a crash, and a repetition would
// be told that all was carried out.
var errTwoTransactions = errors.New("a request with an Idempotency-Key writes in more than one transaction")

// ErrSuperseded says that a request with an Idempotency-Key took so long that its repetition has taken its place.
var ErrSuperseded = errors.New("this request has been repeated meanwhile")

// Attempt is one try of a request with an Idempotency-Key. What is written with it in the context commits only while the try
// is the one that may, and says so in the same transaction.
type Attempt struct {
	Caller, Key string
	number      int64
}

// Kept is what is known of a request with an Idempotency-Key that was made before.
type Kept struct {
	Fingerprint []byte
	Committed   bool // its change is in the database
	Running     bool // it has no answer yet, and may still get one
	Status      int  // of its answer; 0: there is none
	Answer      []byte
	Begun       time.Time
}

type attemptKey struct{}

// WithAttempt says which try of a request does what is written with the context.
func WithAttempt(ctx context.Context, a Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// withoutAttempt is for what a request writes besides its change, and what does no harm when it is done again.
func withoutAttempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, nil)
}

// claimAttempt notes that the change of a request with an Idempotency-Key commits with this transaction.
func (t *dbTx) claimAttempt(ctx context.Context) error {
	a, ok := ctx.Value(attemptKey{}).(Attempt)
	if !ok {
		return nil
	}
	const claim = "UPDATE idempotency_keys SET committed = ? WHERE caller = ? AND key = ? AND attempt = ? AND NOT committed"
	n, err := t.affected(claim, true, a.Caller, a.Key, a.number)
	if err != nil || n > 0 {
		return err
	}
	const mine = "SELECT 1 FROM idempotency_keys WHERE caller = ? AND key = ? AND attempt = ?"
	if err := t.QueryRow(mine, a.Caller, a.Key, a.number).Scan(new(int)); err != sql.ErrNoRows {
		return orElse(err, errTwoTransactions)
	}
	return ErrSuperseded
}

// Begin is called before a request with an Idempotency-Key is run. Either kept is nil and the attempt may run, or kept says what is
// known of the request that had the key before. What was begun before oldest is forgotten.
func (s *Store) Begin(ctx context.Context, caller, key string, fingerprint []byte, oldest time.Time) (a Attempt, kept *Kept, err error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	a = Attempt{Caller: caller, Key: key, number: int64(binary.BigEndian.Uint64(random[:]) >> 1)}
	err = s.write(ctx, "beginning a request with a key", func(tx *dbTx) error {
		kept = nil
		if _, err := tx.Exec("DELETE FROM idempotency_keys WHERE caller = ? AND key = ? AND begun < ?", caller, key, micros(oldest)); err != nil {
			return err
		}
		const begin = `INSERT INTO idempotency_keys (caller, key, fingerprint, attempt, begun, committed) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (caller, key) DO UPDATE SET attempt = excluded.attempt, begun = excluded.begun
			WHERE NOT idempotency_keys.committed AND idempotency_keys.begun < ? AND idempotency_keys.fingerprint = excluded.fingerprint
			RETURNING attempt`
		now := s.now()
		row := tx.QueryRow(begin, caller, key, fingerprint, a.number, micros(now), false, micros(now.Add(-keyLease)))
		if err := row.Scan(new(int64)); err != sql.ErrNoRows {
			return err
		}
		kept = &Kept{}
		var begun int64
		var status *int
		const find = "SELECT fingerprint, committed, status, answer, begun FROM idempotency_keys WHERE caller = ? AND key = ?"
		if err := tx.QueryRow(find, caller, key).Scan(&kept.Fingerprint, &kept.Committed, &status, &kept.Answer, &begun); err != nil {
			return err
		}
		if status != nil {
			kept.Status = *status
		}
		kept.Begun = instant(&begun)
		kept.Running = status == nil && now.Sub(kept.Begun) <= keyLease
		return nil
	})
	return a, kept, err
}

// DropAttempt forgets an attempt that has changed nothing, as if the request had not been made. It tells whether that was so.
func (s *Store) DropAttempt(ctx context.Context, a Attempt) (dropped bool, err error) {
	err = s.write(ctx, "dropping an attempt", func(tx *dbTx) error {
		const drop = "DELETE FROM idempotency_keys WHERE caller = ? AND key = ? AND attempt = ? AND NOT committed"
		n, err := tx.affected(drop, a.Caller, a.Key, a.number)
		dropped = n > 0
		return err
	})
	return dropped, err
}

// KeepAnswer remembers the answer of an attempt; status 0: there is none that could be given again.
func (s *Store) KeepAnswer(ctx context.Context, a Attempt, status int, answer []byte) error {
	return s.write(ctx, "keeping an answer", func(tx *dbTx) error {
		const keep = "UPDATE idempotency_keys SET committed = ?, status = ?, answer = ? WHERE caller = ? AND key = ? AND attempt = ?"
		_, err := tx.Exec(keep, true, status, answer, a.Caller, a.Key, a.number)
		return err
	})
}

// ForgetAnswers forgets requests with an Idempotency-Key that were begun before a time.
func (s *Store) ForgetAnswers(ctx context.Context, before time.Time) error {
	return s.write(ctx, "forgetting old answers", func(tx *dbTx) error {
		_, err := tx.Exec("DELETE FROM idempotency_keys WHERE begun < ?", micros(before))
		return err
	})
}
