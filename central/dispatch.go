package central

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// call is one request by one token.
type call struct {
	*http.Request
	token  store.Token
	header http.Header // of the answer
	fields *fields     // of the body, when its contract describes one

	signKey []byte // of cursors
}

// handler answers with a status and a body, or with an error: a *problem for the caller, anything else is our fault.
type handler func(c *call) (status int, body any, err error)

type route struct {
	method, path string
	roles        roles
	handle       handler
}

// contracted is a route with what its contract says.
type contracted struct {
	route
	contract *operation
}

// api is one of the APIs: where it begins and how it words an error.
type api struct {
	base  string
	error func(p *problem) any
	rated bool // whether requests are counted against the token's rate
}

var (
	gateAPI = api{base: gate.BasePath, error: gateError, rated: true}
	edgeAPI = api{error: edgeError}
)

// register serves each path with its methods.
func (s *Server) register(mux *http.ServeMux, a api, routes []route) {
	byPath := make(map[string][]contracted)
	for _, r := range routes {
		byPath[r.path] = append(byPath[r.path], contracted{r, s.contracts[endpoint(r.method, a.base+r.path)]})
	}
	for path, group := range byPath {
		h := s.resource(a, group)
		bare := a.base + strings.TrimSuffix(path, "/")
		mux.HandleFunc(bare, h)
		mux.HandleFunc(bare+"/{$}", h)
	}
}

// resource answers for one path: who asks, whether the method is there, whether the token may, then the handler.
func (s *Server) resource(a api, group []contracted) http.HandlerFunc {
	allow := allowed(group)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		token, err := s.authorize(a, r)
		if err != nil {
			s.refuse(w, r, a, err)
			return
		}
		if r.Method == http.MethodOptions {
			writeJSON(w, http.StatusOK, describe(group[0].path))
			return
		}
		i := slices.IndexFunc(group, func(g contracted) bool {
			return g.method == r.Method || g.method == http.MethodGet && r.Method == http.MethodHead
		})
		switch {
		case i < 0:
			err = methodNotAllowed(r.Method)
		case !slices.Contains(group[i].roles, token.Role):
			err = forbidden()
		}
		if err != nil {
			s.refuse(w, r, a, err)
			return
		}
		r = r.WithContext(store.WithActor(r.Context(), s.actor(r, token)))
		status, body, err := group[i].answer(&call{Request: r, token: token, header: w.Header(), signKey: s.signKey})
		if err != nil {
			s.refuse(w, r, a, err)
			return
		}
		if f, ok := body.(file); ok {
			writeFile(w, status, f)
			return
		}
		writeJSON(w, status, body)
	}
}

// actor is who asks, for the audit log.
func (s *Server) actor(r *http.Request, t store.Token) store.Actor {
	a := t.Actor()
	a.Request, a.Address = requestID(r), s.address(r).String()
	return a
}

// answer holds the request to its contract and hands it on.
func (r contracted) answer(c *call) (status int, body any, err error) {
	if r.contract != nil {
		if err := r.contract.validate(c); err != nil {
			return 0, nil, err
		}
	}
	return r.handle(c)
}

// allowed is the Allow header in the order of Django REST framework.
func allowed(group []contracted) string {
	var list []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.ContainsFunc(group, func(r contracted) bool { return r.method == m }) {
			list = append(list, m)
		}
	}
	if slices.Contains(list, "GET") {
		list = append(list, "HEAD")
	}
	return strings.Join(append(list, "OPTIONS"), ", ")
}

func describe(path string) any {
	return map[string]any{"name": strings.Trim(path, "/"), "description": "", "renders": []string{"application/json"},
		"parses": []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}}
}

// authorize finds whose token the request carries, and counts the request.
func (s *Server) authorize(a api, r *http.Request) (store.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Token") {
		return store.Token{}, unauthorized("Authentication credentials were not provided.")
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return store.Token{}, unauthorized("Invalid token header. No credentials provided.")
	}
	find := s.cfg.Store.Token
	if a.base == edgeAPI.base {
		find = s.edgeToken
	}
	token, err := find(r.Context(), secret)
	if errors.Is(err, store.ErrNotFound) {
		return token, unauthorized("Invalid token.")
	}
	if err == nil {
		noteOf(r.Context()).of(token)
	}
	if err == nil && a.rated {
		err = s.rate(token.ID)
	}
	return token, err
}

func (s *Server) rate(token int64) error {
	s.mu.Lock()
	l := s.requests[token]
	if l == nil {
		l = rate.NewLimiter(s.cfg.RequestsPerSecond, int(2*s.cfg.RequestsPerSecond)+1)
		s.requests[token] = l
	}
	s.mu.Unlock()
	r := l.Reserve()
	if wait := r.Delay(); wait > 0 {
		r.Cancel()
		return throttled(wait)
	}
	return nil
}

func apiOf(r *http.Request) api {
	switch {
	case strings.HasPrefix(r.URL.Path, "/edge/"):
		return edgeAPI
	case strings.HasPrefix(r.URL.Path, admin.BasePath+"/"):
		return adminAPI
	}
	return gateAPI
}
