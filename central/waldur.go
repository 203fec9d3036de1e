package central

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const (
	authTokensPath  = "/api/auth-tokens"
	defaultPageSize = 10
	maxPageSize     = 100
)

// waldurAPI shows the user tokens in the form of Waldur.
var waldurAPI = api{base: authTokensPath, error: gateError, rated: true, counted: true, passwords: true, challenge: "Token"}

func (s *Server) waldurRoutes() []route {
	return []route{
		{"GET", "/", adminsOnly, s.listAuthTokens},
		{"GET", "/{user_id}/", adminsOnly, s.getAuthToken},
		{"DELETE", "/{user_id}/", adminsOnly, s.deleteAuthToken},
	}
}

func (s *Server) listAuthTokens(c *call) (int, any, error) {
	page, size, err := c.numberedPage()
	if err != nil {
		return 0, nil, err
	}
	list, count, err := s.cfg.Store.UserTokens(c.Context(), c.token.Scope,
		store.UserTokenFilter{Users: true, Limit: size, Offset: (page - 1) * size})
	if err != nil {
		return 0, nil, err
	}
	last := max(1, (count+size-1)/size)
	if page > last {
		return 0, nil, &problem{status: http.StatusNotFound, gate: gateDetail("Invalid page.")}
	}
	c.header.Set("X-Result-Count", strconv.FormatInt(count, 10))
	c.header.Set("Link", c.pageLinks(page, last))
	tokens := make([]gate.AuthToken, len(list))
	for i, t := range list {
		tokens[i] = c.authToken(t)
	}
	return http.StatusOK, tokens, nil
}

// numberedPage is the page that a request asks for and its size.
func (c *call) numberedPage() (page, size int64, err error) {
	page, size = 1, defaultPageSize
	if text := c.FormQuery("page"); text != "" {
		if page, err = strconv.ParseInt(text, 10, 32); err != nil || page < 1 {
			return 0, 0, &problem{status: http.StatusNotFound, gate: gateDetail("Invalid page.")}
		}
	}
	if n, err := strconv.ParseInt(c.FormQuery("page_size"), 10, 64); err == nil && n > 0 {
		size = min(n, maxPageSize)
	}
	return page, size, nil
}

// pageLinks is the Link header (RFC 8288) of a page.
func (c *call) pageLinks(page, last int64) string {
	var links []string
	add := func(rel string, n int64) {
		query := c.URL.Query()
		query.Set("page", strconv.FormatInt(n, 10))
		links = append(links, fmt.Sprintf("<%s>; rel=%q", *c.link(query), rel))
	}
	add("first", 1)
	if page > 1 {
		add("prev", page-1)
	}
	if page < last {
		add("next", page+1)
	}
	add("last", last)
	return strings.Join(links, ", ")
}

func (c *call) authToken(t store.UserToken) gate.AuthToken {
	id := strconv.FormatInt(t.User.ID, 10)
	return gate.AuthToken{
		URL: c.at(authTokensPath + "/" + id + "/"), Created: gate.Time{Time: t.Created},
		User:          c.at(gate.BasePath + "/user/" + id + "/"),
		UserFirstName: orEmpty(t.User.FirstName), UserLastName: orEmpty(t.User.LastName), UserUsername: t.User.Username,
		UserIsActive: t.User.IsActive,
	}
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// at is the absolute URL of a path on this server.
func (c *call) at(path string) string {
	u, _ := url.Parse(*c.link(nil)) // is one
	u.Path = path
	return u.String()
}

func (s *Server) pathAuthToken(c *call) (store.UserToken, error) {
	id, ok := parseID(c.PathValue("user_id"), gate.UserPrefix)
	if !ok || id <= 0 {
		return store.UserToken{}, notFound()
	}
	list, _, err := s.cfg.Store.UserTokens(c.Context(), c.token.Scope, store.UserTokenFilter{User: id, Users: true})
	if err == nil && len(list) == 0 {
		err = notFound()
	}
	if err != nil {
		return store.UserToken{}, err
	}
	return list[0], nil
}

func (s *Server) getAuthToken(c *call) (int, any, error) {
	t, err := s.pathAuthToken(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.authToken(t), nil
}

func (s *Server) deleteAuthToken(c *call) (int, any, error) {
	t, err := s.pathAuthToken(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, s.cfg.Store.DeleteUserToken(c.Context(), c.token.Scope, t.User.ID)
}
