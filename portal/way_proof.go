package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
	"gatehouse/web"
)

const (
	maxContact = 255
	maxAnswer  = 64
)

// proofPages are those of the ways in that the centre proves.
func (p *Portal) proofPages() []page {
	return []page{
		{"POST /proof", p.beginProof},
		{"GET /proof", p.proof},
		{"POST /proof/code", p.proveLogin},
		{"POST /proof/again", p.proveAgain},
		{"POST /proof/cancel", p.cancelProof},
		{"GET /register", p.registerForm},
		{"POST /register", p.register},
	}
}

// Neither an address nor a code is a secret that lets anybody in but from this station; both may cross clear HTTP, as a voucher may.
func offerContact(by sessions.Method) func(*visit) web.Way {
	return func(v *visit) web.Way {
		return web.Contact{By: by, Value: clip(v.PostForm.Get("contact-"+string(by)), maxContact)}
	}
}

// A registration with a password is offered where that may be typed.
func offerRegister(v *visit) web.Way {
	if v.zone.Proofs.Register.Password && v.cleartext() {
		return nil
	}
	return web.Register{}
}

func offerSponsor(v *visit) web.Way {
	return web.Sponsor{Name: clip(v.PostForm.Get("guest-name"), maxContact), Address: clip(v.PostForm.Get("contact-sponsor"), maxContact)}
}

// beginProof asks the centre for a proof, of what the login page's form says.
func (p *Portal) beginProof(v *visit) {
	if code, problem := p.readForm(v); problem.Reason != "" {
		p.showLogin(v, code, problem)
		return
	}
	req := sessions.ProofRequest{Method: sessions.Method(v.PostForm.Get("method"))}
	switch req.Method {
	case sessions.MethodEmail, sessions.MethodSMS:
	case sessions.MethodSponsor:
		req.Fields = map[string]string{"name": strings.TrimSpace(v.PostForm.Get("guest-name"))}
	default:
		p.showLogin(v, http.StatusOK, web.Problem{Method: req.Method, Reason: sessions.RefusedMethod})
		return
	}
	req.Contact = strings.TrimSpace(v.PostForm.Get("contact-" + string(req.Method)))
	reason := sessions.RefusedContact
	if written(req.Contact, maxContact) && req.Contact != "" {
		reason = ""
	}
	if req.Method == sessions.MethodSponsor && (req.Fields["name"] == "" || !written(req.Fields["name"], maxContact)) {
		reason = sessions.RefusedField
	}
	if problem := (web.Problem{Method: req.Method, Reason: reason}); reason != "" {
		p.showLogin(v, http.StatusOK, problem)
		return
	}
	if code, problem := p.begin(v, req); problem.Reason != "" {
		p.showLogin(v, code, problem)
	}
}

// begin has the centre take a proof and leads to its page, or says why not.
func (p *Portal) begin(v *visit, req sessions.ProofRequest) (int, web.Problem) {
	if v.zone.DemandsTerms(req.Method) {
		if v.accepted.version != v.zone.TermsVersion {
			return http.StatusOK, web.Problem{Method: req.Method, Reason: sessions.RefusedTerms}
		}
		req.Terms = v.accepted.version
	}
	req.Station, req.Locale = v.station, string(v.page.Locale)
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	got, err := p.cfg.Manager.BeginProof(ctx, req)
	if err != nil {
		code, problem := p.problem(v, err, "beginning proof")
		problem.Method = req.Method
		return code, problem
	}
	now := p.cfg.Clock.Mono()
	begun := proof{request: req, ticket: got.Ticket, accepted: v.accepted, reach: got.Reach, begun: now, resend: now + got.ResendIn, ends: now + got.ExpiresIn}
	if got.Given {
		return p.finish(v, begun, "")
	}
	p.proofs.put(v.station, begun)
	v.seeOther("/proof")
	return 0, web.Problem{}
}

