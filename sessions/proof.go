package sessions

import (
	"context"
	"errors"
	"time"
)

// ErrProofPending says that a proof is neither given nor refused yet.
var ErrProofPending = errors.New("the proof is not given yet")

// ProofRequest asks the centre to have a guest prove who he is (DESIGN D17).
type ProofRequest struct {
	Station   Station
	Method    Method            // MethodRegister, MethodEmail, MethodSMS, MethodOIDC or MethodSponsor
	Contact   string            // address or number to be proven; for MethodSponsor the sponsor's address
	Provider  string            // for MethodOIDC: its name
	Fields    map[string]string // what the guest says of himself, by the names of GATE's user_extra
	Password  Password          // for MethodRegister, where the guest chooses one
	Locale    string            // BCP 47, of what is sent
	ReturnURL string            // for MethodOIDC: the page of the portal to which the browser comes back
}

// Proof is one that the centre has begun.
type Proof struct {
	Ticket    Password      // names it; whoever has it can ask what became of it
	URL       string        // where the browser goes; empty: nowhere
	Names     []string      // that must be reachable for that, as in a walled garden
	ExpiresIn time.Duration // from now
	ResendIn  time.Duration // until another may be begun
}

// Provers is the centre where it takes proofs. Both methods return a *Refusal, or an error that wraps ErrUnreachable.
type Provers interface {
	BeginProof(ctx context.Context, req ProofRequest) (Proof, error)
	// CheckProof returns the account of a proof that was given; answer is the code that was typed, or empty. ErrProofPending says that
	// it is too early. A proof is good for one login.
	CheckProof(ctx context.Context, ticket, answer Password, at Station) (Account, error)
}

// Reach is a short and narrow way out for one captive station: to what it takes to prove who its guest is.
type Reach struct {
	Station Station
	Names   []string // as in a walled garden; none: any address that is not the router's or a private one
	Ports   []uint16 // of TCP
	For     time.Duration
}
