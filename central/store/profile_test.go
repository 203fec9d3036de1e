package store

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/api/gate"
)

// TestProfileIsAssignedWhileItIsDeleted: both begin before either has ended, and whichever is second hears why it cannot be.
func TestProfileIsAssignedWhileItIsDeleted(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	for name, assignedFirst := range map[string]bool{"assigned first": true, "deleted first": false} {
		t.Run(name, func(t *testing.T) {
			label := strconv.FormatBool(assignedFirst)
			p, err := s.CreateProfile(t.Context(), gate.AaaProfile{OrganizationID: gate.ID{N: scope.Own()}, ShortName: label})
			if err != nil {
				t.Fatal(err)
			}
			assign := func(u *gate.User) {
				u.Username, u.Organization, u.Profile = label, new(scope.Own()), []string{label}
			}
			begun, end := make(chan struct{}), make(chan struct{})
			var once sync.Once
			first := make(chan error, 1)
			go func() {
				first <- s.write(t.Context(), "being first", func(tx *dbTx) (err error) {
					if assignedFirst {
						_, err = s.saveUser(tx, scope, 0, assign, nil)
					} else {
						_, err = tx.Exec("DELETE FROM profiles WHERE id = ?", p.ID)
					}
					once.Do(func() { close(begun) })
					<-end
					return err
				})
			}()
			<-begun
			second := make(chan error, 1)
			go func() {
				if assignedFirst {
					second <- s.DeleteProfile(t.Context(), scope, p.ID)
					return
				}
				_, err := s.SaveUser(t.Context(), scope, 0, assign, nil)
				second <- err
			}()
			s.waitForLock(t)
			close(end)
			var unknown *UnknownProfileError
			if err := <-first; err != nil {
				t.Errorf("the first: %v", err)
			}
			if err := <-second; assignedFirst && !errors.Is(err, ErrInUse) || !assignedFirst && !errors.As(err, &unknown) {
				t.Errorf("the second: %v", err)
			}
		})
	}
}

// waitForLock waits until some transaction waits for another one. SQLite has one writer, so it does.
func (s *Store) waitForLock(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.d.postgres(); {
		var waiting bool
		const q = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
		if err := s.read().QueryRowContext(t.Context(), q).Scan(&waiting); err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody waits: %v", err)
		}
		if waiting {
			return
		}
	}
}
