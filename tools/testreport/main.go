package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.budgets, "budgets", "", "`file` with a table of packages and their budgets")
	flag.StringVar(&o.ran, "ran", "", "`file` to which the tests that ran in the lab have written their names")
	flag.StringVar(&o.must, "must", "", "`file` with the names of those that must run")
	flag.BoolVar(&o.strict, "strict", false, "a skipped test, or one that must run and did not, is a failure")
	flag.BoolVar(&o.update, "update", false, "write the file of -must from that of -ran")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ok, err := o.run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

type options struct {
	budgets, ran, must string
	strict, update     bool
}

// run reports the events in r on w and tells whether all is well.
func (o options) run(r io.Reader, w io.Writer) (bool, error) {
	rep := newReport(w)
	if err := rep.read(r); err != nil {
		return false, err
	}
	budgets, err := readFile(o.budgets)
	if err != nil {
		return false, err
	}
	rep.times(parseBudgets(budgets))
	ok := rep.failed == 0 && rep.passed > 0
	if o.strict && len(rep.skipped) > 0 {
		fmt.Fprintf(w, "skipped, which CI does not allow:\n  %s\n", strings.Join(rep.skipped, "\n  "))
		ok = false
	}
	same, err := o.compare(w)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", rep.passed, rep.failed, len(rep.skipped))
	return ok && same, nil
}

// compare checks, or writes, the list of the tests that must run.
func (o options) compare(w io.Writer) (bool, error) {
	ranText, err := readFile(o.ran)
	if err != nil {
		return false, err
	}
	ran := names(ranText)
	if o.update {
		if err := os.WriteFile(o.must, []byte(strings.Join(ran, "\n")+"\n"), 0o644); err != nil {
			return false, err
		}
		return true, nil
	}
	mustText, err := readFile(o.must)
	if err != nil {
		return false, err
	}
	missing, extra := compareNames(ran, names(mustText))
	if !o.strict { // on a laptop some of them are skipped
		missing = nil
	}
	for _, name := range missing {
		fmt.Fprintf(w, "must run and did not: %s\n", name)
	}
	for _, name := range extra {
		fmt.Fprintf(w, "ran in the lab and is not listed: %s\n", name)
	}
	if len(missing)+len(extra) > 0 {
		fmt.Fprintf(w, "%s lists the tests that must run; when it is out of date: UPDATE=1 make test\n", o.must)
		return false, nil
	}
	return true, nil
}

// readFile is empty for a file that is not named.
func readFile(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	return string(text), err
}
