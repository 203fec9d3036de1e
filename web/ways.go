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

// wayIcon is the drawing beside the name of a way in.
func wayIcon(m sessions.Method) string {
	switch m {
	case sessions.MethodClick:
		return "m5 13 4 4L19 7"
	case sessions.MethodVoucher:
		return "M3 9V6h18v3a3 3 0 0 0 0 6v3H3v-3a3 3 0 0 0 0-6M14 6v3m0 2v2m0 2v3"
	case sessions.MethodToken:
		return "M8 11a4 4 0 1 0 0 8a4 4 0 1 0 0-8m3 1L20 4m-4 3 3 3"
	case sessions.MethodRoom:
		return "M3 19V6m0 10h18m0 3v-6a3 3 0 0 0-3-3h-7v6M7 9a2 2 0 1 0 0 4a2 2 0 1 0 0-4"
	case sessions.MethodTrial:
		return "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18m0 4v5l3 2"
	case sessions.MethodMAC:
		return "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1m3 15h2"
	case sessions.MethodRegister:
		return "m4 20 1-4L16 5l3 3L8 19zM14 7l3 3"
	case sessions.MethodEmail:
		return "M3 6h18v12H3zm0 1 9 6 9-6"
	case sessions.MethodSMS:
		return "M4 5h16v11H10l-4 4v-4H4zm4 5h.01M12 10h.01M16 10h.01"
	case sessions.MethodOIDC:
		return "M13 4h6v16h-6M4 12h11m-4-4 4 4-4 4"
	case sessions.MethodSponsor:
		return "M9 4a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7M2 20c0-4 3-6 7-6s7 2 7 6m-1-9 2.5 2.5L22 9"
	default:
		return "M12 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8M4 20c0-4 3.5-6 8-6s8 2 8 6"
	}
}
