package central_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
)

// page is a page of any list.
type page struct {
	Count          *int64
	Next, Previous *string
	Results        []json.RawMessage
}

// walk follows next to the end, then previous to the beginning, and returns the ids in the list's order. Both ways must
// give the same, and every link must carry the filters.
func (c *centre) walk(who, path, idField string, query url.Values) []string {
	c.t.Helper()
	ids := func(p page) []string {
		var list []string
		for _, r := range p.Results {
			var v map[string]json.RawMessage
			if err := json.Unmarshal(r, &v); err != nil {
				c.t.Fatal(err)
			}
			list = append(list, string(v[idField]))
		}
		return list
	}
	wantFilters := func(link string) {
		u, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, c.url+path) {
			c.t.Fatalf("link %q: %v", link, err)
		}
		for name := range query {
			if name != "limit" && name != "offset" && u.Query().Get(name) != strings.Join(query[name], ",") {
				c.t.Fatalf("link %q lost %s=%v", link, name, query[name])
			}
		}
	}
	var forth, back []string
	at, last := path+"?"+query.Encode(), page{}
	for range 1000 {
		last = page{}
		c.want(http.StatusOK, ask{who: who, method: "GET", path: at}, &last)
		forth = append(forth, ids(last)...)
		if last.Next == nil {
			break
		}
		wantFilters(*last.Next)
		at = *last.Next
	}
	for range 1000 {
		back = append(ids(last), back...)
		if last.Previous == nil {
			break
		}
		wantFilters(*last.Previous)
		at, last = *last.Previous, page{}
		c.want(http.StatusOK, ask{who: who, method: "GET", path: at}, &last)
	}
	if diff := cmp.Diff(forth, back); diff != "" {
		c.t.Fatalf("%s?%s: walked forth and back (-forth +back):\n%s", path, query.Encode(), diff)
	}
	return forth
}

// oracleRow is what the oracle knows of a row.
type oracleRow struct {
	at                          time.Time
	active                      bool
	org, typ, status            string
	user, location, accessPoint int64
	client                      int64 // the gateway: of sessions alone
}

func (o oracleRow) matches(q url.Values, from, to time.Time) bool {
	number := func(name string, v int64) bool {
		text := q.Get(name)
		return text == "" || text == fmt.Sprint(v) || strings.HasSuffix(text, fmt.Sprintf("_%d", v))
	}
	oneOf := func(name, v string) bool {
		return q.Get(name) == "" || slices.Contains(strings.Split(q.Get(name), ","), v)
	}
	session := q.Get("session_status")
	return (from.IsZero() || !o.at.Before(from)) && (to.IsZero() || !o.at.After(to)) &&
		number("user", o.user) && number("location", o.location) && number("access_point", o.accessPoint) &&
		oneOf("type", o.typ) && oneOf("status", o.status) &&
		(session == "" || session == "all" || (session == "active") == o.active) && number("client", o.client) && q.Get("page") == ""
}

// fillLists sends random sessions and transactions of two organisations, and returns what the oracle must know. Times
// collide on purpose.
func fillLists(c *centre, random *rand.Rand) (sessions, transactions []oracleRow) {
	users := map[string]int64{"ann": c.user("acme", "ann", ""), "bob": c.user("acme-west", "bob", "")}
	for i, org := range []string{"acme", "acme-west"} {
		var records []edge.Record
		var rows []oracleRow
		for n := range 150 {
			name := []string{"ann", "bob", "nobody"}[random.IntN(3)]
			o := oracleRow{org: org, at: noon.Add(time.Duration(random.IntN(60)) * 6 * time.Hour), active: random.IntN(3) == 0,
				typ: []string{"ui", "uo", "ua"}[random.IntN(3)], status: []string{"h200", "u401"}[random.IntN(2)],
				client: int64(i) + 1, user: users[name], location: int64(random.IntN(3)), accessPoint: int64(random.IntN(3))}
			if org == "acme-west" && name == "ann" {
				o.user = 0 // she is not of its organisations
			}
			r := session(n, o.at, o.active)
			a := r.Accounting
			a.Username, a.LocationID, a.AccessPointID = name, o.location, o.accessPoint
			tx := transaction(n, o.at)
			x := tx.Transaction
			x.Username, x.LocationID, x.AccessPointID, x.Type, x.Status = name, o.location, o.accessPoint, o.typ, o.status
			records, rows = append(records, r, tx), append(rows, o)
		}
		c.ingest(org, records...)
		sessions, transactions = append(sessions, rows...), append(transactions, rows...)
	}
	return sessions, transactions
}

