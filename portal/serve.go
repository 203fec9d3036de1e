package portal

import (
	"context"
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
	srv := &http.Server{
		Handler:                      p,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 answerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     slog.NewLogLogger(p.cfg.Logger.Handler(), slog.LevelWarn),
		BaseContext:                  func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &conn{addrPort(c.RemoteAddr()), addrPort(c.LocalAddr()), p.cfg.Clock.Mono()})
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
	defer p.wispr.running.Wait()
	err := srv.Serve(newLimitListener(ln, p.cfg.MaxConns, p.cfg.MaxConnsPerAddr))
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

// limitListener bounds connections (DESIGN D18). Above the bound in all, new ones wait in the kernel's queue until a
// timeout frees a place; above the bound of one address they are reset, so that one device cannot take every place.
type limitListener struct {
	net.Listener
	places  chan struct{}
	perAddr int
	closed  chan struct{}
	close   func()

	mu sync.Mutex
	by map[netip.Addr]int
}

func newLimitListener(ln net.Listener, all, perAddr int) *limitListener {
	l := &limitListener{Listener: ln, places: make(chan struct{}, all), perAddr: perAddr, closed: make(chan struct{}),
		by: map[netip.Addr]int{}}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		a := addrPort(c.RemoteAddr()).Addr()
		if l.take(a) {
			return &limitConn{Conn: c, release: sync.OnceFunc(func() { l.release(a) })}, nil
		}
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.close()
	return l.Listener.Close()
}

func (l *limitListener) take(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[a] >= l.perAddr {
		return false
	}
	l.by[a]++
	return true
}

func (l *limitListener) release(a netip.Addr) {
	l.mu.Lock()
	if l.by[a]--; l.by[a] == 0 {
		delete(l.by, a)
	}
	l.mu.Unlock()
	<-l.places
}

type limitConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite lets net/http send an answer out whole before it closes on a request that it did not read to its end.
func (c *limitConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
