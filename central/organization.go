package central

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) myOrganization(c *call) (int, any, error) {
	own := c.token.Scope.Own()
	o, err := s.cfg.Store.Organization(c.Context(), own)
	if err != nil {
		return 0, nil, err
	}
	users, err := s.cfg.Store.CountUsers(c.Context(), store.Scope{own})
	if err != nil {
		return 0, nil, err
	}
	calls, err := s.apiCalls(c.Context(), own)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, gate.MyOrg{
		ID: o.ID, Name: o.Name, Slug: o.ShortName, DisplayName: *cmp.Or(o.DisplayName, &o.Name), Description: o.Description,
		Website: o.Website, Industry: o.Industry, Size: o.Size,
		CreatedAt: gate.Time{Time: o.Created}, UpdatedAt: gate.Time{Time: o.Updated},
		Settings:     gate.OrgSettings{Timezone: o.Timezone, DateFormat: o.DateFormat, Currency: o.Currency, Language: o.Language},
		Subscription: gate.OrgSubscription{Plan: o.Plan, Status: o.SubscriptionStatus, ExpiresAt: gateTime(o.SubscriptionEnds), Features: o.Features},
		UserRole: gate.OrgUserRole{Role: string(c.token.Role), Permissions: permissions(c.token.Role),
			JoinedAt: gate.Time{Time: c.token.Created}},
		Limits:   gate.OrgLimits{MaxUsers: o.MaxUsers, CurrentUsers: users, MaxAPICalls: o.MaxAPICalls, CurrentAPICalls: &calls},
		Branding: gate.OrgBranding{LogoURL: o.LogoURL, PrimaryColor: o.PrimaryColor, SecondaryColor: o.SecondaryColor},
	}, nil
}

func gateTime(t *time.Time) *gate.Time {
	if t == nil {
		return nil
	}
	return gate.NewTime(*t)
}

// permissions are what a role may, in GATE's words where it has them.
func permissions(r store.Role) []string {
	switch r {
	case store.RoleAdmin:
		return []string{"manage_users", "manage_profiles", "view_analytics", "device_access"}
	case store.RoleStaff:
		return []string{"manage_users", "view_analytics", "device_access"}
	case store.RoleReadonly:
		return []string{"view_analytics"}
	}
	return []string{"device_access"}
}

func (s *Server) listOrganizations(c *call) (int, any, error) {
	f := store.OrganizationFilter{Name: c.FormQuery("name"), Limit: int64(c.limit()), Offset: c.offset()}
	for name, to := range map[string]*int64{"id": &f.ID, "parent": &f.Parent} {
		if text := c.FormQuery(name); text != "" {
			id, ok, err := s.organization(c, text)
			if err != nil {
				return 0, nil, err
			}
			*to, f.MatchesNothing = id, f.MatchesNothing || !ok
		}
	}
	if text := c.FormQuery("is_active"); text != "" {
		f.Active = new(truth(text))
	}
	list, count, err := s.cfg.Store.Organizations(c.Context(), c.token.Scope, f)
	if err != nil {
		return 0, nil, err
	}
	parents, err := s.parents(c, list)
	if err != nil {
		return 0, nil, err
	}
	orgs := make([]gate.Org, len(list))
	for i, o := range list {
		orgs[i].OrgParent = s.orgOf(c, o)
		if p, ok := parents[valueOr(orgs[i].Parent)]; ok {
			orgs[i].ParentObj = new(s.orgOf(c, p))
		}
	}
	return http.StatusOK, offsetPage(c, orgs, count), nil
}

func valueOr(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// orgOf is an organisation as the token may see it: what is above the token's own is none of its business.
func (s *Server) orgOf(c *call, o store.Organization) gate.OrgParent {
	if o.Parent != nil && !slices.Contains(c.token.Scope, *o.Parent) {
		o.Parent = nil
	}
	return gate.OrgParent{ID: o.ID, Name: o.Name, ShortName: o.ShortName, IsActive: o.IsActive, Deleted: o.Deleted,
		CountryCode: o.CountryCode, Platform: o.Platform, Description: o.Description, Parent: o.Parent, Created: gate.Time{Time: o.Created}}
}

// parents are the organisations of the token above those of a list, by id.
func (s *Server) parents(c *call, list []store.Organization) (map[int64]store.Organization, error) {
	parents := make(map[int64]store.Organization)
	for _, o := range list {
		id := valueOr(o.Parent)
		if _, known := parents[id]; known || !slices.Contains(c.token.Scope, id) {
			continue
		}
		p, err := s.cfg.Store.Organization(c.Context(), id)
		if err != nil {
			return nil, err
		}
		parents[id] = p
	}
	return parents, nil
}
