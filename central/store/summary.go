package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SummaryFilter narrows a summary. Empty fields do not.
type SummaryFilter struct {
	Days        int      // whole days before today; today counts too
	DeviceTypes []string // of gate.DeviceTypes; an empty text stands for devices that have none
	NetworkType string
	Status      string // of gate.SummaryStatuses
}

// Usage is what a device reported of an app in a period.
type Usage struct {
	Device, App           int64
	Total, Failed, Octets int64
	lastAt, lastFailed    int64 // microseconds
}

// Last is when the last report came.
func (u Usage) Last() time.Time { return time.UnixMicro(u.lastAt) }

// activeWithin is how old the last good report of a connection may be that is called active.
const activeWithin = time.Hour

// status is what the connection is, in the words of gate.SummaryStatuses.
func (u Usage) status(now time.Time) string {
	switch {
	case u.lastFailed == u.lastAt:
		return "failed"
	case u.lastAt >= micros(now.Add(-activeWithin)):
		return "active"
	}
	return "disconnected"
}

// Summary is what devices of the scope have reported, one row per device and app, in the order of the devices, and the time of
// the period's beginning and end.
func (s *Store) Summary(ctx context.Context, scope Scope, f SummaryFilter) (list []Usage, from, to time.Time, err error) {
	now := s.now()
	today := dayOf(micros(now))
	from, to = dayBegin(today-int64(f.Days)), dayBegin(today+1).Add(-time.Second)
	q := keyset{d: s.d}
	if len(scope) == 0 {
		return []Usage{}, from, to, nil
	}
	q.and(scope.in("c.organization_id"))
	q.and("c.day >= ?", today-int64(f.Days))
	join := ""
	if len(f.DeviceTypes) > 0 {
		join += " JOIN devices d ON d.id = c.device_id"
		q.oneOf("coalesce(d.device_type, '')", f.DeviceTypes)
	}
	if f.NetworkType != "" {
		join += " JOIN device_apps a ON a.id = c.app_id"
		q.and("a.network_type = ?", f.NetworkType)
	}
	rows, err := s.figures().QueryContext(ctx, `SELECT c.device_id, c.app_id, CAST(sum(c.total) AS BIGINT), CAST(sum(c.failed) AS BIGINT),
			`+s.d.sum("c.octets")+`, max(c.last_at), max(CASE WHEN c.last_failed THEN c.last_at ELSE 0 END)
		FROM connection_days c`+join+" WHERE "+strings.Join(q.where, " AND ")+" GROUP BY c.device_id, c.app_id", q.args...)
	list, err = collect(rows, err, func(row scanner) (u Usage, err error) {
		err = row.Scan(&u.Device, &u.App, &u.Total, &u.Failed, &u.Octets, &u.lastAt, &u.lastFailed)
		return u, err
	})
	if f.Status != "" {
		list = slices.DeleteFunc(list, func(u Usage) bool { return u.status(now) != f.Status })
	}
	slices.SortFunc(list, func(x, y Usage) int { return cmp.Or(cmp.Compare(x.Device, y.Device), cmp.Compare(x.App, y.App)) })
	return list, from, to, s.err("summing connections up", err)
}

func dayBegin(day int64) time.Time { return time.UnixMicro(day * microsPerDay).UTC() }

// SummaryDevice is a device in a summary.
type SummaryDevice struct {
	ID           int64
	Name         string
	Type         string // of gate.DeviceTypes, or empty
	Organization string // name
	Apps         []SummaryApp
	// Recent and Before count connections in the whole days of the period before today, and in as many days before those.
	Recent, Before int64
}

// SummaryApp is what a device reported of an app, in full.
type SummaryApp struct {
	Usage
	App
	Seconds, Timed int64 // how long the connections lasted of which that is known, and how many they are
}

// App is a network that devices report.
type App struct{ Name, Category string }

