package shape_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/firewall/shape"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// open is the enforcer inside, which holds nobody back: shaping is all that is tested here. refuse is what Admit says.
type open struct {
	refuse error
	calls  []string
}

func (o *open) call(name string) { o.calls = append(o.calls, name) }

func (o *open) Reconcile(context.Context, []sessions.Grant) error {
	o.call("reconcile")
	return nil
}

func (o *open) Admit(context.Context, ...sessions.Grant) error {
	o.call("admit")
	return o.refuse
}

func (o *open) Cut(_ context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	o.call("cut")
	return make([]sessions.Reading, len(stations)), nil
}

func (o *open) SetBlocked(context.Context, []sessions.Station) error { o.call("block"); return nil }
func (o *open) Release(context.Context, ...sessions.Station) error   { o.call("release"); return nil }

func (o *open) Usage(context.Context) ([]sessions.Reading, error) { o.call("usage"); return nil, nil }

func (o *open) CleanUp(context.Context) error { o.call("clean up"); return nil }

// rig is a lab whose gateway shapes.
type rig struct {
	*lab.Lab
	t     testing.TB
	inner *open
	cfg   shape.Config
	s     *shape.Shaper
	log   *bytes.Buffer
	port  net.Listener
}

func newRig(t testing.TB, zone shape.Zone) *rig {
	t.Helper()
	lab.RequireKernel(t)
	l, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Lab: l, t: t, inner: &open{}, log: &bytes.Buffer{}}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	zone.Name, zone.Interfaces = "guest", []string{lab.GuestBridge}
	r.cfg = shape.Config{Zones: []shape.Zone{zone}, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	r.restart()
	r.serve()
	return r
}

// restart puts a new Shaper in the place of the old one, as a new daemon would.
func (r *rig) restart() {
	r.t.Helper()
	if r.s != nil {
		r.s.Close()
	}
	r.do(func() (err error) {
		r.s, err = shape.Around(r.inner, r.cfg)
		return err
	})
}

