package central_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central"
	"gatehouse/central/store"
)

// liveSession has the organisation's gateway gw1 report a running session, and returns it as the admin API has it.
func (c *centre) liveSession(org string, n int) admin.LiveSession {
	c.t.Helper()
	c.changes(org+" edge", "")
	c.ingest(org, session(n, c.clock.Now().Add(-time.Minute), true))
	var page admin.Page[admin.LiveSession]
	c.want(http.StatusOK, ask{who: org + " staff", method: "GET", path: "/admin/v1/sessions/"}, &page)
	for _, v := range page.Results {
		if v.AcctSessionID == fmt.Sprintf("s%d", n) {
			return v
		}
	}
	c.t.Fatalf("session s%d is not among %+v", n, page.Results)
	panic("unreachable")
}

// events are those of an answer of the feed.
func events(a edge.ChangesAnswer) (list []edge.Event) {
	for _, ch := range a.Changes {
		if ch.Event != nil {
			list = append(list, *ch.Event)
		}
	}
	return list
}

// outcome reports what became of an event.
func (c *centre) outcome(who, event, status, reason string) string {
	c.t.Helper()
	var answer edge.IngestAnswer
	c.want(http.StatusOK, ask{who: who, method: "POST", path: edge.IngestPath, body: ingestBody(c.t,
		edge.Record{Seq: 7, Outcome: &edge.Outcome{Event: event, Status: status, Reason: reason}})}, &answer)
	return answer.Results[0].Status
}

// TestKickTakesEffectAtOnce has the front desk end a session and wait, while the gateway holds a request open.
func TestKickTakesEffectAtOnce(t *testing.T) {
	c := newCentre(t)
	v := c.liveSession("acme", 1)
	cursor := c.changes("acme edge", "").Cursor
	held := c.held("acme edge", cursor, "poll")
	done := make(chan admin.Action)
	path := fmt.Sprintf("/admin/v1/sessions/%d/", v.ID)
	c.token("acme staff")
	go func() {
		var a admin.Action
		c.want(http.StatusAccepted, ask{who: "acme staff", method: "POST", path: path + "disconnect/?wait=30"}, &a)
		done <- a
	}()
	told := within(t, 2*time.Second, held)
	got := events(told)
	want := []edge.Event{{ID: got[0].ID, SecondsLeft: 300, Disconnect: &edge.SessionRef{AcctSessionID: "s1", AcctUniqueID: "u1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if again := c.changes("acme edge", "cursor="+told.Cursor); len(again.Changes) != 0 {
		t.Errorf("told again to who has read it: %+v", again)
	}
	if again := events(c.changes("acme edge", "")); len(again) != 1 || again[0].ID != got[0].ID {
		t.Errorf("who begins again is told what is not settled: %+v", again)
	}
	if first, second := c.outcome("acme edge", got[0].ID, edge.Done, ""), c.outcome("acme edge", got[0].ID, edge.NotFound, ""); first != edge.Merged || second != edge.Duplicate {
		t.Errorf("outcome: %s, again: %s", first, second)
	}
	a := within(t, 2*time.Second, done)
	if a.State != admin.ActionDone || a.Reason != nil || a.Delivered == nil || a.Ended == nil || *a.Session != v.ID || a.Gateway != *v.Gateway {
		t.Errorf("action %+v", a)
	}
	if again := c.changes("acme edge", ""); len(events(again)) != 0 {
		t.Errorf("settled, and told again: %+v", again)
	}
	c.ingest("acme", session(1, v.Started, false))
	c.want(http.StatusConflict, ask{who: "acme staff", method: "POST", path: path + "disconnect/"}, nil)
}

// TestActionsThroughAnotherProcess: one process tells the gateway and takes the outcome, another one is asked.
func TestActionsThroughAnotherProcess(t *testing.T) {
	c := newCentre(t)
	other := c.another(t)
	v := c.liveSession("acme", 1)
	cursor := c.changes("acme edge", "").Cursor
	held := c.held("acme edge", cursor, "poll")
	c.token("acme staff")
	done := make(chan admin.Action)
	go func() {
		var a admin.Action
		other.want(http.StatusAccepted, ask{who: "acme staff", method: "POST", path: fmt.Sprintf("/admin/v1/sessions/%d/rate/?wait=30", v.ID),
			body: map[string]any{"up": 1000000, "down": 0}}, &a)
		done <- a
	}()
	got := events(within(t, 5*time.Second, held))
	if len(got) != 1 || got[0].Rate == nil || *got[0].Rate.Up != 1e6 || *got[0].Rate.Down != 0 {
		t.Fatalf("events %+v", got)
	}
	c.outcome("acme edge", got[0].ID, edge.Refused, "blocked")
	if a := within(t, 5*time.Second, done); a.State != admin.ActionFailed || *a.Reason != "blocked" {
		t.Errorf("action %+v", a)
	}
}

func TestActionsThatComeToNothing(t *testing.T) {
	c := newCentre(t)
	v := c.liveSession("acme", 1)
	path := fmt.Sprintf("/admin/v1/sessions/%d/", v.ID)
	var a admin.Action
	c.want(http.StatusAccepted, ask{who: "acme staff", method: "POST", path: path + "extend/", body: map[string]any{"seconds": 60}}, &a)
	one := ask{who: "acme readonly", method: "GET", path: fmt.Sprintf("/admin/v1/actions/%d/", a.ID)}
	if a.State != admin.ActionPending || a.Delivered != nil || !a.Expires.Equal(noon.Add(5*time.Minute)) {
		t.Errorf("action %+v", a)
	}
	key := events(c.changes("acme edge", ""))[0].ID
	if c.want(http.StatusOK, one, &a); a.State != admin.ActionDelivered || a.Delivered == nil {
		t.Errorf("told: %+v", a)
	}
	c.clock.Advance(5 * time.Minute)
	expired := func() {
		t.Helper()
		a = admin.Action{}
		if c.want(http.StatusOK, one, &a); a.State != admin.ActionFailed || *a.Reason != admin.ReasonExpired || a.Ended == nil {
			t.Errorf("its time is over: %+v", a)
		}
	}
	expired()
	if err := c.store.EndEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	expired()
	if got := events(c.changes("acme edge", "")); len(got) != 0 {
		t.Errorf("told after its time: %+v", got)
	}
	c.outcome("acme edge", key, edge.Done, "")
	if c.want(http.StatusOK, one, &a); a.State != admin.ActionDone {
		t.Errorf("it was done all the same: %+v", a)
	}
	for name, bad := range map[string]ask{
		"nothing":    {body: map[string]any{}, path: path + "extend/"},
		"less":       {body: map[string]any{"seconds": -1}, path: path + "extend/"},
		"unknown":    {body: map[string]any{"second": 1}, path: path + "extend/"},
		"no rate":    {body: map[string]any{}, path: path + "rate/"},
		"wait":       {path: path + "disconnect/?wait=31"},
		"wait words": {path: path + "disconnect/?wait=long"},
	} {
		bad.who, bad.method = "acme staff", "POST"
		if got := c.do(bad); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	for _, who := range []string{"acme readonly", "globex admin", "acme edge"} {
		want := map[string]int{"acme readonly": 403, "globex admin": 404, "acme edge": 403}[who]
		c.want(want, ask{who: who, method: "POST", path: path + "disconnect/"}, nil)
	}
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "GET", path: one.path}, nil)
	var list admin.Page[admin.Action]
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: fmt.Sprintf("/admin/v1/actions/?session=%d", v.ID)}, &list)
	if len(list.Results) != 1 || list.Results[0].ID != a.ID {
		t.Errorf("actions %+v", list.Results)
	}
}

