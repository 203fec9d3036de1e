package gwsync

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

type sentRecord struct {
	kind        sessions.RecordKind
	start, stop time.Time
	update      time.Time
}

// record puts a record of the session into the outbox.
func (r *rig) record(kind sessions.RecordKind, s sessions.Session, at sessions.Stamp) {
	if kind == sessions.Stop {
		s.StoppedAt = &at
	}
	r.outbox.add(sessions.OutboxEntry{Accounting: &sessions.AccountingRecord{Kind: kind, Session: s, At: at}})
}

// push drains the outbox, and returns what was dated of it.
func (r *rig) push() []sentRecord {
	r.t.Helper()
	entries, _ := r.outbox.Pending(r.t.Context(), 100)
	if _, err := r.Pusher.drain(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
	var sent []sentRecord
	for _, e := range entries {
		rec, ok, err := r.Pusher.dates.record(r.t.Context(), e)
		if err != nil {
			r.t.Fatal(err)
		}
		if !ok {
			continue
		}
		s := sentRecord{kind: e.Accounting.Kind, start: rec.Accounting.AcctStartTime, update: rec.Accounting.AcctUpdateTime}
		if rec.Accounting.AcctStopTime != nil {
			s.stop = *rec.Accounting.AcctStopTime
		}
		sent = append(sent, s)
	}
	return sent
}

// closeTo tells whether two times are the same but for the rounding of stores.
func closeTo(a, b time.Time) bool { return a.Sub(b).Abs() <= time.Millisecond }

const wrong = -40 * 365 * 24 * time.Hour // a router without a battery: 1960

func TestRecordsWaitForTheClock(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.clock.set(func() { r.clock.skew = wrong })
		truth := time.Now()
		s := session("S1", r.clock.stamp(false))
		r.record(sessions.Start, s, s.StartedAt)
		r.run(r.Pusher.Run)
		r.pass(10 * time.Minute)
		if n := len(r.centre.batches); n != 0 || r.outbox.depth() != 1 {
			t.Fatalf("sent %d times without a date", n)
		}
		st, _ := r.Status(t.Context())
		if st.ClockBelieved {
			t.Error("status believes the clock")
		}
		r.clock.set(func() { r.clock.skew = 0 }) // NTP
		r.pass(clockPoll)
		r.settled(1)
		if z := r.outbox.anchors["boot-b"].Zero; !closeTo(z, truth.Add(-time.Hour)) {
			t.Errorf("anchor %v, want %v", z, truth.Add(-time.Hour))
		}
	})
}

// The start must be the same in every record of a session, or the centre opens a second one.
func TestStartNeverMoves(t *testing.T) {
	for _, tt := range []struct {
		name   string
		dated  bool          // the clock is believable at the start
		jump   time.Duration // of the clock between start and stop
		reboot bool
	}{
		{name: "steady", dated: true},
		{name: "clock corrected by hours", dated: true, jump: 5 * time.Hour},
		{name: "clock set back", dated: true, jump: -5 * time.Hour},
		{name: "dated later", dated: false},
		{name: "dated later, then corrected", dated: false, jump: 5 * time.Hour},
		{name: "dated later, stop after a reboot", dated: false, reboot: true},
		{name: "stop after a reboot and a correction", dated: true, reboot: true, jump: 5 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				truth := time.Now()
				s := session("S1", r.clock.stamp(tt.dated))
				r.record(sessions.Start, s, s.StartedAt)
				first := r.push()
				r.pass(10 * time.Minute)
				r.clock.set(func() { r.clock.skew += tt.jump })
				last := r.clock.stamp(true)
				if tt.reboot {
					r.clock.set(func() { r.clock.boot, r.clock.zero = "boot-c", time.Now() })
					r.pass(time.Minute)
				}
				r.restart()
				r.record(sessions.Stop, s, last)
				second := r.push()
				if len(first) != 1 || len(second) != 1 || !first[0].start.Equal(second[0].start) {
					t.Fatalf("start %v became %v", first, second)
				}
				if !closeTo(first[0].start, truth) {
					t.Errorf("start %v, want %v", first[0].start, truth)
				}
				if second[0].stop.Before(second[0].start) || second[0].update.Before(second[0].start) {
					t.Errorf("stop %v, update %v, before start %v", second[0].stop, second[0].update, second[0].start)
				}
				r.settled2(1, 2)
			})
		})
	}
}

