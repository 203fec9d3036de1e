package central_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
)

// client is the API's own client, with the token of who.
func (c *centre) client(who string) *gate.Client {
	c.t.Helper()
	base, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	return &gate.Client{Base: base, Token: c.token(who)}
}

// thing is what the oracle knows of a row of any list by offset.
type thing struct {
	id, org, parent int64
	name, event     string
	active, placed  bool
	changed         time.Time
}

// filter is a parameter of a list: random values for it, and what they match.
type filter struct {
	values  func(things []thing, r *rand.Rand) string
	matches func(t thing, value string) bool
}

func idOf(value, prefix string) string { return strings.TrimPrefix(value, prefix+"_") }

// anyOf picks one of the things, so that filters often match.
func anyOf(things []thing, r *rand.Rand) thing { return things[r.IntN(len(things))] }

// filters are the parameters of the lists by offset, as gate-api C04, C05, C06, C10, C19 and C25 have them.
func filters() map[string]filter {
	orgs := map[string]int64{"acme": 1, "acme-west": 2}
	byOrg := filter{
		func(_ []thing, r *rand.Rand) string {
			return []string{"1", "org_2", "acme", "acme-west", "3", "nobody"}[r.IntN(6)]
		},
		func(t thing, v string) bool {
			return fmt.Sprint(t.org) == idOf(v, "org") || orgs[v] != 0 && orgs[v] == t.org
		},
	}
	truthful := func(of func(t thing) bool) filter {
		return filter{func(_ []thing, r *rand.Rand) string { return []string{"true", "false", "1", "0"}[r.IntN(4)] },
			func(t thing, v string) bool { return of(t) == (v == "true" || v == "1") }}
	}
	return map[string]filter{
		"organization": byOrg, "parent__organization_id": byOrg,
		"is_active": truthful(func(t thing) bool { return t.active }),
		"have_coordinates": {func(_ []thing, r *rand.Rand) string { return []string{"true", "false"}[r.IntN(2)] },
			func(t thing, v string) bool { return v == "false" || t.placed }},
		"id": {func(l []thing, r *rand.Rand) string {
			return []string{"", "user_"}[r.IntN(2)] + fmt.Sprint(anyOf(l, r).id+int64(r.IntN(2)))
		}, func(t thing, v string) bool { return fmt.Sprint(t.id) == idOf(v, "user") }},
		"username~": {func(l []thing, r *rand.Rand) string {
			name := []rune(anyOf(l, r).name)
			from := r.IntN(len(name))
			return []func(string) string{strings.ToUpper, strings.ToLower}[r.IntN(2)](string(name[from : from+1+r.IntN(len(name)-from)]))
		}, func(t thing, v string) bool { return strings.Contains(strings.ToLower(t.name), strings.ToLower(v)) }},
		"username=": {func(l []thing, r *rand.Rand) string { return string([]rune(anyOf(l, r).name)[r.IntN(2):]) },
			func(t thing, v string) bool { return t.name == v }},
		"parent": {func(l []thing, r *rand.Rand) string {
			t := anyOf(l, r)
			return []string{fmt.Sprint(t.parent), fmt.Sprintf("user_%d", t.parent), "nobody"}[r.IntN(3)]
		}, func(t thing, v string) bool { return idOf(v, "user") == fmt.Sprint(t.parent) }},
		"event": {func(l []thing, r *rand.Rand) string { return anyOf(l, r).event }, func(t thing, v string) bool { return t.event == v }},
		"last_change__gte": {func(l []thing, r *rand.Rand) string {
			form := []string{time.RFC3339, time.DateTime, "2006-01-02 15:04:05+00:00"}[r.IntN(3)]
			return anyOf(l, r).changed.Add(time.Duration(r.IntN(3)-1) * time.Second).Format(form)
		}, func(t thing, v string) bool {
			at, err := time.Parse("2006-01-02 15:04:05", strings.NewReplacer("T", " ", "Z", "", "+00:00", "").Replace(v))
			return err == nil && !t.changed.Before(at)
		}},
	}
}

// TestOffsetListsAgainstOracle asks every list by offset with random filters and pages, and wants the rows that the test itself finds.
func TestOffsetListsAgainstOracle(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r, c := rand.New(rand.NewPCG(seed, 0)), newCentre(t)
	users, extras := fillPeople(c, r)
	places := fillPlaces(c, r)
	lists := []struct {
		path   string
		things []thing
		names  []string
	}{
		{"/user/", users, []string{"id", "username~", "organization"}},
		{"/user_token/", users, []string{"username=", "organization"}},
		{"/user_extra/", extras, []string{"parent", "parent__organization_id", "event"}},
		{"/device_app_locations/", places["locations"], []string{"last_change__gte"}},
		{"/hostspot_locations/", places["locations"], []string{"last_change__gte", "have_coordinates", "is_active"}},
		{"/device_app_access_points/", places["access_points"], []string{"last_change__gte"}},
		{"/hostspot_access_points/", places["access_points"], []string{"last_change__gte", "have_coordinates"}},
		{"/device_app_access_devices/", places["access_devices"], []string{"last_change__gte"}},
	}
	all := filters()
	for _, l := range lists {
		for _, org := range []string{"acme", "acme-west"} {
			for range 25 {
				query, want := url.Values{"limit": {fmt.Sprint(1 + r.IntN(40))}}, slices.Clone(l.things)
				for _, name := range l.names {
					if f := all[name]; r.IntN(2) == 0 {
						v := f.values(l.things, r)
						query.Set(strings.TrimRight(name, "~="), v)
						want = slices.DeleteFunc(want, func(t thing) bool { return !f.matches(t, v) })
					}
				}
				want = slices.DeleteFunc(want, func(t thing) bool { return org == "acme-west" && t.org != 2 })
				c.wantThings(l.path, org, query, want)
			}
		}
	}
}

