package central

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// prover is one method by which a guest proves who he is.
type prover struct {
	// begin holds a request to the method's rules and fills in the proof, and what the gateway is told.
	begin func(ctx context.Context, p *proofBegun) error
	// person is whose account a proof gives that was given.
	person func(p store.Proof) (store.Person, error)
}

// provers are all methods by their names on the wire.
func (s *Server) provers() map[string]prover {
	return map[string]prover{
		string(sessions.MethodEmail):    {s.beginEmail, personOfContact},
		string(sessions.MethodSMS):      {s.beginSMS, personOfContact},
		string(sessions.MethodRegister): {s.beginRegister, personOfRegistration},
		string(sessions.MethodSponsor):  {s.beginSponsor, s.visitor},
		string(sessions.MethodOIDC):     {s.beginOIDC, personOfSubject},
	}
}

// proofBegun is a proof that is being begun.
type proofBegun struct {
	edge.ProofRequest
	gateway store.Gateway
	proof   store.Proof
	answer  edge.ProofAnswer
	link    string // see store.Store.DecideProof; empty: there is none
	limits  []store.ProofLimit
	send    func(ctx context.Context) error // called once the proof is kept; nil: nothing is sent
}

const (
	maxContact   = 150 // octets: it becomes a user name
	maxReturnURL = 2048
	ticketPrefix = "ghp_"
)

// callingStation is how RFC 3580 §3.21 spells it.
var callingStation = regexp.MustCompile(`^([0-9A-F]{2}-){5}[0-9A-F]{2}$`)

// unfitProof is a request that a method does not take; code tells the gateway why.
func unfitProof(code, detail string) error {
	return &problem{status: http.StatusUnprocessableEntity, gate: gate.Error{Detail: detail, Code: code}}
}

// beginProof answers the same whether the organisation knows the guest or not.
func (s *Server) beginProof(c *call) (int, any, error) {
	b := &proofBegun{}
	if err := json.NewDecoder(c.Body).Decode(&b.ProofRequest); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not a ProofRequest in JSON.")
	}
	var err error
	if b.gateway, err = s.gateway(c); err != nil {
		return 0, nil, err
	}
	way, ok := s.provers()[b.Method]
	switch {
	case !ok:
		return 0, nil, unfitProof(edge.ProofNotOffered, "The centre has no such method.")
	case !callingStation.MatchString(b.CallingStationID), b.Zone == "", len(b.Zone) > shortText, len(b.ReturnURL) > maxReturnURL:
		return 0, nil, malformed(http.StatusBadRequest, "callingstationid must be spelled as in 02-00-5E-10-00-01, and zone must name a zone.")
	}
	b.proof = store.Proof{Zone: b.Zone, Station: b.CallingStationID, Method: b.Method, Locale: b.Locale, State: store.ProofPending}
	if err := way.begin(c.Context(), b); err != nil {
		return 0, nil, err
	}
	ticket := ticketPrefix + rand.Text()
	b.answer.Ticket, b.answer.ExpiresIn = ticket, int64(b.proof.Expires.Sub(s.cfg.Clock.Now()).Seconds())
	b.answer.Given = b.proof.State == store.ProofReady
	err = s.cfg.Store.BeginProof(c.Context(), b.gateway, b.proof, ticket, b.link, b.limits)
	var often *store.ProofLimitError
	switch {
	case errors.As(err, &often):
		return 0, nil, throttled(often.Wait)
	case err != nil || b.send == nil:
		return http.StatusCreated, b.answer, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), sendTime)
	defer cancel()
	if err := b.send(ctx); err != nil {
		s.cfg.Log.Warn("a guest's message was not sent", "request", requestID(c.Request), "method", b.Method,
			"organization", b.gateway.Scope.Own(), "err", s.withoutContact(err, b.proof.Contact))
		return 0, nil, orElse(s.cfg.Store.AbandonProof(context.WithoutCancel(c.Context()), ticket), unfitProof(edge.ProofNotSent, "The message was not sent."))
	}
	return http.StatusCreated, b.answer, nil
}

// withoutContact is what a service said, without whom it was about.
func (s *Server) withoutContact(err error, contact string) string {
	return strings.ReplaceAll(err.Error(), contact, "[contact]")
}

func (s *Server) checkProof(c *call) (int, any, error) {
	var ask edge.ProofCheck
	if err := json.NewDecoder(c.Body).Decode(&ask); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not a ProofCheck in JSON.")
	}
	gw, err := s.gateway(c)
	if err != nil {
		return 0, nil, err
	}
	question := store.ProofAsk{Ticket: ask.Ticket, Zone: ask.Zone, Station: ask.CallingStationID, Peek: ask.Peek}
	if ask.Answer != "" {
		question.Code = s.proofCode(ask.Zone, ask.CallingStationID, ask.Answer)
	}
	ways := s.provers()
	r, err := s.cfg.Store.CheckProof(c.Context(), gw, question, func(p store.Proof) (store.Person, error) { return ways[p.Method].person(p) })
	var full *store.FullError
	switch {
	case errors.Is(err, store.ErrForbidden): // who may use the APIs is not changed by whoever reads a code
		return 0, nil, unfitProof(edge.ProofNotOffered, "This account cannot be changed from here.")
	case errors.As(err, &full):
		s.cfg.Log.Warn("a guest was not let in: the organisation has no room for another user", "organization", gw.Scope.Own())
		return 0, nil, unfitProof(edge.ProofNotOffered, "The organisation has reached its limit of users.")
	}
	return http.StatusOK, r, err
}

// proofCode is the hash of a code that a guest was sent, or has typed: what the database has tells nothing without the key.
func (s *Server) proofCode(zone, station, code string) []byte {
	h := hmac.New(sha256.New, s.codeKey)
	for _, part := range []string{"proof", zone, station, digits(code)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

// digits are those of a text, in ASCII: keyboards of some languages have their own, and people type gaps.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		for _, zero := range []rune{'0', '٠', '۰', '०', '０'} {
			if r >= zero && r <= zero+9 {
				return '0' + r - zero
			}
		}
		return -1
	}, text)
}

// contactBody is the Body of a proof of a contact alone.
type contactBody struct {
	Terms string `json:"terms,omitempty"` // version that was accepted
}

// personOfContact is whoever reads what is sent to the contact.
func personOfContact(p store.Proof) (store.Person, error) {
	var said contactBody
	if err := json.Unmarshal(p.Body, &said); err != nil {
		return store.Person{}, err
	}
	who := store.Person{Username: p.Contact, Change: func(u *gate.User, made bool) {
		if made && p.Channel == channelEmail {
			u.Email = &p.Contact
		}
	}}
	if said.Terms != "" {
		who.Extra = func(e *gate.UserExtra) { e.AcceptTerms = new(true) }
	}
	return who, nil
}

// What messages go by.
const (
	channelEmail = string(sessions.MethodEmail)
	channelSMS   = string(sessions.MethodSMS)
)

const (
	codeLife  = 10 * time.Minute
	codeTries = 5
	sendTime  = 12 * time.Second
)
