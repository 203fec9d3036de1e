package journal

import (
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/sessions"
)

func TestOutcomes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	done := sessions.Outcome{Order: "o1", Status: sessions.OutcomeRefused, Reason: "blocked"}
	must(t, j.Commit(t.Context(), sessions.Batch{Outcomes: []sessions.Outcome{done}}))
	if err := j.Commit(t.Context(), sessions.Batch{Outcomes: []sessions.Outcome{done}}); err == nil {
		t.Error("an order was settled twice")
	}
	equal(t, "outbox", []sessions.OutboxEntry{{Seq: 1, Outcome: &done}}, pending(t, j))
	must(t, j.Merged(t.Context(), []int64{1}))
	must(t, j.Tidy(t.Context()))
	for order, want := range map[string]bool{"o1": true, "o2": false} {
		got, err := j.Settled(t.Context(), order)
		must(t, err)
		equal(t, order, want, got)
	}
}

func TestNumbersGoOnAboveTheCentres(t *testing.T) {
	j := newJournal(t, Options{})
	for _, step := range []struct {
		to   int64
		want bool
	}{{41, true}, {41, false}, {7, false}} {
		behind, err := j.SkipTo(t.Context(), step.to)
		must(t, err)
		equal(t, "behind", step.want, behind)
	}
	must(t, j.Commit(t.Context(), login(1)))
	equal(t, "number", int64(42), pending(t, j)[0].Seq)
}

// TestErase looks through the whole file for the person.
func TestErase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	other := login(2)
	other.Sessions[0].Username, other.Transactions[0].Username, other.Records[0].Session.Username = "zoe", "zoe", "zoe"
	must(t, j.Commit(t.Context(), login(1)))
	must(t, j.Commit(t.Context(), other))
	over := stopped(sessionN(1))
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{over}, Records: []sessions.AccountingRecord{record(sessions.Stop, over)},
		Spent: []sessions.Spent{{Account: "centre/anna", Start: "2026-11-01", Up: 5}}}))
	must(t, j.Rejected(t.Context(), 1, "invalid", "x"))
	must(t, j.SaveVisits(t.Context(), []sessions.Visit{{Code: "ANNAS", Station: sessionN(1).Station}, {Code: "K7M2P"}}))
	must(t, j.Erase(t.Context(), "anna"))

	var names int
	const count = `SELECT (SELECT count(*) FROM sessions WHERE body LIKE '%anna%') + (SELECT count(*) FROM transactions WHERE body LIKE '%anna%')
		+ (SELECT count(*) FROM rejected WHERE body LIKE '%anna%') + (SELECT count(*) FROM spent WHERE account LIKE '%anna%')
		+ (SELECT count(*) FROM visits WHERE code = 'ANNAS')`
	must(t, j.db.Read().QueryRowContext(t.Context(), count).Scan(&names))
	if names != 0 {
		t.Errorf("%d rows still have the name", names)
	}
	var kept []string
	for _, e := range pending(t, j) {
		switch {
		case e.Transaction != nil:
			kept = append(kept, "transaction "+e.Transaction.ID+" "+e.Transaction.Username)
			if (e.Transaction.Station.MAC == sessions.MAC{}) != (e.Transaction.Username == "") || e.Transaction.Station.Zone == "" {
				t.Errorf("station %v of %q", e.Transaction.Station, e.Transaction.Username)
			}
		default:
			kept = append(kept, string(e.Accounting.Kind)+" "+e.Accounting.Session.Username)
		}
	}
	equal(t, "outbox", "transaction tx-1 ,Start zoe,transaction tx-2 zoe,Stop anna", strings.Join(kept, ","))
}
