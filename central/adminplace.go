package central

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/api/admin"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// adminPlaceRoutes are where places are written: the GATE API only shows them.
func (s *Server) adminPlaceRoutes() []route {
	var list []route
	for kind, path := range map[store.PlaceKind]string{store.Location: admin.LocationsPath,
		store.AccessPoint: admin.AccessPointsPath, store.AccessDevice: admin.AccessDevicesPath} {
		p := placeAdmin{s, kind}
		list = append(list,
			route{"GET", path, readers, p.list},
			route{"POST", path, adminsOnly, p.create},
			route{"GET", path + "{id}/", readers, p.get},
			route{"PATCH", path + "{id}/", adminsOnly, p.patch},
			route{"DELETE", path + "{id}/", adminsOnly, p.delete})
	}
	return list
}

// placeAdmin serves the places of one kind.
type placeAdmin struct {
	*Server
	kind store.PlaceKind
}

func (a placeAdmin) list(c *call) (int, any, error) {
	filters := []string{"organization", "is_active"}
	if a.kind != store.Location {
		filters = append(filters, "location")
	}
	q, err := c.adminQuery("admin "+string(a.kind), filters...)
	if err != nil {
		return 0, nil, err
	}
	f, scope := store.PlaceFilter{Kind: a.kind}, c.token.Scope
	nothing := false
	if text := q.filters["organization"]; text != "" {
		id, ok, err := a.organization(c, text)
		if err != nil {
			return 0, nil, err
		}
		scope, nothing = store.Scope{id}, !ok
	}
	errs := make(map[string][]string)
	location, none := q.number(errs, "location", "loc")
	if f.Location = location; len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	if text := q.filters["is_active"]; text != "" {
		f.IsActive = new(truth(text))
	}
	var list []store.Place
	var more bool
	if !nothing && !none {
		if list, more, err = a.cfg.Store.PlacePage(c.Context(), scope, f, q.page); err != nil {
			return 0, nil, err
		}
	}
	places := make([]admin.Place, len(list))
	for i, p := range list {
		places[i] = adminPlace(p)
	}
	return http.StatusOK, adminPage(q, places, more, func(p admin.Place) store.Position {
		return store.Position{At: p.Created.UnixMicro(), ID: p.ID}
	}), nil
}

func adminPlace(p store.Place) admin.Place {
	return admin.Place{ID: p.ID, OrganizationID: p.OrganizationID.N, LocationID: p.LocationID, MACAddr: p.MAC, Name: p.Name,
		ShortName: p.ShortName, IsActive: p.IsActive, Description: p.Description, Thumbnail: p.Thumbnail, Address: p.Address,
		Reference: p.Reference, City: p.City, PostalCode: p.PostalCode, State: p.State, Region: p.Region, CountryCode: p.CountryCode,
		Latitude: p.Latitude, Longitude: p.Longitude, Created: p.Created.Time, LastChange: p.LastChange.Time}
}

// id is the place that the path names; 0 is none.
func (a placeAdmin) id(c *call) int64 {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func (a placeAdmin) get(c *call) (int, any, error) {
	p, err := a.cfg.Store.Place(c.Context(), c.token.Scope, a.kind, a.id(c))
	if err != nil {
		return 0, nil, err
	}
	c.etag(p.LastChange.UnixMicro())
	return http.StatusOK, adminPlace(p), nil
}

func (a placeAdmin) create(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	organization, err := a.bodyOrganization(c, f)
	if err != nil {
		return 0, nil, err
	}
	if organization == 0 {
		organization = c.token.Scope.Own()
	}
	status, body, err := a.save(c, f, 0, func(p *store.Place) error {
		p.IsActive, p.OrganizationID.N = true, organization
		return nil
	})
	if err == nil {
		status = http.StatusCreated
	}
	return status, body, err
}

func (a placeAdmin) patch(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	id := a.id(c)
	if id == 0 {
		return 0, nil, notFound()
	}
	return a.save(c, f, id, func(p *store.Place) error { return c.match(p.LastChange.UnixMicro()) })
}

func (a placeAdmin) save(c *call, f *fields, id int64, begin func(*store.Place) error) (int, any, error) {
	setPlace(f, new(store.Place)) // finds what is wrong with the fields; that does not depend on the place
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	p, err := a.cfg.Store.SavePlace(c.Context(), c.token.Scope, a.kind, id, func(p *store.Place) error {
		if err := begin(p); err != nil {
			return err
		}
		setPlace(f, p)
		return nil
	})
	var taken *store.DuplicateError
	switch {
	case errors.As(err, &taken):
		return 0, nil, takenName(taken.Field, "Another one in the organisation has this "+taken.Field+".")
	case errors.Is(err, store.ErrNoLocation):
		return 0, nil, invalidField("location_id", "The organisation has no such location.")
	case err != nil:
		return 0, nil, err
	}
	c.etag(p.LastChange.UnixMicro())
	return http.StatusOK, adminPlace(p), nil
}

// setPlace takes over the fields that the body has.
func setPlace(f *fields, p *store.Place) {
	if name := f.text("name"); name != nil {
		p.Name = *name
	}
	if name := f.text("short_name"); name != nil {
		p.ShortName = *name
	}
	p.IsActive = f.boolean("is_active", p.IsActive)
	f.optional(map[string]**string{"description": &p.Description, "thumbnail": &p.Thumbnail, "address": &p.Address,
		"reference": &p.Reference, "city": &p.City, "postal_code": &p.PostalCode, "state": &p.State, "region": &p.Region,
		"country_code": &p.CountryCode, "latitude": &p.Latitude, "longitude": &p.Longitude, "mac_addr": &p.MAC})
	if f.has("location_id") {
		p.LocationID = f.whole("location_id")
	}
	f.placeForms(p)
}

func (f *fields) placeForms(p *store.Place) {
	if p.CountryCode != nil {
		p.CountryCode = new(strings.ToUpper(*p.CountryCode))
	}
	f.degrees("latitude", p.Latitude, 90)
	f.degrees("longitude", p.Longitude, 180)
	if p.MAC != nil {
		mac, err := sessions.ParseMAC(*p.MAC)
		if err != nil {
			f.wrong("mac_addr", "Enter a valid MAC address, as in 00:1A:2B:3C:4D:5E.")
		}
		p.MAC = new(strings.ToUpper(mac.String()))
	}
}

// degrees notes a coordinate that is no decimal number between -most and most.
func (f *fields) degrees(name string, text *string, most float64) {
	if text == nil {
		return
	}
	if v, err := strconv.ParseFloat(*text, 64); err != nil || !(v >= -most && v <= most) || strings.ContainsAny(*text, "xXpPnN_") {
		f.wrong(name, fmt.Sprintf("Enter decimal degrees between -%g and %g.", most, most))
	}
}

// optional takes over those texts that the body has; an empty one counts as null.
func (f *fields) optional(to map[string]**string) {
	for name, at := range to {
		if f.has(name) {
			if *at = f.text(name); *at != nil && **at == "" {
				*at = nil
			}
		}
	}
}

func (a placeAdmin) delete(c *call) (int, any, error) {
	err := a.cfg.Store.DeletePlace(c.Context(), c.token.Scope, a.kind, a.id(c), func(p store.Place) error {
		return c.match(p.LastChange.UnixMicro())
	})
	if errors.Is(err, store.ErrInUse) {
		err = conflict("There are access points or devices in this location. Move or delete them first.")
	}
	return http.StatusNoContent, nil, err
}
