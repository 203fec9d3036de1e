package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
)

// seenStay is what a session comes to, in seconds after day.
type seenStay struct {
	Start, Stop int // Stop: 0 while it is open
	Cause       string
	Time        int64
	In, Out     uint64
}

const testNAS = "192.0.2.7"

func nasRecord(kind, unique string, at int) RADIUSRecord {
	return RADIUSRecord{Client: 1, Organization: 1, At: day.Add(time.Duration(at) * time.Second), Stamped: true, Timed: true,
		Session: edge.Accounting{AcctStatusType: kind, AcctUniqueID: unique, AcctSessionID: unique, Username: "guest",
			NASIPAddress: testNAS, NASIdentifier: "nas"}}
}

func nasBoot(at int) RADIUSRecord {
	r := nasRecord("Accounting-On", "", at)
	r.Boot = true
	return r
}

// stay is one session in records: a Start, an Interim-Update a minute, and a Stop when it ends by itself.
func stayRecords(unique string, start, lasts int, octets uint64, stopped bool) []RADIUSRecord {
	at := func(kind string, t int) RADIUSRecord {
		r := nasRecord(kind, unique, start+t)
		r.Session.AcctSessionTime = int64(t)
		r.Session.AcctInputOctets, r.Session.AcctOutputOctets = uint64(t)*octets, uint64(t)*octets*7
		return r
	}
	list := []RADIUSRecord{at("Start", 0)}
	list[0].Timed = false
	for t := 60; t < lasts; t += 60 {
		list = append(list, at("Interim-Update", t))
	}
	if stopped {
		r := at("Stop", lasts)
		r.Session.AcctTerminateCause = "User-Request"
		list = append(list, r)
	}
	return list
}

