package central_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
)

// told is what a device told, as the test remembers it.
type told struct {
	device, kind, org, network, netType string
	at                                  time.Time
	failed                              bool
	octets, seconds                     int64
}

// teller is a device of an organisation.
type teller struct{ generic, kind, org string }

// tell makes random reports over months and returns what was told. Reports go on until the clock is at the end of the last day.
func tell(t *testing.T, c *centre, seed uint64, days int) (all []told) {
	rng := rand.New(rand.NewPCG(seed, 1))
	devices := []teller{{"a", "ph", "acme"}, {"b", "de", "acme"}, {"c", "la", "acme-west"}, {"d", "tb", "acme"}, {"e", "", "acme"}, {"f", "ph", "globex"}}
	for _, d := range devices {
		registered := map[string]any{"generic_id": d.generic, "device_model": "model-" + d.generic}
		if d.kind != "" {
			registered["device_type"] = d.kind
		}
		c.registerDevice(d.org, registered)
	}
	for day := range days {
		for range 1 + rng.IntN(6) {
			c.clock.Advance(time.Duration(rng.IntN(3600)) * time.Second)
			d, n := devices[rng.IntN(len(devices))], rng.IntN(3)
			r := told{device: d.generic, kind: d.kind, org: d.org, network: []string{"Lobby", "Café <5G>", "Mobile"}[n],
				netType: []string{"wi", "wi", "mo"}[n], at: c.clock.Now()}
			body := map[string]any{"generic_id": d.generic, "network_name": r.network, "network_type": r.netType}
			path := "device_app_test_report"
			if rng.IntN(3) == 0 {
				body["test_type"], body["destination"], body["value"], body["count"] = "de", "example.org", 12.5, rng.IntN(3)
				r.failed = body["count"] == 0
			} else {
				path = "device_app_connection_log"
				in, out := rng.Int64N(3)*1e8, rng.Int64N(1e9)
				body["network_security"], body["inbytes"], body["outbytes"] = "wp2", in, out
				r.octets, r.failed = in+out, in == 0
				if rng.IntN(2) == 0 {
					r.seconds = 1 + rng.Int64N(1000)
					body["duration"] = r.seconds
				}
			}
			c.want(http.StatusCreated, ask{who: d.org + " portal", method: "POST", path: "/api/v1/" + path + "/", body: body}, nil)
			all = append(all, r)
		}
		if day == days-1 {
			return all
		}
		now := c.clock.Now()
		c.clock.Advance(now.Truncate(24 * time.Hour).Add(24*time.Hour + 6*time.Hour).Sub(now))
	}
	return all
}

func (c *centre) registerDevice(org string, body map[string]any) {
	c.t.Helper()
	c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/api/v1/device_app_register/", body: body}, nil)
}

func (c *centre) summary(who, query string) gate.ConnSummary {
	c.t.Helper()
	var s gate.ConnSummary
	c.want(http.StatusOK, ask{who: who, method: "GET", path: "/api/v1/device_app_connection_summary/" + query}, &s)
	return s
}

