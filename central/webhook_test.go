package central_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central"
)

// receiver is somebody's HTTP server.
type receiver struct {
	*httptest.Server
	t      testing.TB
	mu     sync.Mutex
	got    []admin.Event
	secret string
	handle http.HandlerFunc // nil: 200
}

func newReceiver(t testing.TB, handle http.HandlerFunc) *receiver {
	r := &receiver{t: t, handle: handle}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

// ServeHTTP keeps what is told, and checks that it is signed.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	var e admin.Event
	if err := json.Unmarshal(body, &e); err != nil {
		r.t.Errorf("%v: %s", err, body)
	}
	r.mu.Lock()
	r.got = append(r.got, e)
	secret := r.secret
	r.mu.Unlock()
	timestamp := req.Header.Get(admin.WebhookTimestamp)
	if want := central.WebhookSignature([]byte(secret), timestamp, string(body)); req.Header.Get(admin.WebhookSignature) != want {
		r.t.Errorf("signature %s, want %s", req.Header.Get(admin.WebhookSignature), want)
	}
	if at, err := strconv.ParseInt(timestamp, 10, 64); err != nil || time.Unix(at, 0).Before(noon) {
		r.t.Errorf("timestamp %q", timestamp)
	}
	if req.Header.Get(admin.WebhookEventID) != e.ID || req.Header.Get(admin.WebhookKind) != e.Type || req.Method != http.MethodPost {
		r.t.Errorf("headers %v of event %+v", req.Header, e)
	}
	if r.handle != nil {
		r.handle(w, req)
	}
}

func (r *receiver) events() []admin.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// types counts what was told, by type.
func (r *receiver) types() map[string]int {
	count := make(map[string]int)
	for _, e := range r.events() {
		count[e.Type]++
	}
	return count
}

// telling is a centre that sends to loopback.
func telling(t testing.TB) *centre {
	t.Helper()
	c := newCentre(t, withSecrets(t), withLoopback)
	c.sends(c.server)
	return c
}

func (c *centre) sends(s *central.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.SendWebhooks(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
}

// hook makes a webhook of an organisation that leads to a receiver.
func (c *centre) hook(org string, r *receiver, events ...string) admin.Webhook {
	c.t.Helper()
	var w admin.Webhook
	c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/admin/v1/webhooks/",
		body: map[string]any{"name": "crm", "url": r.URL + "/hook", "events": events}}, &w)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secret = w.Secret; w.Secret == "" {
		c.t.Error("no secret was shown")
	}
	return w
}

func (c *centre) deliveries(org string, w admin.Webhook) []admin.WebhookDelivery {
	c.t.Helper()
	var page admin.Page[admin.WebhookDelivery]
	c.want(http.StatusOK, ask{who: org + " admin", method: "GET", path: fmt.Sprintf("/admin/v1/webhooks/%d/deliveries/?limit=100", w.ID)}, &page)
	return page.Results
}

// one is the only delivery to a webhook.
func (c *centre) one(org string, w admin.Webhook) admin.WebhookDelivery {
	c.t.Helper()
	list := c.deliveries(org, w)
	if len(list) != 1 {
		c.t.Fatalf("%d deliveries, want 1: %+v", len(list), list)
	}
	return list[0]
}

func (c *centre) attempted(org string, w admin.Webhook, times int64) (d admin.WebhookDelivery) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d attempts are over", times), func() bool {
		d = c.one(org, w)
		return d.Attempts == times && d.LastAt != nil && d.LastAt.Equal(c.clock.Now())
	})
	return d
}

