package central

import (
	"net/http"
	"strconv"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// adminDeviceRoutes are where devices that count against a cap, or hold an IMEI that another one has now, can be taken away.
func (s *Server) adminDeviceRoutes() []route {
	return []route{
		{"GET", admin.DevicesPath, readers, s.listDevices},
		{"DELETE", admin.DevicesPath + "{id}/", frontDesk, s.deleteDevice},
	}
}

func (s *Server) listDevices(c *call) (int, any, error) {
	q, err := c.adminQuery("admin devices", "user")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	user, nothing := q.number(errs, "user", gate.UserPrefix)
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	var list []store.Device
	var more bool
	if !nothing {
		if list, more, err = s.cfg.Store.Devices(c.Context(), c.token.Scope, user, q.page); err != nil {
			return 0, nil, err
		}
	}
	devices := make([]admin.Device, len(list))
	for i, d := range list {
		devices[i] = admin.Device{ID: d.ID, OrganizationID: d.Organization, UserID: d.UserID, Username: d.Username, Number: d.Number,
			GenericID: d.GenericID, IMEI: d.IMEI, MACAddr: d.MACAddr, DeviceType: d.DeviceType, DeviceModel: d.DeviceModel,
			OSFamily: d.OSFamily, OSVersion: d.OSVersion, AppVersion: d.AppVersion, Created: d.Created.UTC()}
	}
	return http.StatusOK, adminPage(q, devices, more, func(d admin.Device) store.Position {
		return store.Position{At: d.Created.UnixMicro(), ID: d.ID}
	}), nil
}

func (s *Server) deleteDevice(c *call) (int, any, error) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, notFound()
	}
	return http.StatusNoContent, nil, s.cfg.Store.DeleteDevice(c.Context(), c.token.Scope, id)
}