func TestCursorListsAgainstOracle(t *testing.T) {
	c := newCentre(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	sessions, transactions := fillLists(c, random)
	lists := []struct {
		path, id string
		rows     []oracleRow
		filters  []string
	}{
		{"/api/v1/aaa_accounting/", "radacctid", sessions,
			[]string{"start_date", "end_date", "user", "location", "access_point", "session_status", "client"}},
		{"/api/v1/txlog_portal/", "id", transactions,
			[]string{"start_date", "end_date", "user", "location", "access_point", "type", "status", "page"}},
	}
	for _, l := range lists {
		for _, org := range []string{"acme", "acme-west"} {
			for range 40 {
				q, from, to := randomFilters(random, l.filters)
				var want []string
				for _, o := range l.rows {
					if (org == "acme" || o.org == org) && o.matches(q, from, to) {
						want = append(want, o.at.Format(time.RFC3339))
					}
				}
				slices.Sort(want)
				slices.Reverse(want)
				got := c.walk(org+" readonly", l.path, l.id, q)
				if slices.Sort(got); len(slices.Compact(got)) != len(want) {
					t.Errorf("%s as %s ? %s: %d different ids, want %d", l.path, org, q.Encode(), len(slices.Compact(got)), len(want))
				}
				timeField := map[string]string{"id": "datetime", "radacctid": "acctstarttime"}[l.id]
				times := c.walk(org+" readonly", l.path, timeField, q)
				for i := range times {
					times[i] = strings.Trim(times[i], `"`)
				}
				if diff := cmp.Diff(want, times); diff != "" {
					t.Errorf("%s as %s ? %s: times (-want +got):\n%s", l.path, org, q.Encode(), diff)
				}
			}
		}
	}
}

func randomFilters(random *rand.Rand, names []string) (q url.Values, from, to time.Time) {
	q = url.Values{"limit": {fmt.Sprint(5 + random.IntN(100))}}
	for _, name := range names {
		if random.IntN(3) > 0 {
			continue
		}
		d := noon.Add(time.Duration(random.IntN(60)) * 6 * time.Hour)
		switch name {
		case "start_date":
			forms := []string{time.DateTime, "2006-01-02 15:04:05+00:00", "2006-01-02T15:04:05Z", "2006-01-02T15:04"}
			q.Set(name, d.Format(forms[random.IntN(4)]))
			from = d
		case "end_date":
			q.Set(name, d.Format(time.DateOnly))
			to = time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, -1, time.UTC)
		case "session_status":
			q.Set(name, []string{"active", "inactive", "all"}[random.IntN(3)])
		case "type":
			q.Set(name, []string{"ui", "ui,uo", "zz"}[random.IntN(3)])
		case "status":
			q.Set(name, []string{"h200", "u401,h200"}[random.IntN(2)])
		case "page":
			if random.IntN(5) == 0 {
				q.Set(name, "1")
			}
		default:
			prefix := map[string]string{"user": "user_", "location": "loc_", "access_point": "ap_", "client": "client_"}[name]
			q.Set(name, []string{"", prefix}[random.IntN(2)]+fmt.Sprint(1+random.IntN(2)))
		}
	}
	return q, from, to
}

// TestPagesAreStable adds sessions while a list is being paged: what was there at the beginning comes once.
func TestPagesAreStable(t *testing.T) {
	c := newCentre(t)
	var records []edge.Record
	for n := range 60 {
		records = append(records, session(n, noon.Add(time.Duration(n)*time.Minute), n%2 == 0))
	}
	c.ingest("acme", records...)
	seen := make(map[string]int)
	at := "/api/v1/aaa_accounting/?limit=7"
	for n := 1000; at != ""; n++ {
		var p page
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: at}, &p)
		for _, r := range p.Results {
			var v struct{ AcctUniqueID string }
			if err := json.Unmarshal(r, &v); err != nil {
				t.Fatal(err)
			}
			seen[v.AcctUniqueID]++
		}
		c.ingest("acme", session(n, noon.Add(time.Duration(n)*time.Minute), true))
		if at = ""; p.Next != nil {
			at = *p.Next
		}
	}
	for n := range 60 {
		if got := seen[fmt.Sprintf("u%d", n)]; got != 1 {
			t.Errorf("session %d came %d times", n, got)
		}
	}
}

// TestCursorKeepsFilters asks with the cursor alone, as the examples of the documentation do.
func TestCursorKeepsFilters(t *testing.T) {
	c := newCentre(t)
	for n := range 10 {
		c.ingest("acme", session(n, noon.Add(time.Duration(n)*time.Minute), n%2 == 0))
	}
	var p page
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?session_status=active&limit=2"}, &p)
	next, err := url.Parse(*p.Next)
	if err != nil {
		t.Fatal(err)
	}
	bare := "/api/v1/aaa_accounting/?limit=100&cursor=" + next.Query().Get("cursor")
	var rest page
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: bare}, &rest)
	if len(rest.Results) != 3 {
		t.Errorf("%d more active sessions, want 3", len(rest.Results))
	}
	wantNamed(t, c.want(http.StatusBadRequest, ask{who: "acme admin", method: "GET", path: bare + "&session_status=inactive"}, nil), "cursor")
	wantNamed(t, c.want(http.StatusBadRequest, ask{who: "acme admin", method: "GET",
		path: strings.Replace(bare, "aaa_accounting", "txlog_portal", 1)}, nil), "cursor")
}

