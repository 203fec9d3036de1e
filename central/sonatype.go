package central

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const userTokensPath = "/api/v2/userTokens"

// sonatypeAPI is the user tokens in the form of Sonatype IQ, whose errors are plain text.
var sonatypeAPI = api{base: userTokensPath, rated: true, counted: true, passwords: true, challenge: `Basic realm="gatehouse", charset="UTF-8"`,
	error: sonatypeError}

func sonatypeError(p *problem) any {
	text := p.gate.Detail
	for _, field := range slices.Sorted(maps.Keys(p.gate.Errors)) {
		text += " " + field + ": " + strings.Join(p.gate.Errors[field], " ")
	}
	return text
}

func (s *Server) sonatypeRoutes() []route {
	any := roles{store.RoleAdmin, store.RoleStaff, store.RoleReadonly, store.RoleUser}
	return []route{
		{"POST", "/currentUser", any, s.createOwnToken},
		{"DELETE", "/currentUser", any, s.deleteOwnToken},
		{"GET", "/", adminsOnly, s.listUserCodes},
		{"DELETE", "/purge", adminsOnly, s.purgeUserTokens},
		{"DELETE", "/userCode/{userCode}", adminsOnly, s.deleteUserCode},
	}
}

// currentUser is the user who asks; an organisation's token is none.
func (c *call) currentUser() (int64, error) {
	if c.token.UserID == 0 {
		return 0, &problem{status: http.StatusForbidden,
			gate: gateDetail("This token belongs to an organisation. A user's own token needs the user's name and password (HTTP Basic).")}
	}
	return c.token.UserID, nil
}

func (s *Server) createOwnToken(c *call) (int, any, error) {
	user, err := c.currentUser()
	if err != nil {
		return 0, nil, err
	}
	userCode, passCode, err := s.cfg.Store.CreateUserToken(c.Context(), c.token.Scope, user)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return 0, nil, &problem{status: http.StatusConflict,
			gate: gateDetail("A user token exists already for this user. Delete it to make a new one.")}
	}
	return http.StatusOK, gate.UserCodes{UserCode: userCode, PassCode: passCode}, err
}

func (s *Server) deleteOwnToken(c *call) (int, any, error) {
	user, err := c.currentUser()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, s.deletedToken(s.cfg.Store.DeleteUserToken(c.Context(), c.token.Scope, user))
}

func (s *Server) deletedToken(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &problem{status: http.StatusNotFound, gate: gateDetail("There is no such user token.")}
	}
	return err
}

func (s *Server) listUserCodes(c *call) (int, any, error) {
	var f store.UserTokenFilter
	for _, bound := range []struct {
		name string
		to   *time.Time
	}{{"createdAfter", &f.From}, {"createdBefore", &f.Before}} {
		text := c.FormQuery(bound.name)
		if text == "" && !c.URL.Query().Has(bound.name) {
			continue
		}
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return 0, nil, malformed(http.StatusBadRequest, bound.name+" must be a date of the form yyyy-MM-dd.")
		}
		*bound.to = day
	}
	list, _, err := s.cfg.Store.UserTokens(c.Context(), c.token.Scope, f)
	if err != nil {
		return 0, nil, err
	}
	codes := make([]gate.UserCode, len(list))
	for i, t := range list {
		codes[i].UserCode = t.UserCode
	}
	return http.StatusOK, codes, nil
}

func (s *Server) purgeUserTokens(c *call) (int, any, error) {
	_, err := s.cfg.Store.PurgeUserTokens(c.Context(), c.token.Scope)
	return http.StatusNoContent, nil, err
}

func (s *Server) deleteUserCode(c *call) (int, any, error) {
	err := s.cfg.Store.DeleteUserCode(c.Context(), c.token.Scope, c.PathValue("userCode"))
	return http.StatusNoContent, nil, s.deletedToken(err)
}
