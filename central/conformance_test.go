package central_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"gatehouse/central"
)

// row is one endpoint of testdata/gate-api.jsonl, which is the reference's own table.
type row struct {
	N                 int
	API, Method, Path string
	Success           int
	Errors            []code
	Query             []struct{ Name, Enum string }
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

// notYet are the numbers of the rows whose endpoints are still to be made. It must become empty.
func notYet() []int {
	return []int{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 21, 22, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45,
		46, 47, 48, 49, 50, 51, 52, 53, 54}
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
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool { return slices.Contains(notYet(), r.N) })
	return s
}

// samples are valid values for every documented body field.
func samples(n int) map[string]any {
	attr := []any{map[string]any{"attribute": "Session-Timeout", "op": ":=", "value": "3600"}}
	return map[string]any{
		"username": fmt.Sprintf("jané.smith_%d@x", n), "password": "SecurePassword123!", "email": "jane@company.com",
		"first_name": "Jane", "last_name": "Smith", "external_id": "EMP005678", "klass": "premium", "is_active": false,
		"organization": 2, "description": "Software <Developer>", "expiration": "2031-12-31T23:59:59Z",
		"avatar_url": "https://example.org/a.jpg", "profile": []any{"west"},
		"name": "Guest WiFi", "short_name": fmt.Sprintf("guest-%d", n), "reply_attribute": attr, "check_attribute": attr,
	}
}

// stage is a centre with something of everything, and fills the holes of paths.
type stage struct {
	*centre
	n   int
	ids map[string]string
}

