package central

import (
	"encoding/json"
	"net/http"
	"strings"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// value is a field of the type that its contract gives it; nil when absent, null, or an empty text.
func value[T any](f *fields, name string) *T {
	var v T
	if f.null(name) || string(f.raw[name]) == `""` || json.Unmarshal(f.raw[name], &v) != nil {
		return nil
	}
	return &v
}

// deviceRef is how the body names its device, beside the fields that GATE documents: as its registration did.
func deviceRef(f *fields) store.DeviceRef {
	return store.DeviceRef{IMEI: value[string](f, "imei"), MACKey: macKey(value[string](f, "mac_addr")), GenericID: value[string](f, "generic_id"),
		IMSI: value[string](f, "imsi"), ICCID: value[string](f, "iccid"), Number: value[string](f, "number")}
}

// macKey is a MAC address in the form that is compared; nil for what is none.
func macKey(text *string) *string {
	if text == nil {
		return nil
	}
	mac, err := sessions.ParseMAC(*text)
	if err != nil {
		return nil
	}
	return new(mac.String())
}

// report is who reports with this call.
func (c *call) report(f *fields) store.DeviceReport {
	r := store.DeviceReport{Organization: c.token.Scope.Own(), Device: deviceRef(f), Owner: c.token.Key(), Seconds: value[int64](f, "duration")}
	if c.token.UserID != 0 {
		r.UserID = &c.token.UserID
	}
	return r
}

// logConnection keeps one connection of a device. It failed when the device says that no octet came in.
func (s *Server) logConnection(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	l := gate.ConnLog{
		NetworkName: value[string](f, "network_name"), NetworkType: *value[string](f, "network_type"),
		NetworkSecurity: *value[string](f, "network_security"), NetworkMCCMNC: value[string](f, "network_mccmnc"),
		Frequency: value[float64](f, "frequency"), Authentication: value[string](f, "authentication"), BSSID: value[string](f, "bssid"),
		CellID: value[string](f, "cellid"), Roaming: value[bool](f, "roaming"), Latitude: value[string](f, "latitude"),
		Longitude: value[string](f, "longitude"), InBytes: value[int64](f, "inbytes"), OutBytes: value[int64](f, "outbytes"),
		LinkSpeed: value[float64](f, "link_speed"), QualityMetric: value[string](f, "quality_metric"), QualityValue: value[float64](f, "quality_value"),
	}
	r := c.report(f)
	r.Failed = l.InBytes != nil && *l.InBytes == 0
	return http.StatusCreated, l, s.cfg.Store.LogConnection(c.Context(), r, l)
}

// reportTest keeps one test of a network. It failed when nothing of it came to an end, or nothing came through.
func (s *Server) reportTest(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	t := gate.TestReport{
		NetworkName: value[string](f, "network_name"), NetworkType: *value[string](f, "network_type"), TestType: *value[string](f, "test_type"),
		Destination: *value[string](f, "destination"), Value: *value[float64](f, "value"), Count: value[int64](f, "count"),
		Unit: value[string](f, "unit"), Status: "processed",
	}
	r := c.report(f)
	throughput := strings.HasSuffix(t.TestType, "l") // dl, ul
	r.Failed = t.Count != nil && *t.Count == 0 || throughput && t.Value == 0
	t, err = s.cfg.Store.ReportTest(c.Context(), r, t)
	return http.StatusCreated, t, err
}
