package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// TestExportAndErase has the verbs write everything to files and forget somebody.
func TestExportAndErase(t *testing.T) {
	_, url := database(t)
	done(t, "migrate", "--database", url)
	done(t, "org", "create", "--database", url, "--short-name", "acme", "--name", "Acme")
	users := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(users, []byte("username,first_name\nann,\"=cmd()\"\nbob,\"B, \"\"x\"\"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	done(t, "import", "users", "--database", url, "--org", "acme", users)
	db, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var records []edge.Record
	for i := range 6000 { // more than a page, many of one instant
		id := fmt.Sprint(i)
		records = append(records, edge.Record{Accounting: &edge.Accounting{AcctStatusType: "Start", AcctUniqueID: id, AcctSessionID: id,
			Username: []string{"ann", "bob"}[i%2], NASIPAddress: "192.0.2.1", AcctStartTime: start.Add(time.Duration(i/4000) * time.Hour), AcctUpdateTime: start}})
	}
	if _, err := db.Ingest(t.Context(), store.Scope{1}, records); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	export := func(args ...string) string {
		t.Helper()
		return done(t, append([]string{"export", args[0], "--database", url, "--org", "acme"}, args[1:]...)...)
	}

	rows, err := csv.NewReader(strings.NewReader(export("users"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][2] != "username" || rows[1][4] != "'=cmd()" || rows[2][4] != `B, "x"` {
		t.Errorf("users %v, %v", rows, err)
	}
	seen := make(map[any]bool)
	for line := range strings.Lines(export("accounting", "--format", "ndjson")) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		seen[row["acctuniqueid"]] = true
	}
	if len(seen) != 6000 {
		t.Errorf("%d different sessions in the export, want 6000", len(seen))
	}
	if n := strings.Count(export("accounting", "--from", "2026-03-01T13:00:00Z", "--until", "2026-03-02"), "\n"); n != 2000 {
		t.Errorf("%d sessions of the second hour, want 2000", n)
	}
	target := filepath.Join(t.TempDir(), "out.csv")
	export("transactions", "--to", target)
	if code, _, errOut := call(t, "export", "transactions", "--database", url, "--org", "acme", "--to", target); code != exitFailed {
		t.Errorf("over a file that is there: exit %d: %s", code, errOut)
	}
	if code, _, errOut := call(t, "export", "users", "--database", url, "--org", "acme", "--format", "xml"); code != exitUsage {
		t.Errorf("an unknown format: exit %d: %s", code, errOut)
	}

	person := []string{"--database", url, "--org", "acme", "--user", "ann"}
	if got := done(t, append([]string{"person", "export"}, person...)...); !json.Valid([]byte(got)) || strings.Count(got, "acctuniqueid") != 3000 {
		t.Errorf("the export of a person: %.300s", got)
	}
	if got := done(t, append([]string{"person", "erase"}, person...)...); !strings.Contains(got, "3000 sessions and transactions are nobody's") {
		t.Errorf("erase said %q", got)
	}
	if code, _, errOut := call(t, append([]string{"person", "export"}, person...)...); code != exitFailed || !strings.Contains(errOut, "acme has no user ann") {
		t.Errorf("once more: exit %d: %s", code, errOut)
	}
	if all := export("accounting") + export("users") + export("transactions"); strings.Contains(all, "ann") || bytes.Count([]byte(all), []byte("bob")) < 3000 {
		t.Error("the person is still there, or the other is gone")
	}
}