// TestSummaryIsWhatWasTold holds summaries with every filter to a reckoning of the test's own.
func TestSummaryIsWhatWasTold(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	all := tell(t, c, 7, 40)
	categories := map[string]string{"ph": "mobile", "de": "desktop", "la": "desktop", "tb": "tablet", "": "iot"}
	for _, period := range []string{"1d", "7d", "30d", "90d"} {
		for _, kind := range []string{"", "mobile", "desktop", "tablet", "iot"} {
			for _, category := range []string{"", "wi", "mo", "xx"} {
				for _, org := range []string{"", "acme", "ACME-WEST", "org_2", "globex"} {
					query := fmt.Sprintf("?time_period=%s&device_type=%s&app_category=%s&organization=%s&limit=3", period, kind, category, org)
					match := func(r told) bool {
						return r.org != "globex" && (kind == "" || categories[r.kind] == kind) && (category == "" || r.netType == category) &&
							(org == "" || org == "acme" && r.org == "acme" || (org == "ACME-WEST" || org == "org_2") && r.org == "acme-west")
					}
					wantSummary(t, query, reckon(c.clock.Now(), all, period, match, ""), c.pages("acme readonly", query))
				}
			}
		}
		for _, status := range []string{"active", "failed", "disconnected"} {
			query := "?time_period=" + period + "&status=" + status
			wantSummary(t, query, reckon(c.clock.Now(), all, period, func(r told) bool { return r.org != "globex" }, status), c.pages("acme readonly", query))
		}
	}
	if first := c.summary("acme admin", "").SummaryPeriod; first.Period != "7d" || first.StartDate.String() != "2026-04-02T00:00:00Z" || first.EndDate.String() != "2026-04-09T23:59:59Z" {
		t.Errorf("period %+v", first)
	}
	empty := c.summary("acme admin", "?app_category=none")
	want := gate.ConnSummary{SummaryPeriod: empty.SummaryPeriod, Results: []gate.DeviceSummary{}, AggregateStats: gate.AggregateStats{TopPerformingApps: []gate.AppRate{}}}
	if diff := cmp.Diff(want, empty); diff != "" {
		t.Errorf("nothing (-want +got):\n%s", diff)
	}
}

// pages is a summary whose results are those of all pages.
func (c *centre) pages(who, query string) gate.ConnSummary {
	c.t.Helper()
	s := c.summary(who, query)
	for page := s; page.Next != nil; {
		_, next, _ := strings.Cut(*page.Next, "?")
		page = c.summary(who, "?"+next)
		s.Results = append(s.Results, page.Results...)
	}
	return s
}

// reckoned is one device's line in short.
type reckoned struct {
	Name, Kind, Trend, Most string
	Total                   int64
	Rate, MB                float64
	Apps                    []string
}

type reckoning struct {
	Count, Apps, Issues int64
	Rate, GB            float64
	Top                 []gate.AppRate
	Devices             []reckoned
}

func round(v float64) float64 { return math.Round(v*10) / 10 }

func share(good, total int64) float64 {
	if total == 0 {
		return 0
	}
	return round(float64(good) / float64(total) * 100)
}