func TestUserListAgainstOracle(t *testing.T) {
	c := newCentre(t)
	type user struct {
		id, org int64
		name    string
	}
	var all []user
	orgs := map[string]int64{"acme": 1, "acme-west": 2}
	for n := range 45 {
		org := []string{"acme", "acme-west"}[n%2]
		name := fmt.Sprintf("%s%d_%%", []string{"Ann", "ÅSA", "bob."}[n%3], n)
		name = strings.TrimSuffix(name, "%")
		all = append(all, user{c.user(org, name, ""), orgs[org], name})
	}
	queries := []url.Values{{}, {"username": {"ann"}}, {"username": {"åsa"}}, {"username": {"_"}}, {"username": {"."}}, {"username": {"%"}},
		{"organization": {"1"}}, {"organization": {"acme-west"}}, {"organization": {"org_2"}}, {"organization": {"globex"}},
		{"organization": {"2"}, "username": {"B"}}, {"id": {"3"}}, {"id": {"user_4"}}, {"id": {"x"}}}
	for _, q := range queries {
		for _, limit := range []string{"1", "7", "100", "1000"} {
			q.Set("limit", limit)
			var want []string
			for _, u := range all {
				org, id := q.Get("organization"), q.Get("id")
				if strings.Contains(strings.ToLower(u.name), strings.ToLower(q.Get("username"))) &&
					(org == "" || org == fmt.Sprint(u.org) || org == fmt.Sprintf("org_%d", u.org) || orgs[org] == u.org) &&
					(id == "" || strings.TrimPrefix(id, "user_") == fmt.Sprint(u.id)) {
					want = append(want, fmt.Sprint(u.id))
				}
			}
			if diff := cmp.Diff(want, c.walk("acme admin", "/api/v1/user/", "id", q)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", q.Encode(), diff)
			}
		}
	}
}

// TestOffsetLinks holds the envelope to the habits of Django REST framework (standards.md §5.1).
func TestOffsetLinks(t *testing.T) {
	c := newCentre(t)
	for n := range 5 {
		c.user("acme", fmt.Sprintf("u%d", n), "")
	}
	link := func(query string) *string { return new(c.url + "/api/v1/user/?" + query) }
	tests := map[string]struct {
		next, previous *string
		results        int
	}{
		"limit=2":                               {link("limit=2&offset=2"), nil, 2},
		"offset=2&limit=2":                      {link("limit=2&offset=4"), link("limit=2"), 2},
		"limit=2&offset=1":                      {link("limit=2&offset=3"), link("limit=2"), 2},
		"username=u&limit=2&z=1&offset=4":       {nil, link("limit=2&offset=2&username=u&z=1"), 1},
		"limit=1000":                            {nil, nil, 5},
		"limit=0&offset=-3":                     {nil, nil, 5},
		"limit=2&offset=50":                     {nil, link("limit=2&offset=48"), 0},
		"offset=9223372036854775807":            {nil, link("limit=20&offset=9223372036854775787"), 0},
		"offset=99999999999999999999":           {nil, link("limit=20&offset=9223372036854775787"), 0},
		"limit=99999999999999999999&offset=500": {nil, link("limit=100&offset=400"), 0},
	}
	for query, want := range tests {
		var p page
		r := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/?" + query}, &p)
		if p.Count == nil || *p.Count != 5 || len(p.Results) != want.results {
			t.Errorf("%s: %s", query, r.text)
		}
		if diff := cmp.Diff([]*string{want.next, want.previous}, []*string{p.Next, p.Previous}); diff != "" {
			t.Errorf("%s: next and previous (-want +got):\n%s", query, diff)
		}
	}
}

// TestCursorsAreSigned: nothing but what was given out is taken, neither another place nor other filters.
func TestCursorsAreSigned(t *testing.T) {
	c, other := newCentre(t), newCentre(t)
	var cursors [2]string
	for i, centre := range []*centre{c, other} {
		for n := range 3 {
			centre.ingest("acme", session(n, noon, true), transaction(n, noon))
		}
		var p struct{ Next string }
		centre.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?limit=1"}, &p)
		next, err := url.Parse(p.Next)
		if err != nil {
			t.Fatal(err)
		}
		cursors[i] = next.Query().Get("cursor")
	}
	get := func(cursor string) ask {
		return ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?cursor=" + url.QueryEscape(cursor)}
	}
	c.want(http.StatusOK, get(cursors[0]), nil)
	wantNamed(t, c.want(http.StatusBadRequest, get(cursors[1]), nil), "cursor")
	raw, err := base64.RawURLEncoding.DecodeString(cursors[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		wantNamed(t, c.want(http.StatusBadRequest, get(base64.RawURLEncoding.EncodeToString(changed)), nil), "cursor")
	}
	for n := 1; n < len(raw); n += 7 {
		wantNamed(t, c.want(http.StatusBadRequest, get(base64.RawURLEncoding.EncodeToString(raw[:n])), nil), "cursor")
	}
}