func newStage(t *testing.T, change ...func(*central.Config)) *stage {
	s := &stage{centre: newCentre(t, change...), ids: make(map[string]string)}
	s.profile("acme-west", "west")
	s.ingest("acme", session(1, noon, true), session(2, noon, false), session(3, noon, true), transaction(4, noon), transaction(5, noon))
	var page struct {
		Results []struct{ RadAcctID int64 }
	}
	s.want(200, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/"}, &page)
	s.ids["radacctid"] = strconv.FormatInt(page.Results[0].RadAcctID, 10)
	s.fresh()
	return s
}

// fresh makes a user for the paths to name.
func (s *stage) fresh() {
	s.n++
	s.ids["username"] = fmt.Sprintf("user.%d", s.n)
	s.ids["id"] = strconv.FormatInt(s.user("acme", s.ids["username"], ""), 10)
}

func (s *stage) path(r row) string {
	path := "/api/v1" + r.Path
	for name, id := range s.ids {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	return path
}

func (s *stage) body(r row) map[string]any {
	if r.Body == nil {
		return nil
	}
	s.n++
	body, all := make(map[string]any), samples(s.n)
	for name := range r.Body {
		body[name] = all[name]
	}
	if strings.Contains(r.Path, "authenticate") {
		body["username"] = "ann"
	} else {
		delete(body, "password") // hashing takes its time; TestBodyFields sends one where it is about that
	}
	return body
}

func (s *stage) ask(r row) ask {
	a := ask{who: "acme admin", method: r.Method, path: s.path(r)}
	if b := s.body(r); b != nil {
		a.body = b
	}
	return a
}

func TestAnswersHaveTheDocumentedShape(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.user("acme", "ann", "SecurePassword123!")
	for _, r := range spec.rows {
		t.Run(r.String(), func(t *testing.T) {
			for _, slash := range []string{"/", ""} {
				s.fresh()
				a := s.ask(r)
				a.path = strings.TrimSuffix(a.path, "/") + slash
				got := s.do(a)
				if got.status != r.Success {
					t.Fatalf("%s: status %d, want %d: %s", a.path, got.status, r.Success, got.text)
				}
				if got.header.Get("X-Request-Id") == "" {
					t.Error("no X-Request-Id")
				}
				if r.Response == nil {
					if got.text != "" || got.header.Get("Content-Type") != "" {
						t.Errorf("body %q of type %q, want none", got.text, got.header.Get("Content-Type"))
					}
					continue
				}
				if ct := got.header.Get("Content-Type"); ct != "application/json" {
					t.Errorf("Content-Type %q", ct)
				}
				spec.wantShape(t, *r.Response, []byte(got.text))
			}
		})
	}
}

var pageForm = regexp.MustCompile(`^(Offset|Cursor)Page<(\w+)>$`)

func (s spec) wantShape(t *testing.T, name string, text []byte) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	name, _, _ = strings.Cut(name, " ")
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
		keys = append(keys, f.Field)
		if got, ok := v[f.Field]; ok && !s.isOfType(t, f, got) {
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
		return nullable
	}
	text, isText := v.(string)
	number, isNumber := v.(float64)
	switch base {
	case "integer":
		return isNumber && number == float64(int64(number))
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
	case "object":
		wantKeys(t, f.Field, v.(map[string]any), subkeyForm.FindAllString(f.Note, -1))
		return true
	}
	t.Fatalf("the table has a type that this test does not know: %q", f.Type)
	return false
}

// TestDocumentedErrors provokes every status that the table lists for every endpoint.
func TestDocumentedErrors(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.user("acme", "ann", "SecurePassword123!")
	for _, r := range spec.rows {
		for _, code := range r.Errors {
			t.Run(fmt.Sprintf("%s %d", r, code), func(t *testing.T) {
				got := s.provoke(t, r, int(code))
				if got.status != int(code) {
					t.Fatalf("status %d, want %d: %s", got.status, code, got.text)
				}
				wantErrorBody(t, got)
			})
		}
	}
}

func (s *stage) provoke(t *testing.T, r row, code int) reply {
	a := s.ask(r)
	switch code {
	case http.StatusUnauthorized:
		a.who = ""
	case http.StatusForbidden:
		a.who = "acme edge"
	case http.StatusNotFound:
		a.path = strings.NewReplacer("{id}", "99999", "{username}", "nobody", "{radacctid}", "99999").Replace("/api/v1" + r.Path)
	case http.StatusBadRequest:
		if a.path += "?start_date=yesterday"; a.body != nil {
			a.body = "[1]"
		}
	case http.StatusConflict:
		s.want(http.StatusCreated, a, nil)
	case http.StatusUnprocessableEntity:
		a.body = map[string]any{"username": "ann", "password": "wrong"}
	case http.StatusTooManyRequests:
		return provoke429(t, r)
	case http.StatusInternalServerError:
		return provoke500(t, r)
	}
	return s.do(a)
}

// provoke429 asks too often: for anything, or for the password of one user.
func provoke429(t *testing.T, r row) reply {
	if strings.Contains(r.Path, "authenticate") {
		s := newStage(t)
		a := s.ask(r)
		for range 10 {
			s.want(http.StatusUnprocessableEntity, a, nil)
		}
		return s.do(a)
	}
	s := newStage(t, func(cfg *central.Config) { cfg.RequestsPerSecond = rate.Limit(20) })
	for range 100 {
		if got := s.do(s.ask(r)); got.status != r.Success {
			return got
		}
	}
	return reply{}
}

// provoke500 spoils the database's file under the server.
func provoke500(t *testing.T, r row) reply {
	s := newStage(t)
	a := s.ask(r)
	s.spoil()
	return s.do(a)
}

func wantErrorBody(t *testing.T, got reply) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(got.text), &body); err != nil {
		t.Fatalf("%v: %s", err, got.text)
	}
	if got.status == http.StatusUnprocessableEntity && body["errors"] == nil {
		wantKeys(t, "AuthFail", body, []string{"username", "authenticated", "error", "error_code"})
		return
	}
	if detail, ok := body["detail"].(string); !ok || detail == "" {
		t.Errorf("no detail: %s", got.text)
	}
	if got.header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	switch got.status {
	case http.StatusUnauthorized:
		if got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("WWW-Authenticate %q", got.header.Get("WWW-Authenticate"))
		}
	case http.StatusTooManyRequests:
		if n, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	case http.StatusConflict:
		if body["code"] != "duplicate" || body["field"] == nil {
			t.Errorf("not a duplicate: %s", got.text)
		}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		errs, _ := body["errors"].(map[string]any)
		for name, texts := range errs {
			if fmt.Sprint(body[name]) != fmt.Sprint(texts) {
				t.Errorf("%s is not at the top level too: %s", name, got.text)
			}
		}
		if len(errs) == 0 {
			t.Errorf("no errors: %s", got.text)
		}
	}
}

