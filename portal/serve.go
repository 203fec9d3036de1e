package portal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A page is a few kB and fits a socket's buffer; only a login may take long, when the centre is asked.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	answerTimeout = 40 * time.Second
	idleTimeout   = 15 * time.Second
	drainTimeout  = 3 * time.Second
	maxHeader     = 8 << 10
)

// Serve answers guests on the listener, which it closes, until ctx ends; then it lets running requests finish for a
// moment. It may be called for several listeners.
func (p *Portal) Serve(ctx context.Context, ln net.Listener) error {
	return p.serve(ctx, newLimitListener(ln, p.cfg.MaxConns, p.cfg.MaxConnsPerStation, p.owner), slog.LevelWarn)
}

// ServeTLS is Serve for HTTPS. Connections that are encrypted are fewer: each costs four times the memory.
func (p *Portal) ServeTLS(ctx context.Context, ln net.Listener, c *tls.Config) error {
	limited := newLimitListener(ln, max(1, p.cfg.MaxConns/4), p.cfg.MaxConnsPerStation, p.owner)
	return p.serve(ctx, tls.NewListener(limited, c), slog.LevelDebug) // anybody can fail at a handshake, and often
}

func (p *Portal) serve(ctx context.Context, ln net.Listener, complaints slog.Level) error {
	var background sync.WaitGroup // what requests of this listener have begun; others may be served on
	srv := &http.Server{
		Handler:                      p,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 answerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     slog.NewLogLogger(p.cfg.Logger.Handler(), complaints),
		BaseContext:                  func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &conn{addrPort(c.RemoteAddr()), addrPort(c.LocalAddr()), p.cfg.Clock.Mono(), placeOf(c), &background})
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateIdle {
				placeOf(c).answered()
			}
		},
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if srv.Shutdown(dctx) != nil {
			_ = srv.Close()
		}
	})
	defer background.Wait()
	err := srv.Serve(ln)
	if !stop() {
		<-drained
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving the portal: %w", err)
}

// conn is what is known of a connection.
type conn struct {
	remote, local netip.AddrPort
	since         time.Duration // Mono
	place         *limitConn
	background    *sync.WaitGroup // for what goes on after an answer
}

type connKey struct{}

func connOf(r *http.Request) *conn { return r.Context().Value(connKey{}).(*conn) }

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// owner is whose connection it is, for the bound of each: the station's, or where nobody knows it, the address's.
func (p *Portal) owner(remote, local netip.AddrPort) any {
	ctx, cancel := context.WithTimeout(context.Background(), headerTimeout)
	defer cancel()
	if st, ok := p.cfg.Identify(ctx, remote, local); ok {
		return st
	}
	return remote.Addr()
}
