package central

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fault is what is wrong with one row of a file, and where.
type Fault struct {
	Line, Column int    // from 1; Column 0: the row as a whole
	Field        string // what the column stands for
	Problem      string
}

// Error implements error.
func (f Fault) Error() string {
	if f.Column == 0 {
		return fmt.Sprintf("line %d: %s", f.Line, f.Problem)
	}
	return fmt.Sprintf("line %d, column %d (%s): %s", f.Line, f.Column, f.Field, f.Problem)
}

// table is a file of comma-separated values with a header, as spreadsheets write it: commas, semicolons or tabs, a byte
// order mark, a first line "sep=;", quotes, CRLF.
type table struct {
	header []string // fields, by column; empty: the column is left out
	names  []string // as they stand in the file
	comma  rune
	rows   []row
	hashes map[string]error // what is wrong with password hashes of a shape
}

type row struct {
	line   int
	cells  []string
	faults []Fault
}

// cell is the trimmed value of a field; empty when the file has no such column.
func (t *table) cell(r *row, field string) string {
	if i := slices.Index(t.header, field); i >= 0 && i < len(r.cells) {
		return strings.TrimSpace(r.cells[i])
	}
	return ""
}

// wrong notes what is wrong with a row's field.
func (t *table) wrong(r *row, field, problem string) {
	r.faults = append(r.faults, Fault{Line: r.line, Column: slices.Index(t.header, field) + 1, Field: field, Problem: problem})
}

// readTable reads a file whose columns must be among fields; names gives columns another meaning than their name, or none.
// What is wrong with single rows is noted there; the error is about the file.
func readTable(in io.Reader, fields []string, names map[string]string) (*table, error) {
	b := bufio.NewReader(in)
	skipped, comma, err := preamble(b)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(b)
	c.Comma, c.FieldsPerRecord = comma, -1
	t := &table{comma: comma, hashes: make(map[string]error)}
	if t.names, err = c.Read(); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty: its first line must name the columns")
		}
		return nil, fmt.Errorf("the first line, which must name the columns: %w", err)
	}
	if t.header, err = headerFields(t.names, fields, names); err != nil {
		return nil, err
	}
	for {
		cells, err := c.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case errors.As(err, &wrong):
			line := wrong.Line + skipped
			t.rows = append(t.rows, row{line: line, cells: cells, faults: []Fault{{Line: line, Problem: wrong.Err.Error() +
				": put a value with quotes in it into quotes, and each of its quotes twice"}}})
		case err != nil:
			return nil, fmt.Errorf("reading rows: %w", err)
		default:
			line, _ := c.FieldPos(0)
			t.add(line+skipped, cells)
		}
	}
}

func (t *table) add(line int, cells []string) {
	if !slices.ContainsFunc(cells, func(v string) bool { return strings.TrimSpace(v) != "" }) {
		return // what a spreadsheet leaves below its last row
	}
	r := row{line: line, cells: cells}
	if len(cells) > len(t.header) {
		r.faults = append(r.faults, Fault{Line: line, Problem: fmt.Sprintf(
			"%d values and %d columns: put a value with %q in it into quotes", len(cells), len(t.header), t.comma)})
	}
	for i, v := range cells {
		if !utf8.ValidString(v) {
			r.faults = append(r.faults, Fault{Line: line, Column: i + 1, Field: t.names[min(i, len(t.names)-1)],
				Problem: "not UTF-8: save the file as CSV UTF-8"})
		}
	}
	t.rows = append(t.rows, r)
}

// preamble takes what comes before the header, and finds out what separates values.
func preamble(b *bufio.Reader) (skippedLines int, comma rune, err error) {
	start, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, fmt.Errorf("reading file: %w", err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3) // it is there
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return 0, 0, errors.New("the file is UTF-16: save it as CSV UTF-8")
	}
	line := firstLine(b)
	if said, ok := strings.CutPrefix(line, "sep="); ok && utf8.RuneCountInString(said) == 1 {
		comma, _ = utf8.DecodeRuneInString(said)
		if !strings.ContainsRune(",;\t|", comma) {
			return 0, 0, fmt.Errorf("the first line says sep=%s: use a comma, semicolon, tab or |", said)
		}
		_, err = b.ReadString('\n')
		return 1, comma, err
	}
	comma = ','
	for _, c := range ";\t" {
		if strings.Count(line, string(c)) > strings.Count(line, string(comma)) {
			comma = c
		}
	}
	return 0, comma, nil
}

// firstLine looks at the first line without taking it, as far as the buffer goes.
func firstLine(b *bufio.Reader) string {
	seen, _ := b.Peek(b.Size()) // less when the file is shorter
	line, _, _ := strings.Cut(string(seen), "\n")
	return strings.TrimSuffix(line, "\r")
}

// headerFields finds what the columns stand for. "E-mail " is e_mail; error columns are those of our own report.
func headerFields(columns, fields []string, names map[string]string) ([]string, error) {
	header := make([]string, len(columns))
	for i, column := range columns {
		field := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(column)))
		if to, ok := names[strings.TrimSpace(column)]; ok {
			field = to
		}
		switch {
		case field == "" || strings.HasPrefix(field, "error"):
			continue
		case !slices.Contains(fields, field):
			return nil, fmt.Errorf("column %d is %q, and none of %s: rename it, or say --map %q=FIELD, or leave it out by --map %q=",
				i+1, column, strings.Join(fields, ", "), column, column)
		case slices.Contains(header, field):
			return nil, fmt.Errorf("column %d is %s for the second time", i+1, field)
		}
		header[i] = field
	}
	for column := range names {
		if !slices.ContainsFunc(columns, func(c string) bool { return strings.TrimSpace(c) == column }) {
			return nil, fmt.Errorf("--map names column %q, which the file does not have", column)
		}
	}
	return header, nil
}