// TestBodyFields sends every documented field of every body: right ones come back, wrong ones are named.
func TestBodyFields(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.user("acme", "ann", "SecurePassword123!")
	wrong := map[string]any{"string": map[string]any{"a": 1}, "boolean": "maybe", "integer": "no-such", "datetime": "yesterday",
		"array<string>": 5, "array<Attr>": []any{map[string]any{"attribute": "A", "op": "~~", "value": ""}}}
	for _, r := range spec.rows {
		for name, typ := range r.Body {
			t.Run(r.String()+" "+name, func(t *testing.T) {
				s.fresh()
				base := strings.TrimRight(strings.Fields(typ)[0], "!")
				a := s.ask(r)
				var answer map[string]any
				sent := a.body.(map[string]any)
				sent[name] = samples(s.n)[name]
				if sent["username"] != nil && strings.Contains(r.Path, "authenticate") {
					sent["username"] = "ann"
				}
				s.want(r.Success, a, &answer)
				if got, ok := answer[name]; name == "password" && ok {
					t.Errorf("the password comes back: %v", got)
				} else if name != "password" && fmt.Sprint(got) != fmt.Sprint(sent[name]) {
					t.Errorf("answer has %v, sent was %v", got, sent[name])
				}
				s.fresh()
				a = s.ask(r)
				a.body.(map[string]any)[name] = wrong[base]
				wantNamed(t, s.want(http.StatusBadRequest, a, nil), name)
				if strings.Contains(typ, "!") {
					a = s.ask(r)
					delete(a.body.(map[string]any), name)
					wantNamed(t, s.want(http.StatusBadRequest, a, nil), name)
				}
			})
		}
	}
}

func wantNamed(t *testing.T, got reply, name string) {
	t.Helper()
	var body struct{ Errors map[string][]string }
	if err := json.Unmarshal([]byte(got.text), &body); err != nil || len(body.Errors) != 1 || len(body.Errors[name]) == 0 {
		t.Errorf("errors of %s: %s", name, got.text)
	}
	wantErrorBody(t, got)
}

// TestQueryParameters asks with every documented parameter, and holds enumerations to their values.
func TestQueryParameters(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	valid := map[string][]string{"start_date": {"2024-01-01"}, "end_date": {"2024-01-31 23:59:59"}, "user": {"1", "user_1"},
		"access_point": {"1", "ap_1"}, "location": {"1", "loc_1"}, "client": {"1", "client_1"}, "page": {"1"}, "type": {"ui", "ur,uu", "zz"},
		"status": {"h200"}, "id": {"1", "user_1", "x"}, "username": {"ann"}, "organization": {"1", "acme", "org_1", "x"},
		"limit": {"1", "1000", "0", "x", "-1"}, "offset": {"0", "1", "-1", "x"}, "cursor": {""}}
	invalid := map[string]string{"start_date": "x", "end_date": "2024-13-01", "user": "x", "access_point": "x", "location": "x",
		"client": "x", "cursor": "xyz123", "page": "x"}
	for _, r := range spec.rows {
		names := slices.Clone(r.ExtQuery)
		for _, q := range r.Query {
			names = append(names, q.Name)
			for _, v := range spec.enums[q.Enum] {
				s.want(r.Success, ask{who: "acme admin", method: r.Method, path: s.path(r) + "?" + q.Name + "=" + v}, nil)
			}
			if q.Enum != "" {
				wantNamed(t, s.want(400, ask{who: "acme admin", method: r.Method, path: s.path(r) + "?" + q.Name + "=zz"}, nil), q.Name)
			}
		}
		for _, name := range names {
			if len(valid[name]) == 0 && name != "session_status" {
				t.Errorf("%s: parameter %s has no value in this test", r, name)
			}
			for _, v := range valid[name] {
				q := "?" + name + "=" + strings.ReplaceAll(v, " ", "+")
				s.want(r.Success, ask{who: "acme admin", method: r.Method, path: s.path(r) + q}, nil)
			}
			if v := invalid[name]; v != "" {
				wantNamed(t, s.want(400, ask{who: "acme admin", method: r.Method, path: s.path(r) + "?" + name + "=" + v}, nil), name)
			}
		}
	}
}
