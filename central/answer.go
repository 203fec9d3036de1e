package central

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// problem is an answer that is not 2xx.
type problem struct {
	status     int
	gate       gate.Error
	retryAfter time.Duration
	body       any // instead of an error body, when not nil
}

// Error implements error.
func (p *problem) Error() string { return strconv.Itoa(p.status) + ": " + p.gate.Detail }

// The texts are those of Django REST framework (standards.md §5.2, §5.3).
func unauthorized(detail string) *problem {
	return &problem{status: http.StatusUnauthorized, gate: gate.Error{Detail: detail}}
}

func forbidden() *problem {
	return &problem{status: http.StatusForbidden,
		gate: gate.Error{Detail: "You do not have permission to perform this action."}}
}

// gateDetail is an error body of a detail alone.
func gateDetail(detail string) gate.Error { return gate.Error{Detail: detail} }

func notFound() *problem {
	return &problem{status: http.StatusNotFound, gate: gate.Error{Detail: "Not found."}}
}

func methodNotAllowed(method string) *problem {
	return &problem{status: http.StatusMethodNotAllowed, gate: gate.Error{Detail: fmt.Sprintf("Method %q not allowed.", method)}}
}

func throttled(wait time.Duration) *problem {
	return &problem{status: http.StatusTooManyRequests, retryAfter: wait, gate: gate.Error{
		Detail: fmt.Sprintf("Request was throttled. Expected available in %d seconds.", seconds(wait))}}
}

// malformed is a request that as a whole cannot be read.
func malformed(status int, detail string) *problem {
	return &problem{status: status, gate: gate.Error{Detail: detail}}
}

// invalid is a 400 with what is wrong per field.
func invalid(errs map[string][]string) *problem { return unfit(http.StatusBadRequest, errs) }

// unfit is a 400 or a 422 with what is wrong per field.
func unfit(status int, errs map[string][]string) *problem {
	return &problem{status: status, gate: gate.Error{Detail: "Invalid input.", Errors: errs}}
}

func invalidField(field, text string) *problem { return invalid(map[string][]string{field: {text}}) }

// duplicate is a value that is taken: 409 where something new was to be made, 400 where something was to be changed.
func duplicate(status int, field, text string) *problem {
	p := &problem{status: status, gate: gate.Error{Detail: text, Code: gate.CodeDuplicate, Field: field}}
	if status == http.StatusBadRequest {
		p.gate.Errors = map[string][]string{field: {text}}
	}
	return p
}

func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// problemOf maps any error to what the caller is told. What is our fault goes to the log in full and out as a number.
func (s *Server) problemOf(r *http.Request, err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrNotFound):
		return notFound()
	case errors.Is(err, store.ErrForbidden):
		return forbidden()
	case errors.Is(err, store.ErrSuperseded):
		return stillRunning()
	case errors.Is(err, store.ErrUnavailable):
		s.metrics.away.Inc()
		s.cfg.Log.Error("database away", "request", requestID(r), "route", r.Pattern, "err", err)
		return &problem{status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second,
			gate: gate.Error{Detail: "Service temporarily unavailable, try again later."}}
	case r.Context().Err() != nil: // nobody is there to hear it
		return &problem{status: http.StatusServiceUnavailable, gate: gate.Error{Detail: "Request was given up."}}
	}
	s.cfg.Log.Error("request failed", "request", requestID(r), "route", r.Pattern, "err", err)
	return crashed()
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, a api, err error) {
	p := s.problemOf(r, err)
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", cmp.Or(a.challenge, "Bearer"))
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(p.retryAfter)))
	}
	if p.body != nil {
		writeJSON(w, p.status, p.body)
		return
	}
	body := a.error(p)
	if text, ok := body.(string); ok {
		writeText(w, p.status, text)
		return
	}
	writeJSON(w, p.status, body)
}

func gateError(p *problem) any { return p.gate }

func edgeError(p *problem) any {
	e := edge.Error{Code: cmp.Or(p.gate.Code, edgeCode(p.status)), Message: p.gate.Detail}
	for _, field := range slices.Sorted(maps.Keys(p.gate.Errors)) {
		e.Message += " " + field + ": " + strings.Join(p.gate.Errors[field], " ")
	}
	if p.retryAfter > 0 {
		e.RetryAfter = seconds(p.retryAfter)
	}
	return e
}

func edgeCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusTooManyRequests:
		return "too_many_attempts"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInternalServerError:
		return "internal"
	}
	return "invalid"
}

// writeJSON sends compact JSON without escaping what HTML would want escaped. A nil body is none at all.
func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil { // only a type of ours that cannot be encoded gets here
		http.Error(w, `{"detail":"A server error occurred."}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) // the reader has gone, which is his affair
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func crashed() *problem {
	return &problem{status: http.StatusInternalServerError, gate: gate.Error{Detail: "A server error occurred."}}
}
