package store

import (
	"errors"
	"testing"
	"time"

	"gatehouse/api/gate"
)

// What is told of a request whose process dies: before the change it may be made again, and the dead one can no longer commit;
// after the change that it was carried out.
func TestAttemptAndItsChangeCommitTogether(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	now := day
	s.now = func() time.Time { return now }
	print, oldest := []byte("print"), day.Add(-24*time.Hour)
	begin := func() (Attempt, *Kept) {
		t.Helper()
		a, kept, err := s.Begin(t.Context(), "token 7", "k", print, oldest)
		if err != nil {
			t.Fatal(err)
		}
		return a, kept
	}
	save := func(a Attempt, name string) error {
		_, err := s.SaveUser(WithAttempt(t.Context(), a), scope, 0, func(u *gate.User) { u.Username, u.Organization = name, new(scope.Own()) }, nil)
		return err
	}
	first, kept := begin()
	if kept != nil {
		t.Fatalf("%+v", kept)
	}
	if _, kept := begin(); kept == nil || !kept.Running || kept.Committed {
		t.Errorf("while the first runs: %+v", kept)
	}
	now = now.Add(keyLease + time.Second)
	second, kept := begin()
	if kept != nil {
		t.Fatalf("the first has died, and the second may not run: %+v", kept)
	}
	if err := save(first, "ann"); !errors.Is(err, ErrSuperseded) {
		t.Errorf("the first commits: %v", err)
	}
	if err := save(second, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, kept := begin(); kept == nil || !kept.Running {
		t.Errorf("right after the change, when the answer is on its way: %+v", kept)
	}
	now = now.Add(keyLease + time.Second)
	if _, kept := begin(); kept == nil || !kept.Committed || kept.Running || kept.Status != 0 {
		t.Errorf("after the change: %+v", kept)
	}
	if dropped, err := s.DropAttempt(t.Context(), second); dropped || err != nil {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	if err := s.KeepAnswer(t.Context(), second, 201, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if _, kept := begin(); kept == nil || kept.Status != 201 || string(kept.Answer) != "sealed" {
		t.Errorf("after the answer: %+v", kept)
	}
	if n, err := s.CountUsers(t.Context(), scope); n != 1 || err != nil {
		t.Errorf("%d users, err %v", n, err)
	}
	if err := s.ForgetAnswers(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if _, kept := begin(); kept != nil {
		t.Errorf("forgotten, and yet %+v", kept)
	}
}

// A change that fails leaves its key unused.
func TestAttemptFallsWithItsChange(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	a, _, err := s.Begin(t.Context(), "token 7", "k", []byte("print"), day)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.SaveUser(WithAttempt(t.Context(), a), scope, 0, func(u *gate.User) {
		u.Username, u.Organization, u.Profile = "ann", new(scope.Own()), []string{"no-such"}
	}, nil)
	var unknown *UnknownProfileError
	if !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	if dropped, err := s.DropAttempt(t.Context(), a); !dropped || err != nil {
		t.Errorf("dropped %v, %v", dropped, err)
	}
}

// A request with a key has one transaction: a second one fails, with all that it would have changed, so that no crash between two can
// make a repetition tell of something that was not done.
func TestAttemptHasOneTransaction(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	a, _, err := s.Begin(t.Context(), "token 7", "k", []byte("print"), day)
	if err != nil {
		t.Fatal(err)
	}
	ctx := WithAttempt(t.Context(), a)
	save := func(name string) (int64, error) {
		u, err := s.SaveUser(ctx, scope, 0, func(u *gate.User) { u.Username, u.Organization = name, new(scope.Own()) }, new("old"))
		return u.ID, err
	}
	ann, err := save("ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := save("bob"); !errors.Is(err, errTwoTransactions) {
		t.Errorf("the second: %v", err)
	}
	if err := s.Rehash(ctx, ann, "old", "better"); err != nil { // no change of the request's
		t.Error(err)
	}
	if n, err := s.CountUsers(t.Context(), scope); n != 1 || err != nil {
		t.Errorf("%d users, err %v", n, err)
	}
	if err := s.KeepAnswer(t.Context(), a, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, kept, err := s.Begin(t.Context(), "token 7", "k", []byte("print"), day); err != nil || kept == nil || kept.Running || !kept.Committed || kept.Status != 0 {
		t.Errorf("without an answer: %+v, %v", kept, err)
	}
}
