package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatehouse/api/gate"
	"gatehouse/lab/postgres"
)

func asToken(ctx context.Context) context.Context {
	return WithActor(ctx, Actor{Kind: ActorToken, ID: 7, Role: RoleAdmin, Request: "req-1", Address: "192.0.2.9"})
}

func saveUser(t *testing.T, s *Store, scope Scope, id int64, set func(*gate.User), hash *string) int64 {
	t.Helper()
	u, err := s.SaveUser(asToken(t.Context()), scope, id, func(u *gate.User) {
		u.Organization = new(scope.Own())
		set(u)
	}, hash)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func wholeChains(t *testing.T, s *Store) []AuditChain {
	t.Helper()
	chains, err := s.VerifyAudit(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chains {
		if c.Broken != 0 {
			t.Errorf("organisation %d: %s", c.Organization, c.Fault)
		}
	}
	return chains
}

// Several processes write for two organisations at once; each chain has every write and no gap.
func TestAuditChainsOfConcurrentWriters(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	if url == "" {
		url = "sqlite://" + filepath.Join(t.TempDir(), "c.db")
	}
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 15
	var first *Store
	var wg sync.WaitGroup
	orgs := make([]string, 2)
	for w := range writers {
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if first == nil {
			first = s
			for i := range orgs {
				orgs[i] = fmt.Sprintf("org%d", i)
				if _, err := s.CreateOrganization(t.Context(), orgs[i], "x", ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		wg.Go(func() {
			for i := range each {
				if _, err := s.CreateToken(t.Context(), orgs[(i+w)%2], RoleReadonly); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	total := int64(0)
	for _, c := range wholeChains(t, first) {
		total += c.Entries
	}
	if want := int64(writers*each + len(orgs)); total != want {
		t.Errorf("%d entries, want %d", total, want)
	}
}

func TestAuditFindsTampering(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]string{
		"changed":        "UPDATE audit_log SET actor = 'token 8' WHERE seq = 3",
		"time changed":   "UPDATE audit_log SET at = at + 1 WHERE seq = 3",
		"deleted":        "DELETE FROM audit_log WHERE seq = 3",
		"last deleted":   "DELETE FROM audit_log WHERE seq = 5",
		"all deleted":    "DELETE FROM audit_log",
		"head deleted":   "DELETE FROM audit_heads",
		"head cut short": "UPDATE audit_heads SET seq = 4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			for range 4 {
				if _, err := s.CreateToken(t.Context(), "acme", RoleReadonly); err != nil {
					t.Fatal(err)
				}
			}
			wholeChains(t, s)
			exec := func(q string) error {
				return s.write(t.Context(), "tampering", func(tx *dbTx) error { _, err := tx.Exec(q); return err })
			}
			if err := exec(tamper); strings.Contains(tamper, "audit_log") && (err == nil || !strings.Contains(err.Error(), "only added to")) {
				t.Fatalf("%s: err %v", tamper, err)
			}
			drops := []string{"DROP TRIGGER audit_log_stays", "DROP TRIGGER audit_log_is_kept"}
			if s.d.postgres() {
				drops = []string{"DROP TRIGGER audit_log_is_kept ON audit_log"}
			}
			for _, q := range append(drops, tamper) {
				if err := exec(q); err != nil {
					t.Fatal(err)
				}
			}
			chains, err := s.VerifyAudit(t.Context(), 0)
			if err != nil || len(chains) != 1 || chains[0].Broken == 0 {
				t.Errorf("%+v, err %v", chains, err)
			}
		})
	}
}

func TestAuditHasNoPersonAndNoSecret(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	hash := "$argon2id$very-secret"
	ann := saveUser(t, s, scope, 0, func(u *gate.User) {
		u.Username, u.Email, u.IsActive = "ann", new("ann@example.org"), true
	}, &hash)
	saveUser(t, s, scope, ann, func(u *gate.User) { u.Email, u.IsActive = new("ann@example.net"), false }, nil)
	bob := saveUser(t, s, scope, 0, func(u *gate.User) { u.Username, u.Email = "bob", new("ann@example.org") }, nil)
	_, err := s.CreateProfile(asToken(t.Context()), gate.AaaProfile{OrganizationID: gate.ID{N: scope.Own()}, ShortName: "p",
		CheckAttribute: []gate.Attr{{Attribute: "Cleartext-Password", Op: ":=", Value: "very-secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := s.Audit(t.Context(), scope, AuditFilter{}, Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range all {
		fmt.Fprintf(&text, "%+v %s\n", e, e.Changes)
	}
	for _, secret := range []string{"very-secret", `"ann`, "bob", "example.org", "example.net"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%q is in the audit log:\n%s", secret, &text)
		}
	}
	of := func(user int64) []AuditEntry {
		list, _, err := s.Audit(t.Context(), scope, AuditFilter{User: user}, Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	update := of(ann)[0]
	if want := `"is_active":[true,false]`; len(of(ann)) != 2 || !strings.Contains(string(update.Changes), want) || update.Action != "update" ||
		update.Actor != "token 7" || update.Request != "req-1" || update.Address != "192.0.2.9" || !update.At.Equal(day) {
		t.Errorf("%d entries, the last %+v %s, want %s", len(of(ann)), update, update.Changes, want)
	}
	if !strings.Contains(string(of(ann)[1].Changes), `"password":["***","***"]`) {
		t.Errorf("that a password was set is not told: %s", of(ann)[1].Changes)
	}
	if len(of(bob)) != 1 || of(bob)[0].ObjectID == update.ObjectID {
		t.Errorf("bob has %d entries", len(of(bob)))
	}
	err = s.write(t.Context(), "erasing", func(tx *dbTx) error { return forgetPerson(tx, ann) })
	if err != nil || len(of(ann)) != 0 || len(of(bob)) != 1 {
		t.Errorf("after the erasure ann has %d entries, bob %d, err %v", len(of(ann)), len(of(bob)), err)
	}
	wholeChains(t, s)
}

// A change that fails leaves nothing in the log.
func TestAuditFallsWithItsChange(t *testing.T) {
	t.Parallel()
	s, scope := newStore(t)
	before := wholeChains(t, s)[0].Entries
	for range 2 {
		_, _ = s.CreateProfile(asToken(t.Context()), gate.AaaProfile{OrganizationID: gate.ID{N: scope.Own()}, ShortName: "p"})
	}
	err := s.write(t.Context(), "failing", func(tx *dbTx) error {
		if err := tx.audit("thing", 1, scope.Own(), nil, map[string]any{"a": 1}); err != nil {
			return err
		}
		return fmt.Errorf("no")
	})
	if n := wholeChains(t, s)[0].Entries - before; err == nil || n != 1 {
		t.Errorf("%d entries more, want 1; err %v", n, err)
	}
}

func TestDifferenceMasks(t *testing.T) {
	t.Parallel()
	was := map[string]any{"name": "a", "smtp": map[string]any{"host": "h", "password": "one"}, "code": "ABCD", "same": 1, "country_code": "DE"}
	is := map[string]any{"name": "b", "smtp": map[string]any{"host": "h", "password": "two"}, "code": "EFGH", "same": 1,
		"country_code": "CH", "client_secret": "x", "long": strings.Repeat("x", maxAudited)}
	got, err := difference(was, is, []string{"pass"}, mask)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"client_secret":[null,"***"],"code":["***","***"],"country_code":["DE","CH"],` +
		`"long":[null,"sha256:`
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `"name":["a","b"],"pass":["***","***"],`+
		`"smtp":[{"host":"h","password":"***"},{"host":"h","password":"***"}]}`) {
		t.Error(got)
	}
}
