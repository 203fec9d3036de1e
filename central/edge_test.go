package central_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
)

func statuses(results []edge.Result) string {
	var list []string
	for _, r := range results {
		list = append(list, fmt.Sprintf("%d:%s%s", r.Seq, r.Status, r.Code))
	}
	return strings.Join(list, " ")
}

func TestIngestAnswersPerRecord(t *testing.T) {
	c := newCentre(t)
	bad := func(n int, f func(*edge.Accounting)) edge.Record {
		r := session(n, noon, true)
		f(r.Accounting)
		return r
	}
	body := ingestBody(t, session(1, noon, true)) +
		"this is not JSON\n\n" +
		`{"seq":3,"accounting":{"acctinputoctets":-1}}` + "\n" +
		ingestBody(t,
			bad(4, func(a *edge.Accounting) { a.AcctStartTime = time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC) }),
			bad(5, func(a *edge.Accounting) { a.AcctStartTime = time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC) }),
			bad(6, func(a *edge.Accounting) { a.AcctUniqueID = "" }),
			bad(7, func(a *edge.Accounting) { a.AcctStatusType = "Stop" }),
			bad(8, func(a *edge.Accounting) { a.AcctOutputOctets = 1 << 63 }),
			bad(9, func(a *edge.Accounting) { a.AcctStatusType = "Alive" }),
			edge.Record{Seq: 10}, edge.Record{Seq: 11, Transaction: &edge.Transaction{ID: "x", Type: "login", Status: "h200", DateTime: noon}},
			bad(12, func(a *edge.Accounting) { a.SSID, a.Username = strings.Repeat("é", 300), "nu\x00ll" }),
			bad(15, func(a *edge.Accounting) { a.AcctUniqueID = "nu\x00ll" }),
			edge.Record{Seq: 16, Outcome: &edge.Outcome{Event: "nu\x00ll", Status: edge.Done}},
			edge.Record{Seq: 17, Outcome: &edge.Outcome{Event: "unknown", Status: edge.Done, Reason: "nu\x00ll"}},
			transaction(13, noon), transaction(13, noon), session(1, noon, true), session(1, noon, false)) +
		`{"seq":14,"from_the_future":{},"transaction":{"id":"f","datetime":"2026-03-01T12:00:00Z","type":"zz","status":"q999","x":1}}`
	want := "1:merged 0:rejectedinvalid 3:rejectedinvalid 4:rejectedinvalid 5:rejectedinvalid 6:rejectedinvalid 7:rejectedinvalid " +
		"8:rejectedinvalid 9:rejectedinvalid 10:rejectedinvalid 11:rejectedinvalid 12:merged 15:rejectedinvalid 16:rejectedinvalid 17:duplicate 13:merged 13:duplicate " +
		"1:duplicate 1:merged 14:merged"
	var answer edge.IngestAnswer
	c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: body}, &answer)
	if got := statuses(answer.Results); got != want {
		t.Errorf("results\n%s, want\n%s", got, want)
	}
	for _, r := range answer.Results {
		if (r.Status == edge.Rejected) != (r.Message != "") {
			t.Errorf("a message with the rejected ones and only these: %+v", r)
		}
	}
	c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: body}, &answer)
	if got, want := statuses(answer.Results), strings.ReplaceAll(want, "merged", "duplicate"); got != want {
		t.Errorf("sent again\n%s, want\n%s", got, want)
	}
}