// settled2 is settled for rows of several records.
func (r *rig) settled2(rows, records int) {
	r.t.Helper()
	r.centre.mu.Lock()
	defer r.centre.mu.Unlock()
	got := 0
	for _, n := range r.centre.rows {
		got += n
	}
	if len(r.centre.rows) != rows || got != records || r.outbox.depth() != 0 {
		r.t.Errorf("%d rows of %d records, %d pending; want %d of %d, none", len(r.centre.rows), got, r.outbox.depth(), rows, records)
	}
}

func TestBootThatNeverKnewTheTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.clock.set(func() { r.clock.skew = wrong })
		s1 := session("S1", r.clock.stamp(false))
		r.record(sessions.Start, s1, s1.StartedAt)
		r.pass(10 * time.Minute)
		s2 := session("S2", r.clock.stamp(false))
		r.record(sessions.Start, s2, s2.StartedAt)
		if sent := r.push(); len(sent) != 0 {
			t.Fatalf("sent %v without a date", sent)
		}
		r.clock.set(func() { r.clock.boot, r.clock.zero = "boot-c", time.Now() })
		began := time.Now()
		r.pass(3 * time.Minute)
		if sent := r.push(); len(sent) != 0 {
			t.Fatalf("sent %v without a date, after the reboot", sent)
		}
		r.clock.set(func() { r.clock.skew = 0 })
		sent := r.push()
		if len(sent) != 2 || !closeTo(sent[1].start, began) || !closeTo(sent[0].start, began.Add(-10*time.Minute)) {
			t.Fatalf("dated %v, want 10 minutes before %v, and then", sent, began)
		}
		// Another boot, with another bound: the Stop still finds its Start.
		r.clock.set(func() { r.clock.boot, r.clock.zero = "boot-d", time.Now().Add(time.Hour) })
		r.restart()
		r.record(sessions.Stop, s1, sessions.Stamp{BootID: "boot-b", Mono: time.Hour + 11*time.Minute})
		if again := r.push(); len(again) != 1 || !again[0].start.Equal(sent[0].start) {
			t.Errorf("the start moved from %v to %v", sent[0].start, again)
		}
		r.settled2(2, 3)
	})
}

// The clock became believable in that boot, but the anchor was not saved before it ended.
func TestBootWithoutAnchorButWithADatedRecord(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		truth := time.Now()
		s1 := session("S1", r.clock.stamp(false))
		r.record(sessions.Start, s1, s1.StartedAt)
		r.pass(time.Minute)
		r.record(sessions.InterimUpdate, s1, r.clock.stamp(true))
		r.clock.set(func() { r.clock.boot, r.clock.zero = "boot-c", time.Now().Add(8*time.Hour) })
		r.pass(9 * time.Hour)
		if sent := r.push(); len(sent) != 2 || !closeTo(sent[0].start, truth) || !sent[1].start.Equal(sent[0].start) {
			t.Errorf("dated %v, want %v", sent, truth)
		}
	})
}

// An upgrade makes later dates unbelievable than those that were believed; what was sent with them keeps them.
func TestUpgradeDoesNotDateAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.push()                                             // saves the anchor
		r.clock.set(func() { r.clock.skew = 5 * time.Hour }) // which is wrong, as NTP finds later
		s := session("S1", r.clock.stamp(true))
		r.record(sessions.Start, s, s.StartedAt)
		first := r.push()
		r.Pusher.dates.believable = time.Now().AddDate(1, 0, 0)
		r.record(sessions.Stop, s, r.clock.stamp(true))
		if second := r.push(); len(second) != 1 || !second[0].start.Equal(first[0].start) {
			t.Errorf("start %v became %v", first, second)
		}
	})
}
