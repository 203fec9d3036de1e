package central

import (
	"net/http"

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
	return http.StatusOK, gate.MyOrg{
		ID: o.ID, Name: o.Name, Slug: o.ShortName, DisplayName: o.Name, Description: o.Description,
		CreatedAt: gate.Time{Time: o.Created}, UpdatedAt: gate.Time{Time: o.Updated},
		Settings:     gate.OrgSettings{Timezone: "UTC", DateFormat: "YYYY-MM-DD", Currency: "USD", Language: "en-US"},
		Subscription: gate.OrgSubscription{Status: "active", Features: []string{"api_access"}},
		UserRole: gate.OrgUserRole{Role: string(c.token.Role), Permissions: permissions(c.token.Role),
			JoinedAt: gate.Time{Time: c.token.Created}},
		Limits: gate.OrgLimits{CurrentUsers: users},
	}, nil
}

// permissions are what a role may, in GATE's words where it has them.
func permissions(r store.Role) []string {
	switch r {
	case store.RoleAdmin, store.RoleStaff:
		return []string{"manage_users", "manage_profiles", "view_analytics", "device_access"}
	case store.RoleReadonly:
		return []string{"view_analytics"}
	}
	return []string{"device_access"}
}