// finish logs the station in by its proof, and answers; a problem is the caller's to show.
func (p *Portal) finish(v *visit, b proof, answer sessions.Password) (int, web.Problem) {
	req := v.request(b.request.Method)
	req.Proof, req.Code = b.ticket, answer
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	if _, err := p.cfg.Manager.Login(ctx, req); err != nil {
		if errors.Is(err, sessions.ErrProofPending) {
			v.seeOther("/proof")
			return 0, web.Problem{}
		}
		code, problem := p.problem(v, err, "logging in by a proof")
		problem.Method = req.Method
		return code, problem
	}
	p.proofs.drop(v.station)
	p.forget(v)
	p.answerIn(v)
	return 0, web.Problem{}
}

// proof is the page that waits for the code, or for the sponsor.
func (p *Portal) proof(v *visit) {
	if online(p.cfg.Manager.View(v.station)) {
		v.seeOther("/status")
		return
	}
	now := p.cfg.Clock.Mono()
	b, ok := p.proofs.of(v.station, now)
	if !ok {
		v.seeOther("/")
		return
	}
	if b.channel() == "" && p.proofs.look(v.station, now) {
		ready, err := p.cfg.Manager.ProofReady(v.Context(), b.ticket, v.station)
		var refusal *sessions.Refusal
		switch {
		case ready:
			p.proofs.agreed(v.station)
			b.ready = true
		case errors.As(err, &refusal) && (refusal.Reason == sessions.RefusedDenied || refusal.Reason == sessions.RefusedProofOver):
			p.proofs.drop(v.station)
			p.showLogin(v, http.StatusOK, web.Problem{Method: b.request.Method, Reason: refusal.Reason})
			return
		}
	}
	p.showProof(v, http.StatusOK, b, web.Problem{})
}

func (p *Portal) showProof(v *visit, code int, b proof, problem web.Problem) {
	now := p.cfg.Clock.Mono()
	page := web.ProofPage{Page: v.page, Method: b.request.Method, Channel: b.channel(), To: web.Masked(b.request.Contact), Ready: b.ready,
		ResendIn: max(0, b.resend-now), Reach: max(0, b.begun+b.reach-now), Token: p.tokens.issue(v.station, now), URL: v.url, Problem: problem}
	if page.Waits() && problem.Reason == "" {
		v.ResponseWriter.Header().Set("Refresh", strconv.Itoa(web.LooksAgain)+"; url="+v.page.Link("/proof", v.url))
	}
	v.render(code, page.View())
}

// channel is how the code came; empty: none did.
func (b *proof) channel() sessions.Method {
	switch b.request.Method {
	case sessions.MethodEmail, sessions.MethodSMS:
		return b.request.Method
	case sessions.MethodRegister:
		return b.request.Verify
	}
	return ""
}

// proveLogin is the form with the code, and the button of who was waiting for a sponsor.
func (p *Portal) proveLogin(v *visit) {
	b, ok := p.readProof(v)
	if !ok {
		return
	}
	answer := strings.TrimSpace(v.PostForm.Get("code"))
	if b.channel() != "" && (answer == "" || !written(answer, maxAnswer)) {
		p.showProof(v, http.StatusOK, b, web.Problem{Method: b.request.Method, Reason: sessions.RefusedAnswer})
		return
	}
	code, problem := p.finish(v, b, sessions.Password(answer))
	switch problem.Reason {
	case "":
	case sessions.RefusedAnswer, sessions.RefusedTooOften, sessions.RefusedCentreAway:
		p.showProof(v, code, b, problem)
	default: // it lets nobody in any more
		p.proofs.drop(v.station)
		p.showLogin(v, code, problem)
	}
}

// readProof reads a form of the proof's page.
func (p *Portal) readProof(v *visit) (proof, bool) {
	code, problem := p.readForm(v)
	b, ok := p.proofs.of(v.station, p.cfg.Clock.Mono())
	switch {
	case !ok && problem.Reason == "" && online(p.cfg.Manager.View(v.station)): // sent twice
		v.seeOther("/status")
	case !ok:
		p.showLogin(v, max(code, http.StatusOK), web.Problem{Reason: sessions.RefusedProofOver})
	case problem.Reason != "":
		p.showProof(v, code, b, problem)
	default:
		v.accepted = cmp.Or(v.accepted, b.accepted) // others may have pushed it out
		return b, true
	}
	return proof{}, false
}