func TestIngestBodies(t *testing.T) {
	c := newCentre(t)
	var many []edge.Record
	for n := range edge.MaxBatch + 1 {
		many = append(many, transaction(n, noon))
	}
	packed := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text)) // into memory
		_ = z.Close()
		return b.String()
	}
	whole := packed(ingestBody(t, many[:3]...))
	tests := map[string]struct {
		body, encoding, nas string
		status              int
		code                string
	}{
		"most":                      {ingestBody(t, many[:edge.MaxBatch]...), "", "gw1", 200, ""},
		"too many":                  {ingestBody(t, many...), "", "gw1", 413, "too_large"},
		"none":                      {"", "", "gw1", 200, ""},
		"gzip":                      {whole, "gzip", "gw1", 200, ""},
		"gzip cut off":              {whole[:len(whole)-9], "gzip", "gw1", 400, "invalid"},
		"not gzip":                  {"{}", "gzip", "gw1", 400, "invalid"},
		"bomb":                      {packed(strings.Repeat(" ", 17<<20)), "gzip", "gw1", 413, "too_large"},
		"without a NAS":             {"", "", "", 400, "invalid"},
		"a NAS in another encoding": {"", "", "caf\xe9", 400, "invalid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := c.do(ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: test.body,
				header: map[string]string{"Content-Encoding": test.encoding, edge.NASHeader: test.nas}})
			var e edge.Error
			if err := json.Unmarshal([]byte(got.text), &e); err != nil || got.status != test.status || e.Code != test.code {
				t.Errorf("status %d, want %d: %s", got.status, test.status, got.text)
			}
		})
	}
}

func (c *centre) changes(who, query string) edge.ChangesAnswer {
	c.t.Helper()
	var a edge.ChangesAnswer
	c.want(http.StatusOK, ask{who: who, method: "GET", path: edge.ChangesPath + "?" + query}, &a)
	return a
}

func (c *centre) login(who, username, password string) edge.AuthenticateAnswer {
	c.t.Helper()
	var a edge.AuthenticateAnswer
	c.want(http.StatusOK, ask{who: who, method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: username, Password: password}}, &a)
	return a
}

func TestChangeFeed(t *testing.T) {
	c := newCentre(t)
	first := c.changes("acme edge", "")
	if diff := cmp.Diff(edge.ChangesAnswer{Cursor: first.Cursor, Reset: true, Changes: []edge.Change{}}, first); diff != "" {
		t.Errorf("empty feed (-want +got):\n%s", diff)
	}
	profile := c.profile("acme", "guest")
	ann := c.user("acme", "ann", "right", "guest")
	c.user("acme", "bob", "right")

	second := c.changes("acme edge", "cursor="+first.Cursor)
	attrs := []edge.Attribute{{Attribute: "Session-Timeout", Op: ":=", Value: "3600"}}
	want := []edge.Change{{Profile: &edge.Profile{ID: profile, ShortName: "guest", ReplyAttribute: attrs, CheckAttribute: []edge.Attribute{}}}}
	if diff := cmp.Diff(want, second.Changes); diff != "" || second.Reset {
		t.Errorf("accounts that were not seen are not told; reset %v (-want +got):\n%s", second.Reset, diff)
	}

	account := edge.Account{UserID: ann, Username: "ann", Active: true, CredentialVersion: 1, Profiles: []string{"guest"}, ProfileIDs: []int64{profile}}
	if diff := cmp.Diff(edge.AuthenticateAnswer{Authenticated: true, Account: &account}, c.login("acme edge", "ann", "right")); diff != "" {
		t.Errorf("login (-want +got):\n%s", diff)
	}
	for _, wrong := range [][2]string{{"ann", "wrong"}, {"nobody", "right"}} {
		if got := c.login("acme edge", wrong[0], wrong[1]); got.Authenticated || got.Account != nil {
			t.Errorf("%v: %+v", wrong, got)
		}
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann/",
		body: map[string]any{"is_active": false, "password": "new", "expiration": "2027-01-01T00:00:00Z", "klass": "k"}}, nil)
	third := c.changes("acme edge", "cursor="+second.Cursor)
	expiry := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	account.Active, account.CredentialVersion, account.Expiration, account.Class = false, 2, &expiry, "k"
	if diff := cmp.Diff([]edge.Change{{Account: &account}}, third.Changes); diff != "" {
		t.Errorf("deactivated (-want +got):\n%s", diff)
	}
	if other := c.changes("acme edge", "cursor="+third.Cursor+"&wait=0"); len(other.Changes) != 0 || other.Reset {
		t.Errorf("nothing new: %+v", other)
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/api/v1/user/%d/", ann)}, nil)
	fourth := c.changes("acme edge", "cursor="+third.Cursor)
	if diff := cmp.Diff([]edge.Change{{DeletedUserID: ann}}, fourth.Changes); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

func TestAccountThatLeavesIsDeleted(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme-west", "ann", "right")
	c.login("acme-west edge", "ann", "right")
	cursor := c.changes("acme-west edge", "").Cursor
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann/", body: map[string]any{"organization": 1}}, nil)
	if diff := cmp.Diff([]edge.Change{{DeletedUserID: ann}}, c.changes("acme-west edge", "cursor="+cursor).Changes); diff != "" {
		t.Errorf("moved up (-want +got):\n%s", diff)
	}
}

func TestForeignCursorsBeginAgain(t *testing.T) {
	c, other := newCentre(t), newCentre(t)
	c.profile("acme", "guest")
	mine := c.changes("acme edge", "").Cursor
	var elsewhere edge.ChangesAnswer
	c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.NASHeader: "gw2"}}, &elsewhere)
	for name, cursor := range map[string]string{"none": "", "rubbish": "x", "another gateway's": elsewhere.Cursor,
		"another database's": other.changes("acme edge", "").Cursor} {
		if got := c.changes("acme edge", "wait=30&cursor="+cursor); !got.Reset || len(got.Changes) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := c.changes("acme edge", "cursor="+mine); got.Reset || len(got.Changes) != 0 {
		t.Errorf("my own: %+v", got)
	}
}

