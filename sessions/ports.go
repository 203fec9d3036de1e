package sessions

import (
	"context"
	"errors"
	"time"
)

// Grant is what the enforcer lets one station do, and for how long.
type Grant struct {
	Station       Station
	AcctSessionID string        // kept beside the kernel state, so that the kernel alone can tell whose it is
	Timeout       time.Duration // when the kernel alone ends the session, from now; zero: never
	IdleTimeout   time.Duration // zero: none
	Account       string        // whose station it is, where zones let the stations of an account meet; empty: nobody's
	RateUp        BitRate       // from the station; zero: unlimited
	RateDown      BitRate       // to the station; zero: unlimited
	Caps          []Cap         // what its octets count against, MaxCaps at most
}

// MaxCaps is how many caps a grant may have: its own and its account's.
const MaxCaps = 2

// Cap bounds octets, counted as Usage counts them. Grants with a cap of the same name share it. Once one of its bounds is
// reached the kernel refuses the packets of all of them, in that direction or, for Total, both; what it refuses is
// neither counted in Usage nor charged to what comes after. A cap that no grant has any more is forgotten.
type Cap struct {
	Name string
	// Version tells a cap from its follower of the same name. While it stays, the kernel's count goes on, whatever the
	// fields below say; a grant admitted with another one makes it begin anew for all that share it.
	Version         uint32
	Up, Down, Total uint64 // octets left as the version begins; zero: no bound
}

// Reading is what the enforcer knows about one grant.
type Reading struct {
	Station       Station
	AcctSessionID string
	Live          bool // false: the kernel has ended it (timeout or idle), or it was cut; its counters are still there
	Idled         bool // not live because of the idle timeout, and of nothing else
	Capped        bool // one of its caps has refused a packet; it may be live and use the other direction
	Usage         Usage
	// IdleLeft is how long the station may still be silent; negative when the grant has no idle timeout or is not live.
	IdleLeft time.Duration
}

// ErrEnforcerLost says that somebody took the enforcer's rules away. Reconcile puts them back.
var ErrEnforcerLost = errors.New("the enforcer's rules were removed by somebody else")

// ErrEnforcerFull says that as many stations are let through as the enforcer can hold.
var ErrEnforcerFull = errors.New("no more stations can be let through")

// Enforcer holds back or lets through the packets of stations. All calls are safe for concurrent use.
// The order of calls at a login is Admit; at an end Cut, then Release once the Stop is durable.
type Enforcer interface {
	// Reconcile makes the enforcer hold exactly these grants: what agrees (same station and session id) is left alone,
	// with its counters and running timeouts; what is missing is admitted; everything else is cut and released.
	// It prepares the enforcer for its work; after a start only Usage and CleanUp may come before it.
	Reconcile(ctx context.Context, want []Grant) error
	// Admit lets the stations through, all or none, and forgets the redirected connections of each. A station that has
	// a grant of the same session gets the new timeouts and rates and keeps its counters. The error wraps ErrEnforcerFull where
	// there are too many.
	Admit(ctx context.Context, grants ...Grant) error
	// Cut stops the stations at once, established flows included, both ways, and returns the final readings in the order
	// of stations. Counters stay until Release. A station without a grant yields a zero Reading that is not live.
	Cut(ctx context.Context, stations ...Station) ([]Reading, error)
	// SetBlocked makes exactly these stations blocked: they reach nothing, neither the portal nor the router's services, from
	// now on and after every Reconcile. A grant of a blocked station does not help it; cutting is the caller's.
	SetBlocked(ctx context.Context, stations []Station) error
	// Release forgets the counters of stations that were cut or have timed out. A live grant is not touched.
	Release(ctx context.Context, stations ...Station) error
	// Usage reads all grants, also those that the kernel has ended and that were not released; before the first
	// Reconcile it reads what an earlier run left behind. After it, ErrEnforcerLost says that the rules are gone.
	Usage(ctx context.Context) ([]Reading, error)
	// CleanUp removes everything that the enforcer ever put into the kernel. It needs no state.
	CleanUp(ctx context.Context) error
}

// Batch is what one transaction of the store makes durable.
type Batch struct {
	Sessions     []Session // written as they stand, by AcctSessionID
	Records      []AccountingRecord
	Transactions []Transaction
	Access       []AccessRule // each in the place of one of the same kind, zone and MAC
	Revoked      []AccessRule // forgotten, by kind, zone and MAC
	Spent        []Spent      // differences, added to the ledger
	Outcomes     []Outcome    // of orders; each is remembered, and the centre hears of it
	Consents     []Consent
	Trials       []TrialUse // each in the place of that of its station
}

// Store remembers what was made here. Commit returns when the batch is on disk and would survive a power cut;
// concurrent commits may share one write.
type Store interface {
	// Load returns the sessions that have no Stop, and the resumable ones.
	Load(ctx context.Context) ([]Session, error)
	// LoadAccess returns the rules that were made and not revoked.
	LoadAccess(ctx context.Context) ([]AccessRule, error)
	Commit(ctx context.Context, b Batch) error
	// LeaseUsed is what the sessions that have ended spent of a lease.
	LeaseUsed(ctx context.Context, id int64) (time.Duration, error)
	// Ledger returns the lines of these accounts, of the running and the last period each; nothing for an account that
	// has none.
	Ledger(ctx context.Context, accounts ...string) ([]Spent, error)
	// SaveUsage records what running sessions have used, in one small write. Losing the last one costs at most its age.
	SaveUsage(ctx context.Context, sessions []Session) error
}

// Orders remembers which orders of the centre were dealt with.
type Orders interface {
	// Settled tells whether an outcome of that order was committed.
	Settled(ctx context.Context, order string) (bool, error)
	// Erase takes a person out of all that the centre has had and that no running session needs.
	Erase(ctx context.Context, username string) error
}
