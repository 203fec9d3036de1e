package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

const (
	oidcPath    = "/oidc"
	maxSignIns  = 4096
	signInReach = 443 // the only port of providers that is open meanwhile
)

func (p *Portal) offerOIDC(*visit) web.Way {
	if all := p.cfg.Providers(); len(all) > 0 {
		return web.OIDC{Providers: all}
	}
	return nil
}

// signIn sends a guest to a provider, and opens the way there for his station alone.
func (p *Portal) signIn(v *visit) {
	refuse := func(code int, problem web.Problem) {
		problem.Method = sessions.MethodOIDC
		p.showLogin(v, code, problem)
	}
	if code, problem := p.readForm(v); problem.Reason != "" {
		refuse(code, problem)
		return
	}
	all := p.cfg.Providers()
	i := slices.IndexFunc(all, func(one sessions.Provider) bool { return one.Name == v.PostForm.Get("provider") })
	switch {
	case i < 0 || !v.zone.Offers(sessions.MethodOIDC):
		refuse(http.StatusOK, web.Problem{Reason: sessions.RefusedMethod})
		return
	case isSheet(v.UserAgent()) && v.PostForm.Get("here") == "":
		v.render(http.StatusOK, web.SignInElsewhere{Page: v.page, Provider: all[i], Apple: !strings.Contains(v.UserAgent(), "Android"),
			Address: v.base() + "/", Token: p.tokens.issue(v.station, p.cfg.Clock.Mono()), URL: v.url}.View())
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	proof, err := p.cfg.Manager.BeginProof(ctx, sessions.ProofRequest{Station: v.station, Method: sessions.MethodOIDC, Provider: all[i].Name,
		Terms: v.accepted.version, Locale: string(v.page.Locale), ReturnURL: v.base() + v.page.Link(oidcPath, "")})
	if err == nil {
		_, err = p.cfg.Manager.OpenReach(ctx, sessions.Reach{Station: v.station, Names: proof.Names, Ports: []uint16{signInReach}, For: proof.ExpiresIn})
	}
	if err != nil {
		refuse(p.problem(v, err, "sending to a provider"))
		return
	}
	p.signIns.keep(v.station, signIn{proof.Ticket, v.url, p.cfg.Clock.Mono() + proof.ExpiresIn})
	// No redirect: browsers hold those of a form to form-action, which knows no providers.
	v.ResponseWriter.Header().Set("Refresh", "0;url="+proof.URL)
	v.render(http.StatusOK, web.SignIn{Page: v.page, Provider: all[i], To: proof.URL}.View())
}

// signInWords are what the centre says of sign-ins that came to nothing.
var signInWords = map[string]sessions.Reason{"denied": sessions.RefusedDenied, "failed": sessions.RefusedAnswer, "elsewhere": sessions.RefusedElsewhere}

// signedIn takes a guest back, by the handle that the centre has sent along. It is good once, for this station, beside the ticket
// that never left this router.
func (p *Portal) signedIn(v *visit) {
	handle, word := v.FormValue("h"), v.FormValue("e")
	began, ok := p.signIns.of(v.station, p.cfg.Clock.Mono())
	v.wants(began.url)
	v.page.Self = v.page.Link("/", v.url)
	reason, known := signInWords[word]
	switch {
	case online(p.cfg.Manager.View(v.station)):
		v.seeOther("/status")
		return
	case handle == "" && word == "": // an address that was kept
		p.showLogin(v, http.StatusOK, web.Problem{})
		return
	case !ok:
		reason = sessions.RefusedProofOver
	case handle == "" && !known:
		reason = sessions.RefusedAnswer
	}
	if reason != "" {
		p.showLogin(v, http.StatusOK, web.Problem{Method: sessions.MethodOIDC, Reason: reason})
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	req := v.request(sessions.MethodOIDC)
	req.Proof, req.Code = began.ticket, sessions.Password(clip(handle, maxCode))
	_, err := p.cfg.Manager.Login(ctx, req)
	if errors.Is(err, sessions.ErrProofPending) {
		err = &sessions.Refusal{Reason: sessions.RefusedAnswer}
	}
	if err != nil {
		code, problem := p.problem(v, err, "logging in")
		problem.Method = sessions.MethodOIDC
		p.showLogin(v, code, problem)
		return
	}
	p.signIns.drop(v.station)
	p.forget(v)
	p.answerIn(v)
}

// isSheet tells a sign-in sheet from a browser: Android's is a WebView and says so; Apple's lacks the name that every browser has.
func isSheet(userAgent string) bool {
	return strings.Contains(userAgent, "; wv)") || strings.Contains(userAgent, "AppleWebKit/") && !strings.Contains(userAgent, "Safari/")
}

// signIn is one that was begun and has not come back.
type signIn struct {
	ticket sessions.Password
	url    string        // where the guest wanted to go
	until  time.Duration // Mono
}

// signIns are those under way, one for each station. The zero signIns is ready.
type signIns struct {
	mu    sync.Mutex
	begun map[sessions.Station]signIn
}

// keep remembers one in the place of any other of the station. When there are too many, the one that would end first goes.
func (s *signIns) keep(st sessions.Station, what signIn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil {
		s.begun = map[sessions.Station]signIn{}
	}
	if len(s.begun) >= maxSignIns {
		first, until := st, what.until
		for other, b := range s.begun {
			if b.until < until {
				first, until = other, b.until
			}
		}
		delete(s.begun, first)
	}
	s.begun[st] = what
}

func (s *signIns) of(st sessions.Station, now time.Duration) (signIn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.begun[st]
	return b, ok && now < b.until
}

func (s *signIns) drop(st sessions.Station) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.begun, st)
}
