package central

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const (
	// rollUpAtOnce is how many reports a summary takes up before it is made: what came since the last regular time, where
	// little is reported.
	rollUpAtOnce = 200
	// goodRate is below which success rate, in per cent, a device has issues.
	goodRate = 95
	topApps  = 5
	// trendMargin is by how much of the connections before there must be more or fewer to be called a trend.
	trendMargin = 0.1
)

func (s *Server) connectionSummary(c *call) (int, any, error) {
	period := cmp.Or(c.FormQuery("time_period"), "7d")
	scope, f, err := s.summaryFilter(c, period)
	if err != nil {
		return 0, nil, err
	}
	if _, err := s.cfg.Store.RollUpConnections(c.Context(), rollUpAtOnce); err != nil {
		return 0, nil, err
	}
	all, from, to, err := s.cfg.Store.Summary(c.Context(), scope, f)
	if err != nil {
		return 0, nil, err
	}
	stats, perDevice := aggregate(all)
	top, err := s.topApps(c, all)
	if err != nil {
		return 0, nil, err
	}
	stats.TopPerformingApps = top
	first := min(c.offset(), int64(len(perDevice)))
	shown := perDevice[first:min(first+int64(c.limit()), int64(len(perDevice)))]
	devices := []store.SummaryDevice{}
	if len(shown) > 0 {
		if devices, err = s.cfg.Store.SummaryDevices(c.Context(), scope, f, slices.Concat(shown...)); err != nil {
			return 0, nil, err
		}
	}
	page := offsetPage(c, make([]gate.DeviceSummary, len(devices)), stats.TotalDevices)
	for i, d := range devices {
		page.Results[i] = s.deviceSummary(d)
	}
	return http.StatusOK, gate.ConnSummary{Count: page.Count, Next: page.Next, Previous: page.Previous,
		SummaryPeriod: gate.SummaryPeriod{StartDate: gate.Time{Time: from}, EndDate: gate.Time{Time: to}, Period: period},
		Results:       page.Results, AggregateStats: stats}, nil
}

func (s *Server) summaryFilter(c *call, period string) (store.Scope, store.SummaryFilter, error) {
	days, err := strconv.Atoi(strings.TrimSuffix(period, "d")) // one of SummaryPeriods
	scope, f := c.token.Scope, store.SummaryFilter{Days: days, NetworkType: c.FormQuery("app_category"), Status: c.FormQuery("status")}
	if err != nil {
		return scope, f, err
	}
	f.DeviceTypes = map[string][]string{"mobile": {"ph"}, "desktop": {"de", "la"}, "tablet": {"tb"}, "iot": {""}}[c.FormQuery("device_type")]
	text := c.FormQuery("organization")
	if text == "" {
		return scope, f, nil
	}
	id, ok, err := s.organization(c, text)
	if err == nil && !ok {
		scope, err = s.cfg.Store.OrganizationsNamed(c.Context(), scope, text)
	} else {
		scope = store.Scope{id}
	}
	return scope, f, err
}

// aggregate sums up what is in the order of devices, and cuts it into one stretch per device.
func aggregate(all []store.Usage) (stats gate.AggregateStats, perDevice [][]store.Usage) {
	var total, failed int64
	var octets float64
	apps := make(map[int64]bool)
	for i := 0; i < len(all); {
		end := i
		var of, bad int64
		for ; end < len(all) && all[end].Device == all[i].Device; end++ {
			of, bad, octets = of+all[end].Total, bad+all[end].Failed, octets+float64(all[end].Octets)
			apps[all[end].App] = true
		}
		if percent(of-bad, of) < goodRate {
			stats.DevicesWithIssues++
		}
		total, failed = total+of, failed+bad
		perDevice = append(perDevice, all[i:end])
		i = end
	}
	stats.TotalDevices, stats.TotalApplications = int64(len(perDevice)), int64(len(apps))
	stats.OverallSuccessRate, stats.TotalDataTransferredGB = percent(total-failed, total), tenth(octets/1e9)
	return stats, perDevice
}