func TestWebhooksAreTold(t *testing.T) {
	c := telling(t)
	above, below, other := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	c.hook("acme", above, admin.WebhookEvents()...)
	c.hook("acme-west", below, admin.UserCreated)
	c.hook("globex", other, admin.WebhookEvents()...)
	ann := c.user("acme-west", "ann", "")
	path := fmt.Sprintf("/api/v1/user/%d/", ann)
	c.want(http.StatusOK, ask{who: "acme-west admin", method: "PATCH", path: path, body: map[string]any{"email": "ann@example.org"}}, nil)
	c.want(http.StatusNoContent, ask{who: "acme-west admin", method: "DELETE", path: path}, nil)
	for range 3 { // what is sent again is told once
		c.ingest("acme", session(1, noon, true), session(2, noon, false), session(1, noon, false))
	}
	want := map[string]int{admin.UserCreated: 1, admin.UserChanged: 1, admin.UserDeleted: 1, admin.SessionStarted: 2, admin.SessionStopped: 2}
	c.eventually("everything is told", func() bool { return len(above.events()) >= 7 && len(below.events()) >= 1 })
	c.clock.Advance(time.Hour) // and nothing again
	c.user("globex", "zoe", "")
	c.eventually("the other is told", func() bool { return len(other.events()) > 0 })
	if got := above.types(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if got := below.types(); len(below.events()) != 1 || got[admin.UserCreated] != 1 {
		t.Errorf("below: told %v", got)
	}
	if got := other.types(); len(other.events()) != 1 || got[admin.UserCreated] != 1 {
		t.Errorf("another tenant: told %v", got)
	}
	ids := make(map[string]bool)
	for _, e := range above.events() {
		ids[e.ID] = true
		if e.Organization < 1 || e.Organization > 2 || strings.Contains(string(e.Data), "password") || !strings.HasPrefix(string(e.Data), "{") {
			t.Errorf("event %+v: %s", e, e.Data)
		}
	}
	if len(ids) != 7 {
		t.Errorf("%d ids for 7 events", len(ids))
	}
}

// TestWebhookTriedAgain: whatever is no 2xx is tried again under the same id, later each time, until it is delivered.
func TestWebhookTriedAgain(t *testing.T) {
	t.Parallel()
	c := telling(t)
	elsewhere := newReceiver(t, nil)
	answers := make(chan http.HandlerFunc, 10)
	answers <- func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	answers <- func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}
	answers <- func(w http.ResponseWriter, _ *http.Request) { // dies in the middle
		conn, b, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = b.WriteString("HTTP/1.1 200 OK\r\nContent-Le")
			_ = b.Flush()
			_ = conn.Close()
		}
	}
	answers <- func(w http.ResponseWriter, r *http.Request) { // never answers
		select {
		case <-r.Context().Done():
		case <-t.Context().Done():
		}
	}
	answers <- func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) { (<-answers)(w, req) })
	w := c.hook("acme", r, admin.UserCreated)
	c.user("acme", "ann", "")
	last := time.Duration(0)
	for attempt, says := range []string{"answered with status 500", "answered with status 307", "connection broken", "no answer within 10s", "header"} {
		d := c.attempted("acme", w, int64(attempt+1))
		if d.LastError == nil || d.State != admin.DeliveryWaiting || !strings.Contains(*d.LastError, says) {
			t.Fatalf("attempt %d: state %s, %q, want %q", attempt+1, d.State, *d.LastError, says)
		}
		wait := d.NextAt.Sub(*d.LastAt)
		if attempt < 2 && wait <= last || wait <= 0 {
			t.Errorf("attempt %d: waits %v, before it was %v", attempt+1, wait, last)
		}
		last = wait
		c.clock.Advance(2 * time.Minute)
		if attempt == 4 {
			break
		}
	}
	answers <- func(w http.ResponseWriter, _ *http.Request) { // an answer without end
		for range 1 << 12 {
			if _, err := w.Write(make([]byte, 1<<12)); err != nil {
				return
			}
		}
	}
	c.clock.Advance(time.Hour)
	c.eventually("it is delivered", func() bool { return c.one("acme", w).State == admin.Delivered })
	events := r.events()
	for _, e := range events {
		if e.ID != events[0].ID {
			t.Errorf("ids %s and %s of one event", events[0].ID, e.ID)
		}
	}
	if len(elsewhere.events()) != 0 {
		t.Error("a redirect was followed")
	}
}

