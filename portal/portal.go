package portal

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
	"gatehouse/web"
)

// Manager is what the portal asks of the sessions: *sessions.Manager.
type Manager interface {
	Login(ctx context.Context, req sessions.LoginRequest) (sessions.Session, error)
	Logout(ctx context.Context, st sessions.Station, cause sessions.TerminateCause) (sessions.Session, error)
	Prolong(ctx context.Context, st sessions.Station, addr netip.Addr, nth int) (sessions.Session, error)
	ChangePassword(ctx context.Context, st sessions.Station, secure bool, present, changed sessions.Password) error
	Pause(ctx context.Context, st sessions.Station) (sessions.Session, error)
	Resume(ctx context.Context, st sessions.Station, addr netip.Addr) (sessions.Session, error)
	Admit(ctx context.Context, st sessions.Station, addr netip.Addr, username string, given sessions.Limits) (sessions.Session, error)
	View(st sessions.Station) sessions.StationView
	Seen(st sessions.Station, addr netip.Addr)
	Recheck(ctx context.Context)
	BeginProof(ctx context.Context, req sessions.ProofRequest) (sessions.Proof, error)
	ProofReady(ctx context.Context, ticket sessions.Password, at sessions.Station) (bool, error)
	Look(ctx context.Context, st sessions.Station) sessions.StationView
	Zone(name string) (sessions.Zone, bool)
	OpenReach(ctx context.Context, r sessions.Reach) (time.Duration, error)
	Opening(zone string) (open bool, until time.Time)
}

// Flow is one redirected connection as the portal's socket sees it: both ends of the reply direction in the kernel's
// connection table.
type Flow struct{ Client, Portal netip.AddrPort }

// Config is what a Portal needs. Fields must not be nil or zero unless said so.
type Config struct {
	Manager Manager
	Devices Devices
	// Identify tells which station is at the other end of a connection. It is called for every request.
	Identify func(ctx context.Context, remote, local netip.AddrPort) (sessions.Station, bool)
	// Forget deletes the kernel's entries of redirected connections, so that what comes over them goes the real way.
	Forget func(ctx context.Context, flows []Flow) error
	Clock  clock.Clock
	Logger *slog.Logger
	// TimeZone is that of the clock on the venue's wall. Default: the machine's.
	TimeZone *time.Location

	// Authority is NAME or NAME:PORT in the address of the portal over HTTPS as of now; empty: there is none. Default: none.
	Authority func() string
	// Secure tells whether guests' devices accept the portal's certificate for that name now. Default: never.
	Secure func() bool
	// PortalAddr is an address of the gateway in that zone which a browser can be sent to. It is asked only where the
	// connection itself came to an IPv6 link-local address. Default: that address.
	PortalAddr func(zone string) netip.Addr
	// Venues are names and terms by zone. A zone that is not in it shows no name and our own terms.
	Venues map[string]web.Venue
	// After says, by zone, what guests see once they are in. Default: the status page, without a warning.
	After map[string]After
	// Visits hear what happens to stations, and have the support codes that pages show. Nil: no codes.
	Visits *sessions.Visits
	// Providers are those at which guests may sign in now. Default: none.
	Providers func() []sessions.Provider
	// WISPr are the zones in which software may log in by itself. Default: none.
	WISPr map[string]WISPr
	// Trusted tells whether a token opens the local GATE API. Default: there is no such API.
	Trusted func(token string) bool
	// MaxConns bounds the open connections of a listener, MaxConnsPerStation those of one station. Defaults: 1024 and 64.
	MaxConns, MaxConnsPerStation int
	// Step is called at "portal.before_answer" and "portal.after_answer" of a login and a logout, so that tests can stop
	// there. Default: nothing.
	Step func(point string)
}

// Portal serves guests. Its methods are safe for concurrent use.
type Portal struct {
	cfg      Config
	own      http.Handler
	origin   *http.CrossOriginProtection
	way      map[sessions.Method]way
	tokens   tokens
	links    links
	signIns  signIns
	wispr    wisprLogins
	proofs   proofs
	flows    flows
	wanted   wanted
	accepted accepted
}

// New makes a Portal. It starts nothing.
func New(cfg Config) *Portal {
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 1024
	}
	if cfg.MaxConnsPerStation == 0 {
		cfg.MaxConnsPerStation = 64
	}
	cfg.TimeZone = cmp.Or(cfg.TimeZone, time.Local)
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if cfg.Providers == nil {
		cfg.Providers = func() []sessions.Provider { return nil }
	}
	if cfg.Secure == nil {
		cfg.Secure = func() bool { return false }
	}
	if cfg.Authority == nil {
		cfg.Authority = func() string { return "" }
	}
	p := &Portal{cfg: cfg, origin: http.NewCrossOriginProtection(), links: newLinks(), wanted: newWanted()}
	_, _ = rand.Read(p.tokens.key[:]) // never fails since Go 1.24
	p.wispr.patience = wisprPatience
	p.way = p.ways()
	p.own = p.routes()
	return p
}

// ServeHTTP tells requests to the portal itself from those that were meant for somebody else.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := connOf(r)
	switch {
	case isLiteral(r.Host, c.local), r.TLS != nil && strings.EqualFold(r.Host, p.cfg.Authority()):
		p.own.ServeHTTP(w, r)
	case r.TLS != nil: // somebody's name was made to lead here
		w.WriteHeader(http.StatusMisdirectedRequest)
	default:
		p.hijack(w, r, c)
	}
}

// home is the address of the portal without a path: by name while guests' devices accept its certificate, else plain
// HTTP on the address literal. This is the one place that decides it.
func (p *Portal) home(c *conn, zone string) string {
	if name := p.cfg.Authority(); name != "" && p.cfg.Secure() {
		return "https://" + name
	}
	return "http://" + p.base(c, zone).String()
}

// base is the address literal by which the station at the other end reaches the portal. The kernel redirects
// to the gateway's own address on the interface where the packet came in, so it is the connection's own.
func (p *Portal) base(c *conn, zone string) netip.AddrPort {
	if a := c.local.Addr(); a.Is6() && a.IsLinkLocalUnicast() && p.cfg.PortalAddr != nil {
		if b := p.cfg.PortalAddr(zone); b.IsValid() {
			return netip.AddrPortFrom(b, c.local.Port())
		}
	}
	return c.local
}

// online tells whether a view is that of a station whose packets pass.
func online(v sessions.StationView) bool { return v.State == sessions.Authorized && v.Session != nil }

// admitting is how long after a session's Start the kernel may still redirect new connections of its station.
const admitting = time.Second

// predates tells whether the connection was made before the session's grant was in the kernel. A younger one was
// redirected in spite of the session, so the kernel no longer grants anything.
func (p *Portal) predates(c *conn, s *sessions.Session) bool {
	return s.StartedAt.BootID == p.cfg.Clock.BootID() && c.since <= s.StartedAt.Mono+admitting
}
