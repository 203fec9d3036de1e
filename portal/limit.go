package portal

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
)

// limitListener bounds connections (DESIGN D18): those of one station, whatever addresses it uses, and all together. When all
// places are taken that connection gives way which was answered, or came, the longest ago: a guest's request takes
// milliseconds, so who holds connections to keep others out has the oldest ones. One on which a login is decided stays.
type limitListener struct {
	net.Listener
	all, perOwner int
	owner         func(remote, local netip.AddrPort) any

	mu   sync.Mutex
	by   map[any]int
	line list.List // of *limitConn, the one to give way first in front
}

func newLimitListener(ln net.Listener, all, perOwner int, owner func(remote, local netip.AddrPort) any) *limitListener {
	return &limitListener{Listener: ln, all: all, perOwner: perOwner, owner: owner, by: map[any]int{}}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		lc := &limitConn{Conn: c, listener: l, owner: l.owner(addrPort(c.RemoteAddr()), addrPort(c.LocalAddr()))}
		victim, ok := l.take(lc)
		if victim != nil {
			reset(victim.Conn)
		}
		if ok {
			return lc, nil
		}
		reset(c)
	}
}

// take gives a connection a place, and says which one loses its own for it.
func (l *limitListener) take(c *limitConn) (victim *limitConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[c.owner] >= l.perOwner {
		return nil, false
	}
	if l.line.Len() >= l.all {
		if victim = l.oldest(); victim == nil {
			return nil, false
		}
		l.remove(victim)
	}
	l.by[c.owner]++
	c.place = l.line.PushBack(c)
	return victim, true
}

func (l *limitListener) oldest() *limitConn {
	for e := l.line.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*limitConn); !c.deciding {
			return c
		}
	}
	return nil
}

// remove frees a place, once. The caller holds mu.
func (l *limitListener) remove(c *limitConn) {
	if c.place == nil {
		return
	}
	l.line.Remove(c.place)
	c.place = nil
	if l.by[c.owner]--; l.by[c.owner] == 0 {
		delete(l.by, c.owner)
	}
}

// reset closes without waiting for what the other side may still have to say.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

type limitConn struct {
	net.Conn
	listener *limitListener
	owner    any

	place    *list.Element // nil: it has none any more; guarded by the listener's mu, as deciding
	deciding bool
}

// placeOf is the connection that a server's is made of.
func placeOf(c net.Conn) *limitConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	lc, _ := c.(*limitConn)
	return lc
}

// decides has the connection stay until it is answered.
func (c *limitConn) decides() { c.set(true) }

// answered puts the connection at the end of the line.
func (c *limitConn) answered() { c.set(false) }

func (c *limitConn) set(deciding bool) {
	if c == nil {
		return
	}
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	c.deciding = deciding
	if c.place != nil {
		l.line.MoveToBack(c.place)
	}
}

// Close implements net.Conn.
func (c *limitConn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http send an answer out whole before it closes on a request that it did not read to its end.
func (c *limitConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
