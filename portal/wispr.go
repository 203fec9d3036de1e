package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

// WISPr is what a zone tells software that logs in by itself (WISPr 1.0, standards.md §3).
type WISPr struct {
	AccessLocation string // WISPr-Location-ID, as in isocc=de,cc=49,ac=30,network=Guests
	LocationName   string // operator and place, as in Hotel Example,Lobby
}

// The response codes that a gateway of ours has a use for.
const (
	wisprNoError         = 0
	wisprLoginSucceeded  = 50
	wisprLoginFailed     = 100
	wisprNoAnswer        = 102 // of whom the gateway asks
	wisprLogoffSucceeded = 150
	wisprLoginAborted    = 151
	wisprPending         = 201
	wisprInternal        = 255
)

// wisprPages are where such software goes.
func (p *Portal) wisprPages() []page {
	return []page{
		{"POST /wispr/login", p.wisprLogin},
		{"GET /wispr/results", p.wisprResults},
		{"POST /wispr/results", p.wisprResults},
		{"GET /wispr/logoff", p.wisprLogoff},
		{"GET /wispr/abort", p.wisprAbort},
	}
}

// wisprRedirect is the message that goes with a redirect to the portal and with the login page, or empty. base is the portal's address.
func (p *Portal) wisprRedirect(zone *sessions.Zone, base string, secure bool) wisprMessage {
	w, ok := p.cfg.WISPr[zone.Name]
	if !ok || !secure && !zone.AllowCleartext {
		return ""
	}
	return newWISPrMessage("Redirect", wisprField{"AccessProcedure", "1.0"}, wisprField{"AccessLocation", w.AccessLocation},
		wisprField{"LocationName", w.LocationName}, wisprField{"LoginURL", base + "/wispr/login"},
		wisprField{"AbortLoginURL", base + "/wispr/abort"}, wisprField{"MessageType", "100"}, wisprCode(wisprNoError))
}

// wisprLogins are the logins under way, one of a station, and those that ended of late, for who asks what became of them.
type wisprLogins struct {
	patience time.Duration // until the software is told to ask again

	mu sync.Mutex
	by map[sessions.Station]*wisprAttempt
}

// wisprAttempt is one login. err may be read once done is closed.
type wisprAttempt struct {
	began  time.Duration // Mono
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

const (
	wisprPatience    = 3 * time.Second
	wisprDelay       = 2 * time.Second // until it does
	wisprRemembered  = 2 * time.Minute
	maxWISPrAttempts = 1024
)

// begin runs a login in the background, which running waits for, and returns it, or the one that is under way. It is nil where there are too many.
func (l *wisprLogins) begin(ctx context.Context, running *sync.WaitGroup, st sessions.Station, now time.Duration, login func(context.Context) error) *wisprAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.by[st]; a != nil && !a.over() {
		return a
	}
	if l.by == nil {
		l.by = map[sessions.Station]*wisprAttempt{}
	}
	for other, a := range l.by {
		if a.over() && (now-a.began > wisprRemembered || len(l.by) >= maxWISPrAttempts) {
			delete(l.by, other)
		}
	}
	if len(l.by) >= maxWISPrAttempts {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), decideTimeout)
	a := &wisprAttempt{began: now, cancel: cancel, done: make(chan struct{})}
	l.by[st] = a
	running.Go(func() {
		defer cancel()
		a.err = login(ctx)
		close(a.done)
	})
	return a
}

// of is the attempt of a station that is under way or ended of late; nil: none.
func (l *wisprLogins) of(st sessions.Station, now time.Duration) *wisprAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.by[st]
	if a != nil && a.over() && now-a.began > wisprRemembered {
		return nil
	}
	return a
}

