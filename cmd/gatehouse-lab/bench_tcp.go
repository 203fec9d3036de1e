package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// The TCP bench sends as fast as it goes over one connection of the station that came last. The sender stays on one
// processor, the receiver on another. The gateways take turns in slices of 50 ms. What disturbs a stream only ever slows
// it, and two threads are easily disturbed: the slice that counts is the one that a quarter of the slices beat.
const (
	tcpSlice = 50 * time.Millisecond
	tcpTurns = 24
	tcpHangs = 20 * time.Second

	tcpQuantile = 0.25
)

func benchTCP(ctx context.Context, _ programs, r *report) error {
	for _, offloads := range []bool{true, false} {
		for _, n := range []int{1, 100, 1000, 2000, 5000} {
			if err := tcpFigures(ctx, r, n, offloads); err != nil {
				return fmt.Errorf("%d stations: %w", n, err)
			}
		}
	}
	return nil
}

func tcpFigures(ctx context.Context, r *report, n int, offloads bool) error {
	paths, err := newPaths(ctx, r, n, []pathKind{pathMasquerade, pathGatehouse}, tcpEnds(offloads))
	defer closePaths(paths)
	if err != nil {
		return err
	}
	var ways []costs
	for way := range 2 {
		c, err := inTurns(paths, tcpTurns, tcpQuantile, func(p *path) (time.Duration, error) { return p.streams[way].slice() })
		if err != nil {
			return err
		}
		ways = append(ways, c)
	}
	where, budget := fmt.Sprintf(", offloads on, %d stations", n), ""
	if !offloads {
		where = fmt.Sprintf(", offloads off, %d stations", n)
	}
	share := func(way costs, kind pathKind) float64 { return float64(way[pathMasquerade]) / float64(way[kind]) }
	worst := min(share(ways[0], pathGatehouse), share(ways[1], pathGatehouse))
	if !offloads && n == 2000 {
		budget = "≥ 0.85 both ways"
	}
	for _, p := range paths[1:] {
		f := figure{what: "  " + p.kind.describe() + where, got: fmt.Sprintf("up %.2f (%.0f Mbit/s) down %.2f (%.0f)",
			share(ways[0], p.kind), mbits(ways[0][p.kind]), share(ways[1], p.kind), mbits(ways[1][p.kind]))}
		if p.kind == pathGatehouse {
			f.what, f.budget, f.pass = "TCP, share of masquerade only"+where, budget, worst >= 0.85
		}
		r.print(f)
	}
	return nil
}

// mbits is the rate of a stream that takes so long for a megabyte.
func mbits(perMegabyte time.Duration) float64 { return 8 / perMegabyte.Seconds() }

// tcpEnds makes the last station and the web out of the far ends, and a connection each way.
func tcpEnds(offloads bool) func(*path, context.Context) error {
	return func(p *path, ctx context.Context) error {
		last := station(p.n - 1)
		if err := ip(ctx, p.ns("lan"), fmt.Sprintf("link set eth0 address %s\naddr add %s/16 dev eth0\nroute add default via 10.0.0.1", last.mac, last.addr)); err != nil {
			return err
		}
		if err := ip(ctx, p.ns("wan"), "addr add 203.0.113.10/24 dev eth0\nroute add 10.0.0.0/16 via 203.0.113.2"); err != nil {
			return err
		}
		for host, interfaces := range map[string][]string{"lan": {"eth0"}, "wan": {"eth0"}, "gw": {"lan0", "wan0"}} {
			if err := p.sysctl(host, "net/ipv4/tcp_slow_start_after_idle", "0"); err != nil {
				return err
			}
			for _, iface := range interfaces {
				if offloads {
					continue
				}
				if err := inNamespace(p.ns(host), func() error { return lab.OffloadsOff(iface) }); err != nil {
					return err
				}
			}
		}
		inside, outside, err := p.connect(ctx)
		if err != nil {
			return err
		}
		p.streams = []*stream{newStream(inside[0], outside[0]), newStream(outside[1], inside[1])}
		return nil
	}
}

// connect makes two connections from the station to the web.
func (p *path) connect(ctx context.Context) (inside, outside [2]*os.File, err error) {
	addr := netip.AddrPortFrom(pathAddresses.web, benchPort).String()
	var l net.Listener
	if err := inNamespace(p.ns("wan"), func() (err error) { l, err = net.Listen("tcp", addr); return err }); err != nil {
		return inside, outside, err
	}
	defer l.Close()
	for i := range inside {
		var c net.Conn
		err := inNamespace(p.ns("lan"), func() (err error) {
			c, err = (&net.Dialer{FallbackDelay: -1, Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
			return err
		})
		if err != nil {
			return inside, outside, err
		}
		d, err := l.Accept()
		if err != nil {
			return inside, outside, err
		}
		if inside[i], err = rawFile(c); err == nil {
			outside[i], err = rawFile(d)
		}
		if err != nil {
			return inside, outside, err
		}
	}
	return inside, outside, nil
}

// rawFile is a connection as a blocking file, so that its calls stay on the thread that makes them.
func rawFile(c net.Conn) (*os.File, error) {
	defer c.Close()
	return c.(*net.TCPConn).File()
}

// stream is a connection that is used in one direction.
type stream struct {
	from, to *os.File
	sent     int64
	arrived  atomic.Int64
	done     chan error
}

func newStream(from, to *os.File) *stream {
	s := &stream{from: from, to: to, done: make(chan error, 1)}
	go func() { s.done <- onProcessor(runtime.NumCPU()-1, s.receive) }()
	return s
}

func (s *stream) receive() error {
	fd, buf := int(s.to.Fd()), make([]byte, 256<<10)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 {
			return err
		}
		s.arrived.Add(int64(n))
	}
}

// slice sends for tcpSlice, waits for the last octet to arrive, and returns the time per megabyte.
func (s *stream) slice() (time.Duration, error) {
	fd, buf := int(s.from.Fd()), make([]byte, 128<<10)
	// A gateway that lets nothing through must not stop the bench.
	hangs := unix.NsecToTimeval(tcpHangs.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &hangs); err != nil {
		return 0, err
	}
	begun, before := time.Now(), s.sent
	for time.Since(begun) < tcpSlice {
		n, err := unix.Write(fd, buf)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("sending over TCP: %w", err)
		}
		s.sent += int64(max(n, 0))
	}
	pause := unix.NsecToTimespec(20_000)
	for s.arrived.Load() < s.sent {
		if time.Since(begun) > tcpHangs {
			return 0, fmt.Errorf("%d octets hang", s.sent-s.arrived.Load())
		}
		_ = unix.Nanosleep(&pause, nil)
	}
	return time.Duration(float64(time.Since(begun)) * 1e6 / float64(s.sent-before)), nil
}

func (s *stream) close() {
	_ = unix.Shutdown(int(s.from.Fd()), unix.SHUT_RDWR)
	_ = unix.Shutdown(int(s.to.Fd()), unix.SHUT_RDWR)
	<-s.done
	_, _ = s.from.Close(), s.to.Close()
}
