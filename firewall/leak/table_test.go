package leak_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outcome is what becomes of a packet.
type outcome string

const (
	pass    outcome = "pass"    // it arrives where it was sent to
	portal  outcome = "portal"  // it arrives at the portal instead
	dns     outcome = "dns"     // it arrives at the router's resolver instead
	refused outcome = "refused" // it arrives nowhere, and the sender is told: a TCP reset, an ICMP error
	dropped outcome = "dropped" // it arrives nowhere, and nobody is told
	no      outcome = "no"      // it arrives nowhere; whether anybody is told is no matter
	untried outcome = "-"       // the cell has no meaning
)

// section is a part of the table: kinds of traffic by state.
type section struct {
	name    string
	columns []string
	rows    []string
	cells   map[[2]string][2]outcome // by row and column; of IPv4 and IPv6
}

var gap = regexp.MustCompile(`\s{2,}`) // between cells; a name may have single blanks

// readTable reads a table: sections with a name in brackets, then a line of column names, then a line for each row. What
// stands behind # is a comment. A cell is an outcome, or one for IPv4 and one for IPv6 with a slash between them.
func readTable(text string) (sections []section, err error) {
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimRight(line, " "); line == "" {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			sections = append(sections, section{name: strings.TrimSuffix(name, "]"), cells: map[[2]string][2]outcome{}})
			continue
		}
		if len(sections) == 0 {
			return nil, fmt.Errorf("line %d: no section yet", n+1)
		}
		if err := sections[len(sections)-1].add(gap.Split(line, -1)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return sections, nil
}

func (s *section) add(fields []string) error {
	if s.columns == nil {
		if fields[0] != "" {
			return fmt.Errorf("section %q begins with its columns, not with %q", s.name, fields[0])
		}
		s.columns = fields[1:]
		return nil
	}
	row, cells := fields[0], fields[1:]
	if row == "" || slices.Contains(s.rows, row) || len(cells) != len(s.columns) {
		return fmt.Errorf("a row has a name of its own and %d cells, not %q and %d", len(s.columns), row, len(cells))
	}
	s.rows = append(s.rows, row)
	for i, c := range cells {
		v4, v6, two := strings.Cut(c, "/")
		if !two {
			v6 = v4
		}
		cell := [2]outcome{outcome(v4), outcome(v6)}
		for _, o := range cell {
			if !slices.Contains([]outcome{pass, portal, dns, refused, dropped, no, untried}, o) {
				return fmt.Errorf("%q is no outcome", o)
			}
		}
		s.cells[[2]string{row, s.columns[i]}] = cell
	}
	return nil
}

func loadTable(t testing.TB) []section {
	t.Helper()
	text, err := os.ReadFile("testdata/who-may-pass.txt")
	if err != nil {
		t.Fatal(err)
	}
	sections, err := readTable(string(text))
	if err != nil {
		t.Fatalf("testdata/who-may-pass.txt: %v", err)
	}
	return sections
}

func TestReadTable(t *testing.T) {
	t.Parallel()
	got, err := readTable("[up] # a section\n      tcp   some fragments\na row   pass  dropped/refused\nb  -  portal\n")
	if err != nil || len(got) != 1 || !slices.Equal(got[0].columns, []string{"tcp", "some fragments"}) || !slices.Equal(got[0].rows, []string{"a row", "b"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if c := got[0].cells[[2]string{"a row", "some fragments"}]; c != [2]outcome{dropped, refused} {
		t.Errorf("the cell of two families is %v", c)
	}
	if c := got[0].cells[[2]string{"b", "tcp"}]; c != [2]outcome{untried, untried} {
		t.Errorf("the cell of one word is %v", c)
	}
	for name, text := range map[string]string{
		"no section":      "a  pass\n",
		"no columns":      "[up]\na  pass\n",
		"too few cells":   "[up]\n  tcp  udp\na  pass\n",
		"unknown outcome": "[up]\n  tcp\na  perhaps\n",
		"row twice":       "[up]\n  tcp\na  pass\na  pass\n",
	} {
		if _, err := readTable(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
