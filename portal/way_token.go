package portal

import (
	"strings"

	"gatehouse/sessions"
	"gatehouse/web"
)

func offerToken(v *visit) web.Way { return web.Token{UserCode: userCode(v)} }

func userCode(v *visit) string { return strings.TrimSpace(v.PostForm.Get("usercode")) }

func tokenRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	// Whoever copies a code takes blanks along, and no code has one.
	req.Credentials = sessions.Credentials{Username: userCode(v), Password: sessions.Password(strings.TrimSpace(v.PostForm.Get("passcode")))}
	if !plausible(req.Credentials) {
		return sessions.RefusedCredentials
	}
	return ""
}
