package store

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/api/admin"
)

// told counts the events of the outbox by kind.
func (s *Store) told(t *testing.T) map[string]int {
	t.Helper()
	rows, err := s.read().QueryContext(t.Context(), "SELECT kind FROM webhook_events")
	count := make(map[string]int)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var kind string
		err := row.Scan(&kind)
		count[kind]++
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// TestWebhookEventsOfNASes: a session's beginning and its end are told once each, also when a boot has ended it and its Stop comes
// later, and nobody's are kept.
func TestWebhookEventsOfNASes(t *testing.T) {
	s, scope := newStore(t)
	s.mustIngestRADIUS(t, []RADIUSRecord{heard("Start", 10, -1, 0)}, 1)
	if got := s.told(t); len(got) != 0 {
		t.Errorf("nobody asks, and the outbox has %v", got)
	}
	_, err := s.SaveWebhook(t.Context(), scope, 0, func(w *Webhook) error {
		w.Name, w.URL, w.Sealed, w.Events = "x", "https://example.org", []byte{1}, []string{admin.SessionStarted, admin.SessionStopped}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other := nasRecord("Start", "other", 20)
	for _, records := range [][]RADIUSRecord{{other}, {other, nasBoot(300)}, {heard("Stop", 290, 280, 5)}, {nasBoot(300), heard("Stop", 290, 280, 5), other}} {
		s.mustIngestRADIUS(t, records, len(records))
	}
	if got, want := fmt.Sprint(s.told(t)), "map[session.started:1 session.stopped:2]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// TestWebhookEventsOfLostSessions: the end of a session that nobody stopped, because its gateway went away, is told once, also when its
// Stop comes later after all.
func TestWebhookEventsOfLostSessions(t *testing.T) {
	s, scope := newStore(t)
	now := day
	s.now = func() time.Time { return now }
	gw, err := s.Gateway(t.Context(), Token{Scope: scope}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.SaveWebhook(t.Context(), scope, 0, func(w *Webhook) error {
		w.Name, w.URL, w.Sealed, w.Events = "x", "https://example.org", []byte{1}, []string{admin.SessionStopped}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := life(4) // Start, Stop
	if err := s.Note(t.Context(), []Heard{{Gateway: gw.ID, At: day}}); err != nil {
		t.Fatal(err)
	}
	ingestAll(t, s, scope, all[:1], 1)
	now = day.Add(time.Hour)
	if closed, err := s.CloseLost(t.Context(), false); err != nil || closed != 1 {
		t.Fatalf("%d sessions are closed, %v", closed, err)
	}
	for _, when := range []string{"closed", "stopped late"} {
		if got := s.told(t)[admin.SessionStopped]; got != 1 {
			t.Errorf("%s: told %d times", when, got)
		}
		ingestAll(t, s, scope, all, 1)
	}
}
