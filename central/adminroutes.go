package central

import (
	"slices"

	"gatehouse/central/store"
)

// The roles of the admin API. The front desk (staff) hands out vouchers, looks after accounts and live sessions; what shapes the
// venue is the administrator's.
var (
	adminsOnly = roles{store.RoleAdmin}
	frontDesk  = roles{store.RoleAdmin, store.RoleStaff}
	readers    = roles{store.RoleAdmin, store.RoleStaff, store.RoleReadonly}
)

// adminRoutes are the endpoints of the admin API. A path is served with and without the slash at its end.
func (s *Server) adminRoutes() []route {
	return slices.Concat(
		s.adminGatewayRoutes(),
		s.adminSessionRoutes(),
		s.adminPlaceRoutes(),
		s.adminDeviceRoutes(),
		s.adminVoucherRoutes(),
		s.adminAccountRoutes(),
		s.adminTimeRoutes(),
		s.adminSettingRoutes(),
		s.operationsRoutes(),
		s.adminRADIUSRoutes(),
		s.adminWebhookRoutes(),
		s.adminAuditRoutes(),
	)
}