// SummaryDevices are the devices of a stretch of what Summary returned for the same scope and filter, in its order.
func (s *Store) SummaryDevices(ctx context.Context, scope Scope, f SummaryFilter, page []Usage) ([]SummaryDevice, error) {
	var list []SummaryDevice
	at := make(map[int64]int) // of a device in the list
	apps := make(map[[2]int64]*SummaryApp)
	names, err := s.Apps(ctx, page)
	if err != nil {
		return nil, err
	}
	for _, u := range page {
		i, there := at[u.Device]
		if !there {
			i, at[u.Device] = len(list), len(list)
			list = append(list, SummaryDevice{ID: u.Device})
		}
		list[i].Apps = append(list[i].Apps, SummaryApp{Usage: u, App: names[u.App]})
	}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
		for j := range list[i].Apps {
			a := &list[i].Apps[j]
			apps[[2]int64{a.Device, a.Usage.App}] = a
		}
	}
	if err := s.addDays(ctx, scope, f.Days, ids, func(device, app int64, ago int, total, seconds, timed int64) {
		a := apps[[2]int64{device, app}]
		if a == nil { // the filter has taken it away
			return
		}
		d := &list[at[device]]
		switch {
		case ago > f.Days:
			d.Before += total
			return
		case ago > 0:
			d.Recent += total
		}
		a.Seconds, a.Timed = a.Seconds+seconds, a.Timed+timed
	}); err != nil {
		return nil, err
	}
	return list, s.describeDevices(ctx, ids, func(id int64) *SummaryDevice { return &list[at[id]] })
}

// addDays calls add for what the devices reported day by day in twice as many days as given, and today; ago counts back from today.
func (s *Store) addDays(ctx context.Context, scope Scope, days int, devices []int64, add func(device, app int64, ago int, total, seconds, timed int64)) error {
	today := dayOf(micros(s.now()))
	condition, args := among(s.d, "device_id", devices)
	rows, err := s.figures().QueryContext(ctx, "SELECT device_id, app_id, day, total, seconds, timed FROM connection_days WHERE "+
		scope.in("organization_id")+" AND "+condition+" AND day >= ?", append(args, today-2*int64(days))...)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var device, app, day, total, seconds, timed int64
		if err = row.Scan(&device, &app, &day, &total, &seconds, &timed); err == nil {
			add(device, app, int(today-day), total, seconds, timed)
		}
		return none, err
	})
	return s.err("reading days of devices", err)
}

func (s *Store) describeDevices(ctx context.Context, ids []int64, to func(id int64) *SummaryDevice) error {
	condition, args := among(s.d, "d.id", ids)
	rows, err := s.figures().QueryContext(ctx, `SELECT d.id, o.name, coalesce(d.device_type, ''), d.device_model, d.device_family,
			coalesce(d.username, d.number, d.generic_id, d.implied)
		FROM devices d JOIN organizations o ON o.id = d.organization_id WHERE `+condition, args...)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var id int64
		var organization, kind string
		var model, family, whose *string
		if err = row.Scan(&id, &organization, &kind, &model, &family, &whose); err == nil {
			what := cmp.Or(deref(model), deref(family), "Device")
			d := to(id)
			d.Organization, d.Type, d.Name = organization, kind, what+" "+cmp.Or(deref(whose), strconv.FormatInt(id, 10))
		}
		return none, err
	})
	return s.err("reading devices", err)
}

// OrganizationsNamed are the organisations of the scope with this name; there may be none.
func (s *Store) OrganizationsNamed(ctx context.Context, scope Scope, name string) (Scope, error) {
	rows, err := s.figures().QueryContext(ctx, "SELECT id FROM organizations WHERE name = ? AND "+scope.in("id")+" ORDER BY id", name)
	ids, err := collect(rows, err, scanID)
	return ids, s.err("looking for organisations", err)
}

// Apps are the names of what was used.
func (s *Store) Apps(ctx context.Context, used []Usage) (map[int64]App, error) {
	var ids []int64
	for _, u := range used {
		ids = append(ids, u.App)
	}
	names := make(map[int64]App)
	condition, args := among(s.d, "id", distinct(ids))
	rows, err := s.figures().QueryContext(ctx, "SELECT id, network_name, network_type FROM device_apps WHERE "+condition, args...)
	_, err = collect(rows, err, func(row scanner) (a App, err error) {
		var id int64
		err = row.Scan(&id, &a.Name, &a.Category)
		names[id] = a
		return a, err
	})
	return names, s.err("reading apps", err)
}
