package gatehouse_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docFaults demands one package comment per package, in its doc.go, that begins as godoc wants it.
func docFaults(sources []source) []string {
	var faults []string
	dirs := map[string]int{}
	for _, s := range sources {
		if s.file == nil || s.isTest() || s.dir() == "." {
			continue
		}
		dirs[s.dir()] += 0
		if s.file.Doc == nil || ast.IsGenerated(s.file) {
			continue
		}
		dirs[s.dir()]++
		begin := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			begin = "Command " + path.Base(s.dir()) + " "
		}
		if path.Base(s.path) != "doc.go" {
			faults = append(faults, s.path+": a package comment belongs in doc.go")
		} else if !strings.HasPrefix(s.file.Doc.Text(), begin) {
			faults = append(faults, fmt.Sprintf("%s: the package comment begins with %q", s.path, begin))
		}
	}
	for dir, n := range dirs {
		if n != 1 {
			faults = append(faults, fmt.Sprintf("%s: %d package comments, want one", dir, n))
		}
	}
	slices.Sort(faults)
	return faults
}

func TestPackageDocs(t *testing.T) {
	for _, fault := range docFaults(readSources(t)) {
		t.Error(fault)
	}
}

func TestPackageDocFaults(t *testing.T) {
	files := map[string]string{
		"good/doc.go":       "// Package good is.\npackage good\n",
		"good/good.go":      "package good\n",
		"good/good_test.go": "// Package good is again.\npackage good\n",
		"good/good.templ":   "package good\n",
		"none/none.go":      "package none\n",
		"two/doc.go":        "// Package two is.\npackage two\n",
		"two/two.go":        "// Package two is.\npackage two\n",
		"cmd/prog/doc.go":   "// Command prog does.\npackage main\n",
		"cmd/prg/doc.go":    "// Package main does.\npackage main\n",
	}
	var sources []source
	for p, text := range files {
		s, err := parseSource(p, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, s)
	}
	want := []string{
		`cmd/prg/doc.go: the package comment begins with "Command prg "`,
		"none: 0 package comments, want one",
		"two/two.go: a package comment belongs in doc.go",
		"two: 2 package comments, want one",
	}
	if diff := cmp.Diff(want, docFaults(sources)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
