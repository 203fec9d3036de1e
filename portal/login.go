package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
	"gatehouse/web"
)

const (
	maxForm = 16 << 10
	// decideTimeout bounds what a guest waits for a decision, the centre's included.
	decideTimeout = 30 * time.Second

	maxUsername  = 253 // RFC 2865 §5: the longest attribute value
	maxPassword  = 1024
	maxUserAgent = 512
)

// login checks what the form may say by itself and leaves the rest to the manager. Every refusal is told on the login
// page with status 200: sign-in sheets show the body of an error status only sometimes.
func (p *Portal) login(v *visit) {
	if code, problem := p.readForm(v); problem.Reason != "" {
		p.showLogin(v, code, problem)
		return
	}
	req, reason := p.loginRequest(v)
	if reason != "" {
		p.showLogin(v, http.StatusOK, web.Problem{Method: req.Method, Reason: reason})
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	if _, err := p.cfg.Manager.Login(ctx, req); err != nil {
		code, problem := p.problem(v, err, "logging in")
		problem.Method = req.Method
		p.showLogin(v, code, problem)
		return
	}
	p.forget(v)
	p.answerIn(v)
}

func (p *Portal) logout(v *visit) {
	if _, problem := p.readForm(v); problem.Reason != "" {
		v.seeOther("/status") // with a fresh form
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	_, err := p.cfg.Manager.Logout(ctx, v.station, sessions.UserRequest)
	var refusal *sessions.Refusal
	if err != nil && !errors.As(err, &refusal) {
		code, problem := p.problem(v, err, "logging out")
		if view := p.cfg.Manager.View(v.station); online(view) {
			p.showStatus(v, code, view, problem)
			return
		}
	}
	p.answerDone(v, "/logged-out") // a refusal says that there was no session: what was asked for is so
}

// readForm reads a form of ours and checks that it is one. It takes over where the guest wanted to go.
func (p *Portal) readForm(v *visit) (int, web.Problem) {
	expired := web.Problem{Reason: web.FormExpired}
	v.Body = http.MaxBytesReader(v.ResponseWriter, v.Body, maxForm)
	if err := v.ParseForm(); err != nil {
		v.PostForm = nil
		return http.StatusBadRequest, expired
	}
	v.wants(v.PostForm.Get("u"))
	if p.origin.Check(v.Request) != nil {
		return http.StatusForbidden, expired
	}
	if !p.tokens.valid(v.PostForm.Get("token"), v.station, p.cfg.Clock.Mono()) {
		return http.StatusOK, expired
	}
	v.conn.place.decides()
	p.accept(v)
	return http.StatusOK, web.Problem{}
}

// username is what was typed, without the blank that telephone keyboards add.
func username(v *visit) string { return strings.TrimSpace(v.PostForm.Get("username")) }

// loginRequest turns the form into a request, or says what is wrong with it.
func (p *Portal) loginRequest(v *visit) (sessions.LoginRequest, sessions.Reason) {
	req := v.request(sessions.Method(v.PostForm.Get("method")))
	w, ok := p.way[req.Method]
	if !ok || w.request == nil {
		return req, sessions.RefusedMethod
	}
	return req, w.request(v, &req)
}

// request is a login by this visit's station.
func (v *visit) request(m sessions.Method) sessions.LoginRequest {
	req := sessions.LoginRequest{Station: v.station, Addr: v.conn.remote.Addr(), Method: m, Secure: v.TLS != nil,
		AcceptedTerms: v.accepted.version, Terms: v.accepted.shown,
		PageURL: v.base() + "/", UserAgent: clip(v.UserAgent(), maxUserAgent)}
	v.remembers(&req)
	return req
}

// plausible spares the accounts what can be nobody's credentials.
func plausible(c sessions.Credentials) bool {
	return c.Username != "" && c.Password != "" && len(c.Username) <= maxUsername && len(c.Password) <= maxPassword &&
		utf8.ValidString(c.Username) && !strings.ContainsFunc(c.Username, unicode.IsControl)
}

// problem turns an error of the manager into what the guest is told. What is no refusal is ours, and is for the log.
func (p *Portal) problem(v *visit, err error, doing string) (int, web.Problem) {
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return http.StatusOK, web.Problem{Reason: refusal.Reason, RetryAfter: refusal.RetryAfter, Until: refusal.Until, Slot: refusal.Slot}
	}
	if v.Context().Err() == nil { // else the guest went away while waiting, and that is why
		p.cfg.Logger.Error(doing, "station", v.station, "err", err)
	}
	return http.StatusInternalServerError, web.Problem{Reason: web.Internal}
}

// forget makes the kernel forget the station's redirected connections. The station is online already, so a failure costs
// it one more redirect at worst.
func (p *Portal) forget(v *visit) {
	flows := p.flows.take(v.station, v.conn.remote, p.cfg.Clock.Mono())
	if len(flows) == 0 {
		return
	}
	if err := p.cfg.Forget(context.WithoutCancel(v.Context()), flows); err != nil {
		p.cfg.Logger.Warn("forgetting redirected connections", "station", v.station, "err", err)
	}
}

// answerDone sends the answer to a login or logout that was done, and not before.
func (p *Portal) answerDone(v *visit, path string) {
	v.keepSecret()
	p.cfg.Step("portal.before_answer")
	v.seeOther(path)
	_ = http.NewResponseController(v.ResponseWriter).Flush() // the station may be gone
	p.cfg.Step("portal.after_answer")
}

func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
