package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
)

// counts are how many rows each organisation has of sessions and transactions.
func (s *Store) counts(t *testing.T) string {
	t.Helper()
	rows, err := s.read().QueryContext(t.Context(), `SELECT organization_id, 'a', count(*) FROM aaa_accounting GROUP BY organization_id
		UNION ALL SELECT organization_id, 't', count(*) FROM txlog_portal GROUP BY organization_id ORDER BY 1, 2`)
	list, err := collect(rows, err, func(row scanner) (text string, err error) {
		var organization, n int64
		var class string
		err = row.Scan(&organization, &class, &n)
		return fmt.Sprintf("%d%s%d", organization, class, n), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(list)
}

func (s *Store) expireAll(t *testing.T, lease *Lease) (steps []string) {
	t.Helper()
	err := s.Expire(t.Context(), lease, func(table string, rows int64) error {
		steps = append(steps, fmt.Sprintf("%s %d", table, rows))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// TestRetention keeps rows of three organisations for different times. What is over goes, in bounded steps or by months as a
// whole, what is not stays, and so do the figures of what went, also when something comes late.
func TestRetention(t *testing.T) {
	s, acme := newStore(t)
	for _, name := range []string{"west", "globex"} {
		parent := map[string]string{"west": "acme"}[name]
		if _, err := s.CreateOrganization(t.Context(), name, name, parent); err != nil {
			t.Fatal(err)
		}
	}
	const west, globex = 2, 3
	daysOf := func(n int64) map[string]*int64 { return map[string]*int64{KeepAccounting: &n, KeepTransactions: &n} }
	if err := s.SetRetention(t.Context(), acme, globex, daysOf(1)); err == nil {
		t.Error("retention of an organisation outside the scope was changed")
	}
	for organization, days := range map[int64]int64{acme.Own(): 40, globex: 100} {
		if err := s.SetRetention(t.Context(), Scope{organization}, organization, daysOf(days)); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := s.Retention(t.Context(), Scope{acme.Own(), west}, west)
	want := []Retention{{KeepAccounting, 40, true}, {KeepDeviceLogs, 93, true}, {KeepTokens, 93, true}, {KeepTransactions, 40, true}}
	if diff := cmp.Diff(want, kept); diff != "" || err != nil {
		t.Errorf("west keeps (-want +got): %v\n%s", err, diff)
	}

	at := func(days int) time.Time { return day.AddDate(0, 0, -days) }
	send := func(organization int64, days, n int) {
		t.Helper()
		var records []edge.Record
		for i := range n {
			id, start := fmt.Sprint(organization, "-", days, "-", i), at(days).Add(time.Duration(i)*time.Millisecond)
			records = append(records,
				edge.Record{Accounting: &edge.Accounting{AcctStatusType: "Start", AcctUniqueID: id, AcctSessionID: id, NASIPAddress: "192.0.2.1",
					AcctStartTime: start, AcctUpdateTime: start, AcctInputOctets: 5}},
				edge.Record{Transaction: &edge.Transaction{ID: id, DateTime: start, Type: "ui", Status: "h200"}})
		}
		if _, err := s.Ingest(t.Context(), Scope{organization}, records); err != nil {
			t.Fatal(err)
		}
	}
	for _, organization := range []int64{acme.Own(), west, globex} {
		send(organization, 200, 3)
		send(organization, 41, 2)
		send(organization, 39, 1)
	}
	send(globex, 120, expireBatch+7)
	f := StatisticsFilter{From: at(300).Truncate(24 * time.Hour), To: at(0).Truncate(24 * time.Hour)}
	figures := func() (list []DayFigure) {
		t.Helper()
		list, err := s.TrafficFigures(t.Context(), Scope{1, 2, 3}, f)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}

	lease, counting := s.Lease("retention"), s.Lease("rollup")
	s.expireAll(t, lease)
	if got := s.counts(t); got != "[1a6 1t1 2a6 2t1 3a1013 3t3]" {
		t.Errorf("with figures still to be made: %s; want sessions to wait for them", got)
	}
	s.rollUpAll(t, counting)
	for _, days := range []int{92, 94} {
		err := s.write(t.Context(), "revoking token", func(tx *dbTx) error {
			_, err := tx.Exec("INSERT INTO tokens (organization_id, role, hash, created, revoked) VALUES (?, 'edge', ?, ?, ?)",
				globex, []byte{byte(days)}, micros(at(200)), micros(at(days)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := figures()
	steps := s.expireAll(t, lease)
	if got := s.counts(t); got != "[1a1 1t1 2a1 2t1 3a3 3t3]" {
		t.Errorf("rows that are left: %s after %v", got, steps)
	}
	var tokens int
	if err := s.read().QueryRowContext(t.Context(), "SELECT count(*) FROM tokens").Scan(&tokens); err != nil || tokens != 1 {
		t.Errorf("%d tokens are left, want the one that was revoked last: %v", tokens, err)
	}
	if s.d.postgres() {
		months, err := s.db.(*postgresEngine).partitions(t.Context(), "aaa_accounting")
		if err != nil || len(months) == 0 || (months[0] + 1).start().Before(at(101)) {
			t.Errorf("partitions that are left: %v, %v", months, err)
		}
	}
	if again := s.expireAll(t, lease); again != nil {
		t.Errorf("once more: %v", again)
	}
	send(west, 200, 1) // late, and again: its day's figures know it
	s.rollUpAll(t, counting)
	if diff := cmp.Diff(before, figures()); diff != "" {
		t.Errorf("figures changed by deletion (-before +after):\n%s", diff)
	}
	if s.expireAll(t, lease); s.counts(t) != "[1a1 1t1 2a1 2t1 3a3 3t3]" {
		t.Errorf("what came late is still there: %s", s.counts(t))
	}
}
