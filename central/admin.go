package central

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

var adminAPI = api{base: admin.BasePath, error: adminError, rated: true, repeatable: true}

func adminError(p *problem) any {
	e := admin.Error{Code: adminCode(p), Detail: p.gate.Detail, Errors: p.gate.Errors}
	if p.retryAfter > 0 {
		e.RetryAfter = seconds(p.retryAfter)
	}
	return e
}

func adminCode(p *problem) string {
	if p.gate.Code != "" {
		return p.gate.Code
	}
	switch p.status {
	case http.StatusUnauthorized:
		return admin.CodeUnauthorized
	case http.StatusForbidden:
		return admin.CodeForbidden
	case http.StatusNotFound:
		return admin.CodeNotFound
	case http.StatusMethodNotAllowed:
		return admin.CodeMethodNotAllowed
	case http.StatusConflict:
		return admin.CodeConflict
	case http.StatusPreconditionFailed:
		return admin.CodePreconditionFailed
	case http.StatusRequestEntityTooLarge:
		return admin.CodeTooLarge
	case http.StatusUnsupportedMediaType:
		return admin.CodeUnsupported
	case http.StatusTooManyRequests:
		return admin.CodeTooManyRequests
	case http.StatusServiceUnavailable:
		return admin.CodeUnavailable
	case http.StatusInternalServerError:
		return admin.CodeInternal
	}
	return admin.CodeInvalid
}

// conflict is a 409: the request is right, but not as things are.
func conflict(detail string) *problem {
	return &problem{status: http.StatusConflict, gate: gate.Error{Detail: detail}}
}

// takenName is a 409 for a name that another one has.
func takenName(field, text string) *problem {
	return &problem{status: http.StatusConflict, gate: gate.Error{Detail: text, Code: admin.CodeDuplicate, Field: field,
		Errors: map[string][]string{field: {text}}}}
}

// file is a body that is no JSON.
type file struct {
	mediaType, name string
	content         []byte
}

func writeFile(w http.ResponseWriter, status int, f file) {
	w.Header().Set("Content-Type", f.mediaType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(f.content) // the reader has gone, which is his affair
}

// whole is a field with a whole number; nil when absent or null.
func (f *fields) whole(name string) *int64 {
	var n *int64
	f.list(name, &n)
	return n
}

// adminQuery reads the page and the filters of a list. A parameter that is none of them is refused.
func (c *call) adminQuery(list string, filters ...string) (*cursorQuery, error) {
	errs := make(map[string][]string)
	for name := range c.URL.Query() {
		if !slices.Contains(filters, name) && name != "limit" && name != "cursor" {
			errs[name] = []string{"This list has no such parameter."}
		}
	}
	if len(errs) > 0 {
		return nil, invalid(errs)
	}
	return c.cursorQuery(list, filters...)
}

func adminPage[T any](q *cursorQuery, list []T, more bool, position func(T) store.Position) admin.Page[T] {
	return admin.Page[T](cursorPage(q, list, more, position))
}

// etag tells the version of what is answered.
func (c *call) etag(version int64) { c.header.Set("ETag", quoteVersion(version)) }

// match says with a 412 that the request was meant for another version (RFC 9110 §13.1.1). Call it in the transaction that
// changes the thing.
func (c *call) match(version int64) error {
	want := c.Header.Get("If-Match")
	if want == "" || want == "*" {
		return nil
	}
	for tag := range strings.SplitSeq(want, ",") {
		if strings.TrimSpace(tag) == quoteVersion(version) {
			return nil
		}
	}
	return &problem{status: http.StatusPreconditionFailed, gate: gate.Error{
		Detail: "It has been changed since it was read. Read it again and repeat the change."}}
}

func quoteVersion(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
