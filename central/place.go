package central

import (
	"net/http"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// placeRoutes are the lists of places in the GATE API. The documentation writes "hostspot"; both spellings are served.
func (s *Server) placeRoutes(may roles) []route {
	points, locations := s.listPlaces(store.AccessPoint, http.StatusUnprocessableEntity), s.listPlaces(store.Location, http.StatusUnprocessableEntity)
	return []route{
		{"GET", "/device_app_access_devices/", may, s.listPlaces(store.AccessDevice, http.StatusBadRequest)},
		{"GET", "/device_app_access_points/", may, points},
		{"GET", "/device_app_locations/", may, s.listPlaces(store.Location, http.StatusBadRequest)},
		{"GET", "/hostspot_access_points/", may, points},
		{"GET", "/hostspot_locations/", may, locations},
		{"GET", "/hotspot_access_points/", may, points},
		{"GET", "/hotspot_locations/", may, locations},
	}
}

// listPlaces lists all places of a kind, also those that are no more, as inactive ones. wrong is the status for a parameter that
// cannot be read (gate-api C10).
func (s *Server) listPlaces(kind store.PlaceKind, wrong int) handler {
	return func(c *call) (int, any, error) {
		f, err := c.placeFilter(kind, wrong)
		if err != nil {
			return 0, nil, err
		}
		list, count, err := s.cfg.Store.Places(c.Context(), c.token.Scope, f, int64(c.limit()), c.offset())
		if err != nil {
			return 0, nil, err
		}
		places := make([]gate.Place, len(list))
		for i, p := range list {
			s.shape(&p.OrganizationID)
			places[i] = p.Place
		}
		return http.StatusOK, offsetPage(c, places, count), nil
	}
}

func (c *call) placeFilter(kind store.PlaceKind, wrong int) (store.PlaceFilter, error) {
	f := store.PlaceFilter{Kind: kind, Deleted: true, HaveCoordinates: truth(c.FormQuery("have_coordinates"))}
	if text := c.FormQuery("is_active"); text != "" {
		f.IsActive = new(truth(text))
	}
	if text := c.FormQuery("last_change__gte"); text != "" {
		var ok bool
		if f.ChangedFrom, _, ok = parseTime(text); !ok {
			return f, unfit(wrong, map[string][]string{"last_change__gte": {"Enter a valid date/time."}})
		}
	}
	return f, nil
}
