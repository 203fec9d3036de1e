package gatehouse_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is generated anew")

// link is an inline link or picture of Markdown; the target has no title.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// brokenLinks are the relative links in a Markdown file for which exists says no.
func brokenLinks(path, text string, exists func(string) bool) []string {
	var broken []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target == "" || strings.Contains(target, "://") {
			continue
		}
		if !exists(filepath.Join(filepath.Dir(path), target)) {
			broken = append(broken, fmt.Sprintf("%s: %s does not exist", path, target))
		}
	}
	return broken
}

func markdownFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDocLinks(t *testing.T) {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	for _, path := range markdownFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range brokenLinks(path, string(text), exists) {
			t.Error(fault)
		}
	}
}

func TestBrokenLinks(t *testing.T) {
	text := "[a](a.md) [b](b.md#part) ![p](../p.png) [top](#top) [w](https://example.com/x)"
	exists := func(path string) bool { return path == "docs/a.md" }
	want := []string{"docs/x.md: b.md does not exist", "docs/x.md: ../p.png does not exist"}
	if diff := cmp.Diff(want, brokenLinks("docs/x.md", text, exists)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestConfigDoc keeps the reference in docs/config.md the same as the file that config tests.
func TestConfigDoc(t *testing.T) {
	const path = "docs/config.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("config/reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "\n## Reference\n\n```toml\n", "```\n"
	head, _, ok := strings.Cut(string(doc), begin)
	if !ok {
		t.Fatalf("%s has no reference", path)
	}
	want := head + begin + string(reference) + end
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(doc)); diff != "" {
		t.Errorf("the reference differs from config/reference.toml; go test . -run TestConfigDoc -update (-want +got):\n%s", diff)
	}
}

func TestDecisionIndex(t *testing.T) {
	index, err := os.ReadFile("docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob("docs/decisions/[0-9]*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("no records: %v", err)
	}
	parts := []string{"## Context\n", "## Options\n", "## Decision\n", "## Consequences\n"}
	for i, path := range records {
		name := filepath.Base(path)
		if !strings.HasPrefix(name, fmt.Sprintf("%04d-", i+1)) {
			t.Errorf("%s: number %d is missing or taken twice", name, i+1)
		}
		if !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("%s is not in the index", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var at []int
		for _, p := range parts {
			at = append(at, strings.Index(string(text), p))
		}
		if at[0] < 0 || !slices.IsSorted(at) {
			t.Errorf("%s: wants %q in this order", name, parts)
		}
	}
}

// TestSuitesHaveBudgets wants a row in docs/testing.md for every package with tests, and none for others.
func TestSuitesHaveBudgets(t *testing.T) {
	text, err := os.ReadFile("docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| \\d+ s \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	var tested []string
	for _, s := range readSources(t) {
		if s.isTest() {
			name := strings.TrimSuffix(module+"/"+s.dir(), "/.")
			tested = append(tested, name)
			if strings.HasPrefix(s.dir(), "central") { // on either database
				tested = append(tested, "postgres:"+name)
			}
		}
	}
	slices.Sort(tested)
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Compact(tested), listed); diff != "" {
		t.Errorf("suites of docs/testing.md (-there are +are listed):\n%s", diff)
	}
}
