package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/api/gate"
)

// TestListsComeOutOfAnIndex looks at the plan of every kind of listing: a sort would read all of an organisation first.
func TestListsComeOutOfAnIndex(t *testing.T) {
	s, own := newStore(t)
	if s.d.postgres() { // its plans depend on what is in the tables
		return
	}
	for _, scope := range []Scope{own, {own[0], 17}} {
		filters := map[string]AcctFilter{
			"all":           {},
			"month":         {From: day, To: day.AddDate(0, 1, 0)},
			"user":          {User: 1},
			"location":      {Location: 1},
			"access point":  {AccessPoint: 1},
			"active":        {Status: Active},
			"inactive":      {Status: Inactive},
			"user, active":  {User: 1, Status: Active},
			"user at place": {User: 1, Location: 1},
		}
		pages := map[string]Page{
			"first": {Limit: 20}, "deep": {Limit: 20, From: &Position{At: 1, ID: 1}},
			"back": {Limit: 20, From: &Position{At: 1, ID: 1}, Backward: true},
		}
		for name, f := range filters {
			for where, p := range pages {
				q := f.query(s.d, scope)
				text, args := q.sql(p)
				wantIndexOnly(t, s, name+" "+where, text, args)
			}
		}
	}
}

func wantIndexOnly(t *testing.T, s *Store, name, query string, args []any) {
	t.Helper()
	rows, err := s.read().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	plan, err := collect(rows, err, func(row scanner) (line string, err error) {
		var a, b, c int
		err = row.Scan(&a, &b, &c, &line)
		return line, err
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, line := range plan {
		if strings.Contains(line, "TEMP B-TREE") || line == "SCAN t" {
			t.Errorf("%s: plan has %q", name, line)
		}
	}
}

// TestWhatOthersHaveIsNotRead has lists of some organisations, and of some types, come out of each one's own index.
func TestWhatOthersHaveIsNotRead(t *testing.T) {
	s, own := newStore(t)
	if s.d.postgres() {
		return
	}
	type query func(Scope) keyset
	sessions := func(f AcctFilter) query { return func(c Scope) keyset { return f.query(s.d, c) } }
	transactions := func(f TxFilter) query { return func(c Scope) keyset { return f.query(s.d, c) } }
	for name, q := range map[string]query{
		"sessions": sessions(AcctFilter{}), "running sessions": sessions(AcctFilter{Status: Active}), "transactions": transactions(TxFilter{}),
		"logins": transactions(TxFilter{Types: []string{"ui"}}), "registrations": transactions(TxFilter{Types: []string{"ur", "uu", "un", "ur"}}),
	} {
		for _, scope := range []Scope{own, {own[0], 17}, {own[0], 17, 18, 19}} {
			for _, p := range []Page{{Limit: 20}, {Limit: 20, From: &Position{At: 1, ID: 1}}, {Limit: 20, From: &Position{At: 1, ID: 1}, Backward: true}} {
				ks := q(scope)
				text, args := ks.sql(p)
				wantIndexOnly(t, s, name, text, args)
				if strings.Contains(text, ks.table+"_time") {
					t.Errorf("%s of %d organisations are looked for among everybody's", name, len(scope))
				}
			}
		}
	}
}

// TestMergedLists walks to and fro through lists of many organisations, which are merged or, of very many, are not.
func TestMergedLists(t *testing.T) {
	s, scope := newStore(t)
	for i := 1; i < mostBranches+2; i++ {
		name := fmt.Sprint("org", i)
		id, err := s.CreateOrganization(t.Context(), name, name, "")
		if err != nil {
			t.Fatal(err)
		}
		scope = append(scope, id)
	}
	types := []string{"ui", "ur", "un"}
	if err := s.db.prepare(t.Context(), []time.Time{day}); err != nil {
		t.Fatal(err)
	}
	err := s.write(t.Context(), "filling", func(tx *dbTx) error {
		for i := range 200 {
			at := micros(day) + int64(i/3) // some at once
			if _, err := tx.Exec("INSERT INTO txlog_portal (id, organization_id, edge_id, datetime, type, status) VALUES (?, ?, ?, ?, ?, 'h200')",
				i+1, scope[i*7%len(scope)], fmt.Sprint(i), at, types[i%3]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 5, mostBranches, len(scope)} {
		for _, f := range []TxFilter{{}, {Types: []string{"ui"}}, {Types: []string{"ui", "un", "ui"}}} {
			var want []int64
			for i := 199; i >= 0; i-- {
				if slices.Contains(scope[:n], scope[i*7%len(scope)]) && (len(f.Types) == 0 || slices.Contains(f.Types, types[i%3])) {
					want = append(want, int64(i+1))
				}
			}
			var forth, back []int64
			p := Page{Limit: 7}
			for more := true; more; {
				var list []gate.TxLog
				var err error
				if list, more, err = s.Transactions(t.Context(), scope[:n], f, p); err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					forth = append(forth, r.ID)
					p.From = &Position{At: micros(r.DateTime.Time), ID: r.ID}
				}
			}
			p = Page{Limit: 7, Backward: true, From: &Position{}}
			for more := true; more; {
				var list []gate.TxLog
				var err error
				if list, more, err = s.Transactions(t.Context(), scope[:n], f, p); err != nil {
					t.Fatal(err)
				}
				for i := len(list) - 1; i >= 0; i-- {
					back = append(back, list[i].ID)
				}
				if len(list) > 0 {
					p.From = &Position{At: micros(list[0].DateTime.Time), ID: list[0].ID}
				}
			}
			slices.Reverse(back)
			if !slices.Equal(forth, want) || !slices.Equal(back, want) {
				t.Errorf("%d organisations, %v:\n%v\n%v forth\n%v back", n, f.Types, want, forth, back)
			}
		}
	}
	// Every list of the admin API reads from many organisations at once.
	ctx, p := t.Context(), Page{Limit: 7, From: &Position{At: 1, ID: 1}}
	for _, scope := range []Scope{scope[:1], scope[:3], scope} {
		for what, list := range map[string]func() error{
			"sessions":    func() error { _, _, err := s.Sessions(ctx, scope, SessionFilter{}, p); return err },
			"accounting":  func() error { _, _, err := s.Accounting(ctx, scope, AcctFilter{}, p); return err },
			"accounts":    func() error { _, _, err := s.Accounts(ctx, scope, AccountFilter{}, p); return err },
			"gateways":    func() error { _, _, err := s.Gateways(ctx, scope, GatewayFilter{}, p); return err },
			"devices":     func() error { _, _, err := s.Devices(ctx, scope, 0, p); return err },
			"their users": func() error { _, _, err := s.Devices(ctx, scope, 1, p); return err },
			"places":      func() error { _, _, err := s.PlacePage(ctx, scope, PlaceFilter{Kind: Location}, p); return err },
			"vouchers":    func() error { _, _, err := s.Vouchers(ctx, scope, VoucherFilter{}, p); return err },
			"audit":       func() error { _, _, err := s.Audit(ctx, scope, AuditFilter{}, p); return err },
		} {
			if err := list(); err != nil {
				t.Errorf("%s of %d organisations: %v", what, len(scope), err)
			}
		}
	}
}
