package central_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"gatehouse/central"
	"gatehouse/central/store"
)

func TestAnswersHaveTheDocumentedShape(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.basic()
	for _, r := range spec.rows {
		t.Run(r.String(), func(t *testing.T) {
			s.in(t)
			for _, slash := range []string{"/", ""} {
				s.fresh(r)
				a := s.ask(r)
				path, query, asked := strings.Cut(a.path, "?")
				if a.path = strings.TrimSuffix(path, "/") + slash; asked {
					a.path += "?" + query
				}
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

// TestDocumentedErrors provokes every status that the table lists for every endpoint.
func TestDocumentedErrors(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.basic()
	for _, r := range spec.rows {
		for _, code := range r.Errors {
			t.Run(fmt.Sprintf("%s %d", r, code), func(t *testing.T) {
				s.in(t)
				s.fresh(r)
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
		a.who, a.header = "", nil
	case http.StatusForbidden:
		a.who, a.header = "acme edge", nil
		if strings.Contains(r.Path, "me/organization") { // every role may see that
			elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			a.who, a.header = "", bearing(s.issue(store.TokenSpec{Networks: elsewhere}))
		}
	case http.StatusNotFound:
		return s.provoke404(r, a)
	case http.StatusBadRequest:
		if a.path += s.wrongQuery(r); a.body != nil {
			a.body = "[1]"
		}
	case http.StatusConflict:
		return s.provoke409(r, a)
	case http.StatusUnprocessableEntity:
		return s.provoke422(r, a)
	case http.StatusTooManyRequests:
		return provoke429(t, r)
	case http.StatusInternalServerError:
		s := newStage(t)
		s.fresh(r)
		a := s.ask(r)
		s.spoil()
		return s.do(a)
	}
	return s.do(a)
}

func (s *stage) provoke404(r row, a ask) reply {
	a.path = r.base() + strings.NewReplacer("{id}", "99999", "{user_id}", "99999", "{username}", "nobody", "{radacctid}", "99999",
		"{userCode}", "zzzzzzzz").Replace(r.Path)
	switch {
	case r.N == 50: // there is none any more
		s.want(r.Success, a, nil)
	case r.N == 10: // "Endpoint not available"
		a.path = strings.Replace(a.path, "points", "pionts", 1)
	case r.Method == "POST": // of something that belongs to something else
		a.body = with(a.body, "parent", 99999)
	}
	return s.do(a)
}

func (s *stage) provoke409(r row, a ask) reply {
	if r.Method == "DELETE" { // it is in use
		s.n++
		var p struct {
			ShortName string `json:"short_name"`
		}
		s.want(http.StatusOK, ask{who: a.who, method: "GET", path: a.path}, &p)
		s.make("/user/", map[string]any{"username": fmt.Sprintf("member.%d", s.n), "profile": []string{p.ShortName}})
		return s.do(a)
	}
	s.want(r.Success, a, nil)
	return s.do(a)
}

// provoke422 sends a wrong password, or else a value of the right type that may not be.
func (s *stage) provoke422(r row, a ask) reply {
	switch {
	case r.Method == "GET":
		a.path += "?last_change__gte=yesterday"
	case strings.Contains(r.Path, "authenticate"):
		a.body = map[string]any{"username": "ann", "password": "wrong"}
	case strings.Contains(r.Path, "portal_login"):
		a.body = with(a.body, "session_timeout", -1)
	case r.Body["network_type"] != "":
		a.body = with(a.body, "network_type", "xx")
	default:
		a.body = with(a.body, "imei", strings.Repeat("1", 256))
	}
	return s.do(a)
}

// wrongQuery is a query that the row's endpoint must refuse, when it has one.
func (s *stage) wrongQuery(r row) string {
	for _, q := range r.Query {
		switch {
		case strings.HasPrefix(q.Type, "date"):
			return "?" + q.Name + "=yesterday"
		case q.Type == "boolean" || q.Enum != "":
			return "?" + q.Name + "=perhaps"
		}
	}
	return ""
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
	for range 200 {
		if got := s.do(s.ask(r)); got.status != r.Success {
			return got
		}
	}
	return reply{}
}

func wantErrorBody(t *testing.T, got reply) {
	t.Helper()
	if strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") { // as Sonatype has it
		if got.text == "" {
			t.Error("no text")
		}
		return
	}
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
		if got.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if n, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
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

// TestWhatIsDuplicateSaysSo: clients need not look at the status (gate-api C09).
func TestWhatIsDuplicateSaysSo(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	for _, r := range spec.rows {
		if r.Method != "POST" || r.Body["username"] == "" && r.Body["short_name"] == "" || strings.HasPrefix(r.Path, "/device") {
			continue
		}
		a := s.ask(r)
		s.want(r.Success, a, nil)
		got := s.do(a)
		var e struct{ Code, Field string }
		if err := json.Unmarshal([]byte(got.text), &e); err != nil || got.status != 409 && got.status != 400 {
			t.Errorf("%s twice: %d %s", r, got.status, got.text)
		}
		if e.Code != "duplicate" || r.Body[e.Field] == "" {
			t.Errorf("%s twice: %s", r, got.text)
		}
	}
}

// TestBodyFields sends every documented field of every body: right ones come back, at once and when read again; wrong ones are named.
func TestBodyFields(t *testing.T) {
	spec, s := loadSpec(t), newStage(t)
	s.basic()
	wrong := map[string]any{"string": map[string]any{"a": 1}, "boolean": "maybe", "integer": "no-such", "number": "1,5", "datetime": "yesterday",
		"array<string>": 5, "array<Attr>": []any{map[string]any{"attribute": "A", "op": "~~", "value": ""}}}
	for _, r := range spec.rows {
		for name, typ := range r.Body {
			t.Run(r.String()+" "+name, func(t *testing.T) {
				s.in(t)
				s.fresh(r)
				a := s.ask(r)
				a.body = with(a.body, name, s.value(r, a.body, name))
				if name == "password" && strings.Contains(r.Path, "register") { // it must be right
					a.body = with(a.body, "username", "ann")
				}
				var answer map[string]any
				s.want(r.Success, a, &answer)
				wantBack(t, name, a.body.(map[string]any)[name], answer)
				s.wantReadBack(t, spec, r, name, answer)

				s.fresh(r)
				a = s.ask(r)
				base := strings.TrimRight(strings.Fields(typ)[0], "!,")
				bad, ok := wrong[base]
				if !ok { // of the older page: "legacy alias of user_time", "legacy, stored"
					bad = map[string]any{}
				}
				a.body = with(a.body, name, bad)
				wantNamed(t, s.want(http.StatusBadRequest, a, nil), name)
				if strings.Contains(typ, "!") && r.Method != "PATCH" {
					a = s.ask(r)
					delete(a.body.(map[string]any), name)
					wantNamed(t, s.want(http.StatusBadRequest, a, nil), name)
				}
				s.tryChoices(t, spec, r, name)
			})
		}
	}
}

// value is what to send in a field.
func (s *stage) value(r row, body any, name string) any {
	if sent, ok := body.(map[string]any)[name]; ok {
		return sent
	}
	return samples(s.n)[name]
}

// tryChoices sends every value that a field's enumeration has, and one that it has not.
func (s *stage) tryChoices(t *testing.T, spec spec, r row, name string) {
	t.Helper()
	choices := spec.choices(r, name)
	if len(choices) == 0 {
		return
	}
	refused := http.StatusBadRequest
	for _, code := range r.Errors {
		if code == http.StatusUnprocessableEntity {
			refused = int(code)
		}
	}
	for _, choice := range append(choices, "no such") {
		s.fresh(r)
		a := s.ask(r)
		if a.body = with(a.body, name, choice); strings.HasSuffix(name, "_attribute") {
			a.body = with(a.body, name, []any{map[string]any{"attribute": "User-Name", "op": choice, "value": ""}})
		}
		if choice == "no such" {
			wantNamed(t, s.want(refused, a, nil), name)
			continue
		}
		var answer map[string]any
		s.want(r.Success, a, &answer)
		wantBack(t, name, a.body.(map[string]any)[name], answer)
	}
}

// wantBack holds a field of an answer against what was sent. What has no field in the answer has another name there.
func wantBack(t *testing.T, name string, sent any, answer map[string]any) {
	t.Helper()
	got, ok := answer[name]
	switch {
	case name == "password":
		if got != nil {
			t.Errorf("the password comes back: %v", got)
		}
	case ok && fmt.Sprint(plainJSON(t, got)) != fmt.Sprint(plainJSON(t, sent)):
		t.Errorf("%s is %v in the answer, sent was %v", name, got, sent)
	}
}

// plainJSON is a value as it looks after having been JSON.
func plainJSON(t *testing.T, v any) (plain any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// wantReadBack reads what was written by its id, where it has one, and wants the field as it was answered.
func (s *stage) wantReadBack(t *testing.T, spec spec, r row, name string, answer map[string]any) {
	t.Helper()
	collection, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	if !slices.ContainsFunc(spec.rows, func(r row) bool { return r.String() == "GET /"+collection+"/{id}/" }) {
		return
	}
	var stored map[string]any
	s.want(http.StatusOK, ask{who: s.who(), method: "GET", path: fmt.Sprintf("/api/v1/%s/%v/?balance=true", collection, answer["id"])}, &stored)
	wantBack(t, name, answer[name], stored)
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
		"access_point": {"1", "ap_1"}, "location": {"1", "loc_1"}, "client": {"1", "client_1"}, "type": {"ui", "ur,uu", "zz"},
		"status": {"h200"}, "id": {"1", "user_1", "x"}, "username": {"ann"}, "organization": {"1", "acme", "org_1", "x"}, "name": {"ac"},
		"parent": {"1", "user_1", "acme", "x"}, "parent__organization_id": {"1", "org_1", "acme", "x"}, "app_category": {"wi", "x"},
		"last_change__gte": {"2024-01-01", "2024-01-01 00:00:00+00:00", "2024-01-01T00:00:00Z"}, "event": {"x"},
		"have_coordinates": {"true", "false", "1"}, "is_active": {"true", "false"}, "balance": {"true", "0"}, "device_info": {"true", "false"},
		"createdAfter": {"2019-01-01"}, "createdBefore": {"2030-01-01"}, "page_size": {"1", "1000", "0", "x"},
		"limit": {"1", "1000", "0", "x", "-1"}, "offset": {"0", "1", "-1", "x"}, "cursor": {""}, "page": {"1"}}
	invalid := map[string]string{"start_date": "x", "end_date": "2024-13-01", "user": "x", "access_point": "x", "location": "x",
		"client": "x", "cursor": "xyz123", "last_change__gte": "x", "have_coordinates": "x", "is_active": "x", "balance": "x", "device_info": "x"}
	for _, r := range spec.rows {
		refused, names := http.StatusBadRequest, append([]string(nil), r.ExtQuery...)
		for _, code := range r.Errors {
			if code == http.StatusUnprocessableEntity {
				refused = int(code)
			}
		}
		get := func(name, value string) ask {
			s.fresh(r)
			a := s.ask(r)
			a.path = strings.Split(a.path, "?")[0] + "?" + name + "=" + strings.NewReplacer(" ", "%20", "+", "%2B").Replace(value)
			return a
		}
		for _, q := range r.Query {
			if q.Enum == "" {
				names = append(names, q.Name)
				continue
			}
			for _, v := range spec.enums[q.Enum] {
				s.want(r.Success, get(q.Name, v), nil)
			}
			wantNamed(t, s.want(refused, get(q.Name, "zz"), nil), q.Name)
		}
		for _, name := range names {
			if len(valid[name]) == 0 {
				t.Errorf("%s: parameter %s has no value in this test", r, name)
			}
			for _, v := range valid[name] {
				s.want(r.Success, get(name, v), nil)
			}
			if v := invalid[name]; v != "" && !strings.HasPrefix(r.Path, "/api/v2/") {
				wantNamed(t, s.want(refused, get(name, v), nil), name)
			}
		}
	}
}
