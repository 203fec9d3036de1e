package web

import (
	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// NewPassword is the page on which a guest changes the password of his account.
type NewPassword struct {
	Page
	Username string
	Token    string
	URL      string
	Changed  bool
	Problem  Problem
}

func (n NewPassword) problem() string {
	if n.Problem.Reason == sessions.RefusedCredentials {
		return n.after().OldWrong
	}
	return n.Say(n.Problem)
}

func (n NewPassword) old() field {
	return field{Name: "old", Label: n.after().OldPassword, Type: "password", Max: 1024, Wrong: n.Problem.Reason == sessions.RefusedCredentials,
		More: templ.Attributes{"autocomplete": "current-password"}}
}

func (n NewPassword) wanted() field {
	return field{Name: "new", Label: n.after().NewPassword, Hint: n.after().NewHint, Type: "password", Max: 1024, Wrong: n.Problem.Reason == sessions.RefusedWeak,
		More: templ.Attributes{"autocomplete": "new-password", "minlength": "8", "enterkeyhint": "go"}}
}
