package enforcertest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// Traffic is a UDP flow between a station and a host of the internet, a packet every two milliseconds each way, without
// regard to what arrives.
type Traffic struct {
	Up, Down Way
	lag      atomic.Int64 // the longest lab.TickLag that a sender met, in nanoseconds
	stop     chan struct{}
	talkers  sync.WaitGroup
	once     sync.Once
	conns    []interface{ Close() error }
}

// Way is one direction, seen where it is sent and where it arrives.
type Way struct {
	Sent, Arrived *lab.Capture
	refused       *lab.Capture // ICMP errors that reach the sender
	name          string
	writes        atomic.Int64  // packets that the sender gave to its kernel
	lag           *atomic.Int64 // of the traffic
	quiet         chan struct{}
	once          sync.Once
}

const (
	trafficInterval = 2 * time.Millisecond
	trafficPayload  = 100

	oneTick = 5 * time.Millisecond // of the kernel's clock, and a little
)

// StartTraffic begins a flow from a station to an address and port of the internet. The grants are admitted just before.
func (g *Gate) StartTraffic(s *lab.Station, addr, port string, grants ...sessions.Grant) *Traffic {
	g.t.Helper()
	to := netip.MustParseAddrPort(net.JoinHostPort(addr, port))
	capture := func(h *lab.Host, match func(lab.Packet) bool) *lab.Capture {
		c, err := h.Capture(g.t.Context(), lab.PeerInterface, match)
		if err != nil {
			g.t.Fatal(err)
		}
		return c
	}
	f := &Traffic{stop: make(chan struct{}),
		Up: Way{name: addr + " up", quiet: make(chan struct{}),
			Sent:    capture(s.Host, func(p lab.Packet) bool { return p.Sent && p.Dst == to }),
			Arrived: capture(g.WAN, func(p lab.Packet) bool { return !p.Sent && p.Dst == to }),
			refused: capture(s.Host, func(p lab.Packet) bool { return !p.Sent && p.Refusal })},
		Down: Way{name: addr + " down", quiet: make(chan struct{}),
			Sent:    capture(g.WAN, func(p lab.Packet) bool { return p.Sent && p.Src == to }),
			Arrived: capture(s.Host, func(p lab.Packet) bool { return !p.Sent && p.Src == to }),
			refused: capture(g.WAN, func(p lab.Packet) bool { return !p.Sent && p.Refusal && p.Dst.Addr() == to.Addr() })},
	}
	f.Up.lag, f.Down.lag = &f.lag, &f.lag
	listener, err := g.WAN.ListenPacket(g.t.Context(), "udp", to.String())
	if err != nil {
		g.t.Fatal(err)
	}
	conn, err := s.Dial(g.t.Context(), "udp", to.String())
	if err != nil {
		g.t.Fatal(err)
	}
	f.conns = append(f.conns, conn, listener)
	payload := make([]byte, trafficPayload)
	if len(grants) > 0 { // else there may be no firewall yet
		g.Admit(grants...)
	}
	if _, err := conn.Write(payload); err != nil {
		g.t.Fatal(err)
	}
	_ = listener.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, peer, err := listener.ReadFrom(make([]byte, 1500))
	if err != nil {
		g.t.Fatalf("the first packet does not arrive: %v", err)
	}
	f.Up.writes.Add(1)
	f.every(&f.Up, func() error { _, err := conn.Write(payload); return err })
	f.every(&f.Down, func() error { _, err := listener.WriteTo(payload, peer); return err })
	g.t.Cleanup(func() {
		f.End()
		for _, c := range f.conns {
			_ = c.Close()
		}
	})
	return f
}

func (f *Traffic) every(w *Way, send func() error) {
	f.talkers.Go(func() {
		tick := time.NewTicker(trafficInterval)
		defer tick.Stop()
		for {
			select {
			case <-w.quiet:
				return
			case <-f.stop:
				return
			case <-tick.C:
				w.lag.Store(max(w.lag.Load(), int64(lab.TickLag())))
				if send() == nil {
					w.writes.Add(1)
				}
			}
		}
	})
}

// Ways are both directions.
func (f *Traffic) Ways() []*Way { return []*Way{&f.Up, &f.Down} }

// Silence stops one direction.
func (w *Way) Silence() { w.once.Do(func() { close(w.quiet) }) }

// End stops both directions for good. The sockets stay open, because a late packet would be answered by an ICMP error.
func (f *Traffic) End() {
	f.once.Do(func() { close(f.stop) })
	f.talkers.Wait()
}

// WantCut checks that what the gateway met before at arrived and what it met after at did not, within a tolerance: before
// and after are how much earlier or later the cut may be, unless the kernel's clock ticks came later than that. A sender that
// pauses makes no false alarm.
//
// On a busy machine a packet may wait for the gateway's kernel for hundreds of milliseconds. What arrives does so as soon as
// the gateway has let it through, and so does the ICMP error for what is refused: these tell when.
func (w *Way) WantCut(t testing.TB, at time.Time, before, after time.Duration) {
	t.Helper()
	lag := time.Duration(w.lag.Load())
	before, after = max(lab.Patience(before), lag+oneTick), max(lab.Patience(after), lag+oneTick)
	sent, err := w.Sent.Stop()
	got, err2 := w.Arrived.Stop()
	refusals, err3 := w.refused.Stop()
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	arrived := len(got)
	if arrived == 0 || arrived >= len(sent) {
		t.Errorf("%s: %d of %d packets arrived, nothing was cut", w.name, arrived, len(sent))
		return
	}
	lost := sent[arrived].At
	if i := slices.IndexFunc(refusals, func(p lab.Packet) bool { return p.At.After(lost) }); i >= 0 {
		lost = refusals[i].At
	}
	lastArrived, firstLost := got[arrived-1].At.Sub(at), lost.Sub(at)
	t.Logf("%s: cut between %v and %v, ticks up to %v late", w.name, lastArrived, firstLost, lag)
	if lastArrived > after {
		t.Errorf("%s: a packet passed %v after the end", w.name, lastArrived)
	}
	if firstLost < -before {
		t.Errorf("%s: a packet was lost %v before the end", w.name, -firstLost)
	}
}

// WantLossless checks that every packet arrived, and returns how many there were. The flow must have ended.
func (w *Way) WantLossless(t testing.TB) uint64 {
	t.Helper()
	want := int(w.writes.Load())
	err := lab.WaitFor(t.Context(), 5*time.Second, func() error {
		if sent, arrived := len(w.Sent.Packets()), len(w.Arrived.Packets()); arrived != sent || sent != want {
			return fmt.Errorf("%s: of %d packets %d were seen to leave, %d to arrive", w.name, want, sent, arrived)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return uint64(want)
}
