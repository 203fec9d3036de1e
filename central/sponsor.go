package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// A sponsor is somebody of the house who says yes to a guest, by a link that is mailed to him. Programs that look at mail fetch links:
// fetching it shows a page, and only the buttons on it decide.

const (
	sponsorPath = "/sponsor/{link}"
	sponsorLife = 30 * time.Minute
	visitorLife = 24 * time.Hour // of the account of whom a sponsor let in
	maxGuest    = 100            // characters of a name

	sponsorPerHour = 20 // questions to one sponsor
	sponsorPerDay  = 60
)

//go:embed sponsor.html
var sponsorFiles embed.FS

// visit is the Body of a proof by a sponsor.
type visit struct {
	Guest    string `json:"guest"`
	Terms    string `json:"terms,omitempty"`
	Language string `json:"language"` // of the sponsor
}

func (s *Server) beginSponsor(ctx context.Context, b *proofBegun) error {
	if s.cfg.PublicURL == nil {
		s.cfg.Log.Warn("nobody can be asked to say yes to a guest: the centre has no --public-url")
		return unfitProof(edge.ProofNotOffered, "The centre does not know its own address.")
	}
	policy, err := s.proofPolicy(ctx, b.gateway.Scope.Own())
	if err != nil {
		return err
	}
	said := visit{Guest: guestName(b.Fields["name"]), Terms: b.Terms, Language: policy.language}
	b.proof.Contact = cleanAddress(b.Contact)
	known, house := policy.sponsor(b.proof.Contact)
	switch {
	case said.Guest == "":
		return unfitProof(edge.ProofBadField, "The guest must say who he is.")
	case b.proof.Contact == "" || !house:
		return unfitProof(edge.ProofBadContact, "contact is no address of the house.")
	}
	if b.proof.Body, err = json.Marshal(said); err != nil {
		return err
	}
	b.link, b.proof.Channel = rand.Text(), channelEmail
	b.proof.Expires, b.answer.ResendIn = s.cfg.Clock.Now().Add(sponsorLife), int64(resendAfter.Seconds())
	const day = 24 * time.Hour
	b.limits = []store.ProofLimit{{Station: true, Most: 1, Within: resendAfter}, {Station: true, Most: perHour, Within: time.Hour}, {Station: true, Most: perDay, Within: day},
		{Contact: true, Most: sponsorPerHour, Within: time.Hour}, {Contact: true, Most: sponsorPerDay, Within: day},
		{Gateway: true, Most: mailsPerHour, Within: time.Hour}, {Channel: true, Most: policy.MailsPerDay, Within: day}}
	told := map[string]string{"guest": said.Guest, "house": policy.house, "link": s.cfg.PublicURL.JoinPath("sponsor", b.link).String()}
	b.send, err = s.mailer(ctx, b.gateway, b.proof.Contact, policy.text(said.Language, "sponsor_subject", told), policy.text(said.Language, "sponsor", told))
	if err == nil && !known { // whom the house does not know as a sponsor hears nothing, and the guest waits as for anybody else
		b.send = nil
	}
	return err
}

// guestName is how a guest is called in a mail to somebody else: letters, and nothing that a mail program makes a link of.
func guestName(typed string) string {
	return oneLine(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.M) || strings.ContainsRune("-'’", r) {
			return r
		}
		return ' '
	}, typed), maxGuest)
}

// sponsor tells whether an address may say yes to guests, and whether somebody at its domain may.
func (p *proofPolicy) sponsor(address string) (known, house bool) {
	_, domain, _ := strings.Cut(address, "@")
	for _, s := range p.Sponsors {
		known = known || s == address || s == "@"+domain
		house = house || strings.HasSuffix(s, "@"+domain)
	}
	return known, house
}

