package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// readyWithin is how long the database may take to be called ready.
const readyWithin = 2 * time.Second

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// Config is what a Server is made of.
type Config struct {
	Store *store.Store // must not be nil
	Log   *slog.Logger // must not be nil
	Clock clock.Clock  // must not be nil
	// Secrets is the key that codes of vouchers and passwords of services are kept with; nil: codes are told once and never
	// again, and settings with secrets are refused.
	Secrets *seal.Key
	// IntegerIDs makes the API show ids as plain numbers where it shows "user_456" otherwise.
	IntegerIDs bool
	// LegacyUserToken makes user_token answer in its older form where a request does not say which one it wants.
	LegacyUserToken bool
	// RequestsPerSecond is how many requests one token may make, those of gateways apart; twice as many at once. The tokens of an
	// organisation together may make four times as many, and so may an address. Default 500.
	RequestsPerSecond rate.Limit
	// Spool takes records while the database is away. Without one they are refused then, and gateways send them again.
	Spool *store.Spool
	// TrustedProxies are the networks of our own proxies: the X-Forwarded-For of a request that comes from there is believed.
	TrustedProxies []netip.Prefix
	// DevicesPerUser is how many devices one account may have registered. Default 20.
	DevicesPerUser int
	// RegistrationsPerDay is how many devices may be registered with one token in 24 hours. Default 10000.
	RegistrationsPerDay int
	// PrivateNetworks are networks that what administrators of organisations set up (webhooks, mail, SMS, OpenID, ACME and DNS servers) may
	// lead to although they are not public; webhooks also without TLS.
	PrivateNetworks []netip.Prefix
	// ACMEAuthorities signed the certificates of ACME servers; nil: those of the system.
	ACMEAuthorities *x509.CertPool
	// Resolvers are DNS servers, address and port, that are asked about records of certificates. Default: the system's.
	Resolvers []string
	// PublicURL is where browsers reach the centre; nil: nobody signs in at a provider.
	PublicURL *url.URL
	// Metrics is where what is counted can be read. Default: nowhere.
	Metrics prometheus.Registerer
}

// Server answers the requests of one process.
type Server struct {
	cfg     Config
	epoch   string // of the change feed
	signKey []byte // of access tokens and cursors
	codeKey []byte // of the hashes of voucher codes
	nobody  string // the hash that the password of an unknown user is checked against

	contracts   contractSet
	sponsorHTML *template.Template

	checks    chan struct{} // how many passwords are checked at once: each costs memory and a core
	limits    *limiter
	providers *providers // of OIDC settings
	out       outward
	used      uses
	calls     *calls

	metrics *metrics
	heard   *heard
	absence absence

	drain    sync.Once
	draining chan struct{}
	drained  time.Time // when requests that are held open must have been answered; valid once draining is closed
}

// New makes a Server. It fails when the database cannot be read.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.RequestsPerSecond == 0 {
		cfg.RequestsPerSecond = 500
	}
	cfg.DevicesPerUser, cfg.RegistrationsPerDay = cmp.Or(cfg.DevicesPerUser, 20), cmp.Or(cfg.RegistrationsPerDay, 10000)
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	out := outward{cfg.PrivateNetworks}
	s := &Server{
		out:       out,
		cfg:       cfg,
		checks:    make(chan struct{}, runtime.NumCPU()),
		limits:    newLimiter(),
		providers: &providers{client: out.client(), known: map[string]foundProvider{}},
		draining:  make(chan struct{}),
		heard:     newHeard(),
		calls:     newCalls(),
	}
	var err error
	if s.metrics, err = newMetrics(cfg.Metrics); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	if err = cfg.Metrics.Register(newFigures(cfg.Store, cfg.Log)); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	if s.contracts, err = contracts(); err != nil {
		return nil, err
	}
	if s.sponsorHTML, err = template.ParseFS(sponsorFiles, "sponsor.html"); err != nil {
		return nil, err
	}
	if s.epoch, err = cfg.Store.FeedEpoch(ctx); err != nil {
		return nil, err
	}
	if s.signKey, err = cfg.Store.AccessTokenKey(ctx); err != nil {
		return nil, err
	}
	if s.codeKey, err = cfg.Store.VoucherKey(ctx); err != nil {
		return nil, err
	}
	if s.nobody, err = sessions.HashPassword(sessions.Password(rand.Text())); err != nil {
		return nil, fmt.Errorf("making nobody's password: %w", err)
	}
	return s, nil
}

// Drain makes /readyz say that no more requests shall come, and answers those that are held open, one after the other
// within that time, so that their gateways do not all reconnect at one moment. Everything is still served.
func (s *Server) Drain(within time.Duration) {
	s.drain.Do(func() {
		s.drained = time.Now().Add(within)
		close(s.draining)
	})
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// Handler serves all paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, s.health)
	mux.HandleFunc("GET "+readyPath, s.ready)
	s.register(mux, gateAPI, s.gateRoutes())
	s.register(mux, adminAPI, s.adminRoutes())
	s.register(mux, edgeAPI, s.edgeRoutes())
	s.register(mux, waldurAPI, s.waldurRoutes())
	s.register(mux, sonatypeAPI, s.sonatypeRoutes())
	mux.HandleFunc("GET "+sponsorPath, s.sponsorPage)
	mux.HandleFunc("POST "+sponsorPath, s.sponsorDecides)
	mux.HandleFunc("GET "+callbackPath, s.oidcCallback)
	s.serveDocs(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, apiOf(r), notFound()) })
	return s.wrap(mux)
}

// health says that the process lives, ready that it can do its work.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }

// unready is why requests should go elsewhere; empty when they may come. A schema that is newer than this process only has
// more in it, as while processes are replaced one after the other; an older one lacks what we need.
func (s *Server) unready(ctx context.Context) (string, error) {
	if err := s.cfg.Store.Ping(ctx); err != nil {
		return "database away", err
	}
	version, known, err := s.cfg.Store.Schema(ctx)
	if err != nil || version < known {
		return "database has an older schema", err
	}
	epoch, err := s.cfg.Store.FeedEpoch(ctx)
	if err != nil || epoch != s.epoch {
		return "database is another one than at the start of this process", err
	}
	return "", nil
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.isDraining() {
		writeText(w, http.StatusServiceUnavailable, "draining\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if reason, err := s.unready(ctx); reason != "" {
		if s.cfg.Spool != nil && r.URL.Query().Has("records") {
			writeText(w, http.StatusOK, "records only: "+reason+"\n")
			return
		}
		s.cfg.Log.Error("not ready", "request", requestID(r), "reason", reason, "err", err)
		writeText(w, http.StatusServiceUnavailable, reason+"\n")
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}
