package central

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
)

func adminCall(method, url, body string, header ...string) *call {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return &call{Request: r, header: make(http.Header)}
}

// wantError wants an admin API's error of this status and code, with these fields.
func wantError(t *testing.T, err error, status int, want admin.Error) {
	t.Helper()
	var p *problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is no problem", err)
	}
	if diff := cmp.Diff(want, adminError(p)); diff != "" || p.status != status {
		t.Errorf("status %d, want %d; body (-want +got):\n%s", p.status, status, diff)
	}
}

func TestAdminFields(t *testing.T) {
	f, err := adminCall("POST", "/", `{"name":"A","n":7,"kind":"x"}`).adminFields("name", "n", "kind")
	if err != nil {
		t.Fatal(err)
	}
	if n := f.whole("n", 1, 7); n == nil || *n != 7 || f.oneOf("kind", "w", "x") != "x" || f.whole("absent", 0, 1) != nil || f.err() != nil {
		t.Errorf("read %v %v", n, f.err())
	}
	f, err = adminCall("POST", "/", `{"name":"A","n":8,"m":1.5,"kind":"y","typo":1}`).adminFields("name", "n", "m", "kind")
	if err != nil {
		t.Fatal(err)
	}
	f.whole("n", 1, 7)
	f.whole("m", 1, 7)
	f.oneOf("kind", "w", "x")
	wantError(t, f.err(), http.StatusBadRequest, admin.Error{Code: "invalid", Detail: "Invalid input.", Errors: map[string][]string{
		"n": {"Must be between 1 and 7."}, "m": {"A whole number is wanted."}, "kind": {"Must be one of w, x."},
		"typo": {"There is no such field."}}})
	_, err = adminCall("POST", "/", "a=b", "Content-Type", "text/plain").adminFields()
	wantError(t, err, http.StatusUnsupportedMediaType,
		admin.Error{Code: "unsupported", Detail: "The body must be application/json, not text/plain."})
	_, err = adminCall("POST", "/", `{"name":"`+strings.Repeat("x", maxBody)+`"}`).adminFields("name")
	wantError(t, err, http.StatusRequestEntityTooLarge, admin.Error{Code: "too_large", Detail: "A body may have 1048576 bytes."})
}

func TestAdminQuery(t *testing.T) {
	_, err := adminCall("GET", "/x?state=a&stat=b&limit=5", "").adminQuery("x", "state")
	wantError(t, err, http.StatusBadRequest, admin.Error{Code: "invalid", Detail: "Invalid input.",
		Errors: map[string][]string{"stat": {"This list has no such parameter."}}})
	q, err := adminCall("GET", "/x?state=a&limit=5", "").adminQuery("x", "state")
	if err != nil || q.filters["state"] != "a" || q.page.Limit != 5 {
		t.Errorf("query %+v, %v", q, err)
	}
}

func TestMatch(t *testing.T) {
	for _, tag := range []string{"", "*", `"7"`, `"6", "7"`} {
		if err := adminCall("PATCH", "/", "", "If-Match", tag).match(7); err != nil {
			t.Errorf("If-Match %q: %v", tag, err)
		}
	}
	for _, tag := range []string{`"6"`, `7`, `W/"7"`, `"77"`} {
		wantError(t, adminCall("PATCH", "/", "", "If-Match", tag).match(7), http.StatusPreconditionFailed, admin.Error{
			Code: "precondition_failed", Detail: "It has been changed since it was read. Read it again and repeat the change."})
	}
}
