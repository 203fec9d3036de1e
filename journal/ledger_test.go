package journal

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/internal/sqlite"
	"gatehouse/sessions"
)

func ledger(t *testing.T, j *Journal, accounts ...string) []sessions.Spent {
	t.Helper()
	all, err := j.Ledger(t.Context(), accounts...)
	must(t, err)
	return all
}

func TestLedgerAddsInAnyOrder(t *testing.T) {
	day := func(start string, up, extra int64, full uint32) sessions.Spent {
		return sessions.Spent{Account: "local/ann", Period: sessions.Day, Start: start, Up: up, Down: 2 * up, Extra: extra, Full: full}
	}
	all := []sessions.Spent{day("2026-11-01", 1, 0, 0), day("2026-11-01", 10, 500, 0), day("2026-11-01", -3, 0, 0), day("2026-11-01", 0, 0, 7),
		{Account: "local/ann", Period: sessions.Month, Start: "2026-11-01", Up: 4}, {Account: "guest/x", Start: "2026-11-01", Up: 9}}
	for range 5 {
		j := newJournal(t, Options{})
		rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		for _, s := range all {
			must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{s}}))
		}
		for _, s := range ledger(t, j, "local/ann") {
			want := day("2026-11-01", 8, 500, 7)
			if s.Period == sessions.Month {
				want = sessions.Spent{Account: "local/ann", Period: sessions.Month, Start: "2026-11-01", Up: 4}
			}
			equal(t, "line", want, s)
		}
		equal(t, "lines", []int{2, 1, 3, 0}, []int{len(ledger(t, j, "local/ann")), len(ledger(t, j, "guest/x")),
			len(ledger(t, j, "guest/x", "nobody", "local/ann")), len(ledger(t, j))})
	}
}

// TestLedgerOfVouchers: time adds up, and the first use that was written stays.
func TestLedgerOfVouchers(t *testing.T) {
	j := newJournal(t, Options{})
	first := &sessions.Stamp{BootID: "b", Mono: 5, Wall: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	for _, s := range []sessions.Spent{{Seconds: 5}, {First: first}, {First: &sessions.Stamp{BootID: "c"}}, {Seconds: 7}} {
		s.Account, s.Period, s.Start = "voucher/voucher#1", sessions.Life, "life"
		must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{s}}))
	}
	equal(t, "lines", []sessions.Spent{{Account: "voucher/voucher#1", Period: sessions.Life, Start: "life", Seconds: 12, First: first}},
		ledger(t, j, "voucher/voucher#1"))
}

func TestLedgerKeepsTheLastPeriod(t *testing.T) {
	j := newJournal(t, Options{})
	spend := func(start string) {
		must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{{Account: "a", Start: start, Up: 1}}}))
	}
	starts := func() (out []string) {
		for _, s := range ledger(t, j, "a") {
			out = append(out, s.Start)
		}
		return out
	}
	for _, start := range []string{"", "2026-11-01", "2026-11-02", "2026-11-05"} {
		spend(start)
	}
	equal(t, "days", []string{"", "2026-11-02", "2026-11-05"}, starts())
	spend("2038-01-01") // a clock that ran ahead
	spend("2026-11-05")
	equal(t, "days", []string{"", "2026-11-05", "2038-01-01"}, starts())
}

// The Stop of a session and its line in the ledger are there together or not at all.
func TestLedgerWithItsStop(t *testing.T) {
	j := newJournal(t, Options{})
	s := stopped(sessionN(1))
	b := sessions.Batch{Sessions: []sessions.Session{s}, Spent: []sessions.Spent{{Account: "a", Start: "2026-11-01", Up: 1}}}
	must(t, j.Commit(t.Context(), b))
	bad := sessions.Batch{Sessions: []sessions.Session{stopped(sessionN(2))}, Spent: []sessions.Spent{{Account: "a", Start: "2026-11-01", Up: 1}}}
	must(t, j.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TRIGGER no BEFORE UPDATE ON spent BEGIN SELECT raise(ABORT, 'no'); END")
		return err
	}))
	if err := j.Commit(t.Context(), bad); err == nil {
		t.Error("no error")
	}
	equal(t, "sessions and lines", []int{1, 1}, rows(t, j, "sessions", "spent"))
}

func TestLedgerIsTrimmed(t *testing.T) {
	j := newJournal(t, Options{KeepSpent: 250})
	var b sessions.Batch
	for n := range 700 {
		b.Spent = append(b.Spent, sessions.Spent{Account: fmt.Sprint("guest/", n), Start: "2026-11-01", Up: 1})
	}
	must(t, j.Commit(t.Context(), b))
	must(t, j.Tidy(t.Context()))
	equal(t, "lines", []int{250}, rows(t, j, "spent"))
	equal(t, "the newest", 1, len(ledger(t, j, "guest/699")))
}

// A journal of the last version gets its new table and keeps what it has.
func TestJournalOfTheLastVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schema: schema()[:2]})
	must(t, err)
	must(t, (&Journal{db: db, options: Options{Step: func(string) {}}}).Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{sessionN(1)}}))
	must(t, db.Close())
	j := mustOpen(t, path, Options{})
	equal(t, "sessions", 1, len(load(t, j)))
	must(t, j.Commit(t.Context(), sessions.Batch{Spent: []sessions.Spent{{Account: "a", Up: 1}}}))
}
