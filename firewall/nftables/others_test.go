package nftables_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// Docker's rules, and what an operator must add for a zone: Docker lets nobody through but containers.
const docker = `-N DOCKER
-N DOCKER-USER
-N DOCKER-ISOLATION-STAGE-1
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -i br-guest -j ACCEPT
-A DOCKER-USER -o br-guest -j ACCEPT
-P FORWARD DROP
-t nat -N DOCKER
-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-t nat -A DOCKER -i docker0 -j RETURN`

const dockerGone = `-P FORWARD ACCEPT
-F
-X
-t nat -F
-t nat -X`

// TestOthers reloads other people's rules while an admitted and a captive station talk.
func TestOthers(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	s, captive := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	one := grant(s, "s1")
	one.Timeout, one.IdleTimeout = time.Hour, time.Minute
	g.admit(one)
	watch := g.watch(one)
	iptables := func(program, rules string) func() {
		return func() {
			for rule := range strings.Lines(rules) {
				for _, family := range []string{"iptables", "ip6tables"} {
					if family == "ip6tables" && strings.Contains(rule, "172.17.") {
						continue
					}
					if _, err := g.Gateway.Run(t.Context(), family+program, strings.Fields(rule)...); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	nft := func(command string) func() { return func() { g.nft(strings.Fields(command)...) } }
	for n, tc := range []struct {
		name  string
		do    []func()
		lost  bool // our table goes too
		noNAT bool // and everybody's translation, and conntrack with it: not every TCP connection outlasts that
		// deletes: rules go with the sets that they ask. The kernel has a packet on its way through them miss what it asks
		// for, and then it is refused: whose packet that is loses his connection. So connections must live in one of some tries.
		deletes bool
	}{
		{name: "fw4 start", do: []func(){nft("-f testdata/fw4.nft")}},
		{name: "fw4 reload", do: slices.Repeat([]func(){nft("-f testdata/fw4.nft")}, 3)},
		{name: "fw4 restart", do: []func(){nft("delete table inet fw4"), nft("-f testdata/fw4.nft")}, deletes: true},
		{name: "ours alone", do: []func(){nft("delete table inet gatehouse")}, lost: true, deletes: true},
		{name: "fw4 stop, start", do: []func(){nft("flush ruleset"), nft("-f testdata/fw4.nft")}, lost: true, noNAT: true},
		{name: "nftables.service", do: []func(){nft("flush ruleset; table inet filter { chain f { type filter hook forward priority 0; }; }")}, lost: true, noNAT: true},
		{name: "flush ruleset", do: []func(){nft("flush ruleset")}, lost: true, noNAT: true},
		{name: "Docker, iptables-nft", do: []func(){iptables("-nft", docker), iptables("-nft", dockerGone)}},
		{name: "Docker, iptables-legacy", do: []func(){iptables("-legacy", docker), iptables("-legacy", dockerGone)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const tries = 6
			for try := 1; ; try++ {
				ended := g.outlast(t, s, captive, watch, strconv.Itoa(9000+10*n+try), tc.do, tc.lost)
				switch {
				case ended == nil || tc.noNAT:
					return
				case !tc.deletes || try == tries:
					t.Fatal(ended)
				}
			}
		})
	}
}

// outlast has both talk while somebody does something to rules, judges what gets out and what is counted, and tells whether
// the admitted one's connections ended.
func (g *gate) outlast(t *testing.T, s, captive *lab.Station, watch *watcher, port string, do []func(), takesOurs bool) error {
	t.Helper()
	before := g.steady("s1")
	x := g.watchBoth(t, s, captive, port)
	losses := watch.losses.Load()
	g.wait(100 * time.Millisecond)
	lost := time.Now()
	for _, do := range do {
		do()
	}
	restored := lost
	if takesOurs {
		eventually(t.Context(), t, func() error {
			if watch.losses.Load() == losses {
				return errors.New("the loss was not heard of")
			}
			return nil
		})
		restored = time.Unix(0, watch.restored.Load())
		t.Logf("restored %v after the command was given", restored.Sub(lost))
		if took := restored.Sub(lost); took > lab.Patience(time.Second) {
			t.Errorf("restored after %v", took)
		}
		before = sessions.Reading{}
	}
	g.wait(200 * time.Millisecond)
	ended := x.end()
	x.checkLeaks(t, lost, restored)
	eventually(t.Context(), t, func() error { // what closes the connections may come late
		after, _ := g.reading("s1")
		return x.checkCounters(lost, restored, [2]uint64{after.Usage.InputOctets - before.Usage.InputOctets, after.Usage.OutputOctets - before.Usage.OutputOctets})
	})
	g.wantCaptive(captive)
	g.wantOnline(s)
	return ended
}

// both are an admitted and a captive station that talk, UDP each way and a TCP connection of the admitted one.
type both struct {
	flows   []*traffic
	streams []*stream
	passed  *lab.Capture // what the admitted one gets out and back
	leaks   *lab.Capture // what the captive one gets out
	quit    chan struct{}
	done    chan struct{}
}

const (
	captivePort  = 9200 // to which the captive station sends, and the other one does not
	talkInterval = 2 * time.Millisecond
	talkPayload  = 100
)

func (g *gate) watchBoth(t *testing.T, s, captive *lab.Station, port string) *both {
	t.Helper()
	x := &both{quit: make(chan struct{}), done: make(chan struct{})}
	var err error
	x.passed, err = g.WAN.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool {
		if !p.Sent && p.HopLimit == 64 {
			return false // not forwarded: the gateway itself refuses a packet, also in the station's name
		}
		ends := []netip.AddrPort{p.Src, p.Dst} // neighbour discovery has the gateway at its other end
		return slices.ContainsFunc(ends, func(a netip.AddrPort) bool { return a.Addr() == s.Addr6 || a.Addr().String() == lab.WebAddr4 }) &&
			p.Dst.Port() != captivePort && p.Src.Port() != captivePort
	})
	if err != nil {
		t.Fatal(err)
	}
	x.leaks, err = g.WAN.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool { return !p.Sent && p.Dst.Port() == captivePort })
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for _, addr := range web {
		x.flows = append(x.flows, g.startTraffic(s, addr, port))
		x.streams = append(x.streams, g.startStream(t, s, addr))
		conn, err := captive.Dial(t.Context(), "udp", netip.AddrPortFrom(netip.MustParseAddr(addr), captivePort).String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	go func() {
		defer close(x.done)
		tick := time.NewTicker(talkInterval)
		defer tick.Stop()
		for {
			select {
			case <-x.quit:
				return
			case <-tick.C:
				for _, c := range conns {
					_, _ = c.Write(make([]byte, talkPayload)) // what is refused says so by an error
				}
			}
		}
	}()
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return x
}

// end stops all talk and tells whether a connection had ended before.
func (x *both) end() error {
	close(x.quit)
	<-x.done
	for _, f := range x.flows {
		f.end()
	}
	var errs []error
	for _, s := range x.streams {
		errs = append(errs, s.check())
		s.close()
	}
	return errors.Join(errs...)
}

// checkLeaks judges what the captive station got out.
func (x *both) checkLeaks(t *testing.T, lost, restored time.Time) {
	t.Helper()
	out, err := x.leaks.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out); n > 0 {
		t.Logf("%d packets of the captive station got out, from %v to %v after the command was given", n, out[0].At.Sub(lost), out[n-1].At.Sub(lost))
		if !restored.After(lost) || out[0].At.Before(lost) || out[n-1].At.After(restored) {
			t.Error("the captive station gets out while the table stands")
		}
	}
}

// checkCounters judges what was counted of the admitted station, up and down, since the beginning or, when our table was lost,
// since it was restored.
func (x *both) checkCounters(lost, restored time.Time, counted [2]uint64) error {
	var all, since [2]uint64
	for _, p := range x.passed.Packets() {
		way := 0
		if p.Sent {
			way = 1
		}
		if restored.Equal(lost) || p.At.After(lost) {
			all[way] += uint64(p.Octets)
		}
		if restored.Equal(lost) || p.At.After(restored) {
			since[way] += uint64(p.Octets)
		}
	}
	for way, name := range []string{"up", "down"} {
		if counted[way] < since[way] || counted[way] > all[way] {
			return fmt.Errorf("%s: counted %d octets; %d to %d passed", name, counted[way], since[way], all[way])
		}
	}
	return nil
}

// stream is a TCP connection on which the internet talks and the station listens.
type stream struct {
	name string
	got  atomic.Int64 // when something came last, in nanoseconds of the epoch
	err  atomic.Value
	once sync.Once
	stop func()
}

func (g *gate) startStream(t *testing.T, s *lab.Station, addr string) *stream {
	t.Helper()
	server, err := g.WAN.Listen(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(addr), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Dial(t.Context(), "tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := &stream{name: addr}
	talking, listening := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(talking)
		tick := time.NewTicker(talkInterval)
		defer tick.Stop()
		for range tick.C {
			if _, err := peer.Write(make([]byte, talkPayload)); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					x.err.Store(fmt.Errorf("the internet's end: %w", err))
				}
				return
			}
		}
	}()
	go func() {
		defer close(listening)
		buf := make([]byte, 4096)
		for {
			_, err := conn.Read(buf)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
					x.err.Store(fmt.Errorf("the station's end: %w", err))
				}
				return
			}
			x.got.Store(time.Now().UnixNano())
		}
	}()
	x.stop = func() {
		_ = peer.Close()
		<-talking
		_ = conn.Close()
		_ = server.Close()
		<-listening
	}
	t.Cleanup(x.close)
	return x
}

