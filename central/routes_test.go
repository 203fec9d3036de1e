package central

import "testing"

// TestRoutesAndContracts: no endpoint without a contract, no contract without an endpoint.
func TestRoutesAndContracts(t *testing.T) {
	set, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	all, served := set.operations, make(map[string]bool)
	for _, r := range Routes() {
		name := endpoint(r.Method, r.Path)
		if served[name] = true; all[name] == nil {
			t.Errorf("%s stands in no document of api/openapi", name)
		}
	}
	for name := range all {
		if !served[name] {
			t.Errorf("%s has no route", name)
		}
	}
}
