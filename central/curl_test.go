package central_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/central/store"
)

// example is one cURL example of the documents that the APIs come from. Its answer has the keys of the documented one.
type example struct {
	Source, Method, URL, Body string
	Headers                   map[string]string
	Answer                    any
}

func loadExamples(t *testing.T) []example {
	t.Helper()
	f, err := os.Open("testdata/curl.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []example
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e example
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	if len(list) < 80 {
		t.Fatalf("%d examples", len(list))
	}
	return list
}

// TestExamplesOfTheDocuments runs every one, each in an organisation of its own where what it names is there, and wants the documented
// status and at least the documented keys. Ids, names and credentials are what this centre has instead of the documents'.
func TestExamplesOfTheDocuments(t *testing.T) {
	spec, c := loadSpec(t), newCentre(t)
	for i, e := range loadExamples(t) {
		t.Run(fmt.Sprintf("%s %s %s", e.Source, e.Method, e.URL), func(t *testing.T) {
			org := fmt.Sprintf("org%d", i)
			if _, err := c.store.CreateOrganization(t.Context(), org, "Example", ""); err != nil {
				t.Fatal(err)
			}
			s := stageOf(c, org, fmt.Sprint("-", i))
			s.in(t)
			r := spec.rowOf(t, e)
			s.fresh(r)
			a := s.askExample(t, r, e)
			got := s.do(a)
			if got.status != r.Success {
				t.Fatalf("%s: status %d, want %d: %s", a.path, got.status, r.Success, got.text)
			}
			if strings.HasSuffix(r.Path, "/") && e.Method == "GET" { // a filter of the example may match nothing here
				path, query, _ := strings.Cut(a.path, "?")
				a.path = path + "?" + onlySwitches(query)
				got = s.do(a)
			}
			if e.Answer != nil {
				var answer any
				if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
					t.Fatalf("%v: %s", err, got.text)
				}
				wantDocumentedKeys(t, "", e.Answer, answer)
			}
		})
	}
}

// rowOf is the row of the table that the example is of.
func (s spec) rowOf(t *testing.T, e example) row {
	t.Helper()
	u, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.rows {
		path, query, _ := strings.Cut(r.base()+r.Path, "?")
		form := regexp.MustCompile("^" + hole.ReplaceAllString(path, "[^/]+") + "$")
		if r.Method == e.Method && form.MatchString(u.Path) && (query != "") == strings.Contains(u.RawQuery, "created") {
			return r
		}
	}
	t.Fatalf("no row for %s %s", e.Method, e.URL)
	return row{}
}

func (s *stage) askExample(t *testing.T, r row, e example) ask {
	t.Helper()
	_, query, _ := strings.Cut(e.URL, "?")
	path, _, _ := strings.Cut(s.path(r), "?")
	a := ask{method: e.Method, path: path + "?" + query, header: map[string]string{}}
	scheme, _, _ := strings.Cut(e.Headers["Authorization"], " ")
	if a.header["Authorization"] = scheme + " " + s.token(s.who()); scheme == "Basic" {
		if err := s.store.SetUserRole(t.Context(), s.org, s.ann, store.RoleAdmin); err != nil {
			t.Fatal(err)
		}
		a.header = s.basic()
	}
	if strings.Contains(e.Source, "legacy") {
		a.header["Accept"] = "application/json; variant=legacy"
	}
	if e.Body != "" {
		a.body = s.placed(t, r, e.Body)
	}
	return a
}

// placed is the example's body with the organisation, users and profiles that are here, and makes those that it names.
func (s *stage) placed(t *testing.T, r row, text string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	if inner, ok := body["data"].(string); ok {
		body["data"] = s.placed(t, r, inner)
	}
	if body["organization"] != nil {
		body["organization"] = s.org
	}
	if body["parent"] != nil {
		body["parent"] = json.Number(s.make("/user/", map[string]any{"username": "parent" + s.org}))
	}
	if names, ok := body["profile"].([]any); ok {
		for _, name := range names {
			s.profile(s.org, name.(string))
		}
	}
	switch name, _ := body["username"].(string); {
	case strings.Contains(r.Path, "authenticate"), strings.Contains(r.Path, "user_update"), strings.Contains(r.Path, "register"):
		if name != "" {
			made := map[string]any{"username": name}
			if password, ok := body["password"].(string); ok {
				made["password"] = password
			}
			s.make("/user/", made)
		}
	}
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// onlySwitches keeps the parameters that say what is shown, not which.
func onlySwitches(query string) string {
	values, _ := url.ParseQuery(query)
	maps.DeleteFunc(values, func(name string, _ []string) bool {
		return !slices.Contains([]string{"balance", "device_info", "expand", "time_period"}, name)
	})
	return values.Encode()
}

// wantDocumentedKeys wants every key of the documented answer in the answer, at every depth.
func wantDocumentedKeys(t *testing.T, at string, documented, got any) {
	t.Helper()
	switch documented := documented.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, want an object", at, got)
			return
		}
		for key, v := range documented {
			if value, ok := object[key]; !ok {
				t.Errorf("%s has no %s", at, key)
			} else if v != nil && value != nil {
				wantDocumentedKeys(t, at+"."+key, v, value)
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(documented) > 0 && len(list) == 0 && (at == "" || at == ".results") {
			t.Errorf("%s is %v, want a list that is not empty", at, got)
			return
		}
		for _, item := range list {
			if len(documented) > 0 {
				wantDocumentedKeys(t, at, documented[0], item)
			}
		}
	}
}