// wantThings goes through a list with the API's client.
func (c *centre) wantThings(path, org string, query url.Values, things []thing) {
	c.t.Helper()
	slices.SortFunc(things, func(a, b thing) int { return cmp.Compare(a.id, b.id) })
	var want, got []int64
	for _, t := range things {
		want = append(want, t.id)
	}
	client := c.client(org + " readonly")
	for item, err := range gate.List[struct{ ID int64 }](c.t.Context(), client, path, query) {
		if err != nil {
			c.t.Fatalf("%s?%s: %v", path, query.Encode(), err)
		}
		got = append(got, item.ID)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s?%s as %s (-want +got):\n%s", path, query.Encode(), org, diff)
	}
	page, err := gate.Get[gate.OffsetPage[struct{ ID int64 }]](c.t.Context(), client, path, query)
	if err != nil || page.Count != int64(len(want)) {
		c.t.Errorf("%s?%s as %s: count %d, want %d; %v", path, query.Encode(), org, page.Count, len(want), err)
	}
}

func fillPeople(c *centre, r *rand.Rand) (users, extras []thing) {
	c.t.Helper()
	for n := range 60 {
		org := []string{"acme", "acme-west"}[r.IntN(2)]
		name := fmt.Sprintf("%s.%d", []string{"Anna", "éva", "BOB", "a_b", "x+y"}[r.IntN(5)], n)
		u, err := gate.Send[gate.User](c.t.Context(), c.client("acme admin"), http.MethodPost, "/user/",
			map[string]any{"username": name, "organization": org})
		if err != nil {
			c.t.Fatal(err)
		}
		t := thing{id: u.ID, org: *u.Organization, name: name}
		users = append(users, t)
		if r.IntN(2) == 0 {
			t.parent, t.event = t.id, []string{"fair", "party"}[r.IntN(2)]
			e, err := gate.Send[struct{ ID int64 }](c.t.Context(), c.client(org+" admin"), http.MethodPost, "/user_extra/",
				map[string]any{"parent": t.parent, "event": t.event})
			if err != nil {
				c.t.Fatal(err)
			}
			t.id = e.ID
			extras = append(extras, t)
		}
	}
	return users, extras
}

func fillPlaces(c *centre, r *rand.Rand) map[string][]thing {
	c.t.Helper()
	all := make(map[string][]thing)
	for n := range 45 {
		kind := []string{"locations", "access_points", "access_devices"}[n%3]
		org := []string{"acme", "acme-west"}[r.IntN(2)]
		c.clock.Advance(time.Duration(r.IntN(3)) * time.Second)
		t := thing{active: r.IntN(2) == 0, placed: r.IntN(2) == 0, changed: c.clock.Now(), org: map[string]int64{"acme": 1, "acme-west": 2}[org]}
		body := map[string]any{"name": kind, "short_name": fmt.Sprintf("p-%d", n), "is_active": t.active}
		if t.placed {
			body["latitude"], body["longitude"] = "40.7", "-74.0"
		}
		var made struct{ ID int64 }
		c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/admin/v1/" + kind + "/", body: body}, &made)
		t.id = made.ID
		all[kind] = append(all[kind], t)
	}
	return all
}

// TestClient: what the API's client does with answers that are not 2xx, and with those that are not a centre's.
func TestClient(t *testing.T) {
	c := newCentre(t)
	client := c.client("acme admin")
	u, err := gate.Send[gate.User](t.Context(), client, http.MethodPost, "/user/", map[string]any{"username": "ann"})
	if err != nil || u.Username != "ann" || u.DateJoined.IsZero() {
		t.Fatalf("%+v, %v", u, err)
	}
	var refused *gate.AnswerError
	_, err = gate.Send[gate.User](t.Context(), client, http.MethodPost, "/user/", map[string]any{"username": "ann"})
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict || refused.Body.Code != gate.CodeDuplicate || refused.Body.Field != "username" {
		t.Errorf("a duplicate: %+v", err)
	}
	_, err = gate.Send[gate.User](t.Context(), client, http.MethodPatch, "/user/1/", map[string]any{"email": "x"})
	if !errors.As(err, &refused) || len(refused.Body.Errors["email"]) != 1 {
		t.Errorf("a wrong field: %+v", err)
	}
	path := fmt.Sprintf("/user/%d/", u.ID)
	if err := client.Delete(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, err := gate.Get[gate.User](t.Context(), client, path, nil); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("a deleted user: %v", err)
	}
	client.Base = client.Base.JoinPath("elsewhere")
	for _, err := range gate.List[gate.User](t.Context(), client, "/user/", nil) {
		if !errors.As(err, &refused) {
			t.Errorf("another server's: %v", err)
		}
	}
}