func TestLiveSessionsFilters(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme", "ann", "")
	c.changes("acme edge", "")
	var records []edge.Record
	for n := range 6 {
		r := session(n, noon.Add(-time.Duration(n)*time.Minute), n != 5)
		a := r.Accounting
		a.LocationID, a.AccessPointID, a.CallingStationID = int64(n%2+1), int64(n%3+1), fmt.Sprintf("02-00-5E-10-00-0%d", n%2)
		if n == 3 {
			a.Username, a.NASIdentifier, a.AcctInterval = "ann", "nas9", 60
		}
		records = append(records, r)
	}
	c.ingest("acme", records...)
	var gateways admin.Page[admin.Gateway]
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: "/admin/v1/gateways/"}, &gateways)
	gw1 := gateways.Results[0].ID
	for query, want := range map[string]string{
		"":                                      "0 1 2 3 4",
		fmt.Sprintf("?gateway=%d", gw1):         "0 1 2 4",
		"?gateway=999":                          "",
		"?location=1":                           "0 2 4",
		"?location=loc_2&access_point=2":        "1",
		fmt.Sprintf("?user=user_%d", ann):       "3",
		"?username=ann":                         "3",
		"?mac=02:00:5e:10:00:01":                "1 3",
		"?organization=acme-west":               "",
		"?organization=acme&mac=02005e100000":   "0 2 4",
		"?organization=globex":                  "",
		fmt.Sprintf("?user=%d", 1<<40):          "",
		fmt.Sprintf("?gateway=%d&limit=2", gw1): "0 1",
	} {
		var page admin.Page[admin.LiveSession]
		c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: "/admin/v1/sessions/" + query}, &page)
		var got []string
		for _, v := range page.Results {
			got = append(got, strings.TrimPrefix(v.AcctSessionID, "s"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
		if strings.Contains(query, "limit") {
			c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: *page.Next}, &page)
			if len(page.Results) != 2 || page.Results[1].AcctSessionID != "s4" {
				t.Errorf("second page %+v", page.Results)
			}
		}
		for _, v := range page.Results {
			if (v.AcctSessionID == "s3") != (v.Gateway == nil) {
				t.Errorf("gateway of %+v", v)
			}
			if v.AcctSessionID == "s3" && !v.Stale { // three minutes without its interim record of every minute
				t.Errorf("fresh: %+v", v)
			}
		}
	}
	c.want(http.StatusBadRequest, ask{who: "acme staff", method: "GET", path: "/admin/v1/sessions/?mac=x"}, nil)
	var page admin.Page[admin.LiveSession]
	if c.want(http.StatusOK, ask{who: "globex admin", method: "GET", path: "/admin/v1/sessions/"}, &page); len(page.Results) != 0 {
		t.Errorf("another tenant sees %+v", page.Results)
	}
	var ended admin.LiveSession
	var all gate.CursorPage[struct{ RadAcctID int64 }]
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?session_status=inactive"}, &all)
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: fmt.Sprintf("/admin/v1/sessions/%d/", all.Results[0].RadAcctID)}, &ended)
	if ended.AcctSessionID != "s5" || ended.Stopped == nil || ended.StopInferred || ended.Stale {
		t.Errorf("a session that is over: %+v", ended)
	}
}