func (s *Store) mustIngestRADIUS(t *testing.T, records []RADIUSRecord, batch int) {
	t.Helper()
	for part := range slices.Chunk(slices.Clone(records), batch) {
		if err := s.IngestRADIUS(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
}

// stays are all sessions of the table.
func (s *Store) stays(t *testing.T) map[string][]seenStay {
	t.Helper()
	rows, err := s.read().QueryContext(t.Context(), `SELECT acctuniqueid, acctstarttime, acctstoptime, acctupdatetime, coalesce(acctterminatecause, ''),
		acctsessiontime, acctinputoctets, acctoutputoctets FROM aaa_accounting ORDER BY acctuniqueid, acctstarttime`)
	got := make(map[string][]seenStay)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var id string
		var y seenStay
		var start, update int64
		var stop *int64
		err := row.Scan(&id, &start, &stop, &update, &y.Cause, &y.Time, &y.In, &y.Out)
		y.Start = int((start - micros(day)) / 1e6)
		if stop != nil {
			y.Stop = int((*stop - micros(day)) / 1e6)
		}
		if update < start || stop != nil && *stop < start {
			t.Errorf("%s: it begins at %d, is updated at %d and ends at %v", id, start, update, stop)
		}
		got[id] = append(got[id], y)
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func newRADIUSStore(t *testing.T) *Store {
	t.Helper()
	s, _ := newStore(t)
	return s
}

func wantStays(t *testing.T, s *Store, want map[string][]seenStay) {
	t.Helper()
	if diff := gocmp.Diff(want, s.stays(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRADIUSInOrder(t *testing.T) {
	s := newRADIUSStore(t)
	s.mustIngestRADIUS(t, stayRecords("a", 0, 150, 10, true), 1)
	wantStays(t, s, map[string][]seenStay{"a": {{0, 150, "User-Request", 150, 1500, 10500}}})
}

// TestRADIUSReplayed is what FreeRADIUS gets wrong: Start and Interim-Update that come again after the Stop.
func TestRADIUSReplayed(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		s := newRADIUSStore(t)
		want := make(map[string][]seenStay)
		for n := range 100 {
			id := fmt.Sprintf("s%d", n)
			records := stayRecords(id, n, 150, 10, true)
			for i := range records {
				if records[i].Stamped = stamped; !stamped { // then all there is is when they arrive, here: soon one after the other
					records[i].At = day.Add(time.Duration(n*10+i) * time.Second)
				}
			}
			again := slices.Clone(records)
			for i := range again {
				if !stamped {
					again[i].At = again[i].At.Add(time.Minute)
				}
			}
			s.mustIngestRADIUS(t, records, 1)
			want = s.stays(t)
			s.mustIngestRADIUS(t, again, 1+n%3)
		}
		got := s.stays(t)
		if diff := gocmp.Diff(want, got); diff != "" || len(got) != 100 {
			t.Errorf("%d sessions; replayed (-once +again):\n%s", len(got), diff)
		}
	}
}

// TestRADIUSAnyOrder: whatever is lost, doubled or late, what has arrived says the same. With ids that are used again after
// each reboot, that the NAS has booted must be known before what it says afterwards; everything else comes in any order.
func TestRADIUSAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 4))
		reused := seed%2 == 0
		arrived, want := nasLife(random, reused)
		random.Shuffle(len(arrived), func(i, j int) { arrived[i], arrived[j] = arrived[j], arrived[i] })
		if reused {
			slices.SortStableFunc(arrived, func(a, b RADIUSRecord) int { return cmp.Compare(order(a), order(b)) })
		}
		s := newRADIUSStore(t)
		s.mustIngestRADIUS(t, arrived, 1+random.IntN(40))
		if got := s.stays(t); !gocmp.Equal(want, got) {
			t.Errorf("seed %d (-want +got):\n%s", seed, gocmp.Diff(want, got))
		}
	}
}

func order(r RADIUSRecord) int {
	if r.Boot {
		return 0
	}
	return 1
}

// nasLife is what arrives from a NAS that boots three times, and what it comes to.
func nasLife(random *rand.Rand, reused bool) (arrived []RADIUSRecord, want map[string][]seenStay) {
	want = make(map[string][]seenStay)
	now := 10
	for boot := range 4 {
		if boot > 0 {
			arrived = append(arrived, nasBoot(now))
		}
		end := now
		lives := make(map[string][]RADIUSRecord)
		for n := range 5 {
			id := fmt.Sprintf("n%d", n)
			if !reused {
				id = fmt.Sprintf("n%d-%d", n, boot)
			}
			start, lasts := now+20+random.IntN(300), 30+random.IntN(400)
			for _, r := range stayRecords(id, start, lasts, uint64(1+random.IntN(9)), random.IntN(3) > 0) {
				for range random.IntN(4) { // 0: it is lost
					lives[id] = append(lives[id], r)
				}
			}
			end = max(end, start+lasts)
		}
		now = end + 60
		for id, records := range lives {
			want[id] = append(want[id], modelStay(records, boot < 3, now))
			arrived = append(arrived, records...)
		}
	}
	return arrived, want
}

// modelStay is what the records that have arrived of a session come to. The next boot ends it when no Stop has.
func modelStay(records []RADIUSRecord, boots bool, next int) seenStay {
	y := seenStay{Start: int(records[0].begin().Sub(day).Seconds())}
	for _, r := range records {
		a := r.Session
		y.Time, y.In, y.Out = max(y.Time, a.AcctSessionTime), max(y.In, a.AcctInputOctets), max(y.Out, a.AcctOutputOctets)
		if a.AcctStatusType == "Stop" {
			y.Stop, y.Cause = int(r.At.Sub(day).Seconds()), a.AcctTerminateCause
		}
	}
	if y.Stop == 0 && boots {
		y.Stop, y.Cause = next, nasReboot
	}
	return y
}

// heard is one record of session "s": its event by the NAS's clock, seconds since the session began (below zero: not said), octets.
func heard(kind string, at, lasted int, octets uint64) RADIUSRecord {
	r := nasRecord(kind, "s", at)
	if r.Timed = lasted >= 0; r.Timed {
		r.Session.AcctSessionTime = int64(lasted)
	}
	r.Session.AcctInputOctets = octets
	if kind == "Stop" {
		r.Session.AcctTerminateCause = "Idle-Timeout"
	}
	return r
}

func unstamped(r RADIUSRecord) RADIUSRecord { r.Stamped = false; return r }

func TestRADIUSSessions(t *testing.T) {
	idle := "Idle-Timeout"
	for name, c := range map[string]struct {
		records []RADIUSRecord
		want    []seenStay
	}{
		"Stop alone":                 {[]RADIUSRecord{heard("Stop", 100, 60, 5)}, []seenStay{{40, 100, idle, 60, 5, 0}}},
		"Stop, then Start":           {[]RADIUSRecord{heard("Stop", 100, 60, 5), heard("Start", 41, -1, 0)}, []seenStay{{40, 100, idle, 60, 5, 0}}},
		"Stop without session time":  {[]RADIUSRecord{heard("Start", 10, -1, 0), heard("Stop", 100, -1, 5)}, []seenStay{{10, 100, idle, 90, 5, 0}}},
		"counted from the log-in":    {[]RADIUSRecord{heard("Start", 30, -1, 0), heard("Interim-Update", 70, 60, 5)}, []seenStay{{30, 0, "", 60, 5, 0}}},
		"clock set forward":          {[]RADIUSRecord{heard("Start", 10, -1, 0), heard("Interim-Update", 3670, 60, 5), heard("Stop", 3730, 120, 9)}, []seenStay{{10, 130, idle, 120, 9, 0}}},
		"clock set back":             {[]RADIUSRecord{heard("Start", 3600, -1, 0), heard("Interim-Update", 70, 60, 5), heard("Stop", 130, 120, 9)}, []seenStay{{3600, 3720, idle, 120, 9, 0}}},
		"clock set, then replayed":   {[]RADIUSRecord{heard("Start", 10, -1, 0), heard("Stop", 3730, 120, 9), heard("Interim-Update", 3670, 60, 5), heard("Stop", 3730, 120, 9), heard("Start", 10, -1, 0)}, []seenStay{{10, 130, idle, 120, 9, 0}}},
		"id used again":              {[]RADIUSRecord{heard("Start", 10, -1, 0), heard("Stop", 70, 60, 5), heard("Start", 200, -1, 0), heard("Stop", 230, 30, 2)}, []seenStay{{10, 70, idle, 60, 5, 0}, {200, 230, idle, 30, 2, 0}}},
		"id used again after crash":  {[]RADIUSRecord{heard("Interim-Update", 70, 60, 5), heard("Start", 200, -1, 0), heard("Interim-Update", 260, 60, 7)}, []seenStay{{10, 0, "", 60, 5, 0}, {200, 0, "", 60, 7, 0}}},
		"rebooted":                   {[]RADIUSRecord{heard("Interim-Update", 70, 60, 5), nasBoot(300), heard("Interim-Update", 70, 60, 5)}, []seenStay{{10, 300, nasReboot, 60, 5, 0}}},
		"Stop after the reboot":      {[]RADIUSRecord{heard("Start", 10, -1, 0), nasBoot(300), heard("Stop", 290, 280, 5)}, []seenStay{{10, 290, idle, 280, 5, 0}}},
		"alive after all":            {[]RADIUSRecord{heard("Start", 10, -1, 0), nasBoot(300), heard("Interim-Update", 310, 300, 5)}, []seenStay{{10, 0, "", 300, 5, 0}}},
		"Start told after the boot":  {[]RADIUSRecord{nasBoot(300), heard("Start", 10, -1, 0)}, []seenStay{{10, 300, nasReboot, 0, 0, 0}}},
		"begun after the boot":       {[]RADIUSRecord{nasBoot(300), heard("Start", 300, -1, 0), nasBoot(300), heard("Start", 300, -1, 0)}, []seenStay{{300, 0, "", 0, 0, 0}}},
		"a session time of an age":   {[]RADIUSRecord{heard("Stop", 100, 1<<32-1, 5)}, []seenStay{{100, 100, idle, 1<<32 - 1, 5, 0}}},
		"no time stamps":             {[]RADIUSRecord{unstamped(heard("Start", 10, -1, 0)), unstamped(heard("Interim-Update", 73, 60, 5)), unstamped(heard("Stop", 131, 120, 9)), unstamped(heard("Interim-Update", 140, 60, 5)), unstamped(heard("Start", 150, -1, 0))}, []seenStay{{10, 131, idle, 120, 9, 0}}},
		"no time stamps, and reboot": {[]RADIUSRecord{unstamped(heard("Start", 10, -1, 0)), unstamped(nasBoot(60)), unstamped(heard("Start", 70, -1, 0))}, []seenStay{{10, 60, nasReboot, 0, 0, 0}, {70, 0, "", 0, 0, 0}}},
	} {
		for _, batch := range []int{1, len(c.records)} {
			s := newRADIUSStore(t)
			s.mustIngestRADIUS(t, c.records, batch)
			if diff := gocmp.Diff(map[string][]seenStay{"s": c.want}, s.stays(t)); diff != "" {
				t.Errorf("%s, in batches of %d (-want +got):\n%s", name, batch, diff)
			}
		}
	}
}
