package web

import (
	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Token is the way in with the two codes of a user token.
type Token struct {
	oneStep
	UserCode string // as typed before
}

// Method is sessions.MethodToken.
func (Token) Method() sessions.Method { return sessions.MethodToken }

func (Token) title(p Page) string { return words(p, tokenWords).Title }

func (w Token) fields(l Login) templ.Component { return l.userToken(w) }

func (Token) problem(p Page, r sessions.Reason) string {
	if r == sessions.RefusedCredentials {
		return words(p, tokenWords).Wrong
	}
	return ""
}

// tokenSamples are the states of the form.
func tokenSamples(with func(func(*Login)) templ.Component) []Sample {
	return []Sample{
		{"login-token", with(func(l *Login) { l.Ways = []Way{Token{}} })},
		{"login-token-wrong", with(func(l *Login) {
			l.Ways, l.Problem = []Way{Token{UserCode: "Xk29fQ7b"}}, Problem{Method: sessions.MethodToken, Reason: sessions.RefusedCredentials}
		})},
	}
}