// TestLostSessions: a gateway falls silent and comes back.
func TestLostSessions(t *testing.T) {
	c := newCentre(t)
	report := func(n int, change func(*edge.Accounting)) {
		t.Helper()
		r := session(n, noon, true)
		r.Accounting.AcctInterval = 300
		change(r.Accounting)
		c.ingest("acme", r)
	}
	see := func(n int) (v admin.LiveSession) {
		t.Helper()
		var all gate.CursorPage[struct {
			RadAcctID     int64
			AcctSessionID string
		}]
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/"}, &all)
		for _, r := range all.Results {
			if r.AcctSessionID == fmt.Sprintf("s%d", n) {
				c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: fmt.Sprintf("/admin/v1/sessions/%d/", r.RadAcctID)}, &v)
			}
		}
		return v
	}
	sweep := func() {
		c.server.WriteHeard(t.Context(), true)
		for _, all := range []bool{false, true} {
			if _, err := c.store.CloseLost(t.Context(), all); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 4 {
		report(n, func(*edge.Accounting) {})
	}
	bound := noon.Add(10 * time.Minute)
	c.clock.Advance(10 * time.Minute)
	if sweep(); see(0).Stopped != nil {
		t.Fatalf("closed too early: %+v", see(0))
	}
	c.clock.Advance(time.Minute)
	sweep()
	if v := see(0); v.Stopped == nil || !v.Stopped.Equal(bound) || *v.TerminateCause != "Lost-Carrier" || !v.StopInferred {
		t.Fatalf("not closed as lost: %+v", v)
	}
	later := noon.Add(8 * time.Minute)
	report(0, func(a *edge.Accounting) { // the real Stop, of before the bound
		a.AcctStatusType, a.AcctStopTime, a.AcctTerminateCause, a.AcctUpdateTime, a.AcctSessionTime = "Stop", &later, "User-Request", later, 480
	})
	report(1, func(a *edge.Accounting) { a.AcctStatusType, a.AcctUpdateTime = "Interim-Update", later }) // it goes on
	report(2, func(*edge.Accounting) {})                                                                 // nothing new
	want := map[int]string{0: later.String() + " User-Request false", 1: "runs", 2: bound.String() + " Lost-Carrier true", 3: bound.String() + " Lost-Carrier true"}
	for n, w := range want {
		v, got := see(n), "runs"
		if v.Stopped != nil {
			got = fmt.Sprint(v.Stopped.UTC(), " ", *v.TerminateCause, " ", v.StopInferred)
		}
		if got != w {
			t.Errorf("session %d: %s, want %s", n, got, w)
		}
	}
	// The gateway is there, has nothing more to tell, and does not speak of session 1 any more.
	c.clock.Advance(20 * time.Minute)
	c.status("acme edge", edge.Status{BootID: "b", Backlog: 1})
	if sweep(); see(1).Stopped != nil {
		t.Errorf("closed while its gateway has more to tell")
	}
	c.status("acme edge", edge.Status{BootID: "b"})
	if sweep(); see(1).Stopped == nil || !see(1).StopInferred {
		t.Errorf("not closed though its gateway has lost it: %+v", see(1))
	}
}

// status is a request for changes with a status.
func (c *centre) status(who string, st edge.Status) edge.ChangesAnswer {
	c.t.Helper()
	text, err := json.Marshal(st)
	if err != nil {
		c.t.Fatal(err)
	}
	var a edge.ChangesAnswer
	c.want(http.StatusOK, ask{who: who, method: "GET", path: edge.ChangesPath, header: map[string]string{edge.StatusHeader: string(text)}}, &a)
	return a
}

// TestEveryRecordThreeTimes sends sessions shuffled, three times each, in batches of all encodings, and compares with what
// comes of them in order.
func TestEveryRecordThreeTimes(t *testing.T) {
	inOrder, shuffled := newCentre(t), newCentre(t)
	var records []edge.Record
	for n := range 40 {
		for i, minute := range []int{0, 5, 10} {
			r := session(n, noon.Add(time.Duration(n)*time.Second), i < 2)
			a := r.Accounting
			at := a.AcctStartTime.Add(time.Duration(minute) * time.Minute)
			a.AcctUpdateTime, a.AcctSessionTime, a.AcctInputOctets = at, int64(60*minute), uint64(1000*minute+n)
			if i == 1 {
				a.AcctStatusType, a.AcctInterval = "Interim-Update", 300
			}
			if i == 2 {
				a.AcctStopTime = &at
			}
			r.Seq = int64(3*n + i + 1)
			records = append(records, r)
		}
		records = append(records, transaction(1000+n, noon.Add(time.Duration(n)*time.Second)))
	}
	inOrder.ingest("acme", records...)
	random := rand.New(rand.NewPCG(1, 2))
	thrice := append(append(append([]edge.Record{}, records...), records...), records...)
	random.Shuffle(len(thrice), func(i, j int) { thrice[i], thrice[j] = thrice[j], thrice[i] })
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	through := int64(0)
	for len(thrice) > 0 {
		n := min(1+random.IntN(60), len(thrice))
		body := string(pack.EncodeAll([]byte(ingestBody(t, thrice[:n]...)), nil))
		for _, r := range thrice[:n] {
			through = max(through, r.Seq)
		}
		var a edge.IngestAnswer
		shuffled.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: body,
			header: map[string]string{"Content-Encoding": "zstd"}}, &a)
		shuffled.server.WriteHeard(t.Context(), true)
		if thrice = thrice[n:]; a.MergedThrough != through {
			t.Fatalf("merged through %d, want %d", a.MergedThrough, through)
		}
	}
	for _, path := range []string{"/api/v1/aaa_accounting/?limit=100", "/api/v1/txlog_portal/?limit=100"} {
		var want, got struct{ Results []map[string]any }
		inOrder.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, &want)
		shuffled.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, &got)
		ids := cmp.FilterPath(func(p cmp.Path) bool {
			last := p.Last().String()
			return last == `["radacctid"]` || last == `["id"]` || last == `["user_transaction_id"]`
		}, cmp.Ignore())
		if diff := cmp.Diff(byID(want.Results), byID(got.Results), ids); diff != "" || len(got.Results) != 40 {
			t.Errorf("%s: %d rows (-in order +shuffled):\n%s", path, len(got.Results), diff)
		}
	}
}

// byID are rows by what names them in both databases.
func byID(rows []map[string]any) map[string]map[string]any {
	named := make(map[string]map[string]any)
	for _, r := range rows {
		named[fmt.Sprint(r["acctuniqueid"], r["datetime"])] = r
	}
	return named
}

// another is another process on the same database. Both hear each other's changes.
func (c *centre) another(t *testing.T) *centre {
	t.Helper()
	o := &centre{t: t, db: c.db, clock: c.clock, log: new(lockedBuffer), tokens: c.tokens}
	var err error
	if o.store, err = store.Open(t.Context(), store.Config{URL: c.db, Now: c.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.store.Close() })
	if o.server, err = central.New(t.Context(), central.Config{Store: o.store, Log: testLog(o.log), Clock: c.clock}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(o.server.Handler())
	t.Cleanup(web.Close)
	o.url = web.URL
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var watching sync.WaitGroup
	for _, s := range []*store.Store{c.store, o.store} {
		watching.Go(func() { _ = s.Watch(ctx) }) // it ends with the context
	}
	t.Cleanup(func() { cancel(); watching.Wait() })
	return o
}