func (s *stream) close() { s.once.Do(s.stop) }

// check tells whether the connection is still alive.
func (s *stream) check() error {
	if err, _ := s.err.Load().(error); err != nil {
		return fmt.Errorf("TCP with %s: %w", s.name, err)
	}
	if age := time.Since(time.Unix(0, s.got.Load())); age > lab.Patience(time.Second) {
		return fmt.Errorf("TCP with %s stands still since %v", s.name, age)
	}
	return nil
}

// watcher puts the rules back as a daemon does.
type watcher struct {
	losses   atomic.Int64
	restored atomic.Int64 // when the last loss was mended, in nanoseconds of the epoch
}

// watch lets a watcher restore grants until the test ends, and returns when it has begun.
func (g *gate) watch(grants ...sessions.Grant) *watcher {
	g.t.Helper()
	w := &watcher{}
	ctx, stop := context.WithCancel(g.t.Context())
	watched := make(chan error, 1)
	go func() {
		watched <- g.Gateway.Do(func() error {
			return g.fw.Watch(ctx, func() {
				if err := g.tryReconcile(grants...); err != nil && ctx.Err() == nil {
					g.t.Error(err)
				}
				w.restored.Store(time.Now().UnixNano())
				w.losses.Add(1)
			})
		})
	}()
	g.t.Cleanup(func() {
		stop()
		if err := <-watched; err != nil {
			g.t.Error(err)
		}
	})
	eventually(g.t.Context(), g.t, func() error {
		g.reconcile(grants...)
		g.nft("flush chain inet gatehouse input")
		g.wait(50 * time.Millisecond)
		if w.losses.Load() == 0 {
			return errors.New("nothing was heard")
		}
		return nil
	})
	return w
}
