package central

import (
	"slices"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

type roles []store.Role

// gateRoutes are the endpoints of the GATE API. A path is served with and without the slash at its end.
func (s *Server) gateRoutes() []route {
	read := roles{store.RoleAdmin, store.RoleStaff, store.RoleReadonly}
	write := roles{store.RoleAdmin, store.RoleStaff}
	portal := roles{store.RoleAdmin, store.RoleStaff, store.RolePortal}
	device := append(roles{store.RoleUser}, portal...)
	everybody := append(roles{store.RolePortal, store.RoleUser}, read...)
	return slices.Concat(s.placeRoutes(everybody), []route{
		{"GET", "/aaa_accounting/", read, s.listAccounting},
		{"GET", "/aaa_accounting/{radacctid}/", read, s.getAccounting},
		{"GET", "/aaa_profile/", read, s.listProfiles},
		{"POST", "/aaa_profile/", adminsOnly, s.createProfile},
		{"GET", "/aaa_profile/{id}/", read, s.getProfile},
		{"PUT", "/aaa_profile/{id}/", adminsOnly, s.putProfile},
		{"PATCH", "/aaa_profile/{id}/", adminsOnly, s.patchProfile},
		{"DELETE", "/aaa_profile/{id}/", adminsOnly, s.deleteProfile},
		{"POST", "/device_app_connection_log/", device, s.logConnection},
		{"GET", "/device_app_connection_summary/", read, s.connectionSummary},
		{"POST", "/device_app_register/", device, s.registerDevice},
		{"POST", "/device_app_test_report/", device, s.reportTest},
		{"POST", "/device_app_user_authenticate/", portal, s.deviceAuthenticate},
		{"POST", "/device_app_user_update/", append(roles{store.RoleUser}, write...), s.updateDeviceUser},
		{"GET", "/me/organization/", append(roles{store.RoleEdge}, everybody...), s.myOrganization}, // gateways show its name and look
		{"GET", "/organization/", read, s.listOrganizations},
		{"POST", "/portal_login/", roles{store.RoleAdmin, store.RolePortal}, s.portalLogin},
		{"GET", "/txlog_portal/", read, s.listTransactions},
		{"GET", "/user/", read, s.listUsers},
		{"POST", "/user/", write, s.createUser},
		{"GET", "/user/{id}/", read, s.getUser},
		{"PUT", "/user/{id}/", write, s.putUser},
		{"PATCH", "/user/{id}/", write, s.patchUser},
		{"DELETE", "/user/{id}/", write, s.deleteUser},
		{"GET", "/user/username/{username}/", read, s.getUser},
		{"PUT", "/user/username/{username}/", write, s.putUser},
		{"PATCH", "/user/username/{username}/", write, s.patchUser},
		{"DELETE", "/user/username/{username}/", write, s.deleteUser},
		{"GET", "/user_extra/", read, s.listExtras},
		{"POST", "/user_extra/", write, s.createExtra},
		{"GET", "/user_extra/{id}/", read, s.getExtra},
		{"PUT", "/user_extra/{id}/", write, s.putExtra},
		{"PATCH", "/user_extra/{id}/", write, s.patchExtra},
		{"DELETE", "/user_extra/{id}/", write, s.deleteExtra},
		{"GET", "/user_token/", read, s.listTokenUsers},
		{"POST", "/user_token/", write, s.createTokenUser},
		{"GET", "/user_token/{id}/", read, s.getTokenUser},
		{"PUT", "/user_token/{id}/", write, s.putTokenUser},
		{"PATCH", "/user_token/{id}/", write, s.patchTokenUser},
		{"DELETE", "/user_token/{id}/", write, s.deleteTokenUser},
	})
}

// edgeRoutes are the endpoints for gateways.
func (s *Server) edgeRoutes() []route {
	gateway := roles{store.RoleEdge}
	return []route{
		{"POST", edge.IngestPath, gateway, s.ingest},
		{"POST", edge.AuthenticatePath, gateway, s.authenticate},
		{"POST", edge.PasswordPath, gateway, s.changePassword},
		{"GET", edge.ChangesPath, gateway, s.changes},
		{"POST", edge.ProofPath, gateway, s.beginProof},
		{"POST", edge.ProofCheckPath, gateway, s.checkProof},
		{"POST", edge.CertificatePath, gateway, s.certificate},
		{"POST", edge.ClaimPath, nil, s.claim}, // where a gateway gets its token
	}
}
