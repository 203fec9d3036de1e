package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestRecordsArriveOnce takes the centre away, kills it in the middle of batches, and kills the gateway in the middle of
// pushes, while guests come and go; at the end every session is at the centre exactly once, begun and stopped, and so is
// every line of the transaction log.
func TestRecordsArriveOnce(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t)})
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sessions := 0
	visit := func() {
		t.Helper()
		if p, err := g.Click(t.Context()); err != nil || p.Status != http.StatusOK {
			t.Fatalf("logging in: %d %v", p.Status, err)
		}
		if _, err := v.CLI(t.Context(), "", "logout", g.MAC.String()); err != nil {
			t.Fatal(err)
		}
		sessions++
	}
	wantOnce := func(when string) {
		t.Helper()
		if err := lab.WaitFor(t.Context(), 90*time.Second, func() error { return arrivedOnce(t.Context(), v, sessions) }); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	visit()
	wantOnce("all well")

	v.Centre.Kill()
	for range 5 {
		visit()
	}
	start(t, v.StartCentre)
	wantOnce("the centre was away")

	for i := range 8 { // kill at other moments of the push each time
		visit()
		pause(t, time.Duration(i)*3*time.Millisecond)
		v.Centre.Kill()
		start(t, v.StartCentre)
	}
	wantOnce("the centre was killed in the middle of batches")

	for i := range 8 {
		visit()
		pause(t, time.Duration(i)*3*time.Millisecond)
		v.Daemon.Kill()
		start(t, v.StartGateway)
	}
	wantOnce("the gateway was killed in the middle of pushes")
}

// arrivedOnce checks the centre's tables against the number of sessions that there were.
func arrivedOnce(ctx context.Context, v *venue.Venue, sessions int) error {
	rows, err := v.Accounting(ctx, "session_status=all")
	if err != nil {
		return err
	}
	stopped := map[string]bool{}
	for _, r := range rows {
		if r.AcctStopTime != nil {
			stopped[r.AcctSessionID] = true
		}
	}
	logins, err := v.Transactions(ctx, "type=ui")
	if err != nil {
		return err
	}
	ends, err := v.Transactions(ctx, "type=di,uo")
	if err != nil {
		return err
	}
	if len(rows) != sessions || len(stopped) != sessions || len(logins) != sessions || len(ends) != sessions {
		return fmt.Errorf("%d rows, %d sessions stopped, %d logins, %d ends at the centre; want %d each",
			len(rows), len(stopped), len(logins), len(ends), sessions)
	}
	return nil
}

func start(t *testing.T, what func(context.Context) error) {
	t.Helper()
	if err := what(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pause lets a moment pass, to kill at another point of what goes on in the other process.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
