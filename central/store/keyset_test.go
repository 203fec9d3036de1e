package store

import (
	"strings"
	"testing"
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
