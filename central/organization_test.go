package central_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

type organization = store.Organization

// organization changes one of the centre's organisations.
func (c *centre) organization(shortName string, change func(*organization)) {
	c.t.Helper()
	if _, err := c.store.UpdateOrganization(c.t.Context(), shortName, change); err != nil {
		c.t.Fatal(err)
	}
}

func TestOrganizationsAreATree(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.organization("acme", func(o *organization) { o.CountryCode, o.Platform, o.Name = new("US"), 64, "Acme Öst" })
	c.organization("acme-west", func(o *organization) { o.IsActive, o.Description = false, new("West") })
	for query, want := range map[string][]int64{
		"": {1, 2}, "id=1": {1}, "id=org_2": {2}, "id=acme-west": {2}, "id=3": nil, "id=x": nil, "name=öst": {1}, "name=%25": nil,
		"name=ACME": {1, 2}, "parent=1": {2}, "parent=acme": {2}, "parent=2": nil, "parent=3": nil, "is_active=true": {1},
		"is_active=false": {2}, "parent=1&is_active=true": nil, "limit=1&offset=1": {2},
	} {
		var p gate.OffsetPage[gate.Org]
		c.want(200, ask{who: "acme readonly", method: "GET", path: "/api/v1/organization/?" + query}, &p)
		var got []int64
		for _, o := range p.Results {
			got = append(got, o.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	var p gate.OffsetPage[map[string]any]
	c.want(200, ask{who: "acme admin", method: "GET", path: "/api/v1/organization/?id=2"}, &p)
	created := gate.Time{Time: noon}.String()
	acme := map[string]any{"id": 1.0, "name": "Acme Öst", "short_name": "acme", "is_active": true, "deleted": false, "country_code": "US",
		"platform": 64.0, "description": nil, "parent": nil, "created": created}
	want := map[string]any{"id": 2.0, "name": "ACME-WEST", "short_name": "acme-west", "is_active": false, "deleted": false,
		"country_code": nil, "platform": 1.0, "description": "West", "parent": 1.0, "parent_obj": acme, "created": created}
	if diff := cmp.Diff(want, p.Results[0]); diff != "" {
		t.Errorf("acme-west (-want +got):\n%s", diff)
	}
}

// What is above a token's organisation is none of its business.
func TestOrganizationAboveIsHidden(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var p gate.OffsetPage[gate.Org]
	c.want(200, ask{who: "acme-west admin", method: "GET", path: "/api/v1/organization/"}, &p)
	if len(p.Results) != 1 || p.Results[0].Parent != nil || p.Results[0].ParentObj != nil {
		t.Errorf("%+v", p.Results)
	}
}

func TestSwitchedOffOrganizationsAreRefused(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	get := func(want int, who string) {
		t.Helper()
		c.want(want, ask{who: who, method: "GET", path: "/api/v1/user/"}, nil)
	}
	get(200, "acme-west admin")
	c.organization("acme", func(o *organization) { o.IsActive = false })
	get(401, "acme admin")
	get(401, "acme-west admin") // below it
	get(200, "globex admin")
	c.want(401, ask{who: "acme edge", method: "GET", path: "/edge/v1/changes"}, nil)
	c.organization("acme", func(o *organization) { o.IsActive = true })
	get(200, "acme-west admin")
	c.organization("acme-west", func(o *organization) { o.Deleted = true })
	get(200, "acme admin")
	get(401, "acme-west admin")
}

func TestMyOrganizationIsTrue(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ends := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	c.organization("acme", func(o *organization) {
		o.DisplayName, o.Website, o.Industry, o.Size = new("Acme"), new("https://acme.example"), new("hotels"), new("large")
		o.Timezone, o.DateFormat, o.Currency, o.Language = "Europe/Vienna", "DD.MM.YYYY", "EUR", "de-AT"
		o.Plan, o.SubscriptionStatus, o.SubscriptionEnds, o.Features = new("pro"), "trial", &ends, []string{"a", "b"}
		o.MaxUsers, o.MaxAPICalls, o.LogoURL, o.PrimaryColor, o.SecondaryColor = new(int64(9)), new(int64(10000)), new("https://x/l.png"), new("#000"), new("#fff")
	})
	var got gate.MyOrg
	c.want(200, ask{who: "acme admin", method: "GET", path: "/api/v1/me/organization/"}, &got)
	want := gate.MyOrg{ID: 1, Name: "ACME", Slug: "acme", DisplayName: "Acme", Website: new("https://acme.example"), Industry: new("hotels"),
		Size: new("large"), CreatedAt: gate.Time{Time: noon}, UpdatedAt: gate.Time{Time: noon},
		Settings:     gate.OrgSettings{Timezone: "Europe/Vienna", DateFormat: "DD.MM.YYYY", Currency: "EUR", Language: "de-AT"},
		Subscription: gate.OrgSubscription{Plan: new("pro"), Status: "trial", ExpiresAt: gate.NewTime(ends), Features: []string{"a", "b"}},
		UserRole:     got.UserRole, Limits: gate.OrgLimits{MaxUsers: new(int64(9)), MaxAPICalls: new(int64(10000)), CurrentAPICalls: got.Limits.CurrentAPICalls},
		Branding: gate.OrgBranding{LogoURL: new("https://x/l.png"), PrimaryColor: new("#000"), SecondaryColor: new("#fff")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
