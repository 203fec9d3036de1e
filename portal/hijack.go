package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/sessions"
	"gatehouse/web"
)

// hijack answers a request that was meant for somebody else (standards.md §2.3). It speaks for that somebody's origin, so it
// sets no cookie and no policy, and nothing that it says may be kept.
func (p *Portal) hijack(w http.ResponseWriter, r *http.Request, c *conn) {
	ctx := r.Context()
	to := original(r.Host, r.URL)
	st, known := p.cfg.Identify(ctx, c.remote, c.local)
	// The router's own name or address, where guests find the portal and nothing else.
	ours := isOurs(r.Host, p.base(c, st.Zone)) || p.isNamed(r.Host)
	code, link := linkCode(r.URL)
	link = link && known
	if known {
		p.cfg.Manager.Seen(st, c.remote.Addr())
		if v := p.cfg.Manager.View(st); to != "" && !ours && !link && online(v) {
			if p.predates(c, v.Session) {
				passOn(w, r, to)
				return
			}
			p.cfg.Manager.Recheck(ctx) // fell idle, and nobody has looked since
		}
		p.cfg.Visits.Note(st, sessions.EventRedirected, asker(to), "")
		if to != "" {
			p.wanted.add(st, to)
		}
		p.flows.add(st, Flow{Client: c.remote, Portal: c.local}, p.cfg.Clock.Mono())
	}
	home := p.home(c, st.Zone)
	location := append(make([]byte, 0, 256), home...)
	switch {
	case link:
		location = append(location, p.links.page(st, code, p.cfg.Clock.Mono())...)
	case to != "" && !ours:
		location = append(append(location, "/?u="...), url.QueryEscape(to)...)
	default:
		location = append(location, '/')
	}
	probe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !probe { // nothing that sends a body may be made to send it here; 511 is never the answer to a probe
		answer(w, http.StatusNetworkAuthenticationRequired, "", string(location), "")
		return
	}
	var offer wisprMessage
	if zone, ok := p.cfg.Manager.Zone(st.Zone); ok && len(p.cfg.WISPr) > 0 {
		offer = p.wisprRedirect(&zone, home, strings.HasPrefix(home, "https:"))
	}
	answer(w, http.StatusFound, string(location), string(location), offer)
}

// passOn sends a station that is online by now, and whose connection was redirected before it was, back to where it
// wanted to go: over a new connection it gets there.
func passOn(w http.ResponseWriter, r *http.Request, to string) {
	code := http.StatusFound
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		code = http.StatusTemporaryRedirect
	}
	answer(w, code, to, to, "")
}

// answer lets net/http leave out the body of an answer to HEAD.
func answer(w http.ResponseWriter, code int, location, link string, offer wisprMessage) {
	body := append(web.SignInBody(make([]byte, 0, 512), link), offer.comment()...)
	h := w.Header()
	if location != "" {
		h.Set("Location", location)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "0")
	h.Set("Connection", "close")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // the station may be gone, and nobody else would want to know
}
