package store

import (
	"context"
	"errors"
	"math"
	"testing"

	"gatehouse/api/gate"
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

// TestConnectionsBeyondAllNumbers: what an app says it has transferred does not keep the days of all others from being added up.
func TestConnectionsBeyondAllNumbers(t *testing.T) {
	s, scope := newStore(t)
	log := gate.ConnLog{NetworkType: "wi", NetworkSecurity: "opn", InBytes: new(int64(1<<53 - 1)), OutBytes: new(int64(1<<53 - 1))}
	for range 520 {
		if err := s.LogConnection(t.Context(), DeviceReport{Organization: scope.Own(), Owner: "token 1"}, log); err != nil {
			t.Fatal(err)
		}
	}
	if more, err := s.RollUpConnections(t.Context(), 10_000); more || err != nil {
		t.Error(more, err)
	}
	list, _, _, err := s.Summary(t.Context(), scope, SummaryFilter{Days: 7})
	if err != nil || len(list) != 1 || list[0].Octets != math.MaxInt64 {
		t.Errorf("%+v, %v", list, err)
	}
}
