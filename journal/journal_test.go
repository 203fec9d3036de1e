package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/internal/sqlite"
	"gatehouse/sessions"
)

func mustOpen(tb testing.TB, path string, o Options) *Journal {
	tb.Helper()
	j, err := Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := j.Close(); err != nil {
			tb.Error(err)
		}
	})
	return j
}

func newJournal(tb testing.TB, o Options) *Journal {
	tb.Helper()
	return mustOpen(tb, filepath.Join(tb.TempDir(), "journal.db"), o)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares times by the moment and addresses by value.
func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var wall = time.Date(2026, 11, 1, 9, 0, 0, 123456789, time.UTC)

func stamp(mono time.Duration) sessions.Stamp {
	return sessions.Stamp{BootID: "7d0c", Mono: mono, Wall: wall.Add(mono)}
}

func sessionN(n int) sessions.Session {
	return sessions.Session{
		AcctSessionID:      fmt.Sprintf("7d0c-%08d", n),
		AcctMultiSessionID: fmt.Sprintf("7d0c-%08d", n),
		Station:            sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)}},
		Addr:               netip.MustParseAddr("2001:db8::7"),
		Username:           "anna",
		UserID:             42,
		Source:             sessions.SourceCentre,
		Method:             sessions.MethodPassword,
		Place:              sessions.Place{CalledStationID: "02-00-00-00-00-01:lobby", SSID: "lobby", LocationID: 3},
		NASID:              "gw1",
		NASIP:              "192.0.2.1",
		Limits:             sessions.Effective{SessionTimeout: time.Hour, IdleTimeout: 5 * time.Minute},
		StartedAt:          stamp(time.Second),
	}
}

func stopped(s sessions.Session) sessions.Session {
	at := stamp(time.Minute)
	s.StoppedAt, s.TerminateCause = &at, sessions.UserRequest
	return s
}

func record(kind sessions.RecordKind, s sessions.Session) sessions.AccountingRecord {
	return sessions.AccountingRecord{Kind: kind, Session: s, At: stamp(2 * time.Second)}
}

func transactionN(n int) sessions.Transaction {
	return sessions.Transaction{
		ID: fmt.Sprintf("tx-%d", n), Type: sessions.TxLogin, Status: "h200", Message: "ok", At: stamp(time.Second),
		Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, 0, 1}}, Username: "anna", NASID: "gw1",
	}
}

func login(n int) sessions.Batch {
	s := sessionN(n)
	return sessions.Batch{
		Sessions:     []sessions.Session{s},
		Records:      []sessions.AccountingRecord{record(sessions.Start, s)},
		Transactions: []sessions.Transaction{transactionN(n)},
	}
}

func load(t *testing.T, j *Journal) []sessions.Session {
	t.Helper()
	all, err := j.Load(t.Context())
	must(t, err)
	return all
}

func pending(t *testing.T, j *Journal) []sessions.OutboxEntry {
	t.Helper()
	all, err := j.Pending(t.Context(), 1000)
	must(t, err)
	return all
}

func TestCommitSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(t.Context(), path, Options{})
	must(t, err)
	b := login(1)
	must(t, j.Commit(t.Context(), b))
	must(t, j.Close())

	j = mustOpen(t, path, Options{})
	equal(t, "sessions", b.Sessions, load(t, j))
	equal(t, "outbox", []sessions.OutboxEntry{
		{Seq: 1, Accounting: &b.Records[0]},
		{Seq: 2, Transaction: &b.Transactions[0]},
	}, pending(t, j))
}

func TestLoadLeavesOutWhatIsOver(t *testing.T) {
	j := newJournal(t, Options{})
	running, over, resumable := sessionN(1), stopped(sessionN(2)), stopped(sessionN(3))
	resumable.Resumable = true
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{running, sessionN(2), resumable}}))
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{over}}))
	equal(t, "sessions", []sessions.Session{running, resumable}, load(t, j))

	resumable.Resumable = false
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{resumable}}))
	equal(t, "after the rest was resumed", []sessions.Session{running}, load(t, j))
}

