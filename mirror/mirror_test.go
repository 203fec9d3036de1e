package mirror

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/sqlite"
	"gatehouse/sessions"
)

func open(t *testing.T, path string) (m *Mirror, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	m, err := Open(t.Context(), path, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	return m, log
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func limits(session, idle time.Duration) (l sessions.Limits) {
	if session >= 0 {
		l.SessionTimeout = &session
	}
	if idle >= 0 {
		l.IdleTimeout = &idle
	}
	return l
}

// timeouts is a profile with these timeouts; negative: without.
func timeouts(name string, session, idle time.Duration) sessions.Profile {
	p := sessions.Profile{ShortName: name}
	for i, d := range []time.Duration{session, idle} {
		if d >= 0 {
			p.Reply = append(p.Reply, sessions.Attribute{Name: []string{"Session-Timeout", "Idle-Timeout"}[i], Op: ":=", Value: strconv.Itoa(int(d / time.Second))})
		}
	}
	return p
}

func user(id int64, name string) sessions.Account {
	return sessions.Account{
		Source: sessions.SourceCentre, UserID: id, Username: name, CredentialVersion: 3, Active: true, Class: "vip",
		Expiration: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func account(t *testing.T, m *Mirror, name string) sessions.Account {
	t.Helper()
	a, err := m.Account(t.Context(), name)
	must(t, err)
	return a
}

func wantUnknown(t *testing.T, m *Mirror, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := m.Account(t.Context(), name); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("account %q: got %v, want ErrNoAccount", name, err)
		}
	}
}

func TestAccountWithItsProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	m, _ := open(t, path)
	anna := user(1, "anna")
	anna.Limits = limits(time.Minute, -1)
	anna.Elsewhere[sessions.Week] = sessions.Mark{Start: "2026-11-16", Used: time.Hour}
	anna.Lease = &sessions.Lease{ID: 7, Time: time.Hour, Spent: time.Minute, Grace: time.Second, Ends: anna.Expiration}
	must(t, m.PutAccount(t.Context(), anna, []string{"idle", "unknown", "hour", "day"}))
	must(t, m.PutProfile(t.Context(), 10, "day", timeouts("day", 24*time.Hour, time.Second)))
	must(t, m.PutProfile(t.Context(), 11, "hour", timeouts("hour", time.Hour, -1)))
	must(t, m.PutProfile(t.Context(), 12, "idle", timeouts("idle", -1, 0))) // zero, unlimited, is a value

	want := anna
	want.Profiles = []sessions.Profile{timeouts("idle", -1, 0), timeouts("hour", time.Hour, -1), timeouts("day", 24*time.Hour, time.Second)}
	equal(t, "account", want, account(t, m, "anna"))
	wantUnknown(t, m, "Anna", "anna ", "")

	must(t, m.Close())
	m, log := open(t, path)
	equal(t, "account after reopening", want, account(t, m, "anna"))
	equal(t, "log", "", log.String())

	must(t, m.PutProfile(t.Context(), 11, "hour", timeouts("hour", 2*time.Hour, -1)))
	must(t, m.DeleteProfile(t.Context(), 12))
	must(t, m.DeleteProfile(t.Context(), 12))
	want.Profiles = []sessions.Profile{timeouts("hour", 2*time.Hour, -1), timeouts("day", 24*time.Hour, time.Second)}
	equal(t, "account after its profiles changed", want, account(t, m, "anna"))

	must(t, m.PutAccount(t.Context(), user(1, "anna"), nil))
	equal(t, "account without profiles", user(1, "anna"), account(t, m, "anna"))
}

func TestNamesMove(t *testing.T) {
	m, _ := open(t, filepath.Join(t.TempDir(), "mirror.db"))
	must(t, m.PutAccount(t.Context(), user(1, "anna"), []string{"hour"}))
	must(t, m.PutAccount(t.Context(), user(2, "bob"), nil))
	must(t, m.PutAccount(t.Context(), user(1, "bob"), []string{"hour"})) // they swap, told one after the other
	must(t, m.PutAccount(t.Context(), user(2, "anna"), []string{"hour"}))
	equal(t, "id of bob", int64(1), account(t, m, "bob").UserID)
	equal(t, "id of anna", int64(2), account(t, m, "anna").UserID)

	must(t, m.PutProfile(t.Context(), 10, "hour", timeouts("hour", time.Hour, -1)))
	must(t, m.PutProfile(t.Context(), 11, "hour", timeouts("hour", time.Minute, -1))) // 10 was deleted, we were not told yet
	equal(t, "profiles of anna", []sessions.Profile{timeouts("hour", time.Minute, -1)}, account(t, m, "anna").Profiles)
	got, err := m.UsersOfProfile(t.Context(), "hour")
	must(t, err)
	equal(t, "users of the profile", []string{"anna", "bob"}, got)
	got, err = m.UsersOfProfile(t.Context(), "day")
	must(t, err)
	equal(t, "users of an unknown profile", []string(nil), got)
}

func TestDeletedAccount(t *testing.T) {
	m, _ := open(t, filepath.Join(t.TempDir(), "mirror.db"))
	must(t, m.PutAccount(t.Context(), user(1, "anna"), []string{"hour"}))
	for _, want := range []string{"anna", ""} { // told twice
		got, err := m.DeleteAccount(t.Context(), 1)
		must(t, err)
		equal(t, "name", want, got)
	}
	wantUnknown(t, m, "anna")
	got, err := m.UsersOfProfile(t.Context(), "hour")
	must(t, err)
	equal(t, "users of the profile", []string(nil), got)
}

func TestResetAndSweep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	m, _ := open(t, path)
	for i, name := range []string{"anna", "bob", "cleo"} {
		must(t, m.PutAccount(t.Context(), user(int64(i+1), name), []string{"hour", "day"}))
	}
	must(t, m.PutProfile(t.Context(), 10, "hour", timeouts("hour", time.Hour, -1)))
	must(t, m.PutProfile(t.Context(), 11, "day", timeouts("day", 24*time.Hour, -1)))
	sweep := func() []string {
		t.Helper()
		gone, err := m.Sweep(t.Context())
		must(t, err)
		return gone
	}
	equal(t, "swept without a reset", []string(nil), sweep())

	must(t, m.Reset(t.Context()))
	equal(t, "id of anna while the feed is read", int64(1), account(t, m, "anna").UserID)
	must(t, m.PutAccount(t.Context(), user(2, "bob"), []string{"hour", "day"}))
	must(t, m.PutProfile(t.Context(), 11, "day", timeouts("day", 24*time.Hour, -1)))
	must(t, m.Close())
	m, _ = open(t, path) // the marks are kept
	gone := sweep()
	equal(t, "swept", map[string]bool{"anna": true, "cleo": true}, set(gone))
	wantUnknown(t, m, "anna", "cleo")
	equal(t, "profiles of bob", []sessions.Profile{timeouts("day", 24*time.Hour, -1)}, account(t, m, "bob").Profiles)
	equal(t, "swept again", []string(nil), sweep())
}

