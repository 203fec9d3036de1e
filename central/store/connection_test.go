package store

import (
	"context"
	"errors"
	"testing"
)

// TestReporterThatGoesAway: a device that hangs up while it is being looked for is an error, and not a crash.
func TestReporterThatGoesAway(t *testing.T) {
	s, scope := newStore(t)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	err := s.write(t.Context(), "looking for a device", func(tx *dbTx) error {
		_, err := s.reporter(newTx(ctx, tx.tx, tx.d), DeviceReport{Organization: scope.Own(), Owner: "user 1", UserID: new(int64(1))})
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
