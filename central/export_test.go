package central

import "gatehouse/central/store"

// Route is a line of the tables of routes, for the tests that are made of them.
type Route struct {
	Method, Path string
	Roles        []store.Role
}

// Routes are all of them.
func Routes() []Route {
	s := new(Server)
	var list []Route
	for _, set := range []struct {
		api    api
		routes []route
	}{{gateAPI, s.gateRoutes()}, {waldurAPI, s.waldurRoutes()}, {sonatypeAPI, s.sonatypeRoutes()}, {adminAPI, s.adminRoutes()},
		{edgeAPI, s.edgeRoutes()}} {
		for _, r := range set.routes {
			list = append(list, Route{r.method, set.api.base + r.path, r.roles})
		}
	}
	return list
}
