package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// TestElsewhere: a gateway hears what a user's sessions at others have lasted in the periods that run, once each, when his profile
// counts that; and nobody hears it who needs not.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	p.mu.Lock()
	p.at = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC) // a Wednesday
	p.mu.Unlock()
	_, err := p.CreateProfile(t.Context(), gate.AaaProfile{OrganizationID: gate.ID{N: p.scope.Own()}, Name: "d", ShortName: "day",
		CheckAttribute: []gate.Attr{{Attribute: "Max-Daily-Session", Op: ":=", Value: "3600"}, {Attribute: "max-all-session", Op: ":=", Value: "9000"}}})
	if err != nil {
		t.Fatal(err)
	}
	ann, bob, one, two := p.user("ann"), p.user("bob"), p.gateway("gw1"), p.gateway("gw2")
	if _, err := p.SaveUser(t.Context(), p.scope, ann, func(u *gate.User) { u.Profile = []string{"day"} }, nil); err != nil {
		t.Fatal(err)
	}
	cursors := map[string]int64{}
	told := func(g Gateway) (all []edge.Elsewhere) {
		t.Helper()
		f, err := p.Changes(t.Context(), g, cursors[g.NASIdentifier])
		if err != nil {
			t.Fatal(err)
		}
		cursors[g.NASIdentifier] = f.Head
		for _, c := range f.Changes {
			if c.Account != nil {
				all = append(append(all, edge.Elsewhere{Start: c.Account.Username}), c.Account.Elsewhere...)
			}
		}
		return all
	}
	for _, g := range []Gateway{one, two} {
		for _, user := range []int64{ann, bob} {
			a, err := p.SeeAccount(t.Context(), g, Credential{UserID: user, Version: 1})
			if err != nil || a.Elsewhere != nil {
				t.Fatal(a, err)
			}
		}
		told(g)
	}
	yesterday := p.at.Add(-11 * time.Hour) // 22:00
	for range 3 {                          // replays change nothing
		p.ingest(used("gw1", "night", ann, yesterday, 3*3600, true), used("gw1", "bob", bob, yesterday, 600, true))
		p.ingest(used("gw1", "old", ann, p.at.AddDate(0, 0, -20), 500, true))
		p.ingest(used("gw1", "today", ann, p.at, 600, false))
		p.ingest(used("nas", "radius", ann, p.at, 60, true))
	}
	const hour = 3600
	want := []edge.Elsewhere{{Start: "ann"}, {Period: 0, Start: "2026-03-04", Seconds: hour + 660}, {Period: 1, Start: "2026-03-02", Seconds: 3*hour + 660},
		{Period: 2, Start: "2026-03-01", Seconds: 3*hour + 660}, {Period: 3, Start: "life", Seconds: 3*hour + 660 + 500}}
	if diff := cmp.Diff(want, told(two)); diff != "" {
		t.Errorf("the other gateway (-want +got):\n%s", diff)
	}
	for i := range want[1:] {
		want[1+i].Seconds = 60
	}
	if diff := cmp.Diff(want, told(one)); diff != "" {
		t.Errorf("the gateway itself hears of the NAS (-want +got):\n%s", diff)
	}
	_, err = p.UpdateOrganization(t.Context(), "acme", func(o *Organization) { o.Timezone = "Asia/Tokyo" }) // the day began at 15:00 UTC
	if err != nil {
		t.Fatal(err)
	}
	p.ingest(used("gw1", "today", ann, p.at, 700, true))
	if got := told(two); len(got) != 5 || got[1].Seconds != 3*hour+760 {
		t.Errorf("in Tokyo: %v", got)
	}
}