// TestWebhookDead: after 24 hours it is given up and shown; replay sends it under the same id.
func TestWebhookDead(t *testing.T) {
	c := telling(t)
	status := http.StatusTeapot
	var mu sync.Mutex
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { mu.Lock(); defer mu.Unlock(); w.WriteHeader(status) })
	w := c.hook("acme", r, admin.UserCreated)
	path := fmt.Sprintf("/admin/v1/webhooks/%d/", w.ID)
	c.want(http.StatusAccepted, ask{who: "acme admin", method: "POST", path: path + "test/"}, nil)
	c.attempted("acme", w, 1)
	c.clock.Advance(23 * time.Hour)
	if d := c.attempted("acme", w, 2); d.State != admin.DeliveryWaiting {
		t.Errorf("after 23 h: %+v", d)
	}
	c.clock.Advance(time.Hour + time.Second)
	d := c.attempted("acme", w, 3)
	if d.State != admin.DeliveryDead || d.NextAt != nil || *d.LastStatus != http.StatusTeapot || d.Event != admin.WebhookTest {
		t.Errorf("after 24 h: %+v", d)
	}
	mu.Lock()
	status = http.StatusNoContent
	mu.Unlock()
	replay := fmt.Sprintf("%sdeliveries/%d/replay/", path, d.ID)
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "POST", path: replay}, nil)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "POST", path: path + "deliveries/99/replay/"}, nil)
	c.want(http.StatusAccepted, ask{who: "acme admin", method: "POST", path: replay}, nil)
	c.eventually("it is delivered", func() bool { return c.one("acme", w).State == admin.Delivered })
	events := r.events()
	if len(events) != 4 || events[3].ID != events[0].ID {
		t.Errorf("told %+v", events)
	}
}

// TestWebhookThatHangs does not hold up the others.
func TestWebhookThatHangs(t *testing.T) {
	c := telling(t)
	free := make(chan struct{})
	slow, quick := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-free }), newReceiver(t, nil)
	hung, well := c.hook("acme", slow, admin.UserCreated), c.hook("acme", quick, admin.UserCreated)
	for n := range 20 {
		c.user("acme", fmt.Sprint("u", n), "")
	}
	c.eventually("the quick one has all", func() bool { return len(quick.events()) == 20 })
	if n := len(slow.events()); n > 4 {
		t.Errorf("%d requests at once to one that hangs", n)
	}
	close(free)
	c.eventually("the slow one has all", func() bool { return len(slow.events()) == 20 })
	for _, w := range []admin.Webhook{hung, well} {
		c.eventually("all is noted", func() bool {
			return !slices.ContainsFunc(c.deliveries("acme", w), func(d admin.WebhookDelivery) bool { return d.State != admin.Delivered || d.Attempts != 1 })
		})
	}
}

// TestWebhookSenders: several processes share the outbox, and each event is sent by one.
func TestWebhookSenders(t *testing.T) {
	c := telling(t)
	for range 3 {
		cfg := central.Config{Store: c.store, Clock: c.clock, Log: testLog(c.log)}
		withLoopback(&cfg)
		withSecrets(t)(&cfg)
		another, err := central.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.sends(another)
	}
	r := newReceiver(t, nil)
	w := c.hook("acme", r, admin.UserCreated)
	for n := range 60 {
		c.user("acme", fmt.Sprint("u", n), "")
	}
	c.eventually("all is delivered", func() bool {
		list := c.deliveries("acme", w)
		return len(list) == 60 && !slices.ContainsFunc(list, func(d admin.WebhookDelivery) bool { return d.State != admin.Delivered })
	})
	if n := len(r.events()); n != 60 {
		t.Errorf("%d requests for 60 events", n)
	}
}

