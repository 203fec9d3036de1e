package central

import (
	"net/http"
	"slices"
	"strings"

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
	roles        roles // nil: whoever asks needs no token; then no method of the path wants one
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
	rated bool // whether requests are counted against what a token, an organisation and an address may
	// passwords tells whether a user may ask by name and password. The codes of a user token are taken everywhere.
	passwords  bool
	counted    bool   // whether requests count against max_api_calls
	repeatable bool   // whether a POST may have an Idempotency-Key
	challenge  string // how to ask, for who has not said who it is; Bearer when empty
}

var (
	gateAPI = api{base: gate.BasePath, error: gateError, rated: true, counted: true, repeatable: true}
	edgeAPI = api{error: edgeError}
)

// register serves each path with its methods.
func (s *Server) register(mux *http.ServeMux, a api, routes []route) {
	byPath := make(map[string][]contracted)
	for _, r := range routes {
		byPath[r.path] = append(byPath[r.path], contracted{r, s.contracts.operations[endpoint(r.method, a.base+r.path)]})
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
		open := group[0].roles == nil
		var token store.Token
		var err error
		if !open {
			token, err = s.authorize(a, w, r)
		}
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
		case !open && !slices.Contains(group[i].roles, token.Role):
			err = forbidden()
		}
		if err != nil {
			s.refuse(w, r, a, err)
			return
		}
		r = r.WithContext(store.WithActor(r.Context(), s.actor(r, token)))
		run := func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, a, group[i].answer, &call{Request: r, token: token, header: w.Header(), signKey: s.signKey})
		}
		if key := r.Header.Get(idempotencyKey); key != "" && a.repeatable && r.Method == http.MethodPost {
			err = s.once(w, r, token, key, run)
			if err != nil {
				s.refuse(w, r, a, err)
			}
			return
		}
		run(w, r)
	}
}

// answer runs a handler and sends what it says.
func (s *Server) answer(w http.ResponseWriter, a api, handle handler, c *call) {
	status, body, err := handle(c)
	if err != nil {
		s.refuse(w, c.Request, a, err)
		return
	}
	if f, ok := body.(file); ok {
		writeFile(w, status, f)
		return
	}
	writeJSON(w, status, body)
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

func apiOf(r *http.Request) api {
	switch {
	case strings.HasPrefix(r.URL.Path, authTokensPath):
		return waldurAPI
	case strings.HasPrefix(r.URL.Path, userTokensPath):
		return sonatypeAPI
	case strings.HasPrefix(r.URL.Path, "/edge/"):
		return edgeAPI
	case strings.HasPrefix(r.URL.Path, admin.BasePath+"/"):
		return adminAPI
	}
	return gateAPI
}
