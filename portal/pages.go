package portal

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"gatehouse/sessions"
	"gatehouse/web"
)

// visit is one request of an identified station to the portal's own pages.
type visit struct {
	http.ResponseWriter
	*http.Request
	conn     *conn
	station  sessions.Station
	zone     sessions.Zone
	page     web.Page
	url      string            // where the guest wanted to go, or empty
	voucher  string            // code of the link that led here, or empty
	accepted acceptance        // terms of use
	keeps    sessions.Password // for the browser, once it is logged in; empty: nothing
}

func (p *Portal) routes() http.Handler {
	mux := http.NewServeMux()
	pages := p.pages()
	for _, one := range pages {
		mux.HandleFunc(one.pattern, p.visited(one.show))
		path, form := strings.CutPrefix(one.pattern, "POST ")
		if form && !slices.ContainsFunc(pages, func(other page) bool { return other.pattern == "GET "+path }) {
			mux.HandleFunc("GET "+path, p.visited(func(v *visit) { v.seeOther("/") })) // an answer to a form that was loaded again
		}
	}
	mux.HandleFunc("GET "+APIPath, p.api)
	if p.cfg.Trusted != nil {
		p.gateRoutes(mux)
	}
	return mux
}

func (p *Portal) visited(h func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("Content-Security-Policy", policy(nil))
		head.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it browsers send "Origin: null" along with our own forms, which cannot be told from a
		// stranger's.
		head.Set("Referrer-Policy", "same-origin")
		v := &visit{ResponseWriter: w, Request: r, conn: connOf(r), page: pageFor(r)}
		st, ok := p.cfg.Identify(r.Context(), v.conn.remote, v.conn.local)
		if ok {
			v.zone, ok = p.cfg.Manager.Zone(st.Zone)
		}
		if !ok {
			v.render(http.StatusForbidden, web.Unknown{Page: v.page}.View())
			return
		}
		p.cfg.Manager.Seen(st, v.conn.remote.Addr())
		v.station, v.page.Venue = st, p.cfg.Venues[st.Zone]
		head.Set("Content-Security-Policy", policy(v.page.Venue.Theme))
		v.wants(r.URL.Query().Get("u"))
		p.cfg.Visits.Note(st, sessions.EventPage, r.Pattern, "")
		v.page.Code = p.cfg.Visits.Code(r.Context(), st)
		v.accepted = p.accepted.of(st, p.cfg.Clock.Mono())
		h(v)
	}
}

// policy lets a page do nothing but show the one style sheet that it was made with.
func policy(t *web.Theme) string {
	return "default-src 'none'; style-src " + t.StyleHash() + "; img-src data: 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// themeFile is a picture of the theme. It is another one when it has another name.
func (p *Portal) themeFile(v *visit) {
	name, data := v.page.Venue.Theme.Background()
	if data == nil || v.PathValue("name") != name {
		http.NotFound(v.ResponseWriter, v.Request)
		return
	}
	h := v.ResponseWriter.Header()
	h.Set("Cache-Control", "private, max-age=604800, immutable")
	h.Set("Content-Type", http.DetectContentType(data))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = v.ResponseWriter.Write(data) // the station may be gone
}

// pageFor is a page in the language that the guest has chosen by hand, else in the one that the browser likes best. The choice
// goes along in addresses: sign-in sheets keep no cookies.
func pageFor(r *http.Request) web.Page {
	if l, ok := web.Named(r.URL.Query().Get("lang")); ok {
		return web.Page{Locale: l, Chosen: true}
	}
	return web.Page{Locale: web.Choose(r.Header.Get("Accept-Language"))}
}

// wants remembers where the guest wanted to go. An answer to a form has no address of its own: who wants another language there
// begins again.
func (v *visit) wants(original string) {
	v.url = safeURL(original)
	path, q := "/", url.Values{}
	if v.Method == http.MethodGet || v.Method == http.MethodHead {
		path, q = v.URL.Path, v.URL.Query()
	}
	q.Del("u")
	if v.url != "" {
		q.Set("u", v.url)
	}
	v.page.Self = path + "?" + q.Encode()
}

func (p *Portal) root(v *visit) {
	if online(p.cfg.Manager.View(v.station)) {
		v.seeOther("/status")
		return
	}
	if _, begun := p.proofs.of(v.station, p.cfg.Clock.Mono()); begun && v.FormValue("v") == "" {
		v.seeOther("/proof") // whoever closed the sheet to read his mail is back
		return
	}
	if hidden := v.FormValue("v"); hidden != "" && v.zone.Offers(sessions.MethodVoucher) {
		v.voucher = p.links.code(hidden, v.station, p.cfg.Clock.Mono())
	}
	p.showLogin(v, http.StatusOK, web.Problem{})
}

func (p *Portal) showLogin(v *visit, code int, problem web.Problem) {
	if open, until := p.cfg.Manager.Opening(v.zone.Name); !open {
		v.render(code, web.Closed{Page: v.page, Until: until, URL: v.url}.View())
		return
	}
	l := web.Login{Page: v.page, URL: v.url, Token: p.tokens.issue(v.station, p.cfg.Clock.Mono()), Problem: problem}
	l.Ways, l.Cleartext = p.offered(v)
	if way := p.returning(v); way != nil && v.voucher == "" {
		l.Ways = append([]web.Way{way}, l.Ways...)
	}
	l.Remember, l.AddDevices, l.Slot = v.zone.Remember, v.zone.AddDevices, problem.Slot
	if v.zone.TermsForAll {
		l.TermsVersion = v.zone.TermsVersion
	}
	l.Before = web.NewBefore(p.cfg.Manager.View(v.station))
	v.render(code, l.View(), p.wisprRedirect(&v.zone, v.base(), v.TLS != nil).comment())
}

func (p *Portal) status(v *visit) {
	view := p.cfg.Manager.View(v.station)
	if !online(view) {
		v.seeOther("/")
		return
	}
	p.showStatus(v, http.StatusOK, view, web.Problem{})
}

func (p *Portal) terms(v *visit) {
	v.render(http.StatusOK, web.Terms{Page: v.page, Version: v.zone.TermsVersion, URL: v.url}.View())
}

func (p *Portal) loggedOut(v *visit) {
	v.render(http.StatusOK, web.LoggedOut{Page: v.page}.View())
}

// seeOther sends the browser on by a full page navigation (standards.md §2.4).
func (v *visit) seeOther(path string) {
	v.ResponseWriter.Header().Set("Location", v.page.Link(path, v.url))
	v.ResponseWriter.Header().Set("Content-Length", "0")
	v.WriteHeader(http.StatusSeeOther)
}

// render answers with a page, and what goes after it.
func (v *visit) render(code int, c templ.Component, after ...string) {
	var b bytes.Buffer
	b.Grow(12 << 10)
	_ = c.Render(v.Context(), &b) // a Buffer takes everything
	for _, s := range after {
		b.WriteString(s)
	}
	h := v.ResponseWriter.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.WriteHeader(code)
	_, _ = v.ResponseWriter.Write(b.Bytes()) // the station may be gone, and nobody else would want to know
}
