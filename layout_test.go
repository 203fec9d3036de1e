package gatehouse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "gatehouse"

// goPackage is what this test needs of `go list -json`.
type goPackage struct {
	ImportPath                         string
	Name                               string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// path is the package's path inside the module.
func (p goPackage) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Imports,TestImports,XTestImports,Deps", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []goPackage
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("reading the output of go list: %v", err)
		}
		if p.ImportPath != module { // the root holds tests only
			pkgs = append(pkgs, p)
		}
	}
}

// patterns is a list as docs/layout.txt writes it: x, x/..., ..., each possibly with a leading !.
type patterns []string

// has tells whether the list has the path and does not take it away again.
func (l patterns) has(path string) bool {
	found := false
	for _, p := range l {
		if !strings.HasPrefix(p, "!") {
			found = found || matches(p, path)
		}
	}
	return found && !l.bars(path)
}

// bars tells whether the list takes the path away.
func (l patterns) bars(path string) bool {
	return slices.ContainsFunc(l, func(p string) bool {
		barred, ok := strings.CutPrefix(p, "!")
		return ok && matches(barred, path)
	})
}

func matches(pattern, path string) bool {
	if pattern == "..." || pattern == path {
		return true
	}
	below, ok := strings.CutSuffix(pattern, "/...")
	return ok && (path == below || strings.HasPrefix(path, below+"/"))
}

type onlyRule struct {
	imported string
	in       patterns
	reason   string
}

// layout is docs/layout.txt.
type layout struct {
	allow map[string]patterns
	tests patterns
	only  []onlyRule
}

func parseLayout(text string) (layout, error) {
	l := layout{allow: map[string]patterns{}}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.SplitN(line, " : ", 3)
		if len(cells) == 1 { // an empty list at the end of the line
			cells = []string{strings.TrimSuffix(line, ":"), ""}
		}
		head, list := strings.Fields(cells[0]), patterns(strings.Fields(cells[1]))
		switch {
		case len(head) == 2 && head[0] == "allow" && len(cells) == 2:
			l.allow[head[1]] = list
		case len(head) == 1 && head[0] == "tests" && len(cells) == 2:
			l.tests = list
		case len(head) == 2 && head[0] == "only" && len(cells) == 3:
			l.only = append(l.only, onlyRule{head[1], list, cells[2]})
		case len(head) == 2 && head[0] == "only" && len(cells) == 2 && strings.HasPrefix(cells[1], ": "):
			l.only = append(l.only, onlyRule{head[1], nil, strings.TrimPrefix(cells[1], ": ")})
		default:
			return l, fmt.Errorf("line %d: not an allow, tests or only row: %q", i+1, line)
		}
	}
	return l, nil
}

// row is the longest allow row that matches the package.
func (l layout) row(path string) (patterns, bool) {
	best, found := "", false
	for p := range l.allow {
		if matches(p, path) && (!found || len(p) > len(best)) {
			best, found = p, true
		}
	}
	return l.allow[best], found
}

// faults are all imports of the package that the table forbids.
func (l layout) faults(p goPackage) []string {
	row, ok := l.row(p.path())
	if !ok {
		return []string{fmt.Sprintf("%s: has no row in docs/layout.txt", p.path())}
	}
	var faults []string
	for _, imported := range p.Imports {
		if inner, ours := strings.CutPrefix(imported, module+"/"); ours && !row.has(inner) {
			faults = append(faults, fmt.Sprintf("%s: may not import %s", p.path(), inner))
		}
		faults = append(faults, l.onlyFaults(p.path(), imported)...)
	}
	for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
		if inner, ours := strings.CutPrefix(imported, module+"/"); ours && inner != p.path() && !l.tests.has(inner) {
			faults = append(faults, fmt.Sprintf("%s: its tests may not import %s", p.path(), inner))
		}
	}
	if strings.HasPrefix(p.path(), "cmd/") {
		for _, dep := range p.Deps {
			inner, ours := strings.CutPrefix(dep, module+"/")
			if ours && row.bars(inner) && !slices.Contains(p.Imports, dep) {
				faults = append(faults, fmt.Sprintf("%s: reaches %s through another package", p.path(), inner))
			}
		}
	}
	return faults
}

