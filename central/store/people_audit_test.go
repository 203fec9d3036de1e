package store

import (
	"slices"
	"testing"

	"gatehouse/api/gate"
)

// TestPeopleAreAudited: what is written about persons and their time is in the audit log, and persons are not.
func TestPeopleAreAudited(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann := p.user("ann")
	p.give(ann, 60, 0)
	if _, err := p.SaveTokenUser(t.Context(), p.scope, ann, func(*gate.User) {}, TokenChange{Seconds: new(int64(90)), Actor: "token 1"}); err != nil {
		t.Fatal(err)
	}
	e, err := p.SaveUserExtra(t.Context(), p.scope, 0, func(e *gate.UserExtra) { e.Parent, e.City = ann, new("Wien") })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteUserExtra(t.Context(), p.scope, e.ID); err != nil {
		t.Fatal(err)
	}
	rows, err := p.read().QueryContext(t.Context(), "SELECT object || ' ' || action FROM audit_log WHERE organization_id = ? ORDER BY seq", p.scope.Own())
	got, err := collect(rows, err, func(row scanner) (v string, err error) { err = row.Scan(&v); return v, err })
	want := []string{"user create", "user_time create", "user_time update", "user_extra create", "user_extra delete"}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no entry %q among %q, %v", w, got, err)
		}
	}
	var named bool
	q := "SELECT EXISTS (SELECT 1 FROM audit_log WHERE changes LIKE '%Wien%' OR changes LIKE '%ann%')"
	if err := p.read().QueryRowContext(t.Context(), q).Scan(&named); err != nil || named {
		t.Errorf("the log names a person: %v, %v", named, err)
	}
}
