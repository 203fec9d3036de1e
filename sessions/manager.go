package sessions

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"gatehouse/internal/clock"
)

// Config is what a Manager needs. Fields must not be nil or zero unless said so.
type Config struct {
	Clock     clock.Clock
	Enforcer  Enforcer
	Store     Store
	Local     Accounts  // the gateway's own accounts
	Mirror    Accounts  // nil: no centre
	Authority Authority // nil: no centre
	Verifiers Verifiers
	Logger    *slog.Logger

	Zones []Zone
	NASID string // NAS-Identifier
	NASIP string // NAS-IP-Address

	// Believable is the earliest wall time that can be true, the build date (DESIGN D8).
	Believable time.Time
	// VerifierMaxAge is how long a centre account may log in here without the centre. Default 30 days.
	VerifierMaxAge time.Duration
	// ResumeWindow is how long after a reboot a station may still get the rest of its session. Default 24 hours.
	ResumeWindow time.Duration
	// PersistInterval is how often usage is written down. Default 60 s.
	PersistInterval time.Duration
	// PollInterval is how often the kernel is asked for idle ends and usage. Default 5 s. It bounds the error of the
	// recorded end of an idle session.
	PollInterval time.Duration

	// PortOf names the bridge port behind which a station is; empty when unknown. Default: always unknown.
	PortOf func(Station) string
	// Queued is called after something new is in the outbox. Default: nothing.
	Queued func()
	// Step is called at every named point of a login, a logout and an end, so that tests can stop there. Default: nothing.
	Step func(point string)
}

// Manager is the one writer of session state. Its methods are safe for concurrent use.
type Manager struct {
	cfg Config
}

// LoginRequest is one attempt to get in.
type LoginRequest struct {
	Station       Station
	Addr          netip.Addr
	Method        Method
	Credentials   Credentials // for MethodPassword
	AcceptedTerms string      // version of the terms that the guest accepted, for MethodClick
	Secure        bool        // the request came over TLS
	PageURL       string
	UserAgent     string
}

var errStub = errors.New("not yet")

// New makes a Manager. It starts nothing.
func New(cfg Config) *Manager { return &Manager{cfg: cfg} }

// Start adopts what an earlier run left in the kernel and in the journal (DESIGN D16). Call it once, before Run and before any request.
func (m *Manager) Start(ctx context.Context) error { return errStub }

// Run ends sessions on time, polls usage and writes it down, until ctx ends; then it saves usage once more.
func (m *Manager) Run(ctx context.Context) error { return errStub }

// Login checks the request, makes the Start durable, admits the station, and returns its session. A station that already
// has a running session gets that one back. A *Refusal says why not.
func (m *Manager) Login(ctx context.Context, req LoginRequest) (Session, error) {
	return Session{}, errStub
}

// Logout ends the station's session with the cause given and returns it as it was stopped. A *Refusal with
// RefusedNotLoggedIn says that there was none.
func (m *Manager) Logout(ctx context.Context, st Station, cause TerminateCause) (Session, error) {
	return Session{}, errStub
}

// AccountChanged looks at the account again and ends its sessions when it is gone, inactive or expired.
func (m *Manager) AccountChanged(ctx context.Context, username string) error { return errStub }

// Seen tells that a station showed itself with this address (neighbour table, portal request). A station whose session a
// reboot ended gets the rest of it.
func (m *Manager) Seen(ctx context.Context, st Station, addr netip.Addr) {}

// View is what is known of a station now; its session's Used and Usage are those of the last poll, Used brought up to now.
func (m *Manager) View(st Station) StationView { return StationView{} }

// Stations are all stations seen since the start, by zone and MAC.
func (m *Manager) Stations() []StationView { return nil }

// Sessions are the running sessions, the oldest first, Used brought up to now.
func (m *Manager) Sessions() []Session { return nil }

// Zone returns the zone of that name.
func (m *Manager) Zone(name string) (Zone, bool) { return Zone{}, false }

// FindSession returns the running session with that id, or of that station MAC when it is the only one.
func (m *Manager) FindSession(idOrMAC string) (Session, bool) { return Session{}, false }

// HashPassword makes the argon2id hash of a new local account's password, in PHC form.
func HashPassword(p Password) (string, error) { return "", errStub }
