package gwsync

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func TestChangePasswordAtTheCentre(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var got edge.PasswordRequest
		answer := func(status int, a edge.PasswordAnswer) {
			r.centre.set(func() {
				r.centre.script = func(w http.ResponseWriter, req *http.Request, _ []edge.Record) bool {
					if req.URL.Path != "/sub"+edge.PasswordPath {
						return false
					}
					_ = json.NewDecoder(req.Body).Decode(&got)
					if status != http.StatusOK {
						fail(w, status, "not_found")
						return true
					}
					w.Header().Set("Content-Type", "application/json")
					_ = json.NewEncoder(w).Encode(a)
					return true
				}
			})
		}
		change := func() (sessions.Account, error) {
			return r.Authority.ChangePassword(t.Context(), sessions.Credentials{Username: "bob", Password: secret}, "a longer one",
				sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0xfe}})
		}
		answer(http.StatusOK, edge.PasswordAnswer{Changed: true, Account: edgeAccount(7, "bob")})
		if a, err := change(); err != nil || a.Username != "bob" {
			t.Fatalf("%+v, %v", a, err)
		}
		want(t, "request", got, edge.PasswordRequest{Username: "bob", Password: secret, NewPassword: "a longer one",
			CallingStationID: "02-00-5E-10-00-FE", Zone: "guest"})
		answer(http.StatusOK, edge.PasswordAnswer{Code: edge.PasswordWrong})
		if _, err := change(); !errors.Is(err, sessions.ErrWrongPassword) {
			t.Errorf("wrong: %v", err)
		}
		answer(http.StatusOK, edge.PasswordAnswer{Code: edge.PasswordWeak})
		var refusal *sessions.Refusal
		if _, err := change(); !errors.As(err, &refusal) || refusal.Reason != sessions.RefusedWeak {
			t.Errorf("weak: %v", err)
		}
		answer(http.StatusNotFound, edge.PasswordAnswer{})
		if _, err := change(); !errors.Is(err, sessions.ErrUnreachable) {
			t.Errorf("an older centre: %v", err)
		}
	})
}
