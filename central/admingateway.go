package central

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

// maxSettings is how large the settings of a gateway may be, in octets.
const maxSettings = 64 << 10

func (s *Server) adminGatewayRoutes() []route {
	return []route{
		{"GET", "/gateways/", readers, s.listGateways},
		{"POST", "/gateways/", adminsOnly, s.createGateway},
		{"POST", "/gateways/claim/", adminsOnly, s.claimGateway},
		{"GET", "/gateways/{id}/", readers, s.getGateway},
		{"PATCH", "/gateways/{id}/", adminsOnly, s.patchGateway},
		{"DELETE", "/gateways/{id}/", adminsOnly, s.deleteGateway},
		{"GET", "/gateways/{id}/accounts/", adminsOnly, s.listSeenAccounts},
		{"POST", "/gateways/{id}/claim_token/", adminsOnly, s.createClaimToken},
		{"GET", "/gateways/{id}/configuration/", readers, s.getSettings},
		{"PUT", "/gateways/{id}/configuration/", adminsOnly, s.putSettings},
		{"POST", "/gateways/{id}/revoke/", adminsOnly, s.revokeGateway},
	}
}

// subject is the number in the path; the contract has seen that there is one.
func (c *call) subject() int64 {
	id, _ := c.pathID()
	return id
}

func gatewayPosition(g admin.Gateway) store.Position {
	return store.Position{At: g.Created.UnixMicro(), ID: g.ID}
}

func (s *Server) listGateways(c *call) (int, any, error) {
	q, err := c.adminQuery("gateways", "organization", "location", "nas_identifier", "silent")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	var f store.GatewayFilter
	var none bool
	f.Location, none = q.number(errs, "location", "loc")
	f.NASIdentifier = q.filters["nas_identifier"]
	if text := q.choice(errs, "silent", "true", "false"); text != "" {
		f.Silent = new(text == "true")
	}
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	organization, ok, err := s.filterOrganization(c, q)
	if err != nil {
		return 0, nil, err
	}
	f.Organization, f.MatchesNothing = organization, none || !ok
	list, more, err := s.cfg.Store.Gateways(c.Context(), c.token.Scope, f, q.page)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, adminPage(q, list, more, gatewayPosition), nil
}

func (s *Server) getGateway(c *call) (int, any, error) {
	g, revision, err := s.cfg.Store.OneGateway(c.Context(), c.token.Scope, c.subject())
	c.etag(revision)
	return http.StatusOK, g, err
}

// gatewayFields reads what makes a gateway.
func (s *Server) gatewayFields(c *call, f *fields) (organization int64, name string, location *int64, err error) {
	organization = c.token.Scope.Own()
	if id, err := s.bodyOrganization(c, f); err != nil {
		return 0, "", nil, err
	} else if id != 0 {
		organization = id
	}
	if text := f.text("name"); text != nil {
		name = strings.TrimSpace(*text)
	}
	return organization, name, f.whole("location"), f.err()
}

func (s *Server) createGateway(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	organization, name, location, err := s.gatewayFields(c, f)
	if err != nil {
		return 0, nil, err
	}
	made, err := s.cfg.Store.CreateGateway(c.Context(), organization, *f.text("nas_identifier"), name, location)
	var taken *store.DuplicateError
	switch {
	case errors.As(err, &taken):
		err = takenName("nas_identifier", "The organisation has a gateway of this name; ask for a claim token of it, or revoke it first.")
	case errors.Is(err, store.ErrNoLocation):
		err = invalidField("location", "The organisation has no such location.")
	}
	return http.StatusCreated, made, err
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

func (s *Server) createClaimToken(c *call) (int, any, error) {
	made, err := s.cfg.Store.NewClaimToken(c.Context(), c.token.Scope, c.subject())
	if errors.Is(err, store.ErrActive) {
		err = conflict("The gateway has a token. Revoke it first.")
	}
	return http.StatusCreated, made, err
}

func (s *Server) claimGateway(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	organization, name, location, err := s.gatewayFields(c, f)
	if err != nil {
		return 0, nil, err
	}
	guess := allowance{"claim by " + c.token.Key(), guessPerUser}
	if wait, _ := s.limits.take(s.cfg.Clock.Mono(), guess); wait > 0 {
		return 0, nil, throttled(wait)
	}
	got, err := s.cfg.Store.ClaimByCode(c.Context(), organization, store.CleanCode(*f.text("code")), name, location)
	if !errors.Is(err, store.ErrNotFound) {
		s.limits.giveBack(guess)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = invalidField("code", "No gateway waits with this code. It is good for 15 minutes; the router shows a new one.")
	case errors.Is(err, store.ErrActive):
		err = conflict("A gateway of this name is claimed already. Revoke it first, or give the router another nas_id.")
	case errors.Is(err, store.ErrNoLocation):
		err = invalidField("location", "The organisation has no such location.")
	}
	return http.StatusOK, got, err
}

func (s *Server) patchGateway(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	g, revision, err := s.cfg.Store.ChangeGateway(c.Context(), c.token.Scope, c.subject(), func(g *admin.Gateway, revision int64) error {
		if f.has("name") {
			g.Name = strings.TrimSpace(*f.text("name"))
		}
		if f.has("location") {
			g.Location = f.whole("location")
		}
		return c.match(revision)
	})
	if errors.Is(err, store.ErrNoLocation) {
		err = invalidField("location", "The organisation has no such location.")
	}
	c.etag(revision)
	return http.StatusOK, g, err
}

func (s *Server) deleteGateway(c *call) (int, any, error) {
	err := s.cfg.Store.DeleteGateway(c.Context(), c.token.Scope, c.subject())
	if errors.Is(err, store.ErrInUse) {
		err = conflict("Time of accounts is leased to this gateway. Revoke it; the time comes back when the leases end.")
	}
	return http.StatusNoContent, nil, err
}

func (s *Server) listSeenAccounts(c *call) (int, any, error) {
	q, err := c.adminQuery("accounts of gateway " + c.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	list, more, err := s.cfg.Store.SeenAccounts(c.Context(), c.token.Scope, c.subject(), q.page)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, adminPage(q, list, more, func(a admin.SeenAccount) store.Position {
		return store.Position{At: a.DateJoined.UnixMicro(), ID: a.UserID}
	}), nil
}

func (s *Server) revokeGateway(c *call) (int, any, error) {
	g, err := s.cfg.Store.RevokeGateway(c.Context(), c.token.Scope, c.subject())
	return http.StatusOK, g, err
}

func (s *Server) getSettings(c *call) (int, any, error) {
	set, revision, err := s.cfg.Store.GatewaySettings(c.Context(), c.token.Scope, c.subject())
	c.etag(revision)
	return http.StatusOK, set, err
}

// putSettings looks at no more than the form: which keys there are and what they may be, the gateway knows.
func (s *Server) putSettings(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	raw := f.raw["settings"]
	var sections map[string]map[string]json.RawMessage
	switch {
	case len(raw) > maxSettings:
		f.wrong("settings", "They may have 65536 octets.")
	case json.Unmarshal(raw, &sections) != nil:
		f.wrong("settings", `They must be an object of objects, as in {"zones": {"guest": {"session_timeout": "2h"}}}.`)
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	text, err := json.Marshal(raw) // compact
	if err != nil {
		return 0, nil, err
	}
	set, revision, err := s.cfg.Store.PutGatewaySettings(c.Context(), c.token.Scope, c.subject(), string(text), c.match)
	c.etag(revision)
	return http.StatusOK, set, err
}
