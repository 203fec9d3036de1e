package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Source says who owns an account.
type Source string

// The owners of accounts.
const (
	SourceLocal   Source = "local"   // made on this gateway (gatehouse account add), in the journal
	SourceCentre  Source = "centre"  // owned by the centre, seen here, in the mirror
	SourceGuest   Source = "guest"   // nobody's: a click-through session
	SourceVoucher Source = "voucher" // the centre's, known here by the hash of its code
)

// Account is what a login needs to know about a user.
type Account struct {
	Source   Source `json:"source"`
	UserID   int64  `json:"user_id,omitempty"` // GATE user id; 0 for local accounts
	Username string `json:"username"`
	// PasswordHash is the argon2id hash of a local account, in PHC form. The centre's hashes never come here (DESIGN D10).
	PasswordHash string `json:"-"`
	// CredentialVersion changes whenever the centre's password changes; a Verifier of another version is void.
	CredentialVersion int64     `json:"credential_version,omitempty"`
	PlanID            int64     `json:"plan_id,omitempty"` // the mirror's to join: Limits and Zones have it in
	Active            bool      `json:"active"`
	Zones             []string  `json:"zones,omitempty"`     // where it counts; none: everywhere
	Expiration        time.Time `json:"expiration,omitzero"` // wall clock; zero: never
	Class             string    `json:"class,omitempty"`     // RFC 2865 Class, GATE klass
	Limits            Limits    `json:"limits"`              // the account's own
	Profiles          []Profile `json:"profiles,omitempty"`  // in their order
	Lease             *Lease    `json:"lease,omitempty"`     // of its time balance; nil: no balance bounds it
	Elsewhere         Marks     `json:"elsewhere,omitzero"`  // what its sessions at other gateways have lasted, as the centre last heard

	VoucherID int64          `json:"-"` // of SourceVoucher
	FirstUse  bool           `json:"-"` // nobody is known to have used the voucher before
	TimeLeft  *time.Duration `json:"-"` // of the voucher, for one of its sessions; nil: not counted
}

// Usable says with a *Refusal that an account which is known and proven may not be used now; a zero now is no date.
func (a *Account) Usable(now time.Time) error {
	switch {
	case !a.Active:
		return &Refusal{Reason: RefusedInactive}
	case !a.Expiration.IsZero() && !now.IsZero() && !now.Before(a.Expiration):
		return &Refusal{Reason: RefusedExpired}
	}
	return nil
}

// Password is a clear-text password on its way to a check. It never shows in a log.
type Password string

// LogValue hides the password.
func (Password) LogValue() slog.Value { return slog.StringValue("[hidden]") }

// String hides the password from fmt.
func (Password) String() string { return "[hidden]" }

// Credentials are what a guest typed.
type Credentials struct {
	Username string
	Password Password
}

// Verifier lets a centre account that has logged in here do so again while the centre is away (DESIGN D10).
type Verifier struct {
	Username          string // what was typed for it, behind a prefix where it is a user token's code
	Account           string // whose it is; empty: Username's
	Hash              string // argon2id, PHC form, cost calibrated on this device
	CredentialVersion int64
	MadeAt            Stamp // limits the offline age
}

// Errors that a source of accounts may return.
var (
	ErrNoAccount     = errors.New("no such account")
	ErrWrongPassword = errors.New("wrong user name or password")
	ErrUnreachable   = errors.New("the centre cannot be reached")
)

// Accounts finds an account by its user name. It returns ErrNoAccount when there is none.
// The journal has the gateway's own accounts, the mirror those of the centre that were seen here.
type Accounts interface {
	Account(ctx context.Context, username string) (Account, error)
}

// Authority is who is asked about an account that is not known here, or about a password that does not match: the
// centre. It returns ErrNoAccount, ErrWrongPassword or ErrUnreachable, or another error that the log should see.
// A success leaves the account in the mirror.
type Authority interface {
	Authenticate(ctx context.Context, c Credentials, at Station) (Account, error)
}

// Verifiers keep the proof of a password per user name. Verifier returns ErrNoAccount when there is none.
type Verifiers interface {
	Verifier(ctx context.Context, username string) (Verifier, error)
	SaveVerifier(ctx context.Context, v Verifier) error
	// DeleteVerifier forgets all proofs of an account. That there is none is no error.
	DeleteVerifier(ctx context.Context, username string) error
}
