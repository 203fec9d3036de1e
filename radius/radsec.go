package radius

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"layeh.com/radius"
)

const (
	handshakeFor    = 10 * time.Second // also for the rest of a packet that has begun, and for sending an answer
	mostConnections = 8192
	mostOnOne       = 256 // requests without answer on one connection: there are no more identifiers
)

// TLSConfig is a server's side of RadSec: this certificate, and clients with one that these authorities have signed.
func TLSConfig(certificate tls.Certificate, authorities *x509.CertPool) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: authorities,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
}

// ServeTLS answers on the connections of a listener until ctx ends, then waits for the requests that are running. cfg must
// demand and verify client certificates.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener, cfg *tls.Config) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, mostConnections)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			var passing interface{ Temporary() bool }
			if errors.As(err, &passing) && passing.Temporary() { // no file descriptors left
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			return fmt.Errorf("accepting RadSec connections: %w", err)
		}
		select {
		case places <- struct{}{}:
			running.Go(func() {
				defer func() { <-places }()
				s.connection(ctx, tls.Server(conn, cfg))
			})
		default:
			s.note(overloaded, source(conn), errOverloaded)
			_ = conn.Close()
		}
	}
}

func source(conn net.Conn) netip.AddrPort {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// peer is one RadSec connection.
type peer struct {
	conn    *tls.Conn
	from    netip.AddrPort
	names   []string // of its certificate
	expires time.Time

	mu sync.Mutex // of writing
}

// connection serves one connection to its end. It is closed at the first packet that is not as it must be (RFC 6613 §2.6.4),
// and when a record could not be kept: the client has no other way to learn that it must send it again.
func (s *Server) connection(ctx context.Context, conn *tls.Conn) {
	defer conn.Close()
	p, err := s.shakeHands(ctx, conn)
	if err != nil {
		s.note(unknownClient, source(conn), err)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, mostOnOne)
	in := bufio.NewReader(conn)
	for {
		wire, err := p.read(ctx, in)
		if err != nil {
			if errors.Is(err, errMalformed) {
				s.note(malformed, p.from, err)
			}
			return
		}
		if !s.cfg.Clock.Now().Before(p.expires) {
			s.note(unknownClient, p.from, errExpired)
			return
		}
		req, err := s.admit(wire, p.from, true, func(nas string) []Client {
			return s.clients.Load().certified(p.names, nas)
		})
		if err != nil {
			return
		}
		if req.Code != radius.CodeAccountingRequest {
			p.write(s.other(req, true))
			continue
		}
		if !take(ctx, places) || !take(ctx, s.running) { // whoever sends faster than records are kept waits
			return
		}
		running.Go(func() {
			defer func() { <-s.running; <-places }()
			answer, err := s.respond(context.WithoutCancel(ctx), req)
			if err != nil {
				_ = conn.Close()
				return
			}
			p.write(answer)
		})
	}
}

func take(ctx context.Context, place chan<- struct{}) bool {
	select {
	case place <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	errExpired = errors.New("the client's certificate has expired")
	errNobody  = errors.New("no client has a name of this certificate")
)

func (s *Server) shakeHands(ctx context.Context, conn *tls.Conn) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeFor)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("shaking hands: %w", err)
	}
	certificates := conn.ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return nil, errNobody
	}
	p := &peer{conn: conn, from: source(conn), names: names(certificates[0]), expires: certificates[0].NotAfter}
	if !s.clients.Load().knows(p.names) {
		return nil, fmt.Errorf("%w: %q", errNobody, p.names)
	}
	return p, nil
}

// names are what a client's certificate may be known by: its DNS names, or the common name where it has none (RFC 6614
// §2.3).
func names(c *x509.Certificate) []string {
	if len(c.DNSNames) == 0 && c.Subject.CommonName != "" {
		return []string{c.Subject.CommonName}
	}
	return c.DNSNames
}

// read waits for a packet as long as it takes; once it has begun it must go on.
func (p *peer) read(ctx context.Context, in *bufio.Reader) ([]byte, error) {
	if _, err := in.Peek(1); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, io.EOF
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(handshakeFor)); err != nil {
		return nil, err
	}
	wire, err := ReadPacket(in)
	if err != nil {
		return nil, err
	}
	if err := p.conn.SetReadDeadline(time.Time{}); err != nil || ctx.Err() != nil {
		return nil, errors.Join(err, io.EOF)
	}
	return wire, nil
}

// write sends an answer, when there is one. If it cannot be sent the connection is of no use.
func (p *peer) write(answer []byte) {
	if answer == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.conn.SetWriteDeadline(time.Now().Add(handshakeFor))
	if err == nil {
		_, err = p.conn.Write(answer)
	}
	if err != nil {
		_ = p.conn.Close()
	}
}
