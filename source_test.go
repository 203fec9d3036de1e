package gatehouse_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source is one hand-written or generated file of the module, .go or .templ.
type source struct {
	path  string // below the root, with slashes
	lines int
	fset  *token.FileSet
	file  *ast.File // nil for .templ
}

func parseSource(path string, text []byte) (source, error) {
	s := source{path: path, lines: strings.Count(string(text), "\n"), fset: token.NewFileSet()}
	if filepath.Ext(path) != ".go" {
		return s, nil
	}
	var err error
	s.file, err = parser.ParseFile(s.fset, path, text, parser.ParseComments)
	return s, err
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s source) dir() string  { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) fault(at ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(at.Pos()).Line, fmt.Sprintf(format, args...))
}

// readSources reads every .go and .templ file of the repository, whatever its architecture; the tools' module too.
func readSources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist" || name == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".templ") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s, err := parseSource(filepath.ToSlash(path), text)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sourceRules are the rules of the house that one file can break by itself.
var sourceRules = []func(source) []string{
	sizeFaults, initFaults, clockFaults, sleepFaults, skipFaults, buildTagFaults, aliasFaults, nameFaults,
}

func sizeFaults(s source) []string {
	limit := 600
	switch {
	case s.file != nil && ast.IsGenerated(s.file):
		return nil
	case s.isTest():
		limit = 800
	case filepath.Base(s.path) == "main.go":
		limit = 150
	}
	if s.lines <= limit {
		return nil
	}
	return []string{fmt.Sprintf("%s: %d lines, the limit is %d: split it by what it is about", s.path, s.lines, limit)}
}

func initFaults(s source) []string {
	if s.file == nil {
		return nil
	}
	var faults []string
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			faults = append(faults, s.fault(f, "init(): what runs before main cannot be given its parts"))
		}
	}
	return faults
}

// clockFaults: rules are given the time by clock.Clock.
func clockFaults(s source) []string {
	if s.isTest() || !slices.Contains([]string{"sessions", "config", "web"}, s.dir()) {
		return nil
	}
	return s.selectors(func(x, sel string) string {
		if x == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel) {
			return "time." + sel + " in a package of rules: take the time from clock.Clock"
		}
		return ""
	})
}

