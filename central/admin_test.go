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
