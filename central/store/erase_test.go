package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// visit is what a gateway sends of one visit: a session with its stop, and the transaction of the login.
func visit(n int, user int64, name string, at time.Time) []edge.Record {
	id, stop := fmt.Sprint(name, "-", n), at.Add(time.Minute)
	id = strings.NewReplacer("anna", "a", "ann", "a").Replace(id) // the name itself must be nowhere else
	return []edge.Record{
		{Accounting: &edge.Accounting{AcctStatusType: "Stop", AcctUniqueID: id, AcctSessionID: id, Username: name, UserID: user, NASIPAddress: "192.0.2.1",
			AcctStartTime: at, AcctUpdateTime: stop, AcctStopTime: &stop, AcctSessionTime: 60, AcctInputOctets: 7,
			CallingStationID: "02-00-5E-10-00-99", FramedIPAddress: "10.9.9.9"}},
		{Transaction: &edge.Transaction{ID: id, DateTime: at, Type: "ui", Status: "h200", Username: name, UserID: user, Message: name + " is in",
			MAC: "02:00:5e:10:00:99", RemoteIP: "10.9.9.9", PageURL: "http://x/?mac=02:00:5e:10:00:99"}},
	}
}

func (s *Store) eraseAll(t *testing.T, lease *Lease) {
	t.Helper()
	for {
		if more, err := s.EraseMore(t.Context(), lease); err != nil {
			t.Fatal(err)
		} else if !more {
			return
		}
	}
}

