package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// rowWriter writes rows as CSV, with a header, or as one JSON object a line.
type rowWriter struct {
	buffer *bufio.Writer
	csv    *csv.Writer // nil: NDJSON
	header bool        // is written
}

func newRowWriter(form string, to io.Writer) (*rowWriter, error) {
	w := &rowWriter{buffer: bufio.NewWriterSize(to, 64<<10)}
	switch form {
	case "csv":
		w.csv = csv.NewWriter(w.buffer)
	case "ndjson":
	default:
		return nil, fmt.Errorf("%w: --format %s is neither csv nor ndjson", errUsage, form)
	}
	return w, nil
}

func (w *rowWriter) row(names []string, values []any) error {
	if w.csv == nil {
		return w.object(names, values)
	}
	if !w.header {
		w.header = true
		if err := w.csv.Write(names); err != nil {
			return err
		}
	}
	cells := make([]string, len(values))
	for i, v := range values {
		if v != nil {
			cells[i] = fmt.Sprint(v)
		}
		// A spreadsheet takes such a text for a formula, and guests choose their names themselves.
		if _, isText := v.(string); isText && strings.ContainsAny(cells[i][:min(1, len(cells[i]))], "=+-@\t\r") {
			cells[i] = "'" + cells[i]
		}
	}
	return w.csv.Write(cells)
}

func (w *rowWriter) object(names []string, values []any) error {
	line := []byte("{")
	for i, name := range names {
		if i > 0 {
			line = append(line, ',')
		}
		text, err := json.Marshal(values[i])
		if err != nil {
			return err
		}
		line = append(fmt.Appendf(line, "%q:", name), text...)
	}
	_, err := w.buffer.Write(append(line, '}', '\n'))
	return err
}

func (w *rowWriter) end() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	return w.buffer.Flush()
}