// topApps are those whose connections succeed most often, of equal ones those with more connections.
func (s *Server) topApps(c *call, all []store.Usage) ([]gate.AppRate, error) {
	sums := make(map[int64]*store.Usage)
	for _, u := range all {
		if sums[u.App] == nil {
			sums[u.App] = &store.Usage{App: u.App}
		}
		sums[u.App].Total += u.Total
		sums[u.App].Failed += u.Failed
	}
	var list []store.Usage
	for _, u := range sums {
		list = append(list, *u)
	}
	slices.SortFunc(list, func(x, y store.Usage) int {
		return cmp.Or(cmp.Compare(x.Failed*y.Total, y.Failed*x.Total), cmp.Compare(y.Total, x.Total), cmp.Compare(x.App, y.App))
	})
	list = list[:min(len(list), topApps)]
	names, err := s.cfg.Store.Apps(c.Context(), list)
	rates := make([]gate.AppRate, len(list))
	for i, u := range list {
		rates[i] = gate.AppRate{AppName: names[u.App].Name, SuccessRate: percent(u.Total-u.Failed, u.Total)}
	}
	return rates, err
}

func (s *Server) deviceSummary(d store.SummaryDevice) gate.DeviceSummary {
	r := gate.DeviceSummary{DeviceID: gate.ID{Prefix: gate.DevicePrefix, N: d.ID}, DeviceName: d.Name, DeviceType: summaryType(d.Type),
		Organization: d.Organization, AppConnections: make([]gate.AppConnection, len(d.Apps))}
	s.shape(&r.DeviceID)
	var total, failed, most int64
	var octets float64
	for i, a := range d.Apps {
		r.AppConnections[i] = s.appConnection(a)
		total, failed, octets = total+a.Total, failed+a.Failed, octets+float64(a.Octets)
		if a.Total > most {
			most, r.DeviceSummary.MostUsedApp = a.Total, a.Name
		}
	}
	r.DeviceSummary.TotalConnections, r.DeviceSummary.OverallSuccessRate = total, percent(total-failed, total)
	r.DeviceSummary.TotalDataTransferredMB, r.DeviceSummary.ConnectionTrend = tenth(octets/1e6), trend(d.Recent, d.Before)
	return r
}

func (s *Server) appConnection(a store.SummaryApp) gate.AppConnection {
	r := gate.AppConnection{AppID: gate.ID{Prefix: gate.AppPrefix, N: a.Usage.App}, AppName: a.Name, AppCategory: a.Category,
		TotalConnections: a.Total, SuccessfulConnections: a.Total - a.Failed, FailedConnections: a.Failed,
		SuccessRate: percent(a.Total-a.Failed, a.Total), LastConnection: gate.Time{Time: a.Last()},
		DataTransferredMB: tenth(float64(a.Octets) / 1e6)}
	s.shape(&r.AppID)
	if a.Timed > 0 {
		r.AvgConnectionDuration = a.Seconds / a.Timed
	}
	return r
}

// summaryType is the class of a device's type (gate-api C14).
func summaryType(deviceType string) string {
	switch deviceType {
	case "ph":
		return "mobile"
	case "de", "la":
		return "desktop"
	case "tb":
		return "tablet"
	}
	return "iot"
}

// trend compares connections with those of as many days before; with nothing to compare it is stable.
func trend(recent, before int64) string {
	switch {
	case before == 0:
		return "stable"
	case float64(recent) > float64(before)*(1+trendMargin):
		return "increasing"
	case float64(recent) < float64(before)*(1-trendMargin):
		return "decreasing"
	}
	return "stable"
}

func percent(part, of int64) float64 {
	if of == 0 {
		return 0
	}
	return tenth(float64(part) / float64(of) * 100)
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }
