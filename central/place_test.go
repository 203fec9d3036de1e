package central_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// place makes a place of an organisation below /admin/v1/ and returns it.
func (c *centre) place(org, path string, body map[string]any) admin.Place {
	c.t.Helper()
	var p admin.Place
	if body["name"] == nil {
		body["name"] = body["short_name"]
	}
	c.want(http.StatusCreated, ask{who: org + " admin", method: "POST", path: "/admin/v1" + path, body: body}, &p)
	return p
}

type placePage struct {
	Count   int
	Next    *string
	Results []map[string]any
}

// names are the short names on a page.
func (p placePage) names() string {
	var list []string
	for _, r := range p.Results {
		list = append(list, fmt.Sprint(r["short_name"]))
	}
	return strings.Join(list, " ")
}

func (c *centre) places(who, query string) placePage {
	c.t.Helper()
	var p placePage
	c.want(http.StatusOK, ask{who: who, method: "GET", path: "/api/v1/" + query}, &p)
	return p
}

var placeLists = map[string]string{"device_app_locations": admin.LocationsPath, "device_app_access_points": admin.AccessPointsPath,
	"device_app_access_devices": admin.AccessDevicesPath, "hostspot_locations": admin.LocationsPath,
	"hostspot_access_points": admin.AccessPointsPath, "hotspot_locations": admin.LocationsPath, "hotspot_access_points": admin.AccessPointsPath}

func TestPlacesAreWrittenAndListed(t *testing.T) {
	t.Parallel()
	spec, c := loadSpec(t), newCentre(t)
	whole := map[string]any{"name": "Main Lobby", "short_name": "main-lobby", "is_active": true, "description": "d <x>",
		"thumbnail": "https://example.org/t.jpg", "address": "123 Corporate Boulevard", "reference": "Building A", "city": "San Francisco",
		"postal_code": "94105", "state": "California", "region": "West Coast", "country_code": "us", "latitude": "37.7749",
		"longitude": "-122.4194"}
	hall := c.place("acme", admin.LocationsPath, whole)
	whole["location_id"], whole["mac_addr"] = hall.ID, "00-1a-2b-3c-4d-5e"
	point := c.place("acme", admin.AccessPointsPath, whole)
	whole["mac_addr"] = nil
	c.place("acme", admin.AccessDevicesPath, whole)
	if point.MACAddr == nil || *point.MACAddr != "00:1A:2B:3C:4D:5E" || *point.LocationID != hall.ID || *point.CountryCode != "US" {
		t.Errorf("access point %+v", point)
	}
	for list, path := range placeLists {
		page := c.places("acme portal", list+"/")
		if page.Count != 1 || page.Next != nil {
			t.Errorf("%s: %+v", list, page)
		}
		spec.wantFields(t, "Place", page.Results[0])
		for name, sent := range whole {
			if got := page.Results[0][name]; name != "location_id" && name != "mac_addr" && !strings.EqualFold(fmt.Sprint(got), fmt.Sprint(sent)) {
				t.Errorf("%s: %s is %v, sent was %v", list, name, got, sent)
			}
		}
		var read admin.Place
		c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: fmt.Sprintf("/admin/v1%s%.0f/", path, page.Results[0]["id"])}, &read)
		if read.ShortName != "main-lobby" || read.LastChange.Before(read.Created) {
			t.Errorf("%s: %+v", list, read)
		}
	}
}

func TestPlaceFilters(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	for list, path := range map[string]string{"hostspot_locations": admin.LocationsPath, "device_app_access_points": admin.AccessPointsPath} {
		c.place("acme", path, map[string]any{"short_name": "a", "latitude": "1", "longitude": "2"})
		c.clock.Advance(time.Hour)
		c.place("acme", path, map[string]any{"short_name": "b", "latitude": "1", "is_active": false})
		c.clock.Advance(time.Hour)
		c.place("acme-west", path, map[string]any{"short_name": "c", "latitude": "-0.5", "longitude": "180"})
		c.place("globex", path, map[string]any{"short_name": "d"})
		first := c.places("acme admin", list+"/")
		since := fmt.Sprint(first.Results[1]["last_change"])
		bare := strings.TrimSuffix(strings.Replace(since, "T", "%20", 1), "Z")
		for query, want := range map[string]string{
			"": "a b c", "?have_coordinates=true": "a c", "?have_coordinates=false": "a b c", "?is_active=true": "a c", "?is_active=0": "b",
			"?last_change__gte=" + since: "b c", "?last_change__gte=" + bare: "b c", "?last_change__gte=" + bare + "%2B00:00": "b c",
			"?last_change__gte=" + bare + "+00:00": "b c", "?last_change__gte=2026-03-02": "", "?last_change__gte=2000-01-01": "a b c",
			"?limit=1&offset=1": "b", "?limit=1000&is_active=true&have_coordinates=1&last_change__gte=" + since: "c", "?offset=7": "",
		} {
			if got := c.places("acme readonly", list+"/"+query).names(); got != want {
				t.Errorf("%s%s: %q, want %q", list, query, got, want)
			}
		}
		for who, want := range map[string]string{"acme-west staff": "c", "globex admin": "d"} {
			if got := c.places(who, list+"/").names(); got != want {
				t.Errorf("%s as %s: %q, want %q", list, who, got, want)
			}
		}
		if next := c.places("acme admin", list+"/?limit=1&is_active=true").Next; next == nil || !strings.Contains(*next, "is_active=true") {
			t.Errorf("the next link has lost the filter: %v", next)
		}
	}
	for list := range placeLists {
		status := http.StatusBadRequest
		if strings.Contains(list, "spot") || strings.Contains(list, "points") {
			status = http.StatusUnprocessableEntity
		}
		wantNamed(t, c.want(status, ask{who: "acme admin", method: "GET", path: "/api/v1/" + list + "/?last_change__gte=2024-13-01"}, nil), "last_change__gte")
	}
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: "/api/v1/device_app_access_points/1/"}, nil)
}

// TestReaderByLastChange changes places and holds a reader, who always asks from the last change that he has seen, to the truth.
func TestReaderByLastChange(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	seen, last := make(map[string]bool), ""
	read := func() {
		for _, r := range c.places("acme readonly", "hotspot_locations/?limit=100&last_change__gte="+last).Results {
			seen[fmt.Sprint(r["name"])] = r["is_active"].(bool)
			last = max(last, fmt.Sprint(r["last_change"]))
		}
	}
	last = "2000-01-01"
	var ids []int64
	for _, name := range []string{"a", "b", "c"} {
		ids = append(ids, c.place("acme", admin.LocationsPath, map[string]any{"short_name": name}).ID)
	}
	read()
	path := func(i int) string { return fmt.Sprintf("/admin/v1/locations/%d/", ids[i]) }
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: path(0), body: map[string]any{"name": "renamed"}}, nil)
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: path(1)}, nil)
	read()
	if diff := cmp.Diff(map[string]bool{"a": true, "renamed": true, "b": false, "c": true}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		c.want(http.StatusNotFound, ask{who: "acme admin", method: method, path: path(1), body: map[string]any{}}, nil)
	}
	if again := c.place("acme", admin.LocationsPath, map[string]any{"short_name": "b"}); again.ID <= ids[2] {
		t.Errorf("id %d has been used before", again.ID)
	}
	if got := c.places("acme readonly", "hotspot_locations/").names(); got != "a b c b" {
		t.Errorf("all places: %s", got)
	}
}

func TestPlacesThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	hall := c.place("acme", admin.LocationsPath, map[string]any{"short_name": "hall"})
	theirs := c.place("globex", admin.LocationsPath, map[string]any{"short_name": "hall"})
	below := c.place("acme-west", admin.LocationsPath, map[string]any{"short_name": "hall"})
	point := c.place("acme", admin.AccessPointsPath, map[string]any{"short_name": "hall", "location_id": hall.ID, "mac_addr": "00:1A:2B:3C:4D:5E"})
	post := func(path string, body map[string]any) ask {
		return ask{who: "acme admin", method: "POST", path: "/admin/v1" + path, body: body}
	}
	for field, bad := range map[string][]any{"name": {"", nil, true, strings.Repeat("x", 256)}, "short_name": {"a b", ""}, "thumbnail": {"x"},
		"country_code": {"USA", "1"}, "latitude": {"91", "x", "0x1p3", "NaN", "1e400"}, "longitude": {"-180.01"}, "mac_addr": {"00:1A"},
		"location_id": {0, theirs.ID, below.ID, point.ID, "x"}, "is_active": {"maybe", nil}, "organization": {"globex", 99}, "colour": {"red"}} {
		for _, v := range bad {
			body := map[string]any{"name": "n", "short_name": "n", field: v}
			var e admin.Error
			r := c.want(http.StatusBadRequest, post(admin.AccessPointsPath, body), &e)
			if e.Errors[field] == nil || e.Code != admin.CodeInvalid {
				t.Errorf("%s %v: %s", field, v, r.text)
			}
		}
	}
	for field, body := range map[string]map[string]any{"short_name": {"name": "n", "short_name": "hall"},
		"mac_addr": {"name": "n", "short_name": "n", "mac_addr": "001a.2b3c.4d5e"}} {
		var e admin.Error
		c.want(http.StatusConflict, post(admin.AccessPointsPath, body), &e)
		if e.Code != admin.CodeDuplicate || e.Errors[field] == nil {
			t.Errorf("%+v", e)
		}
	}
	c.want(http.StatusBadRequest, post(admin.LocationsPath, map[string]any{"name": "n", "short_name": "n", "location_id": hall.ID}), nil)
	for who, status := range map[string]int{"globex admin": 404, "acme-west admin": 404, "acme staff": 403, "acme readonly": 403, "acme portal": 403, "acme edge": 403, "": 401} {
		c.want(status, ask{who: who, method: "PATCH", path: fmt.Sprintf("/admin/v1/locations/%d/", hall.ID), body: map[string]any{"name": "mine"}}, nil)
	}
	var e admin.Error
	c.want(http.StatusConflict, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/locations/%d", hall.ID)}, &e)
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/access_points/%d", point.ID)}, nil)
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/locations/%d", hall.ID)}, nil)
}

func TestTwoWhoEditOnePlace(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.place("acme", admin.LocationsPath, map[string]any{"short_name": "hall"})
	first := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/locations/1"}, nil)
	patch := func(status int, tag, city string) reply {
		return c.want(status, ask{who: "acme admin", method: "PATCH", path: "/admin/v1/locations/1", body: map[string]any{"city": city},
			header: map[string]string{"If-Match": tag}}, nil)
	}
	second := patch(http.StatusOK, first.header.Get("ETag"), "Wien")
	patch(http.StatusPreconditionFailed, first.header.Get("ETag"), "Graz")
	third := patch(http.StatusOK, second.header.Get("ETag"), "Linz")
	c.want(http.StatusPreconditionFailed, ask{who: "acme admin", method: "DELETE", path: "/admin/v1/locations/1",
		header: map[string]string{"If-Match": second.header.Get("ETag")}}, nil)
	if !strings.Contains(third.text, `"city":"Linz"`) || !strings.Contains(third.text, `"name":"hall"`) {
		t.Error(third.text)
	}
}

func TestAdminPlaceLists(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	hall := c.place("acme", admin.LocationsPath, map[string]any{"short_name": "hall"})
	for i := range 5 {
		c.clock.Advance(time.Second)
		body := map[string]any{"short_name": fmt.Sprintf("p%d", i), "is_active": i != 2}
		if i < 3 {
			body["location_id"] = hall.ID
		}
		c.place("acme", admin.AccessPointsPath, body)
	}
	c.place("acme", admin.AccessPointsPath, map[string]any{"short_name": "w", "organization": "acme-west"})
	for query, want := range map[string]string{"": "w p4 p3 p2 p1 p0", "?organization=acme-west": "w", "?organization=globex": "",
		fmt.Sprintf("?location=%d&is_active=true", hall.ID): "p1 p0", "?is_active=false": "p2", "?location=loc_0": ""} {
		var got []string
		for next := "/admin/v1/access_points/" + query; next != ""; {
			var page admin.Page[admin.Place]
			sep := "?"
			if strings.Contains(next, "?") {
				sep = "&"
			}
			if !strings.Contains(next, "limit=") {
				next += sep + "limit=2"
			}
			c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: next}, &page)
			for _, p := range page.Results {
				got = append(got, p.ShortName)
			}
			if next = ""; page.Next != nil {
				next = *page.Next
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", query, got, want)
		}
	}
	c.want(http.StatusBadRequest, ask{who: "acme admin", method: "GET", path: "/admin/v1/access_points/?name=x"}, nil)
}

// TestRecordsFindTheirPlaces sends records that name an access point in every way there is.
func TestRecordsFindTheirPlaces(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	hall := c.place("acme", admin.LocationsPath, map[string]any{"short_name": "hall", "name": "Hall"})
	point := c.place("acme", admin.AccessPointsPath, map[string]any{"short_name": "ap-1", "name": "AP 1", "mac_addr": "00:1a:2b:3c:4d:5e", "location_id": hall.ID})
	for _, name := range []string{"x", "y"} {
		c.place("acme", admin.AccessPointsPath, map[string]any{"short_name": name, "name": "twice"})
	}
	c.place("globex", admin.AccessPointsPath, map[string]any{"short_name": "theirs", "name": "Theirs", "mac_addr": "00:00:5e:00:00:01"})
	device := c.place("acme", admin.AccessDevicesPath, map[string]any{"short_name": "door", "name": "Door"})

	ap, found := fmt.Sprintf("ap_%d", point.ID), fmt.Sprintf("ap_%d AP 1 loc_%d Hall", point.ID, hall.ID)
	tests := []struct {
		name  string
		tell  func(a *edge.Accounting)
		want  string
		after string // access_point_mac_addr
	}{
		{"Called-Station-Id", func(a *edge.Accounting) { a.CalledStationID = "00-1A-2B-3C-4D-5E:guests" }, found, "00:1A:2B:3C:4D:5E"},
		{"dots", func(a *edge.Accounting) { a.CalledStationID = "001a.2b3c.4d5e" }, found, "00:1A:2B:3C:4D:5E"},
		{"MAC before Called-Station-Id", func(a *edge.Accounting) {
			a.AccessPointMAC, a.CalledStationID = "00:1a:2b:3c:4d:5e", "00-00-00-00-00-00:guests"
		}, found, "00:1a:2b:3c:4d:5e"},
		{"name", func(a *edge.Accounting) { a.AccessPointName = "AP 1" }, found, "00:1A:2B:3C:4D:5E"},
		{"short name", func(a *edge.Accounting) { a.AccessPointName = "ap-1" }, strings.Replace(found, "AP 1", "ap-1", 1), "00:1A:2B:3C:4D:5E"},
		{"id", func(a *edge.Accounting) { a.AccessPointID = point.ID }, found, "00:1A:2B:3C:4D:5E"},
		{"id and another location", func(a *edge.Accounting) { a.AccessPointID, a.LocationID, a.LocationName = point.ID, 77, "There" },
			ap + " AP 1 loc_77 There", "00:1A:2B:3C:4D:5E"},
		{"location alone", func(a *edge.Accounting) { a.LocationID = hall.ID }, fmt.Sprintf("<nil> <nil> loc_%d Hall", hall.ID), "<nil>"},
		{"name of two", func(a *edge.Accounting) { a.AccessPointName = "twice" }, "<nil> twice <nil> <nil>", "<nil>"},
		{"name of a door", func(a *edge.Accounting) { a.AccessPointName = "Door" }, "<nil> Door <nil> <nil>", "<nil>"},
		{"id of a door", func(a *edge.Accounting) { a.AccessPointID = device.ID }, fmt.Sprintf("ap_%d <nil> <nil> <nil>", device.ID), "<nil>"},
		{"another organisation's", func(a *edge.Accounting) { a.CalledStationID = "00-00-5E-00-00-01" }, "<nil> <nil> <nil> <nil>", "<nil>"},
		{"nothing", func(a *edge.Accounting) { a.CalledStationID = "" }, "<nil> <nil> <nil> <nil>", "<nil>"},
	}
	var records []edge.Record
	for i, test := range tests {
		r := session(i, noon.Add(-time.Duration(i)*time.Second), true)
		test.tell(r.Accounting)
		records = append(records, r)
	}
	tx := transaction(99, noon)
	tx.Transaction.AccessPointName = "AP 1"
	c.ingest("acme", append(records, tx)...)
	for i, r := range c.places("acme admin", "aaa_accounting/?limit=100").Results {
		if got := fmt.Sprint(r["access_point_id"], " ", r["access_point_name"], " ", r["location_id"], " ", r["location_name"]); got != tests[i].want {
			t.Errorf("%s: %s, want %s", tests[i].name, got, tests[i].want)
		}
		if got := fmt.Sprint(r["access_point_mac_addr"]); got != tests[i].after {
			t.Errorf("%s: MAC address %s, want %s", tests[i].name, got, tests[i].after)
		}
	}
	for query, want := range map[string]int{"aaa_accounting/?access_point=" + ap: 7, fmt.Sprintf("aaa_accounting/?location=%d", hall.ID): 7,
		"txlog_portal/?access_point=" + ap: 1, fmt.Sprintf("txlog_portal/?location=%d", hall.ID): 1} {
		if got := len(c.places("acme admin", query).Results); got != want {
			t.Errorf("%s: %d records, want %d", query, got, want)
		}
	}
}
