package portal

import (
	"slices"

	"gatehouse/sessions"
	"gatehouse/web"
)

// way is how a way in is shown and taken.
type way struct {
	// offer is its form for this visit; nil: not now.
	offer func(*visit) web.Way
	// request is what that form says, sent to POST /login; nil: the form goes to a route of its own.
	request func(*visit, *sessions.LoginRequest) sessions.Reason
	// secret is true where the form carries what others on the air must not read (DESIGN D18).
	secret bool
}

// ways are those of which this portal has a form. Others are for operators and for the gateway itself.
func (p *Portal) ways() map[sessions.Method]way {
	return map[sessions.Method]way{
		sessions.MethodClick:    {offer: offerClick, request: clickRequest},
		sessions.MethodPassword: {offer: offerPassword, request: passwordRequest, secret: true},
		sessions.MethodVoucher:  {offer: p.offerVoucher, request: voucherRequest},
		sessions.MethodToken:    {offer: offerToken, request: tokenRequest, secret: true},
		sessions.MethodRoom:     {offer: offerRoom, request: roomRequest, secret: true},
		sessions.MethodOIDC:     {offer: p.offerOIDC},
		sessions.MethodTrial:    {offer: offerTrial, request: clickRequest},
		sessions.MethodEmail:    {offer: offerContact(sessions.MethodEmail)},
		sessions.MethodSMS:      {offer: offerContact(sessions.MethodSMS)},
		sessions.MethodRegister: {offer: offerRegister},
		sessions.MethodSponsor:  {offer: offerSponsor},
		sessions.MethodMAC:      {offer: p.returning, request: returningRequest, secret: true},
	}
}

// pages are the portal's.
func (p *Portal) pages() []page {
	return slices.Concat(p.wisprPages(), p.proofPages(), p.afterPages(), p.devicePages(), []page{
		{"GET /{$}", p.root},
		{"GET /login", p.root}, // a login page that was loaded again
		{"POST /login", p.login},
		{"POST /logout", p.logout},
		{"GET /status", p.status},
		{"GET /terms", p.terms},
		{"POST " + oidcPath, p.signIn},
		{"GET " + oidcPath, p.signedIn},
		{"GET /theme/{name}", p.themeFile},
		{"GET " + linkPath, p.link},
		{"GET /logged-out", p.loggedOut},
	})
}

// page is a pattern of net/http and who answers there.
type page struct {
	pattern string
	show    func(*visit)
}

// offered are the zone's ways in for this visit. hidden tells that one is not offered because the connection is not encrypted.
func (p *Portal) offered(v *visit) (offered []web.Way, hidden bool) {
	for _, m := range v.zone.Methods {
		switch w, ok := p.way[m]; {
		case !ok || v.voucher != "" && m != sessions.MethodVoucher:
		case w.secret && v.cleartext():
			hidden = true
		default:
			if form := w.offer(v); form != nil {
				offered = append(offered, form)
			}
		}
	}
	return offered, hidden
}

// cleartext tells that no secret may be asked for over this connection.
func (v *visit) cleartext() bool { return v.TLS == nil && !v.zone.AllowCleartext }

func offerClick(v *visit) web.Way { return web.Click{TermsVersion: v.zone.TermsVersion} }

// clickRequest has nothing to add: the terms are every request's.
func clickRequest(*visit, *sessions.LoginRequest) sessions.Reason { return "" }

func offerTrial(v *visit) web.Way {
	return web.Trial{TermsVersion: v.zone.TermsVersion, Time: *v.zone.Trial.Limits.SessionTimeout}
}

func offerPassword(v *visit) web.Way { return web.Password{Username: username(v)} }

func passwordRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	req.Credentials = sessions.Credentials{Username: username(v), Password: sessions.Password(v.PostForm.Get("password"))}
	if !plausible(req.Credentials) {
		return sessions.RefusedCredentials
	}
	return ""
}
