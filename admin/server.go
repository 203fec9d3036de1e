package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// Sessions is what the socket needs of the sessions manager.
type Sessions interface {
	View(st sessions.Station) sessions.StationView
	Stations() []sessions.StationView
	Sessions() []sessions.Session
	FindSession(which string) (sessions.Session, bool)
	Login(ctx context.Context, req sessions.LoginRequest) (sessions.Session, error)
	Logout(ctx context.Context, st sessions.Station, cause sessions.TerminateCause) (sessions.Session, error)
	AccountChanged(ctx context.Context, username string) error
}

// Config is what a Server needs. Fields must not be nil unless said so.
type Config struct {
	Listener *Listener
	Clock    clock.Clock
	Sessions Sessions
	Accounts Accounts
	Access   Access
	Consents Consents
	Extend   Extender
	Visits   Visits
	Pause    Pauser
	Outbox   func(ctx context.Context) (int, error)    // records that the centre has not merged yet
	Centre   func(ctx context.Context) (Centre, error) // nil: the gateway stands alone
	Facts    func(sessions.Station) Facts              // what a station said of itself
	Rooms    Rooms
	TimeZone *time.Location // of dates that name none; default: the machine's
	Vouchers Vouchers       // nil: they are the centre's
	// VoucherNow is how a voucher stands.
	VoucherNow func(context.Context, sessions.KnownVoucher) (sessions.Voucher, sessions.VoucherState, error)
	// Bandwidth tells how the rates of a zone are held.
	Bandwidth func(zone string) []Bandwidth
	// Isolation tells how stations of a zone are kept from one another.
	Isolation func(zone string) []Isolation
	// Gardens are the zones' walled gardens, those without entries too.
	Gardens func(ctx context.Context) ([]Garden, error)
	Logger  *slog.Logger

	Firewall Firewall
	// Portal is where guests find the portal now.
	Portal  func() Portal
	Version string
	NASID   string
	Zones   []Zone // names, methods and the names of interfaces
}

// Server answers on the control socket. It is a Task.
type Server struct {
	cfg        Config
	started    time.Duration
	accountsMu sync.Mutex // an account is looked for before it is written
}

// NewServer makes a Server. It starts nothing.
func NewServer(cfg Config) *Server { return &Server{cfg: cfg, started: cfg.Clock.Mono()} }

// String names the task.
func (s *Server) String() string { return "control socket" }

// drain is how long a request may still take once the daemon stops.
const drain = 2 * time.Second

// Run serves until ctx ends, then lets running requests finish and removes the socket.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           onlyOperators(s.cfg.Listener.group, s.routes()),
		ConnContext:       withPeer,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.cfg.Listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving control socket: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(bounded)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET /status", s.status)
	handle(mux, "GET /stations", s.stations)
	handle(mux, "GET /sessions", s.sessions)
	handle(mux, "GET /gardens", s.gardens)
	handle(mux, "POST /login", s.login)
	handle(mux, "POST /logout", s.logout)
	handle(mux, "POST /extend", s.extend)
	handle(mux, "POST /pause", s.pause)
	handle(mux, "POST /explain", s.explain)
	handle(mux, "GET /access", s.access)
	handle(mux, "POST /access/set", s.accessSet)
	handle(mux, "POST /access/remove", s.accessRemove)
	handle(mux, "POST /consents", s.consents)
	handle(mux, "POST /consents/terms", s.terms)
	handle(mux, "GET /accounts", s.accounts)
	handle(mux, "POST /accounts/add", s.accountAdd)
	handle(mux, "POST /accounts/passwd", s.accountPasswd)
	handle(mux, "POST /accounts/remove", s.accountRemove)
	handle(mux, "GET /rooms", s.rooms)
	handle(mux, "POST /rooms/import", s.roomsImport)
	handle(mux, "GET /vouchers", s.voucherBatches)
	handle(mux, "POST /vouchers/create", s.vouchersCreate)
	handle(mux, "POST /vouchers/list", s.vouchersList)
	handle(mux, "POST /vouchers/revoke", s.vouchersRevoke)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &Error{Code: CodeNotFound, Message: "this daemon does not know " + r.URL.Path + "; it may be older than the command"})
	})
	return mux
}

// none is the request of an operation that takes nothing.
type none struct{}

// maxRequest is the largest request body, in octets.
const maxRequest = 1 << 20

// handle turns an operation into a handler: JSON in, JSON or *Error out.
func handle[In, Out any](mux *http.ServeMux, pattern string, do func(context.Context, In) (Out, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var in In
		answer(w, r, &in, func() (any, error) { return do(r.Context(), in) })
	})
}

func answer(w http.ResponseWriter, r *http.Request, in any, do func() (any, error)) {
	if r.Method != http.MethodGet {
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(in); err != nil {
			writeError(w, &Error{Code: CodeInvalid, Message: "reading request: " + err.Error()})
			return
		}
	}
	out, err := do()
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a peer that went away hears nothing
}

// writeError maps an error to the wire, once. The operator is root: the detail of a fault is told, not hidden.
func writeError(w http.ResponseWriter, err error) {
	var e *Error
	var refusal *sessions.Refusal
	switch {
	case errors.As(err, &e):
	case errors.As(err, &refusal):
		e = &Error{Code: string(refusal.Reason), Message: refusalText(refusal.Reason)}
	case errors.Is(err, sessions.ErrNoAccount):
		e = &Error{Code: CodeNotFound, Message: "no such account"}
	default:
		e = &Error{Code: CodeInternal, Message: err.Error()}
	}
	writeJSON(w, statusOf(e.Code), e)
}

func statusOf(code string) int {
	switch code {
	case CodeForbidden:
		return http.StatusForbidden
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeNotFound:
		return http.StatusNotFound
	case CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusConflict
	}
}

func refusalText(r sessions.Reason) string {
	switch r {
	case sessions.RefusedUnknownZone:
		return "no such zone"
	case sessions.RefusedNotLoggedIn:
		return "no such session is running"
	case sessions.RefusedBlocked:
		return "the station is blocked; \"gatehouse block list\" tells why"
	case sessions.RefusedPause:
		return "it has no time that could be kept, comes back by its MAC address, or max_pause of its zone is not set"
	case sessions.RefusedElapsed:
		return "the time of its voucher runs from the first use on, paused or not"
	case sessions.RefusedNotPaused:
		return "it has no paused session"
	case sessions.RefusedCap:
		return "the data cap of this day, week or month is used up; \"gatehouse extend --account\" gives more"
	case sessions.RefusedTooManyOnline:
		return "the gateway is full: no station id is free"
	default:
		return "refused: " + string(r)
	}
}