// TestWebhooksStayOutside: without leave of the operator nothing that is not public is reached, whatever its name, and nothing at all
// without TLS.
func TestWebhooksStayOutside(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	c.sends(c.server)
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "https://"), ":")
	for _, url := range []string{inside.URL, "https://localhost:" + port, "https://[::ffff:127.0.0.1]:" + port, "https://0.0.0.0:" + port,
		"https://169.254.169.254/", "https://[::1]:" + port, "https://10.0.0.1/", "http://127.0.0.1:" + port} {
		var w admin.Webhook
		c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/webhooks/",
			body: map[string]any{"name": "x", "url": url, "events": []string{admin.UserCreated}}}, &w)
		c.want(http.StatusAccepted, ask{who: "acme admin", method: "POST", path: fmt.Sprintf("/admin/v1/webhooks/%d/test/", w.ID)}, nil)
		d := c.attempted("acme", w, 1)
		if d.State != admin.DeliveryWaiting || d.LastError == nil ||
			!strings.Contains(*d.LastError, "is not public") && !strings.Contains(*d.LastError, "only https://") {
			t.Errorf("%s: %+v %v", url, d, d.LastError)
		}
	}
	for _, url := range []string{"ftp://example.org/", "https://user:password@example.org/", "https:///", "example.org", "https://example.org/#x", "https://example.org/ x"} {
		r := c.want(http.StatusBadRequest, ask{who: "acme admin", method: "POST", path: "/admin/v1/webhooks/",
			body: map[string]any{"name": "x", "url": url, "events": []string{admin.UserCreated}}}, nil)
		if !strings.Contains(r.text, `"url"`) {
			t.Errorf("%s: %s", url, r.text)
		}
	}
}

// TestWebhookResource: the secret is shown when it is made and never again; what is off is told nothing; nobody else's can be touched.
func TestWebhookResource(t *testing.T) {
	c := telling(t)
	r := newReceiver(t, nil)
	w := c.hook("acme", r, admin.UserCreated)
	path := fmt.Sprintf("/admin/v1/webhooks/%d/", w.ID)
	for _, who := range []string{"acme-west admin", "globex admin"} {
		for _, a := range []ask{{method: "GET", path: path}, {method: "PATCH", path: path, body: map[string]any{"name": "x"}}, {method: "DELETE", path: path},
			{method: "POST", path: path + "test/"}, {method: "POST", path: path + "secret/"}, {method: "GET", path: path + "deliveries/"}} {
			a.who = who
			c.want(http.StatusNotFound, a, nil)
		}
	}
	c.want(http.StatusForbidden, ask{who: "acme staff", method: "GET", path: path}, nil)
	for _, p := range []string{path, "/admin/v1/webhooks/"} {
		if text := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: p}, nil).text; strings.Contains(text, "whsec") {
			t.Errorf("%s shows the secret: %s", p, text)
		}
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{"is_active": false}}, nil)
	c.user("acme", "ann", "")
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{"is_active": true}}, nil)
	var renewed admin.Webhook
	c.want(http.StatusOK, ask{who: "acme admin", method: "POST", path: path + "secret/"}, &renewed)
	if renewed.Secret == "" || renewed.Secret == w.Secret {
		t.Errorf("the new secret is %q", renewed.Secret)
	}
	r.mu.Lock()
	r.secret = renewed.Secret
	r.mu.Unlock()
	c.user("acme", "bob", "")
	c.eventually("bob is told", func() bool { return len(r.events()) == 1 })
	if got := r.events(); !strings.Contains(string(got[0].Data), "bob") {
		t.Errorf("told %+v", got)
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	c.user("acme", "cid", "")
	if log := c.log.String(); strings.Contains(log, renewed.Secret) || strings.Contains(log, w.Secret) {
		t.Error("a secret is in the log")
	}
	plain := newCentre(t)
	plain.want(http.StatusConflict, ask{who: "acme admin", method: "POST", path: "/admin/v1/webhooks/",
		body: map[string]any{"name": "x", "url": "https://example.org", "events": []string{admin.UserCreated}}}, nil)
}