// reckon is a summary reckoned from what was told, the slow way.
func reckon(now time.Time, all []told, period string, match func(told) bool, status string) (r reckoning) {
	var days int
	_, _ = fmt.Sscanf(period, "%dd", &days) // one of four
	today := now.Truncate(24 * time.Hour)
	start := today.AddDate(0, 0, -days)
	type key struct{ device, network string }
	type sum struct {
		total, failed, octets, seconds, timed int64
		last                                  told
	}
	sums := make(map[key]*sum)
	for _, x := range all {
		if !match(x) || x.at.Before(start) {
			continue
		}
		k := key{x.device, x.network + " " + x.netType + " " + x.org}
		if sums[k] == nil {
			sums[k] = new(sum)
		}
		s := sums[k]
		s.total, s.octets, s.seconds, s.last = s.total+1, s.octets+x.octets, s.seconds+x.seconds, x
		if x.failed {
			s.failed++
		}
		if x.seconds > 0 {
			s.timed++
		}
	}
	for k, s := range sums {
		is := "disconnected"
		if s.last.failed {
			is = "failed"
		} else if !s.last.at.Before(now.Add(-time.Hour)) {
			is = "active"
		}
		if status != "" && is != status {
			delete(sums, k)
		}
	}
	var total, failed, octets int64
	apps := make(map[string]*sum)
	for _, device := range []string{"a", "b", "c", "d", "e", "f"} {
		var d reckoned
		var bad, volume, most, recent, before int64
		for _, network := range []string{"Lobby", "Café <5G>", "Mobile"} {
			for k, s := range sums {
				if k.device != device || !strings.HasPrefix(k.network, network+" ") {
					continue
				}
				d.Name, d.Total, bad, volume = "model-"+device+" "+device, d.Total+s.total, bad+s.failed, volume+s.octets
				d.Kind = map[string]string{"ph": "mobile", "de": "desktop", "la": "desktop", "tb": "tablet", "": "iot"}[s.last.kind]
				if s.total > most {
					most, d.Most = s.total, network
				} else if s.total == most {
					d.Most += "|" + network
				}
				average := int64(0)
				if s.timed > 0 {
					average = s.seconds / s.timed
				}
				d.Apps = append(d.Apps, fmt.Sprint(network, " ", s.last.netType, " ", s.total, " ", s.failed, " ", share(s.total-s.failed, s.total), " ",
					average, " ", gate.Time{Time: s.last.at}, " ", round(float64(s.octets)/1e6)))
				if apps[k.network] == nil {
					apps[k.network] = new(sum)
				}
				apps[k.network].total += s.total
				apps[k.network].failed += s.failed
				for _, x := range all {
					if x.device != device || x.network != network || !match(x) || !x.at.Before(today) {
						continue
					}
					if !x.at.Before(start) {
						recent++
					} else if !x.at.Before(start.AddDate(0, 0, -days)) {
						before++
					}
				}
			}
		}
		if d.Total == 0 {
			continue
		}
		if d.Rate, d.MB, d.Trend = share(d.Total-bad, d.Total), round(float64(volume)/1e6), "stable"; before > 0 && recent*10 > before*11 {
			d.Trend = "increasing"
		} else if before > 0 && recent*10 < before*9 {
			d.Trend = "decreasing"
		}
		if d.Rate < 95 {
			r.Issues++
		}
		slices.Sort(d.Apps)
		total, failed, octets, r.Count = total+d.Total, failed+bad, octets+volume, r.Count+1
		r.Devices = append(r.Devices, d)
	}
	r.Apps, r.Rate, r.GB = int64(len(apps)), share(total-failed, total), round(float64(octets)/1e9)
	for network, s := range apps {
		name := network[:strings.LastIndex(network, " ")]
		r.Top = append(r.Top, gate.AppRate{AppName: name[:strings.LastIndex(name, " ")], SuccessRate: share(s.total-s.failed, s.total)})
	}
	return r
}

func wantSummary(t *testing.T, query string, want reckoning, s gate.ConnSummary) {
	t.Helper()
	got := reckoning{Count: s.Count, Apps: s.AggregateStats.TotalApplications, Issues: s.AggregateStats.DevicesWithIssues,
		Rate: s.AggregateStats.OverallSuccessRate, GB: s.AggregateStats.TotalDataTransferredGB, Top: s.AggregateStats.TopPerformingApps}
	for i, d := range s.Results {
		line := reckoned{Name: d.DeviceName, Kind: d.DeviceType, Trend: d.DeviceSummary.ConnectionTrend, Most: d.DeviceSummary.MostUsedApp,
			Total: d.DeviceSummary.TotalConnections, Rate: d.DeviceSummary.OverallSuccessRate, MB: d.DeviceSummary.TotalDataTransferredMB}
		for _, a := range d.AppConnections {
			line.Apps = append(line.Apps, fmt.Sprint(a.AppName, " ", a.AppCategory, " ", a.TotalConnections, " ", a.FailedConnections, " ", a.SuccessRate, " ",
				a.AvgConnectionDuration, " ", a.LastConnection, " ", a.DataTransferredMB))
		}
		slices.Sort(line.Apps)
		if i < len(want.Devices) && slices.Contains(strings.Split(want.Devices[i].Most, "|"), line.Most) {
			line.Most = want.Devices[i].Most // one of those that are used as much
		}
		got.Devices = append(got.Devices, line)
	}
	rates := func(list []gate.AppRate) (best []float64) {
		for _, a := range list {
			best = append(best, -a.SuccessRate)
		}
		slices.Sort(best)
		return best[:min(5, len(best))]
	}
	if diff := cmp.Diff(rates(want.Top), rates(got.Top)); diff != "" || len(got.Top) != min(5, len(want.Top)) {
		t.Errorf("%s: top apps (-want +got):\n%s", query, diff)
	}
	got.Top, want.Top = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", query, diff)
	}
}