// TestRestoredCopy puts back a copy of the database from before a cursor: the cursor begins again.
func TestRestoredCopy(t *testing.T) {
	c := newCentre(t)
	c.profile("acme", "guest")
	gw, err := c.store.Gateway(t.Context(), store.Token{Scope: store.Scope{1}}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.store.Changes(t.Context(), gw, 99); err != store.ErrNotFound {
		t.Errorf("err %v, want ErrNotFound", err)
	}
}

func TestLongFeedComesInPages(t *testing.T) {
	c := newCentre(t)
	const profiles = 510
	for n := range profiles {
		c.profile("acme", fmt.Sprintf("p%d", n))
	}
	seen := make(map[int64]bool)
	a := c.changes("acme edge", "")
	for pages := 1; ; pages++ {
		for _, ch := range a.Changes {
			seen[ch.Profile.ID] = true
		}
		if !a.More {
			if pages != 2 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		if a = c.changes("acme edge", "cursor="+a.Cursor); a.Reset {
			t.Fatal("reset in the middle")
		}
	}
	if len(seen) != profiles {
		t.Errorf("%d profiles, want %d", len(seen), profiles)
	}
}

// held starts a request for changes that waits, and returns where its answer comes, once it has read the feed and found
// nothing.
func (c *centre) held(who, cursor, id string) <-chan edge.ChangesAnswer {
	answer := make(chan edge.ChangesAnswer, 1)
	go func() {
		r := c.do(ask{who: who, method: "GET", path: edge.ChangesPath + "?wait=60&cursor=" + cursor, header: map[string]string{"X-Request-Id": id}})
		var a edge.ChangesAnswer
		if err := json.Unmarshal([]byte(r.text), &a); err != nil || r.status != http.StatusOK {
			c.t.Errorf("held request: %d %s", r.status, r.text)
		}
		answer <- a
	}()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(c.log.String(), `msg="changes read" request=`+id); {
		if time.Now().After(end) {
			c.t.Fatal("the request never read the feed")
		}
		runtime.Gosched()
	}
	return answer
}

func within[T any](t *testing.T, d time.Duration, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(d):
		t.Fatalf("nothing came within %s", d)
		panic("unreachable")
	}
}

func TestHeldRequestIsWoken(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme", "ann", "right")
	c.login("acme edge", "ann", "right")
	a := c.changes("acme edge", "")
	answer := c.held("acme edge", a.Cursor, "first")
	c.user("acme", "bob", "") // wakes it, but is none of its business
	c.profile("globex", "theirs")
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: "/api/v1/user/username/ann/"}, nil)
	got := within(t, 2*time.Second, answer)
	if diff := cmp.Diff([]edge.Change{{DeletedUserID: ann}}, got.Changes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	answer = c.held("acme edge", got.Cursor, "second")
	c.server.Drain(0)
	if last := within(t, 2*time.Second, answer); len(last.Changes) != 0 || last.Reset {
		t.Errorf("at the end: %+v", last)
	}
}