func (l layout) onlyFaults(path, imported string) []string {
	var faults []string
	for _, r := range l.only {
		if matches(r.imported, imported) && !r.in.has(path) {
			faults = append(faults, fmt.Sprintf("%s: may not import %s: %s", path, imported, r.reason))
		}
	}
	return faults
}

func TestLayout(t *testing.T) {
	text, err := os.ReadFile("docs/layout.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseLayout(string(text))
	if err != nil {
		t.Fatalf("docs/layout.txt: %v", err)
	}
	for _, p := range listPackages(t) {
		for _, fault := range l.faults(p) {
			t.Error(fault)
		}
	}
}

// TestLinkedPackages shows in review what a change makes the gateway's program carry.
func TestLinkedPackages(t *testing.T) {
	const path = "cmd/gatehouse/deps.txt"
	cmd := exec.Command("go", "list", "-deps", "-tags", "nethttpomithttp2", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/gatehouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	got := strings.Join(linked, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(want)), linked); diff != "" {
		t.Errorf("%s is out of date; when the new weight is wanted: go test . -update (-want +got):\n%s", path, diff)
	}
}

func TestLayoutFaults(t *testing.T) {
	l, err := parseLayout(`
# a comment
allow sessions      : internal/clock
allow api/...       :
allow central       : central/... sessions
allow central/store : sessions
allow cmd/edge      : ... !central/...
tests               : ... !cmd/...
only html/template  : central/... : it is heavy
only x/testify/...  : : there is cmp
`)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		pkg  goPackage
		want []string
	}{
		"allowed":        {goPackage{ImportPath: "gatehouse/sessions", Imports: []string{"fmt", "gatehouse/internal/clock"}}, nil},
		"not in the row": {goPackage{ImportPath: "gatehouse/sessions", Imports: []string{"gatehouse/api/edge"}}, []string{"sessions: may not import api/edge"}},
		"empty row":      {goPackage{ImportPath: "gatehouse/api/edge", Imports: []string{"gatehouse/api/gate"}}, []string{"api/edge: may not import api/gate"}},
		"no row":         {goPackage{ImportPath: "gatehouse/other"}, []string{"other: has no row in docs/layout.txt"}},
		"longest row":    {goPackage{ImportPath: "gatehouse/central/store", Imports: []string{"gatehouse/central"}}, []string{"central/store: may not import central"}},
		"reaches": {goPackage{ImportPath: "gatehouse/cmd/edge", Imports: []string{"gatehouse/sessions"}, Deps: []string{"gatehouse/central/store"}},
			[]string{"cmd/edge: reaches central/store through another package"}},
		"barred":        {goPackage{ImportPath: "gatehouse/cmd/edge", Imports: []string{"gatehouse/central"}}, []string{"cmd/edge: may not import central"}},
		"tests":         {goPackage{ImportPath: "gatehouse/sessions", TestImports: []string{"gatehouse/lab"}, XTestImports: []string{"gatehouse/cmd/edge"}}, []string{"sessions: its tests may not import cmd/edge"}},
		"only here":     {goPackage{ImportPath: "gatehouse/central", Imports: []string{"html/template"}}, nil},
		"only there":    {goPackage{ImportPath: "gatehouse/sessions", Imports: []string{"html/template"}}, []string{"sessions: may not import html/template: it is heavy"}},
		"nowhere":       {goPackage{ImportPath: "gatehouse/central", Imports: []string{"x/testify/assert"}}, []string{"central: may not import x/testify/assert: there is cmp"}},
		"similar names": {goPackage{ImportPath: "gatehouse/sessions", Imports: []string{"gatehouse/internal/clockwork"}}, []string{"sessions: may not import internal/clockwork"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, l.faults(test.pkg)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
	for _, bad := range []string{"allow sessions internal/clock", "forbid x : y", "only html/template : central/..."} {
		if _, err := parseLayout(bad); err == nil {
			t.Errorf("parseLayout(%q) accepts it", bad)
		}
	}
}
