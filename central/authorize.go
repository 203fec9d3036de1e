package central

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gatehouse/central/store"
	"gatehouse/sessions"
)

// How many times the requests of one token all tokens of an organisation may make, and one address.
const (
	organizationShare = 4
	addressShare      = 4
)

// authorize finds who asks, and counts the request.
func (s *Server) authorize(a api, w http.ResponseWriter, r *http.Request) (store.Token, error) {
	from := s.address(r)
	if a.rated {
		if wait, left := s.limits.take(s.cfg.Clock.Mono(), s.perAddress(from)); wait > 0 {
			left.announce(w.Header())
			return store.Token{}, throttled(wait)
		}
	}
	token, err := s.identify(a, r, from)
	if err != nil {
		return token, err
	}
	noteOf(r.Context()).of(token)
	state, err := s.cfg.Store.OrganizationState(r.Context(), token.Scope.Own())
	if a.base == edgeAPI.base && s.cfg.Spool != nil && errors.Is(err, store.ErrUnavailable) {
		state.Live, err = true, nil // as it was when the token was last seen
	}
	if err != nil || !state.Live {
		return token, cmp.Or(err, error(unauthorized("User inactive or deleted.")))
	}
	if !token.May(from) {
		return token, &problem{status: http.StatusForbidden, gate: gateDetail("This token may not be used from this address.")}
	}
	if a.rated {
		wait, left := s.limits.take(s.cfg.Clock.Mono(), s.perCaller(token)...)
		left.announce(w.Header())
		if wait > 0 {
			return token, throttled(wait)
		}
	}
	return token, s.countCall(r.Context(), a, token, state.MaxAPICalls)
}

func (s *Server) perAddress(from netip.Addr) allowance {
	if from.Is6() { // a customer has a whole network of them
		p, _ := from.Prefix(64)
		from = p.Addr()
	}
	return allowance{"address " + from.String(), s.pace("address", addressShare)}
}

func (s *Server) perCaller(t store.Token) []allowance {
	return []allowance{{t.Key(), s.pace("token", 1)},
		{"organization " + strconv.FormatInt(t.Scope.Own(), 10), s.pace("organization", organizationShare)}}
}

// pace is twice what a second has at once, and what a second has each second.
func (s *Server) pace(name string, share float64) pace {
	perSecond := float64(s.cfg.RequestsPerSecond) * share
	return pace{name: name, burst: int(2*perSecond) + 1, interval: time.Duration(float64(time.Second) / perSecond)}
}

// identify finds whose credentials the request carries.
func (s *Server) identify(a api, r *http.Request, from netip.Addr) (store.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer", "token":
		return s.bearer(r, a, strings.TrimSpace(secret))
	case "basic":
		return s.basic(a, r, from)
	}
	return store.Token{}, unauthorized("Authentication credentials were not provided.")
}

func (s *Server) bearer(r *http.Request, a api, secret string) (store.Token, error) {
	if secret == "" {
		return store.Token{}, unauthorized("Invalid token header. No credentials provided.")
	}
	if a.base == gateAPI.base {
		if t, ok, err := s.holder(r, secret); ok || err != nil {
			return t, err
		}
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
		s.used.note(token.ID, s.cfg.Clock.Now())
	}
	return token, err
}

// basic takes the codes of a user token on every API, and on the token APIs the name and password of a user as well.
func (s *Server) basic(a api, r *http.Request, from netip.Addr) (store.Token, error) {
	name, password, ok := r.BasicAuth()
	if !ok || !clean(name) {
		return store.Token{}, unauthorized("Invalid basic header. Credentials not correctly base64 encoded.")
	}
	wrong := unauthorized("Invalid username/password.")
	cred, err := s.cfg.Store.CheckUserToken(r.Context(), nil, name, password)
	if err == nil {
		return s.login(r.Context(), cred.UserID)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return store.Token{}, err
	}
	if !a.passwords {
		return store.Token{}, wrong
	}
	who, err := s.cfg.Store.Login(r.Context(), name)
	scope, username := who.Scope, who.Username
	if errors.Is(err, store.ErrNotFound) {
		scope, username, err = store.Scope{0}, name, nil // nobody's password takes as long
	}
	if err != nil {
		return store.Token{}, err
	}
	cred, ok, err = s.checkPassword(r.Context(), scope[:1], guessFrom("address "+from.String(), name), username, sessions.Password(password))
	if err != nil || !ok {
		return store.Token{}, orElse(err, wrong)
	}
	return s.login(r.Context(), cred.UserID)
}

// login is what a user may who has proven who it is.
func (s *Server) login(ctx context.Context, user int64) (store.Token, error) {
	gone := unauthorized("User inactive or deleted.")
	who, err := s.cfg.Store.LoginByID(ctx, user)
	if errors.Is(err, store.ErrNotFound) {
		return store.Token{}, gone
	}
	if err != nil {
		return store.Token{}, err
	}
	u, err := s.cfg.Store.User(ctx, who.Scope, user)
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.mayLogIn(u) {
		err = gone
	}
	return who.Token, err
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
