package radius

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc3576"

	"gatehouse/internal/clock"
)

const (
	mostRunning = 4096             // requests that are not answered yet
	mostTried   = 64               // secrets for one packet
	tellEvery   = 10 * time.Second // a line of the log about one kind of bad packet
)

// Request is a record of a client that may send it.
type Request struct {
	Client     Client
	From       netip.AddrPort
	Received   time.Time
	Accounting Accounting
}

// Accountant keeps records.
type Accountant interface {
	// Account returns nil once the record is durable. Any error leaves it unanswered, and the NAS sends it again. It is
	// called from many goroutines.
	Account(ctx context.Context, r Request) error
}

// Config is what a Server is made of.
type Config struct {
	Accountant Accountant   // must not be nil
	Log        *slog.Logger // must not be nil
	Clock      clock.Clock  // must not be nil
}

// Server listens for accounting.
type Server struct {
	cfg     Config
	clients atomic.Pointer[Clients]
	answers answers
	running chan struct{}
	stats   [outcomes]outcome
}

// outcome is how often something has happened, and how often it is told.
type outcome struct {
	count atomic.Int64
	tell  *rate.Limiter
}

// What becomes of packets.
const (
	answered = iota
	repeated
	unknownClient
	badAuthenticator
	malformed
	unwanted
	overloaded
	unkept
	outcomes
)

// OutcomeNames are the outcomes that Stats counts, in its order.
func OutcomeNames() []string {
	return []string{"answered", "repeated", "unknown_client", "bad_authenticator", "malformed", "unwanted", "overloaded", "not_kept"}
}

// New makes a Server that knows no clients yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, running: make(chan struct{}, mostRunning)}
	for i := range s.stats {
		s.stats[i].tell = rate.NewLimiter(rate.Every(tellEvery), 1)
	}
	s.SetClients(NewClients(nil))
	return s
}

// SetClients says who may send from now on.
func (s *Server) SetClients(c *Clients) { s.clients.Store(c) }

// Stats are the packets since the start, by what became of them, in the order of OutcomeNames.
func (s *Server) Stats() []int64 {
	list := make([]int64, len(s.stats))
	for i := range s.stats {
		list[i] = s.stats[i].count.Load()
	}
	return list
}

// note counts an outcome and tells it now and then.
func (s *Server) note(what int, from netip.AddrPort, why error, args ...any) {
	n := s.stats[what].count.Add(1)
	if why != nil && s.stats[what].tell.Allow() {
		args = append([]any{"from", from.String(), "err", why, "so_far", n}, args...)
		s.cfg.Log.Warn("RADIUS packet dropped", args...)
	}
}

// packet is a request that is worth an answer.
type packet struct {
	*radius.Packet
	from   netip.AddrPort
	client Client
	secret Secret
}

var (
	errUnknown    = errors.New("no such client")
	errUnwanted   = errors.New("only accounting is served here")
	errOverloaded = errors.New("too many requests are waiting")
	errNoSession  = fmt.Errorf("%w: it has no Acct-Session-Id", errMalformed)
)

// admit reads a packet and finds who has sent it: the first of the clients that find returns for a NAS-Identifier whose
// secret it is signed with.
func (s *Server) admit(datagram []byte, from netip.AddrPort, tls bool, find func(nasIdentifier string) []Client) (*packet, error) {
	p, wire, err := parse(datagram)
	if err != nil {
		s.note(malformed, from, err)
		return nil, err
	}
	clients := find(rfc2865.NASIdentifier_GetString(p))
	if len(clients) == 0 {
		s.note(unknownClient, from, errUnknown)
		return nil, errUnknown
	}
	for _, c := range clients[:min(len(clients), mostTried)] {
		secret := c.Secret
		if tls {
			secret = RadSecSecret
		}
		if err = verify(p, wire, secret); err == nil {
			return &packet{Packet: p, from: from, client: c, secret: secret}, nil
		}
	}
	s.note(badAuthenticator, from, err, "client", clients[0].Name)
	return nil, err
}

// respond has a record kept and returns what to send: nothing when the same packet is being worked on. An error means that
// the record is not kept.
func (s *Server) respond(ctx context.Context, p *packet) ([]byte, error) {
	key := packetKey{p.from, p.Identifier, p.Authenticator}
	answer, known := s.answers.begin(key, s.cfg.Clock.Now())
	if known {
		s.note(repeated, p.from, nil)
		return answer, nil
	}
	answer, err := s.account(ctx, p)
	s.answers.end(key, answer)
	switch {
	case errors.Is(err, errMalformed):
		s.note(malformed, p.from, err, "client", p.client.Name)
	case err != nil:
		s.note(unkept, p.from, err, "client", p.client.Name)
	default:
		s.note(answered, p.from, nil)
	}
	return answer, err
}

func (s *Server) account(ctx context.Context, p *packet) ([]byte, error) {
	a, err := decode(p.Packet)
	if err != nil {
		return nil, err
	}
	switch a.StatusType {
	case Start, InterimUpdate, Stop:
		if a.SessionID == "" {
			return nil, errNoSession
		}
		err = s.keep(ctx, p, a)
	case AccountingOn, AccountingOff:
		err = s.keep(ctx, p, a)
	default: // of tunnels, and what has failed: nothing in it is kept, so nothing can be lost
	}
	if err != nil {
		return nil, err
	}
	return response(p.Packet, radius.CodeAccountingResponse, p.secret)
}

func (s *Server) keep(ctx context.Context, p *packet, a Accounting) error {
	if p.client.SwapOctets {
		a.InputOctets, a.OutputOctets = a.OutputOctets, a.InputOctets
		a.InputPackets, a.OutputPackets = a.OutputPackets, a.InputPackets
	}
	return s.cfg.Accountant.Account(ctx, Request{Client: p.client, From: p.from, Received: s.cfg.Clock.Now(), Accounting: a})
}

// other answers what is no accounting. Over UDP silence would do, but a TLS connection that says nothing counts as dead, so
// there everything is refused by name (RFC 6614 §2.5).
func (s *Server) other(p *packet, tls bool) []byte {
	code, with := radius.Code(0), []*radius.AVP(nil)
	switch {
	case p.Code == radius.CodeStatusServer && tls: // one port for everything: RFC 5997 §4.2 answers as for authentication
		code = radius.CodeAccessAccept
	case p.Code == radius.CodeStatusServer:
		code = radius.CodeAccountingResponse
	case tls && p.Code == radius.CodeAccessRequest:
		code = radius.CodeAccessReject
	case tls && p.Code == radius.CodeDisconnectRequest:
		code, with = radius.CodeDisconnectNAK, unsupported()
	case tls && p.Code == radius.CodeCoARequest:
		code, with = radius.CodeCoANAK, unsupported()
	}
	if p.Code != radius.CodeStatusServer {
		s.note(unwanted, p.from, fmt.Errorf("%w: %v", errUnwanted, p.Code), "client", p.client.Name)
	}
	if code == 0 {
		return nil
	}
	answer, err := response(p.Packet, code, p.secret, with...)
	if err != nil {
		s.note(malformed, p.from, err)
		return nil
	}
	if p.Code == radius.CodeStatusServer {
		s.note(answered, p.from, nil)
	}
	return answer
}

func unsupported() []*radius.AVP {
	return []*radius.AVP{{Type: rfc3576.ErrorCause_Type, Attribute: radius.NewInteger(uint32(rfc3576.ErrorCause_Value_UnsupportedExtension))}}
}
