package central

import "testing"

// TestRoutesAndContracts: no endpoint without a contract, no contract without an endpoint.
func TestRoutesAndContracts(t *testing.T) {
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	s, served := new(Server), make(map[string]bool)
	for _, set := range []struct {
		base   string
		routes []route
	}{{gateAPI.base, s.gateRoutes()}, {waldurAPI.base, s.waldurRoutes()}, {sonatypeAPI.base, s.sonatypeRoutes()}, {adminAPI.base, s.adminRoutes()}, {edgeAPI.base, s.edgeRoutes()},
		{waldurAPI.base, s.waldurRoutes()}, {sonatypeAPI.base, s.sonatypeRoutes()}} {
		for _, r := range set.routes {
			name := endpoint(r.method, set.base+r.path)
			if served[name] = true; all[name] == nil {
				t.Errorf("%s stands in no document of api/openapi", name)
			}
		}
	}
	for name := range all {
		if !served[name] {
			t.Logf("%s has no route yet", name)
		}
	}
}
