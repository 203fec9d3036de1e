package sessions

import (
	"context"
	"errors"
	"time"
)

// ErrProofPending says that a proof is neither given nor refused yet.
var ErrProofPending = errors.New("the proof is not given yet")

// byCentre are the ways in that the centre proves.
var byCentre = map[Method]bool{MethodRegister: true, MethodEmail: true, MethodSMS: true, MethodOIDC: true, MethodSponsor: true}

// ProofRequest asks the centre to have a guest prove who he is (DESIGN D17).
type ProofRequest struct {
	Station  Station
	Method   Method            // MethodRegister, MethodEmail, MethodSMS, MethodOIDC or MethodSponsor
	Contact  string            // address or number to be proven; for MethodSponsor the sponsor's address
	Provider string            // for MethodOIDC: its name
	Fields   map[string]string // what the guest says of himself, by the names of GATE's user and user_extra
	Verify   Method            // for MethodRegister: MethodEmail or MethodSMS where a code proves Contact; empty: nothing does
	Terms    string            // version of the terms that he has accepted; empty: none were asked

	CountryCode string   // of numbers that have none, as in 49
	Prefixes    []string // of numbers that may be sent to; none: those of CountryCode

	Password  Password // for MethodRegister, where the guest chooses one
	Locale    string   // BCP 47, of what is sent
	ReturnURL string   // for MethodOIDC: the page of the portal to which the browser comes back
}

// Provider is one at which guests may sign in (MethodOIDC).
type Provider struct {
	Name  string
	Title string // for people
}

// Proof is one that the centre has begun.
type Proof struct {
	Ticket    Password      // names it; whoever has it can ask what became of it
	URL       string        // where the browser goes; empty: nowhere
	Names     []string      // that must be reachable for that, as in a walled garden
	ExpiresIn time.Duration // from now
	ResendIn  time.Duration // until another may be begun
	Reach     time.Duration // for which the station can fetch its mail; zero: it cannot
	Given     bool          // nothing more is asked of the guest
}

// Provers is the centre where it takes proofs. Both methods return a *Refusal, or an error that wraps ErrUnreachable.
type Provers interface {
	BeginProof(ctx context.Context, req ProofRequest) (Proof, error)
	// CheckProof returns the account of a proof that was given; answer is the code that was typed, or empty. ErrProofPending says that
	// it is too early. A proof is good for one login.
	CheckProof(ctx context.Context, ticket, answer Password, at Station) (Account, error)
	// ProofReady tells whether CheckProof would return an account without an answer, and lets nobody in.
	ProofReady(ctx context.Context, ticket Password, at Station) (bool, error)
}

// BeginProof asks the centre to take a proof, for a station that could log in by it. A *Refusal says why not.
func (m *Manager) BeginProof(ctx context.Context, req ProofRequest) (Proof, error) {
	zone, ok := m.zones[req.Station.Zone]
	switch {
	case !ok:
		return Proof{}, &Refusal{Reason: RefusedUnknownZone}
	case m.rule(req.Station).Kind == AccessBlocked:
		return Proof{}, &Refusal{Reason: RefusedBlocked}
	case !byCentre[req.Method], !zone.Offers(req.Method), m.cfg.Provers == nil:
		return Proof{}, &Refusal{Reason: RefusedMethod}
	}
	if err := m.mayEnter(zone, req.Method); err != nil { // nobody is sent a code that lets him in no more
		return Proof{}, err
	}
	now := m.cfg.Clock.Mono()
	keys := m.proofsBegun(req.Station)
	if wait := m.guess.wait(now, keys); wait > 0 {
		return Proof{}, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	m.guess.spend(now, keys) // also what comes to nothing is work for the centre
	req.CountryCode, req.Prefixes = zone.Proofs.CountryCode, zone.Proofs.Prefixes
	if req.Method == MethodRegister {
		req.Verify = zone.Proofs.Register.Verify
	}
	p, err := m.cfg.Provers.BeginProof(ctx, req)
	if err != nil {
		return p, centreAway(err)
	}
	if zone.Proofs.MailAccess > 0 && (req.Method == MethodEmail || req.Verify == MethodEmail) {
		p.Reach = m.reachMail(ctx, req.Station, zone.Proofs.MailAccess)
	}
	return p, nil
}

// reachMail lets a station fetch its mail for a while, wherever that is. Without it the guest may still have another way to it, so a
// failure is for the log only.
func (m *Manager) reachMail(ctx context.Context, st Station, within time.Duration) time.Duration {
	d, err := m.OpenReach(ctx, Reach{Station: st, Ports: []uint16{443, 993, 995}, For: within})
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) && !errors.Is(err, ErrNoReach) {
		m.cfg.Logger.Warn("a guest cannot fetch his mail", "station", st, "err", err)
	}
	return d
}

// ProofReady tells whether a proof was given to which the guest has nothing more to say.
func (m *Manager) ProofReady(ctx context.Context, ticket Password, at Station) (bool, error) {
	if m.cfg.Provers == nil {
		return false, &Refusal{Reason: RefusedMethod}
	}
	ready, err := m.cfg.Provers.ProofReady(ctx, ticket, at)
	return ready, centreAway(err)
}

// byProof is whoever a proof of the centre's was given by.
func (m *Manager) byProof(ctx context.Context, req LoginRequest) (Account, error) {
	if m.cfg.Provers == nil {
		return Account{}, &Refusal{Reason: RefusedMethod}
	}
	keys := m.answerGuess(req.Station)
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return Account{}, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	a, err := m.cfg.Provers.CheckProof(ctx, req.Proof, req.Code, req.Station)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == RefusedAnswer {
		m.guess.spend(m.cfg.Clock.Mono(), keys)
	}
	if err != nil {
		return Account{}, centreAway(err)
	}
	return a, m.usable(a)
}

// centreAway is how a guest hears that the centre cannot be asked.
func centreAway(err error) error {
	if errors.Is(err, ErrUnreachable) {
		return &Refusal{Reason: RefusedCentreAway}
	}
	return err
}

// Proofs is what a zone says about the ways in that the centre proves.
type Proofs struct {
	CountryCode string        // of telephone numbers that have none, as in 49; empty: guests must write it
	Prefixes    []string      // of numbers that may get a text message; none: those of CountryCode
	MailAccess  time.Duration // for which a guest may fetch his mail before he is in; zero: he may not
	Register    Registration
}

// Registration is what a guest says of himself to get an account.
type Registration struct {
	Verify   Method // MethodEmail or MethodSMS: the account counts once a code has come there and back; empty: at once
	Password bool   // he chooses one
	Fields   []RegistrationField
}

// RegistrationField is one of them.
type RegistrationField struct {
	Name     string // in GATE's user or user_extra
	Type     string // of HTML: text, email, tel, date, checkbox
	Label    string // empty: ours, in the guest's language
	Labels   map[string]string
	Required bool
}

// Reach is a short and narrow way out for one captive station: to what it takes to prove who its guest is.
type Reach struct {
	Station Station
	Names   []string // as in a walled garden; none: any address that is not the router's or a private one
	Ports   []uint16 // of TCP
	For     time.Duration
}
