package portal

import (
	"context"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// noShelf keeps no visits.
type noShelf struct{}

func (noShelf) VisitByCode(context.Context, string) (sessions.Visit, error) {
	return sessions.Visit{}, sessions.ErrNoVisit
}
func (noShelf) LastVisit(context.Context, sessions.Station) (sessions.Visit, error) {
	return sessions.Visit{}, sessions.ErrNoVisit
}
func (noShelf) SaveVisits(context.Context, []sessions.Visit) error { return nil }

func TestSupportCode(t *testing.T) {
	b := start(t, func(c *Config) {
		c.Visits = sessions.NewVisits(sessions.VisitsConfig{Clock: c.Clock, Store: noShelf{}, SaveEvery: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	})
	shown := regexp.MustCompile(`<bdi class="code">([^<]+)</bdi>`)
	b.raw("GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n")
	b.raw("GET /?secret=1 HTTP/1.1\r\nHost: private.example\r\n\r\n")
	m := shown.FindStringSubmatch(b.get("/login?u=http%3A%2F%2Fprivate.example%2F").body)
	if m == nil {
		t.Fatal("no support code on the login page")
	}
	for _, path := range []string{"/", "/terms", "/logged-out"} {
		if again := shown.FindStringSubmatch(b.get(path).body); again == nil || again[1] != m[1] {
			t.Errorf("%s shows %q, the login page %q", path, again, m[1])
		}
	}
	v, err := b.portal.cfg.Visits.Find(t.Context(), m[1])
	var got []string
	for _, e := range v.Events {
		got = append(got, string(e.Kind)+" "+e.What)
	}
	want := []string{"redirected captive.apple.com", "redirected other", "page GET /login", "page GET /{$}", "page GET /terms", "page GET /logged-out"}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v, events (-want +got):\n%s", err, cmp.Diff(want, got))
	}
}