func (r *rig) do(f func() error) {
	r.t.Helper()
	if err := r.Gateway.Do(f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reconcile(want ...sessions.Grant) {
	r.t.Helper()
	r.do(func() error { return r.s.Reconcile(r.t.Context(), want) })
}

func (r *rig) admit(grants ...sessions.Grant) {
	r.t.Helper()
	r.do(func() error { return r.s.Admit(r.t.Context(), grants...) })
}

func (r *rig) cut(stations ...*lab.Station) {
	r.t.Helper()
	r.do(func() error {
		for _, st := range stations {
			if _, err := r.s.Cut(r.t.Context(), station(st)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *rig) station() *lab.Station {
	r.t.Helper()
	s, err := r.AddStation(r.t.Context(), lab.StationOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func station(s *lab.Station) sessions.Station {
	return sessions.Station{Zone: "guest", MAC: sessions.MAC(s.MAC)}
}

func grant(s *lab.Station, up, down sessions.BitRate) sessions.Grant {
	return sessions.Grant{Station: station(s), AcctSessionID: "s" + s.Port, RateUp: up, RateDown: down}
}

// run runs a program on the gateway and returns what it printed.
func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := r.Gateway.Run(r.t.Context(), name, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// traces is all of ours that the kernel shows.
func (r *rig) traces() string {
	r.t.Helper()
	var found []string
	for _, out := range []string{r.run("tc", "qdisc", "show"), r.run("ip", "-o", "link", "show", "type", "ifb"), r.run("nft", "list", "tables")} {
		for line := range strings.Lines(out) {
			if strings.Contains(line, "6761:") || strings.Contains(line, "gh-ifb") || strings.Contains(line, "netdev gatehouse") {
				found = append(found, line)
			}
		}
	}
	return strings.Join(found, "")
}

func (r *rig) kind(way string) shape.Kind {
	for _, m := range r.s.Mechanisms() {
		if m.Way == way && m.Zone == "guest" {
			if m.Why == "" {
				r.t.Errorf("no reason is given for %s, %s", way, m.Kind)
			}
			return m.Kind
		}
	}
	return ""
}

// serve has the internet take connections: who says d is sent to, who says u is read from.
func (r *rig) serve() {
	r.t.Helper()
	var err error
	if r.port, err = r.WAN.Listen(r.t.Context(), "tcp", net.JoinHostPort(lab.WebAddr6, "5001")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.port.Close() })
}

// transfer is one TCP connection that carries as much as it can.
type transfer struct {
	octets   atomic.Int64 // that the reader has got
	ends     [2]net.Conn
	arrivals *lab.Host // who receives
	match    func(lab.Packet) bool
}

func (x *transfer) send(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func (x *transfer) receive(c net.Conn) {
	buf := make([]byte, 256<<10)
	for {
		n, err := c.Read(buf)
		x.octets.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// transfer begins one.
func (r *rig) transfer(s *lab.Station, way string) *transfer {
	r.t.Helper()
	near, err := s.Dial(r.t.Context(), "tcp", r.port.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	far, err := r.port.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	x := &transfer{ends: [2]net.Conn{near, far}, arrivals: r.WAN}
	from, to := near, far
	if way == "down" {
		from, to, x.arrivals = far, near, s.Host
	}
	at := to.LocalAddr().(*net.TCPAddr).AddrPort()
	peer := to.RemoteAddr().(*net.TCPAddr).AddrPort()
	x.match = func(p lab.Packet) bool { return !p.Sent && p.Dst == at && p.Src == peer }
	r.likePhones(from)
	go x.send(from)
	go x.receive(to)
	r.t.Cleanup(x.end)
	return x
}

// likePhones gives a connection the congestion control that phones and most servers have, whatever this machine's is: BBR, where it
// takes losses for a policer's, goes on for long at a tenth of what it may send.
func (r *rig) likePhones(c net.Conn) {
	r.t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	ctl := raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic") })
	if err := errors.Join(ctl, err); err != nil {
		r.t.Fatalf("congestion control: %v", err)
	}
}

func (x *transfer) end() { _ = x.ends[0].Close(); _ = x.ends[1].Close() }

func wait(t testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// payload is what the reader of a transfer gets, in bit/s: for transfers without a rate, which are too quick to capture.
func payload(t testing.TB, x *transfer) float64 {
	wait(t, time.Second)
	begun, before := time.Now(), x.octets.Load()
	wait(t, time.Second)
	return float64(x.octets.Load()-before) * 8 / time.Since(begun).Seconds()
}

// rates measures all at once, in bit/s of IP packets as they arrive, after what was under way before has passed. The time is
// the kernel's, from the first packet to the last: when the test itself gets a processor does not matter.
func rates(t testing.TB, over time.Duration, all ...*transfer) []float64 {
	t.Helper()
	wait(t, time.Second)
	captures := make([]*lab.Capture, len(all))
	for i, x := range all {
		var err error
		if captures[i], err = x.arrivals.Capture(t.Context(), lab.PeerInterface, x.match); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, over)
	out := make([]float64, len(all))
	var first, last time.Time
	for i, c := range captures {
		packets, err := c.Stop()
		if err != nil {
			t.Fatal(err)
		}
		for n, p := range packets {
			if n == 0 { // what it carries took its time before
				if first.IsZero() || p.At.Before(first) {
					first = p.At
				}
				continue
			}
			out[i] += float64(p.Octets) * 8
			if p.At.After(last) {
				last = p.At
			}
		}
	}
	took := max(last.Sub(first), over/2).Seconds() // a transfer that stands still has no rate of its own
	for i := range out {
		out[i] /= took
	}
	return out
}

// wantRate checks that the rate of a transfer is kept: to a tenth less, and not to a twentieth more. A machine that is busy
// with something else may leave too little to one look, and to the next; too much it cannot give.
func wantRate(t testing.TB, what string, x *transfer, want sessions.BitRate) {
	t.Helper()
	var got float64
	for range 3 {
		got = rates(t, 3*time.Second, x)[0]
		if t.Logf("%s at %v: %.2f Mbit/s, %.3f of the rate", what, want, got/1e6, got/float64(want)); got > float64(want)*0.9 {
			break
		}
	}
	within(t, what, got, want, 0.9)
}

// within checks that a rate is not less than this part of the one wanted, and at most a twentieth more.
func within(t testing.TB, what string, got float64, want sessions.BitRate, least float64) {
	t.Helper()
	if got < float64(want)*least || got > float64(want)*1.05 {
		t.Errorf("%s at %v: %.2f Mbit/s", what, want, got/1e6)
	}
}
