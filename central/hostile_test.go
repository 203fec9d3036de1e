package central_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/lab"
)

// hostileValues are values of fields that somebody will send.
func hostileValues() []any {
	return []any{nil, true, "", " ", "\x00", "a\x00b", strings.Repeat("x", 256), strings.Repeat("é", 5000), -1, 0, 1.5, 1e300,
		json.Number("99999999999999999999"), json.Number("9223372036854775808"), json.Number("1e400"), "-1", "1e5", "NaN", "Infinity", "0x10",
		"2026-02-30", "2026-01-01", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+99:99", "1969-12-31T23:59:59Z",
		[]any{}, []any{nil}, []any{[]any{[]any{}}}, map[string]any{}, map[string]any{"a": nil}, "null", "[", `{"a":1}`, "\u202e\ufeff\U0010ffff",
		"' OR 1=1 --", "%", "_", "../../etc/passwd", "<script>", "org_1", "user_1", "https://", "a@b", strings.Repeat("9", 400)}
}

// hostileBodies are whole bodies that are no JSON object, or that two readers would read differently. All must be refused.
func hostileBodies() []string {
	return []string{"", " ", "null", "[]", "1", `"a"`, "{", `{"a":}`, `{"a":1}}`, `{"a":1}{"a":1}`, `{"username":"a","username":"b"}`, "{\"a\":\"\xff\"}",
		`{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, `{"a":` + strings.Repeat(`{"a":`, 10_000), "\x00", "\ufeff{}", "<a/>", "a=b&c"}
}

// hostile makes requests.
type hostile struct {
	*rand.Rand
	w *world
}

func pick[T any](h hostile, list []T) T { return list[h.IntN(len(list))] }

func (h hostile) text() string {
	if v, ok := pick(h, hostileValues()).(string); ok {
		return v
	}
	return strconv.Itoa(h.IntN(100) - 50)
}

func (h hostile) ask(op contractOp) ask {
	a := ask{who: h.w.who(), method: op.method, path: h.w.at(op), header: map[string]string{}}
	if strings.HasPrefix(op.path, "/edge/") {
		a.who = h.w.org + " edge"
	}
	if hole.MatchString(op.path) && h.IntN(4) == 0 {
		a.path = hole.ReplaceAllString(op.path, url.PathEscape(h.text()+"x"))
	}
	query := url.Values{}
	for _, p := range op.parameters(openapi3.ParameterInQuery) {
		if h.IntN(2) == 0 && p.Name != "wait" {
			query.Add(p.Name, h.text())
		}
	}
	if h.IntN(8) == 0 {
		query.Add(h.text(), h.text())
	}
	if a.path += "?" + query.Encode(); h.IntN(20) == 0 {
		a.path += "&%zz=%ff"
	}
	if s := op.body(); s != nil {
		h.body(&a, s)
	}
	if h.IntN(10) == 0 {
		a.header["Idempotency-Key"] = strings.Map(printable, h.text())
	}
	if h.IntN(10) == 0 {
		a.header["If-Match"] = strings.Map(printable, h.text())
	}
	return a
}

// printable keeps what a header may have.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

func (h hostile) body(a *ask, s *openapi3.Schema) {
	if h.IntN(10) == 0 {
		a.body = pick(h, hostileBodies())
		return
	}
	body := h.w.object(s)
	names := append(slices.Sorted(maps.Keys(properties(s))), "data", "\x00", "unknown")
	for range h.IntN(4) {
		body[pick(h, names)] = pick(h, hostileValues())
	}
	if h.IntN(8) == 0 && len(body) > 0 {
		delete(body, pick(h, slices.Sorted(maps.Keys(body))))
	}
	a.body = body
	switch h.IntN(12) {
	case 0:
		form := url.Values{}
		for name, v := range body {
			form.Set(name, fmt.Sprint(v))
		}
		a.body = form
	case 1:
		text, _ := json.Marshal(body)
		a.body = map[string]any{"data": string(text)}
	case 2:
		a.header["Content-Type"] = pick(h, []string{"text/plain", "application/xml", "x", "multipart/form-data", "multipart/form-data; boundary=x",
			"application/json; charset=utf-16", "application/x-www-form-urlencoded"})
	}
}

// TestHostileRequests sends random requests to every operation: none ends in a 5xx, and every answer is as its contract says. With
// GATEHOUSE_SOAK it goes on for long.
func TestHostileRequests(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(newCentre(t, withSecrets(t)), "acme", "xyzzy")
	h := hostile{rand.New(rand.NewPCG(seed, 0)), w}
	end := time.Now().Add(lab.Soak(3 * time.Second))
	for round := 0; time.Now().Before(end); round++ {
		for _, op := range w.ops {
			if op.tries() { // what it tries is here, whatever was set before
				put := contractOp{method: "PUT", path: strings.TrimSuffix(op.path, "test/")}
				i := slices.IndexFunc(w.ops, func(o contractOp) bool { return o.String() == put.String() })
				w.do(ask{who: w.who(), method: "PUT", path: w.at(put), body: w.object(w.ops[i].body())})
			}
			a := h.ask(op)
			wantAnswer(t, op, a, w.do(a))
			if t.Failed() {
				t.Fatalf("seed %d, round %d", seed, round)
			}
		}
	}
	if log := w.log.String(); strings.Contains(log, "handler crashed") || strings.Contains(log, "request failed") {
		t.Error("the log tells of a fault of ours")
	}
}

// wantAnswer holds an answer against the contract.
func wantAnswer(t *testing.T, op contractOp, a ask, got reply) {
	t.Helper()
	if got.status >= 500 {
		t.Errorf("%s %.300s\n%.600v\n%d %s", a.method, a.path, a.body, got.status, got.text)
		return
	}
	response := op.Responses.Value(strconv.Itoa(got.status))
	if response == nil {
		if response = op.Responses.Default(); got.status < 400 {
			t.Errorf("%s: status %d stands not in its contract", op, got.status)
		}
	}
	contentType, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	media := response.Value.Content[contentType]
	switch {
	case media == nil && (contentType != "" || len(response.Value.Content) > 0):
		t.Errorf("%s %d: Content-Type %q stands not in its contract; %s %.600v: %.300s", op, got.status, contentType, a.path, a.body, got.text)
	case media != nil && contentType == "application/json":
		var v any
		if err := json.Unmarshal([]byte(got.text), &v); err != nil {
			t.Errorf("%s: %v: %s", op, err, got.text)
		} else if err := media.Schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s %d: the answer is not as its contract says: %.300v\n%.1000s", op, got.status, err, got.text)
		}
	}
}

// TestHostileBodies: what is no JSON object, and what is too large, is refused by every operation in words.
func TestHostileBodies(t *testing.T) {
	w := newWorld(newCentre(t, withSecrets(t)), "acme", "xyzzy")
	for _, op := range w.ops {
		if op.body() == nil {
			continue
		}
		a := ask{who: w.who(), method: op.method, path: w.at(op)}
		if strings.HasPrefix(op.path, "/edge/") {
			a.who = w.org + " edge"
		}
		for _, body := range append(hostileBodies(), `{"username":"`+strings.Repeat("a", 10<<20)+`"}`) {
			a.body = body
			got := w.do(a)
			wantAnswer(t, op, a, got)
			if op.lines() && got.status == http.StatusOK && !strings.Contains(got.text, `"merged"`) { // each line is refused by itself
				continue
			}
			if got.status != http.StatusBadRequest && got.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s with %.40q: status %d %s", op, body, got.status, got.text)
			}
		}
	}
}
