package web

import (
	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Way is one way in, as the login page shows it: a form.
type Way interface {
	Method() sessions.Method
	// action is where the form goes; /login for all that are done with one step.
	action() string
	title(p Page) string
	// fields are what the form asks, its button included.
	fields(l Login) templ.Component
}

// oneStep is a way whose form goes to /login.
type oneStep struct{}

func (oneStep) action() string { return "/login" }

// Click is the way in for who accepts the terms.
type Click struct {
	oneStep
	TermsVersion string
}

// Method is sessions.MethodClick.
func (Click) Method() sessions.Method { return sessions.MethodClick }

func (Click) title(p Page) string { return p.texts().ClickTitle }

func (c Click) fields(l Login) templ.Component { return l.click(c) }

// Password is the way in with user name and password.
type Password struct {
	oneStep
	Username string // as typed before
}

// Method is sessions.MethodPassword.
func (Password) Method() sessions.Method { return sessions.MethodPassword }

func (Password) title(p Page) string { return p.texts().PasswordTitle }

func (w Password) fields(l Login) templ.Component { return l.password(w) }
