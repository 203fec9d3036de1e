package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A step is known by its place: two of one number would change places with their names.
func TestMigrationsAreNumbered(t *testing.T) {
	var names [2][]string
	for i, folder := range []string{"sqlite", "postgres"} {
		steps, err := migrations(folder)
		if err != nil || len(steps) == 0 {
			t.Fatal(len(steps), err)
		}
		for n, step := range steps {
			name := filepath.Base(step.name)
			if want := fmt.Sprintf("%04d_", n+1); !strings.HasPrefix(name, want) {
				t.Errorf("%s is step %d: its name begins with %s", step.name, n+1, want)
			}
			names[i] = append(names[i], name)
		}
	}
	if a, b := fmt.Sprint(names[0]), fmt.Sprint(names[1]); a != b {
		t.Errorf("steps of SQLite and PostgreSQL differ:\n%s\n%s", a, b)
	}
}