func set(names []string) map[string]bool {
	out := make(map[string]bool)
	for _, n := range names {
		out[n] = true
	}
	return out
}

func TestCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	m, _ := open(t, path)
	for _, want := range []string{"", "first", "second"} {
		if want != "" {
			must(t, m.SetCursor(t.Context(), want))
		}
		got, err := m.Cursor(t.Context())
		must(t, err)
		equal(t, "cursor", want, got)
	}
	must(t, m.Checkpoint(t.Context()))
}

func TestUselessFileIsMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"damaged": func(t *testing.T, path string) { must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 9000), 0o600)) },
		"empty":   func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"too new": func(t *testing.T, path string) {
			db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schema: []sqlite.Step{{}, {}, {}, {}, {}, {SQL: "SELECT 1", Reader: 6}}})
			must(t, err)
			must(t, db.Close())
		},
		"gone, log left": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path+"-wal", []byte("log"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mirror.db")
			m, _ := open(t, path)
			must(t, m.PutAccount(t.Context(), user(1, "anna"), nil))
			must(t, m.SetCursor(t.Context(), "7"))
			must(t, m.Close())
			spoil(t, path)
			m, log := open(t, path)
			if !strings.Contains(log.String(), "mirror thrown away") {
				t.Errorf("log: %q", log)
			}
			wantUnknown(t, m, "anna")
			cursor, err := m.Cursor(t.Context())
			must(t, err)
			equal(t, "cursor", "", cursor)
			must(t, m.PutAccount(t.Context(), user(1, "anna"), nil))
		})
	}
}

func TestDiskFaultIsTold(t *testing.T) {
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "no", "mirror.db"), slog.New(slog.DiscardHandler))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// TestNoSecrets: whatever it is given, the file holds no password hash (DESIGN D10).
func TestNoSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	m, _ := open(t, path)
	a := user(1, "anna")
	a.PasswordHash = "$argon2id$secret"
	must(t, m.PutAccount(t.Context(), a, nil))
	must(t, m.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	if bytes.Contains(b, []byte("argon2id")) || !bytes.Contains(b, []byte("anna")) {
		t.Error("the file holds the hash, or not the account")
	}
}
