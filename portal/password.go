package portal

import (
	"context"
	"net/http"

	"gatehouse/sessions"
	"gatehouse/web"
)

// mayChangePassword tells whether a visitor's session has a password that may be asked for over this connection.
func mayChangePassword(v *visit, s *sessions.Session) bool { return s.OwnsAccount() && !v.cleartext() }

// password shows the form, and that the password was changed.
func (p *Portal) password(v *visit) {
	view := p.cfg.Manager.View(v.station)
	if !online(view) || !mayChangePassword(v, view.Session) {
		v.seeOther("/")
		return
	}
	p.showPassword(v, http.StatusOK, view.Session, web.Problem{})
}

func (p *Portal) showPassword(v *visit, code int, s *sessions.Session, problem web.Problem) {
	v.render(code, web.NewPassword{Page: v.page, Username: s.Username, Token: p.tokens.issue(v.station, p.cfg.Clock.Mono()), URL: v.url,
		Changed: problem.Reason == "" && v.Method == http.MethodGet && v.URL.Query().Has("changed"), Problem: problem}.View())
}

func (p *Portal) changePassword(v *visit) {
	code, problem := p.readForm(v)
	view := p.cfg.Manager.View(v.station)
	if !online(view) {
		v.seeOther("/")
		return
	}
	if problem.Reason == "" {
		ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
		defer cancel()
		err := p.cfg.Manager.ChangePassword(ctx, v.station, v.TLS != nil, sessions.Password(v.PostForm.Get("old")), sessions.Password(v.PostForm.Get("new")))
		if err == nil {
			v.seeOther("/password?changed=1")
			return
		}
		code, problem = p.problem(v, err, "changing a password")
	}
	p.cfg.Visits.Note(v.station, sessions.EventRefused, "change of password", string(problem.Reason))
	p.showPassword(v, code, view.Session, problem)
}