func (a *wisprAttempt) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// wait tells whether an attempt ends within patience; the one who asks may go first.
func (l *wisprLogins) wait(ctx context.Context, a *wisprAttempt) bool {
	timer := time.NewTimer(l.patience)
	defer timer.Stop()
	select {
	case <-a.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// wisprLogin takes UserName and Password. It asks for no form token, which the software cannot know; a browser that another site
// sends here says where it comes from.
func (p *Portal) wisprLogin(v *visit) {
	const reply, kind = "AuthenticationReply", "120"
	if !p.wisprOffered(v) {
		return
	}
	v.Body = http.MaxBytesReader(v.ResponseWriter, v.Body, maxForm)
	if v.ParseForm() != nil || p.origin.Check(v.Request) != nil {
		p.wisprSay(v, reply, kind, wisprCode(wisprInternal))
		return
	}
	v.conn.place.decides()
	req := v.request("")
	if reason := wisprRequest(v, &req); reason != "" {
		p.wisprRefuse(v, reply, kind, &sessions.Refusal{Reason: reason})
		return
	}
	login := func(ctx context.Context) error {
		_, err := p.cfg.Manager.Login(ctx, req)
		if err == nil {
			p.forget(v)
		}
		return err
	}
	a := p.wispr.begin(v.Context(), v.conn.background, v.station, p.cfg.Clock.Mono(), login)
	switch {
	case a == nil:
		p.wisprRefuse(v, reply, kind, login(v.Context()))
	case p.wispr.wait(v.Context(), a):
		p.wisprRefuse(v, reply, kind, a.err)
	default:
		p.wisprSay(v, reply, kind, wisprCode(wisprPending), wisprField{"LoginResultsURL", v.base() + "/wispr/results"})
	}
}

// wisprResults tells what became of a login.
func (p *Portal) wisprResults(v *visit) {
	const reply, kind = "AuthenticationPollReply", "140"
	if !p.wisprOffered(v) {
		return
	}
	switch a := p.wispr.of(v.station, p.cfg.Clock.Mono()); {
	case a != nil && !p.wispr.wait(v.Context(), a):
		p.wisprSay(v, reply, kind, wisprCode(wisprPending), wisprField{"Delay", strconv.Itoa(int(wisprDelay / time.Second))})
	case a != nil && a.err != nil:
		p.wisprRefuse(v, reply, kind, a.err)
	case online(p.cfg.Manager.View(v.station)):
		p.wisprRefuse(v, reply, kind, nil)
	default:
		p.wisprRefuse(v, reply, kind, &sessions.Refusal{Reason: sessions.RefusedNotLoggedIn})
	}
}

// wisprLogoff ends the session that its address names, as a page of another site cannot.
func (p *Portal) wisprLogoff(v *visit) {
	const reply, kind = "LogoffReply", "130"
	if !p.wisprOffered(v) {
		return
	}
	code := wisprInternal
	named, view := v.URL.Query().Get("session"), p.cfg.Manager.View(v.station)
	if s := view.Session; named != "" && online(view) && (named == s.AcctSessionID || named == s.AcctMultiSessionID) {
		ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
		defer cancel()
		_, err := p.cfg.Manager.Logout(ctx, v.station, sessions.UserRequest)
		var refusal *sessions.Refusal // there was no session: what was asked for is so
		if code = wisprLogoffSucceeded; err != nil && !errors.As(err, &refusal) {
			p.problem(v, err, "logging off")
			code = wisprInternal
		}
	}
	p.wisprSay(v, reply, kind, wisprCode(code))
}

// wisprAbort gives up a login that is under way. One that is past giving up is told of.
func (p *Portal) wisprAbort(v *visit) {
	const reply, kind = "AbortLoginReply", "150"
	if !p.wisprOffered(v) {
		return
	}
	if a := p.wispr.of(v.station, p.cfg.Clock.Mono()); a != nil {
		a.cancel()
		p.wispr.wait(v.Context(), a)
	}
	if view := p.cfg.Manager.View(v.station); online(view) {
		p.wisprSay(v, reply, kind, wisprCode(wisprLoginSucceeded), v.logoffURL(view.Session))
		return
	}
	p.wisprSay(v, reply, kind, wisprCode(wisprLoginAborted))
}

// wisprOffered answers in place of what a zone does not offer.
func (p *Portal) wisprOffered(v *visit) bool {
	_, ok := p.cfg.WISPr[v.zone.Name]
	if !ok {
		http.NotFound(v.ResponseWriter, v.Request)
	}
	return ok
}

// wisprRequest reads the two fields that all such software sends into a request of the zone's first way in that takes them.
func wisprRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	if v.cleartext() {
		return sessions.RefusedCleartext
	}
	req.Credentials = sessions.Credentials{Username: v.PostForm.Get("UserName"), Password: sessions.Password(v.PostForm.Get("Password"))}
	_, notCode := sessions.ParseVoucherCode(req.Credentials.Username)
	for _, m := range v.zone.Methods {
		switch {
		case (m == sessions.MethodPassword || m == sessions.MethodToken) && plausible(req.Credentials):
			req.Method = m
			return ""
		case m == sessions.MethodVoucher && notCode == nil:
			req.Method, req.Code, req.Credentials = m, sessions.Password(req.Credentials.Username), sessions.Credentials{}
			return ""
		}
	}
	return sessions.RefusedCredentials
}

// wisprRefuse says how a login ended; nil: well.
func (p *Portal) wisprRefuse(v *visit, reply, kind string, err error) {
	var refusal *sessions.Refusal
	switch {
	case err == nil:
		fields := []wisprField{wisprCode(wisprLoginSucceeded)}
		if s := p.cfg.Manager.View(v.station).Session; s != nil {
			fields = append(fields, v.logoffURL(s))
		}
		p.cfg.Step("portal.before_answer")
		p.wisprSay(v, reply, kind, fields...)
		p.cfg.Step("portal.after_answer")
		return
	case errors.As(err, &refusal):
		code := wisprLoginFailed
		if refusal.Reason == sessions.RefusedCentreAway {
			code = wisprNoAnswer
		}
		said := v.page.Say(web.Problem{Reason: refusal.Reason, RetryAfter: refusal.RetryAfter, Until: refusal.Until})
		p.wisprSay(v, reply, kind, wisprCode(code), wisprField{"ReplyMessage", said})
		return
	case errors.Is(err, context.Canceled): // given up
		p.wisprSay(v, reply, kind, wisprCode(wisprLoginFailed))
		return
	case errors.Is(err, context.DeadlineExceeded):
		p.wisprSay(v, reply, kind, wisprCode(wisprNoAnswer))
		return
	}
	_, problem := p.problem(v, err, "logging in")
	p.wisprSay(v, reply, kind, wisprCode(wisprInternal), wisprField{"ReplyMessage", v.page.Say(problem)})
}

// wisprSay answers with a message. What the software is to know is in it; the status is always 200.
func (p *Portal) wisprSay(v *visit, reply, kind string, fields ...wisprField) {
	m := newWISPrMessage(reply, append([]wisprField{{"MessageType", kind}}, fields...)...)
	body := "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>WISPr</title></html>\n" + m.comment()
	h := v.ResponseWriter.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = v.ResponseWriter.Write([]byte(body)) // the station may be gone
}

// base is the portal's address as the visit knows it.
func (v *visit) base() string {
	if v.TLS != nil {
		return "https://" + v.Host
	}
	return "http://" + v.Host
}

// logoffURL names the session, so that nobody but who logged it in can end it. It is good after a restart of the daemon too.
func (v *visit) logoffURL(s *sessions.Session) wisprField {
	return wisprField{"LogoffURL", v.base() + "/wispr/logoff?session=" + url.QueryEscape(s.AcctSessionID)}
}
