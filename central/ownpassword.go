package central

import (
	"encoding/json"
	"errors"
	"net/http"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// changePassword changes the password of a user who shows the present one at a gateway. The codes of a user token are not a password:
// who has been lent them must not shut the user out.
func (s *Server) changePassword(c *call) (int, any, error) {
	var ask edge.PasswordRequest
	if err := json.NewDecoder(c.Body).Decode(&ask); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not a PasswordRequest in JSON.")
	}
	gw, err := s.gateway(c)
	if err != nil {
		return 0, nil, err
	}
	g := guessOf("gateway ", gw.ID, ask.Username)
	if wait, _ := s.limits.take(s.cfg.Clock.Mono(), g.counted()...); wait > 0 {
		return 0, nil, throttled(wait)
	}
	cred, ok, err := s.checkUserPassword(c.Context(), c.token.Scope, ask.Username, sessions.Password(ask.Password))
	if err != nil {
		return 0, nil, err
	}
	if !ok || cred.IsToken(ask.Password) {
		return http.StatusOK, edge.PasswordAnswer{Code: edge.PasswordWrong}, nil
	}
	s.limits.giveBack(g.counted()...)
	if sessions.WeakPassword(ask.Username, sessions.Password(ask.NewPassword)) {
		return http.StatusOK, edge.PasswordAnswer{Code: edge.PasswordWeak}, nil
	}
	hash, err := s.hash(c.Context(), sessions.Password(ask.NewPassword))
	if err != nil {
		return 0, nil, err
	}
	if _, err := s.cfg.Store.SaveUser(c.Context(), c.token.Scope, cred.UserID, func(*gate.User) {}, &hash); err != nil {
		return 0, nil, gone(err)
	}
	if cred, err = s.cfg.Store.Credential(c.Context(), c.token.Scope, ask.Username); err != nil {
		return 0, nil, gone(err)
	}
	a, err := s.cfg.Store.SeeAccount(c.Context(), gw, cred)
	return http.StatusOK, edge.PasswordAnswer{Changed: true, Account: &a}, gone(err)
}

// gone is the answer about a user who was deleted while the password was being changed.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return malformed(http.StatusConflict, "The user is being changed by somebody else.")
	}
	return err
}