func TestUsageIsMerged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(t.Context(), path, Options{})
	must(t, err)
	used, untouched, newer, over := sessionN(1), sessionN(2), sessionN(3), sessionN(4)
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{used, untouched, newer, over}}))

	flush := func(s sessions.Session, d time.Duration, at sessions.Stamp) sessions.Session {
		s.Used, s.UsageAt = d, at
		s.Usage = sessions.Usage{InputOctets: 1<<63 + uint64(d), OutputOctets: 2, InputPackets: 3, OutputPackets: 4}
		return s
	}
	early := sessions.Stamp{BootID: "an earlier boot", Mono: 5} // without a believable wall clock
	must(t, j.SaveUsage(t.Context(), []sessions.Session{flush(used, time.Second, stamp(1))}))
	must(t, j.SaveUsage(t.Context(), []sessions.Session{
		flush(used, time.Minute, stamp(2)), flush(newer, time.Minute, early), flush(over, time.Minute, early),
	}))
	must(t, j.SaveUsage(t.Context(), nil)) // nothing runs: nothing is lost by it
	newer = flush(newer, time.Hour, stamp(3))
	over = stopped(over)
	over.Resumable = true
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{newer, over}}))
	must(t, j.Close())

	j = mustOpen(t, path, Options{})
	equal(t, "sessions", []sessions.Session{flush(used, time.Minute, stamp(2)), untouched, newer, over}, load(t, j))
}

func TestUsageOfANewerProgram(t *testing.T) {
	j := newJournal(t, Options{})
	s := sessionN(1)
	must(t, j.Commit(t.Context(), sessions.Batch{Sessions: []sessions.Session{s}}))
	s.Used = time.Minute
	must(t, j.SaveUsage(t.Context(), []sessions.Session{s}))
	must(t, j.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE usage SET body = x'02ff'")
		return err
	}))
	equal(t, "sessions", []sessions.Session{sessionN(1)}, load(t, j))
}

func FuzzUnpackUsage(f *testing.F) {
	f.Add(packUsage([]sessions.Session{sessionN(1), {AcctSessionID: "x", Used: 7, UsageAt: stamp(9)}}))
	f.Add([]byte{usageVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		saved, err := unpackUsage(b)
		if err != nil {
			return
		}
		var all []sessions.Session
		for _, s := range saved {
			all = append(all, s)
		}
		again, err := unpackUsage(packUsage(all))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "packed again", saved, again)
	})
}

func TestConcurrentCommits(t *testing.T) {
	const callers = 200
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			b := login(n)
			if err := j.Commit(context.Background(), b); err != nil {
				t.Error(err)
				return
			}
			all, err := j.Load(context.Background())
			if err != nil {
				t.Error(err)
			}
			for i := range all {
				if all[i].AcctSessionID == b.Sessions[0].AcctSessionID {
					return
				}
			}
			t.Errorf("session %d is not there after its commit", n)
		})
	}
	wg.Wait()
	if n := len(load(t, j)); n != callers {
		t.Errorf("%d sessions, want %d", n, callers)
	}
	if n := len(pending(t, j)); n != 2*callers {
		t.Errorf("%d entries in the outbox, want %d", n, 2*callers)
	}
}

func TestFailedCommitLeavesNothing(t *testing.T) {
	j := newJournal(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Commit(ctx, login(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if len(load(t, j)) != 0 || len(pending(t, j)) != 0 {
		t.Error("something was kept")
	}
}

// TestSteps ends each commit at one of its points: what others find is nothing before the commit and all of it after.
func TestSteps(t *testing.T) {
	var at string
	j := newJournal(t, Options{Step: func(point string) {
		if point == at {
			panic(point)
		}
	}})
	for n, point := range []string{StepBeforeCommit, StepAfterCommit} {
		at = point
		func() {
			defer func() { equal(t, "the point", any(point), recover()) }()
			must(t, j.Commit(t.Context(), login(1)))
		}()
		if got := len(load(t, j)); got != n {
			t.Errorf("%s: %d sessions, want %d", point, got, n)
		}
	}
}

func TestDamagedJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("not a journal ", 1000)), 0o600))
	before, err := os.ReadFile(path)
	must(t, err)
	_, err = Open(t.Context(), path, Options{})
	if !errors.Is(err, sqlite.ErrDamaged) {
		t.Fatalf("got %v, want sqlite.ErrDamaged", err)
	}
	for _, part := range []string{path, "move it", "accounting not yet delivered"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	after, err := os.ReadFile(path)
	must(t, err)
	equal(t, "the file", before, after)
}