// visitor is the account of whom a sponsor has let in: a new one each time, for a day.
func (s *Server) visitor(p store.Proof) (store.Person, error) {
	var said visit
	if err := json.Unmarshal(p.Body, &said); err != nil {
		return store.Person{}, err
	}
	who := store.Person{Username: "visitor-" + strings.ToLower(rand.Text()[:12]), Change: func(u *gate.User, _ bool) {
		u.FirstName, u.Description = &said.Guest, new("Let in by "+p.Contact)
		u.Expiration = gate.NewTime(s.cfg.Clock.Now().Add(visitorLife).UTC())
	}}
	if said.Terms != "" {
		who.Extra = func(e *gate.UserExtra) { e.AcceptTerms = new(true) }
	}
	return who, nil
}

// sponsorView is the page that a sponsor sees.
type sponsorView struct {
	Language, Dir      string
	House, Title, Text string
	Approve, Deny      string // empty: the page only tells
}

// sponsorPage asks; it decides nothing, and may be fetched as often as anybody likes.
func (s *Server) sponsorPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.cfg.Store.ProofByLink(r.Context(), r.PathValue("link"))
	if err != nil {
		s.sponsorAnswer(w, r, p, visit{}, "over", err)
		return
	}
	s.sponsorAnswer(w, r, p, visitOf(p), "ask", nil)
}

func visitOf(p store.Proof) (v visit) {
	_ = json.Unmarshal(p.Body, &v) // of ours
	return v
}

func (s *Server) sponsorDecides(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		s.refuse(w, r, gateAPI, forbidden())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	decision := map[string]string{"approve": store.ProofReady, "deny": store.ProofDenied}[r.PostFormValue("decision")]
	if decision == "" {
		s.sponsorPage(w, r)
		return
	}
	link := r.PathValue("link")
	p, err := s.cfg.Store.ProofByLink(r.Context(), link)
	if err == nil {
		ctx := store.WithActor(r.Context(), store.Actor{Kind: store.ActorSponsor, Name: p.Contact, Request: requestID(r), Address: s.address(r).String()})
		err = s.cfg.Store.DecideProof(ctx, link, func(p *store.Proof) error { p.State = decision; return nil })
	}
	state := map[string]string{store.ProofReady: "approved", store.ProofDenied: "denied"}[decision]
	if err != nil {
		state = "over"
	}
	s.sponsorAnswer(w, r, p, visitOf(p), state, err)
}

// sponsorAnswer shows the page in a state: ask, approved, denied, over.
func (s *Server) sponsorAnswer(w http.ResponseWriter, r *http.Request, p store.Proof, v visit, state string, err error) {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.refuse(w, r, gateAPI, err)
		return
	}
	view := sponsorView{Language: cmp.Or(v.Language, "en"), Dir: "ltr"}
	policy := proofPolicy{}
	status := http.StatusOK
	if state == "over" {
		status, view.Language = http.StatusNotFound, languageOf(r.Header.Get("Accept-Language"))
	} else if policy, err = s.proofPolicy(r.Context(), p.Organization); err != nil {
		s.refuse(w, r, gateAPI, err)
		return
	}
	if view.Language == "ar" {
		view.Dir = "rtl"
	}
	told := map[string]string{"guest": v.Guest, "house": policy.house}
	view.House, view.Title = policy.house, policy.text(view.Language, "page_title", told)
	view.Text = policy.text(view.Language, "page_"+state, told)
	if state == "ask" {
		view.Approve, view.Deny = policy.text(view.Language, "page_yes", told), policy.text(view.Language, "page_no", told)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer the form's own origin would be null; nothing is linked from here
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := s.sponsorHTML.Execute(w, view); err != nil && r.Context().Err() == nil {
		s.cfg.Log.Debug("a sponsor's page broke off", "request", requestID(r), "err", err)
	}
}

// languageOf is the first language of an Accept-Language header that there are messages in.
func languageOf(accept string) string {
	for _, item := range strings.Split(accept, ",") {
		tag, _, _ := strings.Cut(item, ";")
		language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if messages[language] != nil {
			return language
		}
	}
	return "en"
}
