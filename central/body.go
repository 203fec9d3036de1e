package central

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"gatehouse/api/gate"
)

const maxBody = 1 << 20 // bytes of a GATE request's body

// readFields are the fields of a request's body, which its contract describes and the request has been held to.
func (c *call) readFields() (*fields, error) {
	if c.fields == nil {
		return nil, fmt.Errorf("no contract says what the body of %s has", c.Pattern)
	}
	return c.fields, nil
}

// readBody reads a body with fields. It is a JSON object; with forms in any of the forms that GATE's documentation shows: the same
// below "data" as an object or as text, form fields, or a form field data with the JSON. What is below data wins.
func (c *call) readBody(forms bool) (*fields, error) {
	mediaType, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	c.Body = http.MaxBytesReader(nil, c.Body, maxBody)
	f := &fields{errs: make(map[string][]string)}
	switch {
	case mediaType == "" || mediaType == "application/json" || mediaType == "application/merge-patch+json" && !forms:
		var b []byte
		if b, err = io.ReadAll(c.Body); err == nil {
			f.raw, err = object(b)
			c.Body = io.NopCloser(bytes.NewReader(b))
		}
	case forms && (mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data"):
		f.raw, err = c.readForm(mediaType)
		f.form = true
	default:
		return nil, malformed(http.StatusUnsupportedMediaType, fmt.Sprintf("Unsupported media type %q in request.", mediaType))
	}
	var tooLarge *http.MaxBytesError
	var refused *problem
	switch {
	case errors.As(err, &tooLarge) && forms:
		return nil, malformed(http.StatusBadRequest, "Request body is too large.")
	case errors.As(err, &tooLarge):
		return nil, malformed(http.StatusRequestEntityTooLarge, fmt.Sprintf("A body may have %d bytes.", maxBody))
	case errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, malformed(http.StatusBadRequest, "The body breaks off.")
	case !forms:
		return f, nil
	}
	return f, f.unwrap()
}

func (c *call) readForm(mediaType string) (map[string]json.RawMessage, error) {
	var err error
	if mediaType == "multipart/form-data" {
		err = c.ParseMultipartForm(maxBody)
	} else {
		err = c.ParseForm()
	}
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, malformed(http.StatusBadRequest, "Form parse error.")
	}
	return formObject(c.PostForm)
}

func formObject(values url.Values) (map[string]json.RawMessage, error) {
	raw := make(map[string]json.RawMessage, len(values))
	for name, list := range values {
		var v any = list
		if len(list) == 1 {
			v = list[0]
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		raw[name] = b
	}
	return raw, nil
}

func object(b []byte) (map[string]json.RawMessage, error) {
	if err := sound(b); err != nil {
		return nil, malformed(http.StatusBadRequest, "JSON parse error - "+err.Error())
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil || raw == nil {
		return nil, invalidField("non_field_errors", "Invalid data. Expected a dictionary.")
	}
	return raw, nil
}

// unwrap takes the fields from below data, when it is there.
func (f *fields) unwrap() error {
	data, ok := f.raw["data"]
	if !ok || string(data) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		data, f.form = []byte(text), false
	}
	raw, err := object(data)
	f.raw = raw
	return err
}

// fields are a body's fields, as the contract wants them. What a handler finds wrong beside that it notes; err tells all of it.
type fields struct {
	raw  map[string]json.RawMessage
	form bool // all values came as text
	errs map[string][]string
}

func (f *fields) wrong(field, text string) { f.errs[field] = append(f.errs[field], text) }

func (f *fields) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	return invalid(f.errs)
}

func (f *fields) has(field string) bool { _, ok := f.raw[field]; return ok }

// null tells whether a field is absent or null.
func (f *fields) null(field string) bool {
	raw, ok := f.raw[field]
	return !ok || string(raw) == "null"
}

// text is a field with text; nil when absent or null. A number counts as its digits.
func (f *fields) text(name string) *string {
	if f.null(name) {
		return nil
	}
	var s string
	if json.Unmarshal(f.raw[name], &s) != nil {
		s = string(f.raw[name])
	}
	return &s
}

// boolean is a field with true or false.
func (f *fields) boolean(name string, otherwise bool) bool {
	if f.null(name) {
		return otherwise
	}
	return string(f.raw[name]) == "true"
}

// moment is a field with a date and a time; nil when absent or null.
func (f *fields) moment(name string) *gate.Time {
	s := f.text(name)
	if s == nil {
		return nil
	}
	t, _, _ := parseTime(*s)
	return gate.NewTime(t)
}

// list reads a field into to, a pointer to a slice.
func (f *fields) list(name string, to any) {
	if !f.null(name) && json.Unmarshal(f.raw[name], to) != nil {
		f.wrong(name, "Expected a list of items of the right type.")
	}
}

var timeForm = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|z|[+-]?\d{2}:?\d{2})?)?$`)

// parseTime reads a date, or a date and a time with or without a zone; without one it is UTC. A "+" that a URL has made a
// space is put back. dateOnly tells that there was no time.
func parseTime(s string) (t time.Time, dateOnly, ok bool) {
	m := timeForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return t, false, false
	}
	day, clock, zone := m[1], m[2], strings.ReplaceAll(m[3], ":", "")
	if clock == "" {
		t, err := time.Parse(time.DateOnly, day)
		return t, true, err == nil
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	switch {
	case zone == "" || zone == "Z" || zone == "z":
		zone = "+0000"
	case zone[0] != '+' && zone[0] != '-':
		zone = "+" + zone
	}
	t, err := time.Parse("2006-01-02 15:04:05-0700", day+" "+clock+zone)
	return t.UTC(), false, err == nil
}
