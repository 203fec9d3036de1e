package central_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// row is one endpoint of testdata/gate-api.jsonl, which is the reference's own table.
type row struct {
	N                 int
	API, Method, Path string
	Success           int
	Errors            []code
	Query             []struct{ Name, Type, Enum string }
	ExtQuery          []string `json:"ext_query"`
	Body              map[string]string
	Response          *string
}

// code is a status; a star behind it says that it is our choice, as no document has it.
type code int

func (c *code) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"*`))
	*c = code(n)
	return err
}

// base is where the row's API begins.
func (r row) base() string {
	if r.API == "GATE" {
		return "/api/v1"
	}
	return ""
}

func (r row) String() string { return r.Method + " " + r.Path }

type field struct{ Field, Type, Note string }

type spec struct {
	rows    []row
	schemas map[string][]field
	enums   map[string][]string
}

func loadSpec(t *testing.T) spec {
	t.Helper()
	f, err := os.Open("testdata/gate-api.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s spec
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			row
			Schemas map[string][]field
			Enums   map[string][]string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Schemas != nil {
			s.schemas, s.enums = line.Schemas, line.Enums
			continue
		}
		s.rows = append(s.rows, line.row)
	}
	if err := lines.Err(); err != nil || len(s.rows) != 54 || s.schemas == nil {
		t.Fatalf("%d rows, err %v", len(s.rows), err)
	}
	return s
}

var choiceForm = regexp.MustCompile(`enum ([\w,]+)`)

// choices are the values of the enumeration of a field of a row's body, which the table names there or in the answer.
func (s spec) choices(r row, name string) []string {
	if strings.HasSuffix(name, "_attribute") {
		return s.enums["AAA_OP"]
	}
	note := r.Body[name]
	if r.Response != nil {
		for _, f := range s.schemas[*r.Response] {
			if f.Field == name {
				note += " " + f.Note
			}
		}
	}
	m := choiceForm.FindStringSubmatch(note)
	if m == nil {
		return nil
	}
	if list := s.enums[m[1]]; list != nil {
		return slices.Clone(list)
	}
	return strings.Split(m[1], ",")
}

var pageForm = regexp.MustCompile(`^(Offset|Cursor)Page<(\w+)>$`)

func (s spec) wantShape(t *testing.T, name string, text []byte) {
	t.Helper()
	name, _, _ = strings.Cut(name, " ")
	if item, ok := strings.CutPrefix(name, "array<"); ok {
		var list []map[string]any
		if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 {
			t.Fatalf("%v, want a list that is not empty: %s", err, text)
		}
		for _, v := range list {
			s.wantFields(t, strings.TrimSuffix(item, ">"), v)
		}
		return
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	m := pageForm.FindStringSubmatch(name)
	if m == nil {
		s.wantFields(t, name, v)
		return
	}
	keys := []string{"next", "previous", "results"}
	if m[1] == "Offset" {
		keys = append(keys, "count")
	}
	wantKeys(t, name, v, keys)
	results, ok := v["results"].([]any)
	if !ok || len(results) == 0 {
		t.Fatalf("no results: %s", text)
	}
	for _, item := range results {
		s.wantFields(t, m[2], item.(map[string]any))
	}
}

func wantKeys(t *testing.T, what string, v map[string]any, want []string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(v)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("%s has keys %v, want %v", what, got, want)
	}
}

func (s spec) wantFields(t *testing.T, name string, v map[string]any) {
	t.Helper()
	var keys []string
	for _, f := range s.schemas[name] {
		got, ok := v[f.Field]
		if optional := name == "UserToken" && f.Field == "user_time"; ok || !optional {
			keys = append(keys, f.Field)
		}
		if ok && !s.isOfType(t, f, got) {
			t.Errorf("%s.%s is %v, want %s %s", name, f.Field, got, f.Type, f.Note)
		}
	}
	wantKeys(t, name, v, keys)
}

var (
	datetimeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$`)
	idForm       = regexp.MustCompile(`^(org|user|txn|client|loc|ap)_\d+$`)
	subkeyForm   = regexp.MustCompile(`[a-z_]+`)
)

func (s spec) isOfType(t *testing.T, f field, v any) bool {
	base, _, _ := strings.Cut(f.Type, "(")
	base, nullable := strings.CutSuffix(base, "?")
	if v == nil {
		return nullable || base == "null"
	}
	text, isText := v.(string)
	number, isNumber := v.(float64)
	switch base {
	case "integer":
		return isNumber && number == float64(int64(number))
	case "number":
		return isNumber
	case "string":
		return isText
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "datetime":
		return isText && datetimeForm.MatchString(text)
	case "id":
		return isText && idForm.MatchString(text)
	case "array<string>", "array<Attr>":
		list, ok := v.([]any)
		for _, item := range list {
			if base == "array<Attr>" {
				s.wantFields(t, "Attr", item.(map[string]any))
			} else if _, isString := item.(string); !isString {
				return false
			}
		}
		return ok
	case "array<object>":
		list, ok := v.([]any)
		for _, item := range list {
			wantKeys(t, f.Field, item.(map[string]any), subkeyForm.FindAllString(f.Note, -1))
		}
		return ok
	case "null":
		return false
	case "object":
		if f.Field == "parent_obj" {
			fields := slices.DeleteFunc(slices.Clone(s.schemas["Org"]), func(g field) bool { return g.Field == f.Field })
			spec{schemas: map[string][]field{"parent_obj": fields}}.wantFields(t, "parent_obj", v.(map[string]any))
			return true
		}
		wantKeys(t, f.Field, v.(map[string]any), subkeyForm.FindAllString(f.Note, -1))
		return true
	}
	t.Fatalf("the table has a type that this test does not know: %q", f.Type)
	return false
}
