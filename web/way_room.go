package web

import (
	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Room is the way in with room and family name.
type Room struct {
	oneStep
	Room, Name string // as typed before
}

// Method is sessions.MethodRoom.
func (Room) Method() sessions.Method { return sessions.MethodRoom }

func (Room) title(p Page) string { return words(p, roomWords).Title }

func (w Room) fields(l Login) templ.Component { return l.room(w) }

func (Room) problem(p Page, r sessions.Reason) string {
	switch r {
	case sessions.RefusedCredentials:
		return words(p, roomWords).Wrong
	case sessions.RefusedTooMany:
		return words(p, roomWords).TooMany
	}
	return ""
}

// roomSamples are the states of the form.
func roomSamples(with func(func(*Login)) templ.Component) []Sample {
	return []Sample{
		{"login-room", with(func(l *Login) { l.Ways = []Way{Room{}} })},
		{"login-room-wrong", with(func(l *Login) {
			l.Ways, l.Problem = []Way{Room{Room: "214", Name: "García Márquez"}}, Problem{Method: sessions.MethodRoom, Reason: sessions.RefusedCredentials}
		})},
	}
}