func TestTidy(t *testing.T) {
	j := newJournal(t, Options{KeepSessions: 10, KeepTransactions: 10})
	var b sessions.Batch
	for n := range 300 {
		s := stopped(sessionN(n))
		b.Sessions = append(b.Sessions, s)
		b.Records = append(b.Records, record(sessions.Stop, s))
		b.Transactions = append(b.Transactions, transactionN(n))
	}
	running := sessionN(1000)
	b.Sessions = append(b.Sessions, running)
	must(t, j.Commit(t.Context(), b))
	must(t, j.Tidy(t.Context()))
	equal(t, "sessions and transactions while all is pending", []int{301, 300}, rows(t, j, "sessions", "transactions"))

	var merged []int64
	for i, e := range pending(t, j) { // 300 records, then 300 transactions; five of each go on waiting
		if i%300 >= 5 {
			merged = append(merged, e.Seq)
		}
	}
	must(t, j.Merged(t.Context(), merged))
	must(t, j.Tidy(t.Context()))
	// Beside those that wait, the newest ten stay, the running session among them.
	equal(t, "sessions and transactions", []int{15, 15}, rows(t, j, "sessions", "transactions"))
	equal(t, "running", []sessions.Session{running}, load(t, j))
	if n := len(pending(t, j)); n != 10 {
		t.Errorf("%d entries pending, want 10", n)
	}
}

func rows(t *testing.T, j *Journal, tables ...string) []int {
	t.Helper()
	out := make([]int, len(tables))
	for i, table := range tables {
		must(t, j.db.Read().QueryRow("SELECT count(*) FROM "+table).Scan(&out[i]))
	}
	return out
}

// onDisk is a journal on a real disk: the folders of tests may be in memory.
func onDisk(b *testing.B) *Journal {
	b.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "gatehouse-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	return mustOpen(b, filepath.Join(dir, "journal.db"), Options{})
}

func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 50, 200} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			j := onDisk(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					for n := caller; n < b.N; n += callers {
						if err := j.Commit(context.Background(), login(n)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func BenchmarkSaveUsage(b *testing.B) {
	j := onDisk(b)
	var all []sessions.Session
	for n := range 1000 {
		s := sessionN(n)
		s.Used, s.UsageAt = time.Hour, stamp(time.Hour)
		s.Usage = sessions.Usage{InputOctets: 1 << 24, OutputOctets: 1 << 30, InputPackets: 1 << 14, OutputPackets: 1 << 20}
		all = append(all, s)
	}
	b.ReportMetric(float64(len(packUsage(all)))/1000, "octets/session")
	for b.Loop() {
		if err := j.SaveUsage(context.Background(), all); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOtherVersions: a journal of a newer program opens unless it says that this one would do harm.
func TestOtherVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	grown := append(schema(), sqlite.Step{SQL: "ALTER TABLE sessions ADD COLUMN news TEXT"})
	newer := func(steps []sqlite.Step) {
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schema: steps})
		must(t, err)
		must(t, db.Close())
	}
	first := mustOpen(t, path, Options{})
	must(t, first.Commit(t.Context(), login(1)))
	must(t, first.Close())
	newer(grown)
	j := mustOpen(t, path, Options{})
	must(t, j.Commit(t.Context(), login(2)))
	equal(t, "sessions", []sessions.Session{sessionN(1), sessionN(2)}, load(t, j))
	must(t, j.Close())

	newer(append(grown, sqlite.Step{SQL: "SELECT 1", Reader: len(grown) + 1}))
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("got %v, want sqlite.ErrNewer", err)
	}
}