// TestHeldRequestHearsOtherProcesses makes a change through another opening of the same database.
func TestHeldRequestHearsOtherProcesses(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme", "ann", "right")
	c.login("acme edge", "ann", "right")
	cursor := c.changes("acme edge", "").Cursor
	watching := make(chan error, 1)
	go func() { watching <- c.store.Watch(t.Context()) }()
	answer := c.held("acme edge", cursor, "other")
	other, err := store.Open(t.Context(), store.Config{URL: c.db})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.DeleteUser(t.Context(), store.Scope{1}, ann); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]edge.Change{{DeletedUserID: ann}}, within(t, 5*time.Second, answer).Changes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGuessing(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "right")
	try := func(gateway, username, password string) reply {
		return c.do(ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath, header: map[string]string{edge.NASHeader: gateway},
			body: edge.AuthenticateRequest{Username: username, Password: password}})
	}
	for range 15 { // right ones cost nothing
		if got := try("gw1", "ann", "right"); got.status != http.StatusOK {
			t.Fatalf("right: %d %s", got.status, got.text)
		}
	}
	for range 10 {
		if got := try("gw1", "ann", "wrong"); got.status != http.StatusOK {
			t.Fatalf("wrong: %d %s", got.status, got.text)
		}
	}
	got := try("gw1", "ann", "right")
	var e edge.Error
	if err := json.Unmarshal([]byte(got.text), &e); err != nil || got.status != http.StatusTooManyRequests || e.RetryAfter != 15 ||
		got.header.Get("Retry-After") != "15" {
		t.Errorf("status %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.text)
	}
	if got := try("gw2", "ann", "right"); got.status != http.StatusOK {
		t.Errorf("another gateway is held up: %d", got.status)
	}
	c.clock.Advance(15 * time.Second)
	if got := try("gw1", "ann", "right"); got.status != http.StatusOK {
		t.Errorf("after Retry-After: %d", got.status)
	}
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "hush-hush")
	c.login("acme edge", "ann", "hush-hush")
	c.do(ask{who: "acme admin", method: "POST", path: "/api/v1/device_app_user_authenticate/", body: map[string]any{"username": "ann", "password": "hush-wrong"}})
	c.spoil()
	c.do(ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath, body: edge.AuthenticateRequest{Username: "ann", Password: "hush-hush"}})
	log := c.log.String()
	if !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "request=") {
		t.Errorf("the log does not tell of the fault with its request:\n%s", log)
	}
	for who, token := range c.tokens {
		if strings.Contains(log, token) {
			t.Errorf("the token of %s is in the log", who)
		}
	}
	if strings.Contains(log, "hush") {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

func TestNumberedIDs(t *testing.T) {
	c := newCentre(t, func(cfg *central.Config) { cfg.IntegerIDs = true })
	c.profile("acme", "guest")
	c.ingest("acme", session(1, noon, true))
	for path, want := range map[string]string{"/api/v1/aaa_profile/": `"organization_id":1,`, "/api/v1/aaa_accounting/": `"organization_id":1,`} {
		if got := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, nil); !strings.Contains(got.text, want) {
			t.Errorf("%s: %s", path, got.text)
		}
	}
}
