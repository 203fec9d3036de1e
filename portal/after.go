package portal

import (
	"context"
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

// After says what guests of a zone see once they are in.
type After struct {
	// Login is where they go: AfterOriginal, an address, or empty for the status page.
	Login string
	// Warn is how much before the end of a session its guest is told. Zero: not at all.
	Warn time.Duration
}

// AfterOriginal in After.Login is where the guest wanted to go.
const AfterOriginal = "original"

// liveEvery is how often a status page is loaded again whose guest has asked for that. A page that did so unasked would take a
// screen reader back to its beginning each time, and have a sign-in sheet ask after the network without end (standards.md §2.6).
const liveEvery = time.Minute

// afterPages are the pages after the login, but for status and logout.
func (p *Portal) afterPages() []page {
	return []page{
		{"POST /extend", p.changing("extending", p.extend)},
		{"POST /pause", p.changing("pausing", p.pause)},
		{"GET /password", p.password},
		{"POST /password", p.changePassword},
		{"POST /resume", p.changing("resuming", p.resume)},
		{"POST /voucher", p.redeem},
	}
}

// changing is what follows a form that changes the station's session: the new state, by a full page navigation.
func (p *Portal) changing(doing string, change func(context.Context, *visit) (sessions.Session, error)) func(*visit) {
	return func(v *visit) {
		code, problem := p.readForm(v)
		if problem.Reason == "" {
			ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
			defer cancel()
			s, err := change(ctx, v)
			if err == nil {
				if s.Running() {
					p.forget(v)
					p.answerDone(v, "/status")
				} else {
					p.answerDone(v, "/")
				}
				return
			}
			code, problem = p.problem(v, err, doing)
			p.cfg.Visits.Note(v.station, sessions.EventRefused, doing, string(problem.Reason))
		}
		if view := p.cfg.Manager.View(v.station); online(view) {
			p.showStatus(v, code, view, problem)
			return
		}
		p.showLogin(v, code, problem)
	}
}

// redeem takes the voucher of somebody online: its session begins in the place of his.
func (p *Portal) redeem(v *visit) {
	code, problem := p.readForm(v)
	if problem.Reason == "" {
		req := v.request(sessions.MethodVoucher)
		req.Instead = true
		if problem.Reason = voucherRequest(v, &req); problem.Reason == "" {
			ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
			defer cancel()
			_, err := p.cfg.Manager.Login(ctx, req)
			if err == nil {
				p.forget(v)
				p.answerDone(v, "/status")
				return
			}
			code, problem = p.problem(v, err, "taking a voucher")
		}
	}
	problem.Method = sessions.MethodVoucher
	if view := p.cfg.Manager.View(v.station); online(view) {
		p.showStatus(v, code, view, problem)
		return
	}
	p.showLogin(v, code, problem)
}

func (p *Portal) extend(ctx context.Context, v *visit) (sessions.Session, error) {
	nth, err := strconv.Atoi(v.PostForm.Get("nth"))
	if err != nil {
		return sessions.Session{}, &sessions.Refusal{Reason: web.FormExpired}
	}
	return p.cfg.Manager.Prolong(ctx, v.station, v.conn.remote.Addr(), nth)
}

func (p *Portal) pause(ctx context.Context, v *visit) (sessions.Session, error) {
	return p.cfg.Manager.Pause(ctx, v.station)
}

func (p *Portal) resume(ctx context.Context, v *visit) (sessions.Session, error) {
	return p.cfg.Manager.Resume(ctx, v.station, v.conn.remote.Addr())
}

// answerIn answers who has just logged in. Where the guest goes on from here the status page does that: a page of our own is
// what tells a sign-in sheet that it may close (standards.md §2.4), and browsers follow no form to another site.
func (p *Portal) answerIn(v *visit) {
	if p.landing(v) != "" {
		p.answerDone(v, "/status?go=1")
		return
	}
	p.answerDone(v, "/status")
}

// caught tells whether the guest was caught on the way to the address that the request names: only then the portal leads there. Else
// a link to the portal could lead anywhere.
func (p *Portal) caught(v *visit) bool {
	return v.url != "" && !isProbe(v.url) && p.wanted.has(v.station, v.url)
}

// landing is where a guest goes who has just logged in; empty: nowhere else.
func (p *Portal) landing(v *visit) string {
	after := p.cfg.After[v.station.Zone].Login
	if after != AfterOriginal {
		return after
	}
	if !p.caught(v) {
		return ""
	}
	return v.url
}

// again is where the status page is found again: short enough to be typed where this router's own address is, whose port 80 leads
// here, logged in or not.
func (v *visit) again() string {
	a, err := netip.ParseAddrPort(v.Host)
	switch {
	case v.TLS != nil || err != nil:
		return v.base() + "/status"
	case a.Addr().Is6():
		return "http://[" + a.Addr().String() + "]"
	}
	return "http://" + a.Addr().String()
}

// wanted remembers where stations were caught on their way to: nothing but hashes.
type wanted struct {
	seed maphash.Seed

	mu sync.Mutex
	by map[sessions.Station][]uint64 // each the oldest first
}

func newWanted() wanted {
	return wanted{seed: maphash.MakeSeed(), by: map[sessions.Station][]uint64{}}
}

// maxWanted is for what apps ask for in the background while the guest reads the login page.
const maxWanted = 16

func (w *wanted) add(st sessions.Station, to string) {
	h := maphash.String(w.seed, to)
	w.mu.Lock()
	defer w.mu.Unlock()
	own, known := w.by[st]
	switch {
	case slices.Contains(own, h):
		return
	case !known && len(w.by) >= maxStations:
		for other := range w.by { // any: it costs a guest the way to where he wanted to go, once
			delete(w.by, other)
			break
		}
	case len(own) >= maxWanted:
		own = slices.Delete(own, 0, 1)
	}
	w.by[st] = append(own, h)
}

func (w *wanted) has(st sessions.Station, to string) bool {
	h := maphash.String(w.seed, to)
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.by[st], h)
}

// showStatus shows what is left of the session that the view has.
func (p *Portal) showStatus(v *visit, code int, view sessions.StationView, problem web.Problem) {
	s := view.Session
	page := web.NewStatus(v.page, view, p.cfg.Clock.Now().In(p.cfg.TimeZone))
	page.Token, page.Problem = p.tokens.issue(v.station, p.cfg.Clock.Mono()), problem
	page.Prolong = web.NewProlong(view, s)
	page.Warn = page.Limited && page.Left < p.cfg.After[v.station.Zone].Warn
	if view.CanPause {
		page.Pause = v.zone.MaxPause
	}
	if v.zone.Offers(sessions.MethodVoucher) && (page.Limited || page.Data.Limited) {
		page.Voucher = &web.Voucher{Instead: true, Code: clip(v.PostForm.Get("code"), maxCode)}
	}
	if v.zone.TermsForAll {
		page.TermsVersion = v.zone.TermsVersion
	}
	page.Password = mayChangePassword(v, s)
	page.Devices = v.zone.Remember > 0 || s.Source != sessions.SourceGuest
	page.Address = v.again()
	if p.caught(v) {
		page.URL = v.url
	}
	switch q := v.URL.Query(); {
	case v.Method != http.MethodGet:
	case q.Has("go"):
		if to := p.landing(v); to != "" {
			v.ResponseWriter.Header().Set("Refresh", "0;url="+to)
		}
	case q.Has("live"):
		page.Live = true
		v.ResponseWriter.Header().Set("Refresh", strconv.Itoa(int(liveEvery/time.Second)))
	}
	v.render(code, page.View())
}