// sleepFaults lets tests sleep where time is not real: in files that use synctest.
func sleepFaults(s source) []string {
	if !s.isTest() || slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` }) {
		return nil
	}
	return s.selectors(func(x, sel string) string {
		if x == "time" && sel == "Sleep" {
			return "time.Sleep in a test: wait for what is expected, with a deadline"
		}
		return ""
	})
}

func skipFaults(s source) []string {
	if s.dir() == "lab" && !s.isTest() {
		return nil
	}
	return s.selectors(func(x, sel string) string {
		if slices.Contains([]string{"t", "b", "f", "tb"}, x) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel) {
			return x + "." + sel + ": only lab.RequireKernel and its siblings skip, and they do not in CI"
		}
		return ""
	})
}

// selectors reports every x.sel of the file for which say returns something.
func (s source) selectors(say func(x, sel string) string) []string {
	if s.file == nil {
		return nil
	}
	var faults []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := e.X.(*ast.Ident); ok {
				if msg := say(x.Name, e.Sel.Name); msg != "" {
					faults = append(faults, s.fault(e, "%s", msg))
				}
			}
		}
		return true
	})
	return faults
}

func buildTagFaults(s source) []string {
	if !s.isTest() {
		return nil
	}
	var faults []string
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build") {
				faults = append(faults, s.fault(c, "a build tag in a test: a test that is not built is not missed"))
			}
		}
	}
	return faults
}

func aliasFaults(s source) []string {
	if s.file == nil {
		return nil
	}
	var faults []string
	for _, spec := range s.file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		name := ""
		if spec.Name != nil {
			name = spec.Name.Name
		}
		switch {
		case path == module+"/sync" && name != "gwsync":
			faults = append(faults, s.fault(spec, "%s is imported as gwsync", path))
		case name == ".":
			faults = append(faults, s.fault(spec, "a dot import hides where a name comes from"))
		}
	}
	return faults
}

func nameFaults(s source) []string {
	homeless := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}
	std := []string{"http", "errors", "log", "sync", "time", "net", "os"}
	var faults []string
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSuffix(s.path, filepath.Ext(s.path)), "_test"), "/") {
		if slices.Contains(homeless, part) {
			faults = append(faults, fmt.Sprintf("%s: %q says nothing about what belongs there", s.path, part))
		}
	}
	if s.file != nil && slices.Contains(std, s.file.Name.Name) {
		faults = append(faults, s.fault(s.file.Name, "package %s has the name of a package of the standard library", s.file.Name.Name))
	}
	return faults
}

func TestSources(t *testing.T) {
	for _, s := range readSources(t) {
		for _, rule := range sourceRules {
			for _, fault := range rule(s) {
				t.Error(fault)
			}
		}
	}
}

func TestSourceRules(t *testing.T) {
	long := func(n int) string { return "package x\n" + strings.Repeat("\n", n-1) }
	tests := map[string]struct {
		path, text string
		want       []string
	}{
		"long file":        {"a/a.go", long(601), []string{"a/a.go: 601 lines, the limit is 600: split it by what it is about"}},
		"long templ":       {"web/a.templ", long(601), []string{"web/a.templ: 601 lines, the limit is 600: split it by what it is about"}},
		"file at limit":    {"a/a.go", long(600), nil},
		"long test":        {"a/a_test.go", long(801), []string{"a/a_test.go: 801 lines, the limit is 800: split it by what it is about"}},
		"long main":        {"cmd/a/main.go", long(151), []string{"cmd/a/main.go: 151 lines, the limit is 150: split it by what it is about"}},
		"long generated":   {"a/a_templ.go", "// Code generated by templ - DO NOT EDIT.\n\n" + long(900), nil},
		"init":             {"a/a.go", "package a\nfunc init() {}\n", []string{"a/a.go:2: init(): what runs before main cannot be given its parts"}},
		"init method":      {"a/a.go", "package a\ntype t int\nfunc (t) init() {}\n", nil},
		"clock in rules":   {"sessions/a.go", "package sessions\nvar now = time.Now\n", []string{"sessions/a.go:2: time.Now in a package of rules: take the time from clock.Clock"}},
		"clock in a test":  {"sessions/a_test.go", "package sessions\nvar now = time.Now\n", nil},
		"clock elsewhere":  {"portal/a.go", "package portal\nvar now = time.Now\n", nil},
		"sleep":            {"a/a_test.go", "package a\nfunc f() { time.Sleep(1) }\n", []string{"a/a_test.go:2: time.Sleep in a test: wait for what is expected, with a deadline"}},
		"sleep in bubble":  {"a/a_test.go", "package a\nimport \"testing/synctest\"\nfunc f() { time.Sleep(1) }\n", nil},
		"sleep in code":    {"a/a.go", "package a\nfunc f() { time.Sleep(1) }\n", nil},
		"skip":             {"a/a_test.go", "package a\nfunc f(t *T) { t.Skipf(\"\") }\n", []string{"a/a_test.go:2: t.Skipf: only lab.RequireKernel and its siblings skip, and they do not in CI"}},
		"skip in lab":      {"lab/a.go", "package lab\nfunc f(t *T) { t.Skip() }\n", nil},
		"skip in lab test": {"lab/a_test.go", "package lab\nfunc f(t *T) { t.Skip() }\n", []string{"lab/a_test.go:2: t.Skip: only lab.RequireKernel and its siblings skip, and they do not in CI"}},
		"build tag":        {"a/a_test.go", "//go:build linux\n\npackage a\n", []string{"a/a_test.go:1: a build tag in a test: a test that is not built is not missed"}},
		"sync":             {"a/a.go", "package a\nimport \"gatehouse/sync\"\n", []string{"a/a.go:2: gatehouse/sync is imported as gwsync"}},
		"sync renamed":     {"a/a.go", "package a\nimport s \"gatehouse/sync\"\n", []string{"a/a.go:2: gatehouse/sync is imported as gwsync"}},
		"gwsync":           {"a/a.go", "package a\nimport gwsync \"gatehouse/sync\"\n", nil},
		"std sync":         {"a/a.go", "package a\nimport \"sync\"\n", nil},
		"dot":              {"a/a.go", "package a\nimport . \"fmt\"\n", []string{"a/a.go:2: a dot import hides where a name comes from"}},
		"homeless folder":  {"utils/a.go", "package utils\n", []string{`utils/a.go: "utils" says nothing about what belongs there`}},
		"homeless file":    {"a/helpers_test.go", "package a\n", []string{`a/helpers_test.go: "helpers" says nothing about what belongs there`}},
		"name of std":      {"sync/a.go", "package sync\n", []string{"sync/a.go:1: package sync has the name of a package of the standard library"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := parseSource(test.path, []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, rule := range sourceRules {
				got = append(got, rule(s)...)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoReplace(t *testing.T) {
	for _, name := range []string{"go.mod", "tools/go.mod", "lab/openid/provider/go.mod"} {
		out, err := exec.Command("go", "mod", "edit", "-json", name).Output()
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		var mod struct{ Replace []any }
		if err := json.Unmarshal(out, &mod); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		if len(mod.Replace) > 0 {
			t.Errorf("%s has a replace: what is built is not what is required", name)
		}
	}
}
