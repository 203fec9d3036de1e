package portal

import (
	"strings"

	"gatehouse/sessions"
	"gatehouse/web"
)

// The longest room and name, in octets, that may be a guest's.
const (
	maxRoom      = 64
	maxGuestName = 256
)

func offerRoom(v *visit) web.Way {
	room, name := guest(v)
	return web.Room{Room: clip(room, maxRoom), Name: clip(name, maxGuestName)}
}

func guest(v *visit) (room, name string) {
	return strings.TrimSpace(v.PostForm.Get("room")), strings.TrimSpace(v.PostForm.Get("name"))
}

func roomRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	room, name := guest(v)
	if len(room) > maxRoom || len(name) > maxGuestName || sessions.ListedGuest(room, name) == "" {
		return sessions.RefusedCredentials
	}
	req.Room, req.GuestName = room, sessions.Password(name)
	return ""
}
