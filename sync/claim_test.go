package gwsync

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"gatehouse/api/edge"
)

func TestClaimToken(t *testing.T) {
	var asked []edge.ClaimRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask edge.ClaimRequest
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || r.URL.Path != edge.ClaimPath {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		asked = append(asked, ask)
		if ask.Secret != "right" {
			fail(w, http.StatusNotFound, "not_found")
			return
		}
		answer(w, edge.ClaimAnswer{State: edge.ClaimDone, Token: "gh_own", Organization: "acme"})
	}))
	defer server.Close()
	cfg := Config{BaseURL: server.URL, NASID: "lobby", Version: "1.2"}
	got, err := Claim(t.Context(), cfg, "right", nil)
	if err != nil || got.Token != "gh_own" {
		t.Errorf("%+v, %v", got, err)
	}
	want(t, "asked", asked, []edge.ClaimRequest{{NASIdentifier: "lobby", Version: "1.2", Secret: "right"}})
	if _, err := Claim(t.Context(), cfg, "wrong", nil); err == nil {
		t.Error("a wrong claim token is taken")
	}
}