// proveAgain has another message sent; the code before it is good no more.
func (p *Portal) proveAgain(v *visit) {
	b, ok := p.readProof(v)
	if !ok {
		return
	}
	if wait := b.resend - p.cfg.Clock.Mono(); wait > 0 {
		p.showProof(v, http.StatusOK, b, web.Problem{Method: b.request.Method, Reason: sessions.RefusedTooOften, RetryAfter: wait})
		return
	}
	if code, problem := p.begin(v, b.request); problem.Reason != "" {
		p.showProof(v, code, b, problem)
	}
}

func (p *Portal) cancelProof(v *visit) {
	if _, ok := p.readProof(v); ok {
		p.proofs.drop(v.station)
		v.seeOther("/")
	}
}

// registerForm asks for what an account wants.
func (p *Portal) registerForm(v *visit) { p.showRegister(v, http.StatusOK, nil, web.Problem{}) }

func (p *Portal) showRegister(v *visit, code int, values map[string]string, problem web.Problem) {
	if !v.zone.Offers(sessions.MethodRegister) || offerRegister(v) == nil {
		v.seeOther("/")
		return
	}
	r := v.zone.Proofs.Register
	form := web.RegisterForm{Page: v.page, Fields: r.Fields, Values: values, Password: r.Password, Verify: r.Verify,
		Token: p.tokens.issue(v.station, p.cfg.Clock.Mono()), URL: v.url, Problem: problem}
	if v.zone.DemandsTerms(sessions.MethodRegister) {
		form.TermsVersion = v.zone.TermsVersion
	}
	v.render(code, form.View())
}

// register takes the button of the login page, which only leads to the form, and the form.
func (p *Portal) register(v *visit) {
	code, problem := p.readForm(v)
	if problem.Reason != "" || v.PostForm.Get("filled") == "" {
		p.showRegister(v, code, nil, problem)
		return
	}
	if !v.zone.Offers(sessions.MethodRegister) || offerRegister(v) == nil {
		p.showLogin(v, http.StatusOK, web.Problem{Method: sessions.MethodRegister, Reason: sessions.RefusedMethod})
		return
	}
	req, reason := registration(v)
	if reason != "" {
		p.showRegister(v, http.StatusOK, req.Fields, web.Problem{Method: req.Method, Reason: reason})
		return
	}
	if code, problem := p.begin(v, req); problem.Reason != "" {
		p.showRegister(v, code, req.Fields, problem)
	}
}

// registration is what the form says, or what is wrong with it.
func registration(v *visit) (sessions.ProofRequest, sessions.Reason) {
	r := v.zone.Proofs.Register
	req := sessions.ProofRequest{Method: sessions.MethodRegister, Verify: r.Verify, Fields: map[string]string{}}
	var reason sessions.Reason
	for _, f := range r.Fields {
		text := strings.TrimSpace(v.PostForm.Get(f.Name))
		if !written(text, maxContact) || f.Required && text == "" || f.Type == "date" && text != "" && !isDate(text) {
			reason = sessions.RefusedField
		}
		if req.Fields[f.Name] = clip(text, maxContact); text == "" {
			delete(req.Fields, f.Name)
		}
	}
	switch r.Verify {
	case sessions.MethodEmail:
		req.Contact = req.Fields["email"]
	case sessions.MethodSMS:
		req.Contact = req.Fields["telephone"]
	}
	if r.Password {
		req.Password = sessions.Password(v.PostForm.Get("password"))
		if reason == "" && sessions.WeakPassword(req.Contact, req.Password) {
			reason = sessions.RefusedWeak
		}
	}
	return req, reason
}

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// written tells whether a text is one that somebody writes into a line.
func written(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
