package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImport(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	in, report := filepath.Join(t.TempDir(), "in.csv"), filepath.Join(t.TempDir(), "report.csv")
	var many strings.Builder
	many.WriteString("username,email\nann,\n")
	for range 30 {
		many.WriteString("a b,\n")
	}
	if err := os.WriteFile(in, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"import", "users", "--database", db, "--org", "acme", "--report", report}
	for _, step := range []struct {
		args      []string
		code      int
		out, says string
	}{
		{[]string{}, exitUsage, "", "the name of a file is missing"},
		{[]string{"--existing", "maybe", in}, exitUsage, "", "none of error, skip and update"},
		{[]string{"--map", "x", in}, exitUsage, "", "want COLUMN=FIELD"},
		{[]string{in + ".missing"}, exitFailed, "", "no such file"},
		{[]string{"--org", "nobody", in}, exitFailed, "", "there is no organisation nobody"},
		{[]string{in}, exitFailed, "line 3, column 1 (username): Enter a valid username.", "30 rows are wrong and nothing was imported"},
		{[]string{"--continue", "--dry-run", in}, exitFailed, "1 would be made, 0 changed, 0 left as they are, 30 rows wrong", "30 rows are wrong: mend"},
		{[]string{"--continue", in}, exitFailed, "and 10 more\n1 made, 0 changed, 0 left as they are, 30 rows wrong", "30 rows are wrong: mend"},
		{[]string{"--continue", "--existing", "skip", in}, exitFailed, "0 made, 0 changed, 1 left as they are, 30 rows wrong", ""},
	} {
		code, out, errOut := call(t, append(base, step.args...)...)
		if code != step.code || !strings.Contains(out, step.out) || !strings.Contains(errOut, step.says) {
			t.Errorf("%v: exit %d, want %d; said %q, want %q; and %q, want %q", step.args, code, step.code, out, step.out, errOut, step.says)
		}
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got != 31 {
		t.Errorf("the report has %d lines, want a header and 30: %s", got, text)
	}
}
