package central

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"gatehouse/central/store"
)

// note is what is known of a request, for its line in the log. It is filled while the request is being answered.
type note struct {
	id     string
	token  int64 // its id, 0: none was shown that is known
	tenant int64
}

type noteKey struct{}

// noteOf is the note of a request that has come through wrap.
func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

func (n *note) of(t store.Token) { n.token, n.tenant = t.ID, t.Scope.Own() }

// requestID is the id of a request.
func requestID(r *http.Request) string { return noteOf(r.Context()).id }

// watcher remembers which status an answer had.
type watcher struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watcher) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watcher) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what is below.
func (w *watcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wrap gives every request an id, a line in the log and its place in the metrics, and turns a panic into a 500.
func (s *Server) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		n := &note{id: r.Header.Get("X-Request-Id")}
		if !plain(n.id) {
			n.id = rand.Text()
		}
		w := &watcher{ResponseWriter: to}
		w.Header().Set("X-Request-Id", n.id)
		if s.isDraining() { // the next request of this connection goes to another process
			w.Header().Set("Connection", "close")
		}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, n))
		s.metrics.running.Inc()
		defer func() {
			if v := recover(); v != nil {
				s.cfg.Log.Error("handler crashed", "request", n.id, "panic", v, "stack", string(debug.Stack()))
				s.refuse(w, r, apiOf(r), crashed())
			}
			s.metrics.running.Dec()
			s.answered(w, r, n, time.Since(begun))
		}()
		next.ServeHTTP(w, r)
	})
}

// answered counts a request and writes its line: people and programs at info, gateways and probes, of whom there are many,
// at debug, and what is our fault as a warning in either case.
func (s *Server) answered(w *watcher, r *http.Request, n *note, took time.Duration) {
	s.metrics.answered(r, w.status, took)
	route := routeOf(r)
	level := slog.LevelInfo
	switch {
	case w.status >= http.StatusInternalServerError && route != readyPath:
		level = slog.LevelWarn
	case route == healthPath || route == readyPath || strings.HasPrefix(route, "/edge/"):
		level = slog.LevelDebug
	}
	s.cfg.Log.Log(r.Context(), level, "request", "request", n.id, "method", methodOf(r), "route", route, "status", w.status,
		"took", took.Round(time.Microsecond), "organization", n.tenant, "token", n.token)
}

// plain tells whether a request id from outside may be used.
func plain(id string) bool {
	return id != "" && len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) < 0
}
