package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/api/gate"
)

const maxBody = 1 << 20 // bytes of a GATE request's body

// readFields reads a request's body in any of the forms that GATE's documentation shows: a JSON object, the same below "data" as
// an object or as text, form fields, or a form field data with the JSON. What is below data wins.
func (c *call) readFields() (*fields, error) {
	mediaType, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	c.Body = http.MaxBytesReader(nil, c.Body, maxBody)
	f := &fields{errs: make(map[string][]string)}
	switch mediaType {
	case "application/x-www-form-urlencoded", "multipart/form-data":
		f.raw, err = c.readForm(mediaType)
		f.form = true
	case "", "application/json":
		var b []byte
		if b, err = io.ReadAll(c.Body); err == nil {
			f.raw, err = object(b)
		}
	default:
		return nil, malformed(http.StatusUnsupportedMediaType, fmt.Sprintf("Unsupported media type %q in request.", mediaType))
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, malformed(http.StatusBadRequest, "Request body is too large.")
	}
	if err != nil {
		return nil, err
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
	var raw map[string]json.RawMessage
	err := json.Unmarshal(b, &raw)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) || err == nil && raw == nil {
		return nil, invalidField("non_field_errors", "Invalid data. Expected a dictionary.")
	}
	if err != nil {
		return nil, malformed(http.StatusBadRequest, "JSON parse error - "+err.Error())
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

// fields are a body's fields. Each reading notes what is wrong with its field; err tells all of it at the end.
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

// require notes a field that is absent, null or blank.
func (f *fields) require(names ...string) {
	for _, name := range names {
		raw, ok := f.raw[name]
		switch {
		case !ok:
			f.wrong(name, "This field is required.")
		case string(raw) == "null":
			f.wrong(name, "This field may not be null.")
		case string(raw) == `""`:
			f.wrong(name, "This field may not be blank.")
		}
	}
}

// text is a field of at most limit characters; nil when absent or null. A number counts as its digits.
func (f *fields) text(name string, limit int) *string {
	if f.null(name) {
		return nil
	}
	var s string
	var n json.Number
	if json.Unmarshal(f.raw[name], &s) != nil {
		if json.Unmarshal(f.raw[name], &n) != nil {
			f.wrong(name, "Not a valid string.")
			return nil
		}
		s = n.String()
	}
	if utf8.RuneCountInString(s) > limit {
		f.wrong(name, fmt.Sprintf("Ensure this field has no more than %d characters.", limit))
	}
	if strings.ContainsRune(s, 0) {
		f.wrong(name, "Null characters are not allowed.")
	}
	return &s
}

func (f *fields) boolean(name string, otherwise bool) bool {
	if f.null(name) {
		if f.has(name) {
			f.wrong(name, "This field may not be null.")
		}
		return otherwise
	}
	switch strings.ToLower(strings.Trim(string(f.raw[name]), `"`)) {
	case "true", "t", "yes", "y", "on", "1":
		return true
	case "false", "f", "no", "n", "off", "0":
		return false
	}
	f.wrong(name, "Must be a valid boolean.")
	return otherwise
}

func (f *fields) moment(name string) *gate.Time {
	s := f.text(name, 64)
	if s == nil || *s == "" {
		return nil
	}
	t, dateOnly, ok := parseTime(*s)
	if !ok || dateOnly {
		f.wrong(name, "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")
		return nil
	}
	return gate.NewTime(t)
}

// list reads a field into to, a pointer to a slice. Text with JSON in it is taken for that.
func (f *fields) list(name string, to any) {
	if f.null(name) {
		return
	}
	raw := f.raw[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		switch {
		case strings.HasPrefix(strings.TrimSpace(text), "["):
			raw = json.RawMessage(text)
		case f.form && text == "":
			return
		case f.form:
			raw = json.RawMessage("[" + strconv.Quote(text) + "]")
		}
	}
	if json.Unmarshal(raw, to) != nil {
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
