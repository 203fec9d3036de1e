package gwsync

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// Config is what New needs. Fields must not be nil or zero unless said so.
type Config struct {
	BaseURL string                 // of the centre: http or https, the edge API's paths come below it
	Token   func() (string, error) // the bearer token, asked for with every request; see TokenFile
	NASID   string                 // NAS-Identifier of this gateway
	CAs     *x509.CertPool         // whom to believe about the centre's certificate. Default: the system's
	Version string                 // of the program, for the User-Agent

	Clock  clock.Clock
	Outbox Outbox
	Mirror Mirror
	Logger *slog.Logger
	// Changed is called after the mirror took a change of an account or of one of its profiles. After an error it is
	// called again, until it succeeds.
	Changed func(ctx context.Context, username string) error

	// Governor hears of what the centre wants of this gateway alone.
	Governor Governor

	// Believable is the earliest wall time that can be true, the build date (DESIGN D8).
	Believable time.Time
	// AuthTimeout bounds a login that is asked of the centre. Default 4 s.
	AuthTimeout time.Duration
	// PollWait is how long the centre may hold a changes request open. Default 50 s, at most edge.MaxWait seconds.
	PollWait time.Duration
}

// Sync is the gateway's side of the edge API. Its parts share one connection pool and one view of the centre's state.
type Sync struct {
	Pusher    *Pusher
	Puller    *Puller
	Authority *Authority

	cfg  Config
	link *link
}

// New makes the parts. It starts nothing and sends nothing; the error names the field that is wrong.
func New(cfg Config) (*Sync, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("base URL of the centre: %q is not http:// or https:// with a host", cfg.BaseURL)
	}
	if cfg.NASID == "" {
		return nil, fmt.Errorf("NAS identifier: empty")
	}
	if cfg.AuthTimeout <= 0 {
		cfg.AuthTimeout = 4 * time.Second
	}
	if cfg.PollWait <= 0 {
		cfg.PollWait = 50 * time.Second
	}
	cfg.PollWait = min(cfg.PollWait, edge.MaxWait*time.Second)

	l := &link{clock: cfg.Clock, log: cfg.Logger}
	c := newClient(cfg, base, l)
	answers := &asked{told: map[int64]int{}}
	puller := &Puller{
		client: c, mirror: cfg.Mirror, asked: answers, changed: cfg.Changed, governor: cfg.Governor, clock: cfg.Clock, log: cfg.Logger, wait: cfg.PollWait,
		owed: map[string]struct{}{}, reported: map[string]struct{}{}, sweep: true, interrupt: func() {},
	}
	return &Sync{
		Pusher: &Pusher{
			client: c, outbox: cfg.Outbox, log: cfg.Logger, limit: edge.MaxBatch, wake: make(chan struct{}, 1),
			dates: &dates{clock: cfg.Clock, outbox: cfg.Outbox, believable: cfg.Believable, zeros: map[string]time.Time{}, none: map[string]bool{}},
		},
		Puller: puller,
		Authority: &Authority{
			client: c, mirror: cfg.Mirror, asked: answers, refresh: puller.Refresh, clock: cfg.Clock, log: cfg.Logger,
			timeout: cfg.AuthTimeout, heard: map[string]struct{}{},
		},
		cfg:  cfg,
		link: l,
	}, nil
}

// TokenFile returns a Config.Token that reads the file each time, so that a new token needs no restart.
func TokenFile(path string) func() (string, error) {
	return func() (string, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("reading token: %w", err)
		}
		token := strings.TrimSpace(string(raw))
		if token == "" || strings.ContainsAny(token, " \t\r\n") {
			return "", fmt.Errorf("reading token: %s does not hold one token", path)
		}
		return token, nil
	}
}

// Status is how the gateway stands with its centre, for the operator.
type Status struct {
	Centre      string    `json:"centre"`
	Reachable   bool      `json:"reachable"`              // the last request was answered by the centre
	Refused     bool      `json:"refused"`                // and it does not accept this gateway's token
	LastSuccess time.Time `json:"last_success,omitzero"`  // by the clock as it is set now
	LastError   string    `json:"last_error,omitempty"`   // also when it is over; empty: none since the start
	LastErrorAt time.Time `json:"last_error_at,omitzero"` // by the clock as it is set now

	OutboxDepth   int       `json:"outbox_depth"`   // records that the centre has not confirmed
	ClockBelieved bool      `json:"clock_believed"` // false: records without a date wait for the clock
	Cursor        string    `json:"cursor"`
	FeedCurrentAt time.Time `json:"feed_current_at,omitzero"` // when the mirror last had all that the centre had to tell
}

// Organization asks how the organisation looks to whom this gateway belongs.
func (s *Sync) Organization(ctx context.Context) (edge.Organization, error) {
	return s.Pusher.client.edge.Organization(ctx)
}

// Status reads the present state. The error is the outbox's or the mirror's.
func (s *Sync) Status(ctx context.Context) (Status, error) {
	st := s.link.status()
	st.Centre = s.cfg.BaseURL
	st.ClockBelieved = !s.cfg.Clock.Now().Before(s.cfg.Believable)
	var err error
	if st.OutboxDepth, err = s.cfg.Outbox.Depth(ctx); err != nil {
		return st, fmt.Errorf("reading outbox depth: %w", err)
	}
	if st.Cursor, err = s.cfg.Mirror.Cursor(ctx); err != nil {
		return st, fmt.Errorf("reading cursor: %w", err)
	}
	return st, nil
}

var _ sessions.Authority = (*Authority)(nil)
