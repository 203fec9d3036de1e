package journal

import (
	"database/sql"
	"testing"
	"time"

	"gatehouse/sessions"
)

func commitRecord(t *testing.T, j *Journal, kind sessions.RecordKind, s sessions.Session) {
	t.Helper()
	must(t, j.Commit(t.Context(), sessions.Batch{
		Sessions: []sessions.Session{s},
		Records:  []sessions.AccountingRecord{record(kind, s)},
	}))
}

// line is what a test compares of an entry.
type line struct {
	Seq  int64
	Kind sessions.RecordKind
	ID   string
	Used time.Duration
}

func lines(t *testing.T, j *Journal) []line {
	t.Helper()
	var out []line
	for _, e := range pending(t, j) {
		if a := e.Accounting; a != nil {
			out = append(out, line{e.Seq, a.Kind, a.Session.AcctSessionID, a.Session.Used})
		}
	}
	return out
}

func TestInterimReplacesInterim(t *testing.T) {
	j := newJournal(t, Options{})
	a, b := sessionN(1), sessionN(2)
	commitRecord(t, j, sessions.Start, a)
	commitRecord(t, j, sessions.Start, b)
	for range 3 {
		a.Used += time.Minute
		commitRecord(t, j, sessions.InterimUpdate, a)
		commitRecord(t, j, sessions.InterimUpdate, b)
	}
	commitRecord(t, j, sessions.Stop, stopped(a))
	equal(t, "outbox", []line{
		{1, sessions.Start, a.AcctSessionID, 0},
		{2, sessions.Start, b.AcctSessionID, 0},
		{7, sessions.InterimUpdate, a.AcctSessionID, 3 * time.Minute},
		{8, sessions.InterimUpdate, b.AcctSessionID, 0},
		{9, sessions.Stop, a.AcctSessionID, 3 * time.Minute},
	}, lines(t, j))
}

// TestLateAnswer: the answer for an Interim-Update that was replaced while it was on its way says nothing about the new one.
func TestLateAnswer(t *testing.T) {
	j := newJournal(t, Options{})
	s := sessionN(1)
	commitRecord(t, j, sessions.InterimUpdate, s)
	onItsWay := pending(t, j)[0].Seq
	s.Used = time.Minute
	commitRecord(t, j, sessions.InterimUpdate, s)
	must(t, j.Merged(t.Context(), []int64{onItsWay}))
	must(t, j.Rejected(t.Context(), onItsWay, "invalid", "late"))
	equal(t, "outbox", []line{{2, sessions.InterimUpdate, s.AcctSessionID, time.Minute}}, lines(t, j))
	equal(t, "rejected", []int{0}, rows(t, j, "rejected"))
}

func TestNumbersAreNeverUsedAgain(t *testing.T) {
	j := newJournal(t, Options{})
	commitRecord(t, j, sessions.Start, sessionN(1))
	must(t, j.Merged(t.Context(), []int64{1}))
	commitRecord(t, j, sessions.Start, sessionN(2))
	if got := pending(t, j)[0].Seq; got != 2 {
		t.Errorf("number %d after number 1 was merged, want 2", got)
	}
}

func TestMergedTakesOutExactlyThese(t *testing.T) {
	j := newJournal(t, Options{})
	for n := range 5 {
		commitRecord(t, j, sessions.Start, sessionN(n))
	}
	must(t, j.Merged(t.Context(), nil))
	must(t, j.Merged(t.Context(), []int64{2, 4, 99}))
	must(t, j.Merged(t.Context(), []int64{2, 4})) // the same answer twice
	var seqs []int64
	for _, e := range pending(t, j) {
		seqs = append(seqs, e.Seq)
	}
	equal(t, "what is left", []int64{1, 3, 5}, seqs)
	depth, err := j.Depth(t.Context())
	must(t, err)
	equal(t, "depth", 3, depth)
	first, err := j.Pending(t.Context(), 1)
	must(t, err)
	equal(t, "with a limit", int64(1), first[0].Seq)
}

func TestRejectedIsPutAside(t *testing.T) {
	j := newJournal(t, Options{})
	must(t, j.Commit(t.Context(), login(1)))
	must(t, j.Rejected(t.Context(), 1, "too_old", "before 2020"))
	must(t, j.Rejected(t.Context(), 2, "invalid", "no type"))
	equal(t, "outbox", []sessions.OutboxEntry(nil), pending(t, j))
	var kind, body, code, message string
	must(t, j.db.Read().QueryRow("SELECT kind, body, code, message FROM rejected WHERE seq = 2").Scan(&kind, &body, &code, &message))
	equal(t, "kind, code and message", []string{"transaction", "invalid", "no type"}, []string{kind, code, message})
	var sameBody bool
	must(t, j.db.Read().QueryRow("SELECT r.body = t.body FROM rejected r, transactions t WHERE r.seq = 2").Scan(&sameBody))
	if !sameBody {
		t.Errorf("body of the rejected transaction is %s", body)
	}
	var b sessions.Batch
	for n := range keepRejected {
		b.Records = append(b.Records, record(sessions.Start, sessionN(n)))
	}
	must(t, j.Commit(t.Context(), b))
	for _, e := range pending(t, j) {
		must(t, j.Rejected(t.Context(), e.Seq, "invalid", ""))
	}
	equal(t, "rejected", []int{keepRejected + 2}, rows(t, j, "rejected"))
	must(t, j.Tidy(t.Context()))
	equal(t, "rejected, bounded", []int{keepRejected}, rows(t, j, "rejected"))
}

func TestUnreadableEntryHoldsUpNobody(t *testing.T) {
	j := newJournal(t, Options{})
	commitRecord(t, j, sessions.Start, sessionN(1))
	commitRecord(t, j, sessions.Start, sessionN(2))
	must(t, j.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE outbox SET body = '{' WHERE seq = 1")
		return err
	}))
	equal(t, "outbox", []line{{2, sessions.Start, sessionN(2).AcctSessionID, 0}}, lines(t, j))
	equal(t, "rejected", []int{1}, rows(t, j, "rejected"))
}

func TestStandaloneQueuesNothing(t *testing.T) {
	j := newJournal(t, Options{Standalone: true})
	must(t, j.Commit(t.Context(), login(1)))
	equal(t, "outbox, transactions, sessions", []int{0, 1, 1}, rows(t, j, "outbox", "transactions", "sessions"))
}

func TestFirstAnchorStays(t *testing.T) {
	j := newJournal(t, Options{})
	if _, ok, err := j.Anchor(t.Context(), "7d0c"); ok || err != nil {
		t.Fatalf("got %v, %v before any was saved", ok, err)
	}
	want := sessions.Anchor{BootID: "7d0c", Zero: wall}
	must(t, j.SaveAnchor(t.Context(), want))
	must(t, j.SaveAnchor(t.Context(), sessions.Anchor{BootID: "7d0c", Zero: wall.Add(time.Hour)}))
	got, ok, err := j.Anchor(t.Context(), "7d0c")
	must(t, err)
	if !ok {
		t.Fatal("no anchor")
	}
	equal(t, "anchor", want, got)
}
