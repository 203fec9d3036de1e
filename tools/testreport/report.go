package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build-output
	Elapsed                       float64
}

// line is one line of output and the test that wrote it; test is empty for the package's own.
type line struct{ test, text string }

type report struct {
	w       io.Writer
	passed  int
	failed  int
	skipped []string // package.Test
	took    map[string]time.Duration

	output map[string][]line          // by package, of those that run
	bad    map[string]map[string]bool // by package, the tests that failed
}

func newReport(w io.Writer) *report {
	return &report{w: w, took: map[string]time.Duration{}, output: map[string][]line{}, bad: map[string]map[string]bool{}}
}

// read takes in all events. What is no event is printed as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(r.w, lines.Text())
			continue
		}
		if e.Test == "" {
			r.packageEvent(e)
		} else {
			r.testEvent(e)
		}
	}
	return lines.Err()
}

func (r *report) testEvent(e event) {
	switch e.Action {
	case "output":
		r.output[e.Package] = append(r.output[e.Package], line{e.Test, e.Output})
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, e.Package+"."+e.Test)
	case "fail":
		r.failed++
		if r.bad[e.Package] == nil {
			r.bad[e.Package] = map[string]bool{}
		}
		r.bad[e.Package][e.Test] = true
	}
}

func (r *report) packageEvent(e event) {
	switch e.Action {
	case "output":
		r.output[e.Package] = append(r.output[e.Package], line{"", e.Output})
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "pass":
		r.ended(e)
		fmt.Fprintf(r.w, "ok  \t%s\t%.3fs\n", e.Package, e.Elapsed)
	case "fail":
		if len(r.bad[e.Package]) == 0 { // it was not built, or it died outside of a test
			r.failed++
		}
		r.printFailure(e.Package)
		r.ended(e)
		fmt.Fprintf(r.w, "FAIL\t%s\t%.3fs\n", e.Package, e.Elapsed)
	case "skip": // no test files
		delete(r.output, e.Package)
	}
}

func (r *report) ended(e event) {
	r.took[e.Package] += time.Duration(e.Elapsed * float64(time.Second))
	delete(r.output, e.Package)
}

// marker are the lines by which go test -v tells what runs.
var marker = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) `)

// printFailure prints what the failed tests and the package itself have written. A panic ends the output of a test that has
// no verdict, so tests without one are printed too.
func (r *report) printFailure(pkg string) {
	verdict := map[string]bool{}
	for _, l := range r.output[pkg] {
		text := strings.TrimSpace(l.text)
		if strings.HasPrefix(text, "--- PASS:") || strings.HasPrefix(text, "--- SKIP:") {
			verdict[l.test] = true
		}
	}
	for _, l := range r.output[pkg] {
		if l.test == "" && strings.HasPrefix(l.text, "FAIL") {
			continue // the verdict is ours to print
		}
		if !marker.MatchString(l.text) && !verdict[l.test] {
			fmt.Fprint(r.w, l.text)
		}
	}
}

// times prints how long each package took, the slowest first, beside its budget.
func (r *report) times(budgets map[string]time.Duration) {
	pkgs := make([]string, 0, len(r.took))
	for pkg := range r.took {
		pkgs = append(pkgs, pkg)
	}
	slices.SortFunc(pkgs, func(a, b string) int { return int(r.took[b] - r.took[a]) })
	fmt.Fprintf(r.w, "\n%8s %8s\n", "time", "budget")
	for _, pkg := range pkgs {
		budget, note := "-", ""
		if b, ok := budgets[pkg]; ok {
			budget = b.String()
			if r.took[pkg] > b {
				note = "  over its budget"
			}
		}
		fmt.Fprintf(r.w, "%7.1fs %8s  %s%s\n", r.took[pkg].Seconds(), budget, pkg, note)
	}
}

// budgetRow is a row of the table in docs/testing.md: | `package` | seconds s | ...
var budgetRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\d+) s \\|")

func parseBudgets(text string) map[string]time.Duration {
	budgets := map[string]time.Duration{}
	for _, m := range budgetRow.FindAllStringSubmatch(text, -1) {
		seconds, _ := strconv.Atoi(m[2]) // digits, by the expression
		budgets[m[1]] = time.Duration(seconds) * time.Second
	}
	return budgets
}

// names are the lines of a list, sorted, each once, without comments.
func names(text string) []string {
	var list []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			list = append(list, l)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// compareNames says what must has and ran has not, and the reverse.
func compareNames(ran, must []string) (missing, extra []string) {
	for _, name := range must {
		if !slices.Contains(ran, name) {
			missing = append(missing, name)
		}
	}
	for _, name := range ran {
		if !slices.Contains(must, name) {
			extra = append(extra, name)
		}
	}
	return missing, extra
}
