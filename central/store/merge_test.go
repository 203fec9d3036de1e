package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/lab/postgres"
)

// TestMain runs the tests on PostgreSQL when GATEHOUSE_STORE says so.
func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newStore is an open store with one organisation, acme, and its scope.
func newStore(t testing.TB) (*Store, Scope) {
	t.Helper()
	url := postgres.Database(t)
	if url == "" {
		url = "sqlite://" + filepath.Join(t.TempDir(), "c.db")
	}
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{URL: url, Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	id, err := s.CreateOrganization(t.Context(), "acme", "Acme", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, Scope{id}
}

// life is what a gateway says of one session, in order: it grows, and some things are said late.
func life(n int) []edge.Record {
	start := day.Add(time.Duration(n/3) * time.Second).Add(time.Duration(n) * time.Microsecond)
	record := func(kind string, at int, octets uint64) edge.Record {
		a := edge.Accounting{
			AcctStatusType: kind, AcctUniqueID: fmt.Sprintf("unique-%d", n), AcctSessionID: fmt.Sprintf("s-%d", n),
			Username: fmt.Sprintf("guest-%d", n%7), NASIPAddress: "192.0.2.1", NASIdentifier: "gw1", CallingStationID: "02-00-5E-10-00-01",
			AcctStartTime: start, AcctUpdateTime: start.Add(time.Duration(at) * time.Second), AcctSessionTime: int64(at),
			AcctInputOctets: octets, AcctOutputOctets: octets * 10, AcctInputPackets: octets / 100, AcctOutputPackets: octets / 50,
			LocationID: int64(n % 3), SSID: "guests",
		}
		if at > 0 {
			a.AcctInterval = 60
			a.FramedIPAddress = "10.0.0.7" // known only after the lease
		}
		if kind == "Stop" {
			stop := a.AcctUpdateTime
			a.AcctStopTime, a.AcctTerminateCause = &stop, "Idle-Timeout"
		}
		return edge.Record{Accounting: &a}
	}
	list := []edge.Record{record("Start", 0, 0)}
	for i := 1; i <= n%4; i++ {
		list = append(list, record("Interim-Update", 60*i, uint64(1000*i+n)))
	}
	if n%5 != 0 {
		list = append(list, record("Stop", 300, uint64(9000+n)))
	}
	return list
}

// dump is all of accounting as text; of ids only the second that they begin with, because the rest is the order of arrival.
func dump(t *testing.T, s *Store) []string {
	t.Helper()
	rows, err := s.read().QueryContext(t.Context(), "SELECT * FROM aaa_accounting ORDER BY acctuniqueid, acctstarttime")
	if err != nil {
		t.Fatal(err)
	}
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(rows, nil, func(row scanner) (string, error) {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		err := row.Scan(dest...)
		if id := values[0].(int64); id <= 0 || id >= 1<<53 {
			t.Errorf("radacctid %d is not between 0 and 2^53", id)
		}
		values[0] = values[0].(int64) >> sequenceBits
		return fmt.Sprintf("%q", values), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func ingestAll(t *testing.T, s *Store, scope Scope, records []edge.Record, batch int) (news int) {
	t.Helper()
	for part := range slices.Chunk(records, batch) {
		for i := range part { // as they come off the wire: nobody else holds them
			a := *part[i].Accounting
			part[i].Accounting = &a
		}
		got, err := s.Ingest(t.Context(), scope, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got {
			if n {
				news++
			}
		}
	}
	return news
}

func TestAnyOrderAnyNumberOfTimes(t *testing.T) {
	var inOrder []edge.Record
	for n := range 200 {
		inOrder = append(inOrder, life(n)...)
	}
	s, scope := newStore(t)
	if got := ingestAll(t, s, scope, slices.Clone(inOrder), 50); got != len(inOrder) {
		t.Errorf("%d of %d records were new", got, len(inOrder))
	}
	want := dump(t, s)
	if len(want) != 200 {
		t.Fatalf("%d sessions, want 200", len(want))
	}
	if got := ingestAll(t, s, scope, slices.Clone(inOrder), 1000); got != 0 {
		t.Errorf("%d records were new when sent again", got)
	}
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
	for seed := range uint64(3) {
		for _, batch := range []int{9, 100, 1000} {
			t.Run(fmt.Sprintf("seed %d batch %d", seed, batch), func(t *testing.T) {
				thrice := slices.Concat(inOrder, inOrder, inOrder)
				rand.New(rand.NewPCG(seed, 1)).Shuffle(len(thrice), func(i, j int) { thrice[i], thrice[j] = thrice[j], thrice[i] })
				s, scope := newStore(t)
				ingestAll(t, s, scope, thrice, batch)
				if diff := cmp.Diff(want, dump(t, s)); diff != "" {
					t.Errorf("shuffled (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestMergeInMemoryIsMergeInDatabase holds the two forms of the rule against each other, field by field.
func TestMergeInMemoryIsMergeInDatabase(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	some := func(v ...string) string { return v[random.IntN(len(v))] }
	one, scope := newStore(t)
	two, _ := newStore(t) // its organisation has the same id
	for round := range 100 {
		var records []edge.Record
		for range 2 + random.IntN(4) {
			a := *life(round)[0].Accounting
			a.AcctUpdateTime = a.AcctStartTime.Add(time.Duration(random.IntN(5)) * time.Second)
			a.AcctSessionTime, a.AcctInterval = int64(random.IntN(3)), int64(random.IntN(3))
			a.AcctInputOctets, a.AcctOutputOctets = uint64(random.IntN(3)), uint64(random.IntN(3))
			a.AcctInputPackets, a.AcctOutputPackets = uint64(random.IntN(3)), uint64(random.IntN(3))
			a.LocationID, a.AccessPointID = int64(random.IntN(2)), int64(random.IntN(2))
			for _, p := range once(&a) {
				*p = some("", "a", "b")
			}
			if random.IntN(2) == 0 {
				stop := a.AcctUpdateTime
				a.AcctStopTime = &stop
			}
			records = append(records, edge.Record{Accounting: &a})
		}
		single := ingestAll(t, one, scope, slices.Clone(records), 1)
		together := ingestAll(t, two, scope, slices.Clone(records), len(records))
		if single != together {
			t.Errorf("round %d: %d new one by one, %d together", round, single, together)
		}
	}
	if diff := cmp.Diff(dump(t, one), dump(t, two)); diff != "" {
		t.Errorf("(-one by one +together):\n%s", diff)
	}
}

func TestStartAndIdentityNeverChange(t *testing.T) {
	s, scope := newStore(t)
	records := life(1)
	ingestAll(t, s, scope, records, 100)
	want := dump(t, s)
	late := *records[0].Accounting
	late.Username, late.NASIPAddress, late.AcctSessionID, late.SSID = "other", "192.0.2.9", "other", "other"
	stop := late.AcctStartTime.Add(time.Second)
	late.AcctStopTime, late.AcctTerminateCause = &stop, "User-Request"
	ingestAll(t, s, scope, []edge.Record{{Accounting: &late}}, 1)
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("a record that contradicts changed the session (-want +got):\n%s", diff)
	}
}