// everything is all text of the tables that know persons.
func (s *Store) everything(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range []string{"users", "accounting", "transactions"} {
		err := s.Dump(t.Context(), Scope{1, 2}, kind, time.Time{}, time.Time{}, func(_ []string, values []any) error {
			_, err := fmt.Fprintln(&b, values...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func (s *Store) user(t *testing.T, organization int64, name string) int64 {
	t.Helper()
	u, err := s.SaveUser(t.Context(), Scope{organization}, 0, func(u *gate.User) {
		u.Organization, u.Username, u.IsActive, u.Email = &organization, name, true, new(name+"@example.org")
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// TestErasePerson erases somebody who has been renamed and was here under either name, before and after there was an account
// for it. Then all of it comes again, and more that is late. Nothing of the person is found any more, and nothing of others is
// lost; figures stay.
func TestErasePerson(t *testing.T) {
	now := day
	s, acme := newStore(t)
	s.now = func() time.Time { return now }
	var sent []edge.Record
	send := func(records ...edge.Record) {
		t.Helper()
		if _, err := s.Ingest(t.Context(), acme, records); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, records...)
	}
	send(visit(1, 0, "ann", day.AddDate(0, 0, -40))...) // nobody's yet
	ann, bob := s.user(t, acme.Own(), "ann"), s.user(t, acme.Own(), "bob")
	for n := range 6 {
		send(visit(n, bob, "bob", day.AddDate(0, 0, -n))...)
	}
	for n := range 700 { // more than one batch
		send(visit(100+n, ann, "ann", day.Add(-time.Duration(n)*time.Hour))...)
	}
	if _, err := s.SaveUser(t.Context(), acme, ann, func(u *gate.User) { u.Username = "anna" }, nil); err != nil {
		t.Fatal(err)
	}
	send(visit(2, ann, "anna", day.Add(-time.Minute))...)
	s.rollUpAll(t, s.Lease("rollup"))
	before := s.statistics(t, acme, false)

	var export bytes.Buffer
	if err := s.ExportPerson(t.Context(), acme, ann, &export); err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(export.Bytes(), &all); err != nil {
		t.Fatalf("%v: %s", err, export.Bytes()[:min(2000, export.Len())])
	}
	for name, want := range map[string]int{"user": 1, "sessions": 701, "transactions": 701, "audit": 2, "devices": 0} {
		if list, _ := all[name].([]any); len(list) < want || want == 0 && len(list) > 0 {
			t.Errorf("the export has %d %s, want %d", len(list), name, want)
		}
	}
	if strings.Contains(export.String(), "bob") || !strings.Contains(export.String(), "ann@example.org") {
		t.Errorf("the export has another's data, or not the person's: %.3000s", export.String())
	}

	if _, err := s.ErasePerson(t.Context(), Scope{99}, ann); !errors.Is(err, ErrNotFound) {
		t.Errorf("erased by another organisation: %v", err)
	}
	e, err := s.ErasePerson(t.Context(), acme, ann)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.ErasePerson(t.Context(), acme, ann); err != nil || again.ID != e.ID {
		t.Errorf("asked for again: %+v, %v", again, err)
	}
	lease := s.Lease("erase")
	if more, err := s.EraseMore(t.Context(), lease); err != nil || !more {
		t.Fatal(more, err)
	}
	lateInFlight := visit(3, ann, "anna", day.Add(-time.Second)) // meanwhile
	send(lateInFlight...)
	s.eraseAll(t, lease)
	if e, err := s.Erasure(t.Context(), acme, ann); err != nil || e.Finished != nil || e.Rows < 1400 {
		t.Errorf("before a minute is over: %+v, %v", e, err)
	}
	now = now.Add(2 * eraseAgain)
	s.eraseAll(t, lease)
	e, err = s.Erasure(t.Context(), acme, ann)
	if err != nil || e.Finished == nil || e.Rows != 1404 {
		t.Errorf("in the end: %+v, %v", e, err)
	}
	clean := func(when string) {
		t.Helper()
		text := s.everything(t)
		for _, trace := range []string{"ann", "02-00-5E-10-00-99 \"", "10.9.9.9 x"} {
			if i := strings.Index(text, trace); i >= 0 {
				t.Errorf("%s: %q is there: %s", when, trace, text[max(0, i-200):min(len(text), i+200)])
			}
		}
		if got := strings.Count(text, "02-00-5E-10-00-99"); got != 6 { // bob's
			t.Errorf("%s: %d sessions have the MAC address, want those of the other", when, got)
		}
		if got := strings.Count(text, "bob"); got < 12 {
			t.Errorf("%s: the other is there %d times", when, got)
		}
	}
	clean("erased")

	send(sent...)                                      // all of it again
	send(visit(4, ann, "ann", day.Add(time.Hour))...)  // a gateway that has not heard of it
	send(visit(5, 0, "ann", day.Add(-2*time.Hour))...) // and one that knows names only
	send(visit(6, 0, "anna", day.Add(-3*time.Hour))...)
	clean("late records")
	other := s.user(t, acme.Own(), "ann")
	send(visit(7, 0, "ann", day.Add(-4*time.Hour))...) // of before the new account
	if n := len(s.sessionsOf(t, acme, other)); n != 0 {
		t.Errorf("the next ann has %d sessions of the last one", n)
	}
	now = now.Add(time.Hour)
	send(visit(8, 0, "ann", now)...)
	send(visit(9, other, "ann", now.Add(time.Minute))...)
	if n := len(s.sessionsOf(t, acme, other)); n != 2 {
		t.Errorf("the next ann has %d sessions, want 2", n)
	}
	if len(before.Users) == 0 || before.Users[0] != s.statistics(t, acme, false).Users[0] {
		t.Error("figures of before have changed")
	}
	entries, _, err := s.Audit(t.Context(), acme, AuditFilter{}, Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(entries); strings.Contains(text, "anna") {
		t.Errorf("the audit log names the person: %s", text)
	}
}

func (s *Store) sessionsOf(t *testing.T, scope Scope, user int64) []gate.AcctRecord {
	t.Helper()
	list, _, err := s.Accounting(t.Context(), scope, AcctFilter{User: user}, Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// traces are the tables and columns in which a text is found.
func (s *Store) traces(t *testing.T, text string) (found []string) {
	t.Helper()
	q := "SELECT name FROM sqlite_schema WHERE type = 'table'"
	if s.d.postgres() {
		q = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
	}
	rows, err := s.read().QueryContext(t.Context(), q)
	tables, err := collect(rows, err, func(row scanner) (name string, err error) { err = row.Scan(&name); return name, err })
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := s.read().QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, err := rawValues(rows, len(columns))
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				if strings.Contains(fmt.Sprint(v), text) {
					found = append(found, table+"."+columns[i])
				}
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestErasureLeavesNoTrace looks into every table: nothing has the name of somebody who was erased, once gateways have heard of it, nor
// does a summary of devices know a device of his.
func TestErasureLeavesNoTrace(t *testing.T) {
	now := day
	s, acme := newStore(t)
	s.now = func() time.Time { return now }
	user := s.user(t, acme.Own(), "xenia")
	gw, err := s.Gateway(t.Context(), Token{Scope: acme}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.PortalLogin(t.Context(), acme, PortalVerdict{UserID: user, PortalLogin: gate.PortalLogin{UID: "xenia", APMAC: "x", MAC: "02:00:5e:10:00:99"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []*int64{&user, nil} { // one that nobody has proven to be his
		err := s.SaveDevice(t.Context(), acme.Own(), 0, 0, DeviceCaps{PerUser: 1, PerTokenDay: 9}, func(d *Device) {
			d.UserID, d.Username, d.UserExternalID = owner, new("xenia"), new("number of xenia")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	log := gate.ConnLog{NetworkType: "wi", NetworkSecurity: "opn", NetworkName: new("guests")}
	if err := s.LogConnection(t.Context(), DeviceReport{Organization: acme.Own(), UserID: &user}, log); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RollUpConnections(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ErasePerson(t.Context(), acme, user); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * eraseAgain)
	s.eraseAll(t, s.Lease("erase"))
	feed, err := s.Changes(t.Context(), gw, 0)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []edge.Outcome
	for _, c := range feed.Changes {
		if c.Event != nil {
			outcomes = append(outcomes, edge.Outcome{Event: c.Event.ID, Status: edge.Done})
		}
	}
	if _, err := s.SettleEvents(t.Context(), gw, outcomes); err != nil || len(outcomes) != 1 {
		t.Fatalf("the gateway is told of %d events: %v", len(outcomes), err)
	}
	if err := s.EndEvents(t.Context()); err != nil { // of the login
		t.Fatal(err)
	}
	for _, trace := range []string{"xenia", "02:00:5e:10:00:99"} {
		if found := s.traces(t, trace); len(found) > 0 {
			t.Errorf("%q is still in %v", trace, found)
		}
	}
	if list, _, _, err := s.Summary(t.Context(), acme, SummaryFilter{Days: 7}); err != nil || len(list) != 0 {
		t.Errorf("the summary has %+v, %v", list, err)
	}
}

// TestErasureKnowsEveryTable fails when a table with something that names a person is added, until it is said here what
// erasure does about it.
func TestErasureKnowsEveryTable(t *testing.T) {
	s, _ := newStore(t)
	q := `SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY 1, 2`
	if s.d.postgres() {
		q = `SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN pg_class r ON r.oid = to_regclass(c.table_name)
			WHERE c.table_schema = 'public' AND NOT r.relispartition ORDER BY 1, 2`
	}
	rows, err := s.read().QueryContext(t.Context(), q)
	columns, err := collect(rows, err, func(row scanner) (c [2]string, err error) { err = row.Scan(&c[0], &c[1]); return c, err })
	if err != nil {
		t.Fatal(err)
	}
	handled := map[string]string{
		"aaa_accounting": "made nobody's", "txlog_portal": "made nobody's", "portal_logins": "made nobody's",
		"users": "deleted", "pass_codes": "deleted", "devices": "deleted", "wallets": "deleted", "audit_persons": "deleted",
		"user_extra": "goes with the user", "user_profiles": "goes with the user",
		"events": "emptied once they are over", "connection_days": "deleted with the device",
		"user_time": "a ledger without names, under a number that is nobody's", "time_leases": "slices of that ledger",
		"gateway_users": "how gateways hear of the deletion", "erasures": "this",
		"proofs": "deleted; others go after two days", "voucher_sessions": "of vouchers, which are nobody's", "places": "no persons", "webhook_events": "deleted; others go after a week",
	}
	for _, c := range columns {
		switch c[1] {
		case "user_id", "username", "email", "parent", "mac", "mac_addr", "callingstationid", "station", "telephone", "uid":
			if handled[c[0]] == "" {
				t.Errorf("%s.%s: what does the erasure of a person do about it, and its export?", c[0], c[1])
			}
		}
	}
}
