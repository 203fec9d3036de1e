package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// bench is a forwarder between a station and a resolver, all on loopback.
type bench struct {
	t         *testing.T
	addr      string     // of the forwarder
	mu        sync.Mutex // of the rest
	log       strings.Builder
	learned   map[string]map[netip.Addr]time.Duration // by zone
	learn     func() error
	reaching  []netip.Addr
	resolve   func(query []byte) []byte // the resolver's answer; nil is none
	forwarder *Forwarder
}

func newBench(t *testing.T, resolve func(query []byte) []byte) *bench {
	b := &bench{t: t, learned: map[string]map[netip.Addr]time.Duration{}, resolve: resolve}
	b.learn = func() error { return nil }
	upstream := b.listen("127.0.0.1:0", func(ctx context.Context, p *net.UDPConn, ln net.Listener) {
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				query, err := readMessage(c, 1<<16-1)
				if err == nil {
					_ = writeMessage(c, b.resolver()(query))
				}
				_ = c.Close()
			}
		}()
		buf := make([]byte, 1<<16)
		for {
			n, from, err := p.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if reply := b.resolver()(buf[:n]); reply != nil {
				_, _ = p.WriteToUDPAddrPort(reply, from)
			}
		}
	})
	b.forwarder = New(Config{
		Upstream: netip.MustParseAddrPort(upstream),
		Names:    map[string][]string{"guest": {"pay.example", "*.shop.example"}},
		Own:      func() string { return "wifi.example.com" },
		OwnAddrs: func(zone string) []netip.Addr {
			if zone != "guest" {
				return nil
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fd00::1")}
		},
		Identify: func(a netip.Addr) (sessions.Station, bool) {
			return sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, 0, a.As4()[3]}}, true
		},
		Learn: func(_ context.Context, zone string, ttls map[netip.Addr]time.Duration) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.learned[zone] = ttls
			return b.learn()
		},
		LearnReach: func(_ context.Context, _ sessions.Station, addrs []netip.Addr) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.reaching = append(b.reaching, addrs...)
			return nil
		},
		Clock: clock.NewFake(time.Unix(0, 0), "boot"), Logger: slog.New(slog.NewTextHandler(b, nil)),
	})
	b.addr = b.listen("127.0.0.1:0", func(ctx context.Context, p *net.UDPConn, ln net.Listener) {
		if err := b.forwarder.Serve(ctx, "guest", p, ln); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Write is the log's.
func (b *bench) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(text)
}

// said tells how often the log says something.
func (b *bench) said(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.log.String(), text)
}

func (b *bench) resolver() func([]byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resolve
}

func (b *bench) answerBy(resolve func([]byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resolve = resolve
}

// learns has everything learned from here on fail with err, and forgets what was learned.
func (b *bench) learns(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.learned)
	b.learn = func() error { return err }
}

// listen runs serve on a port for both transports until the test ends.
func (b *bench) listen(addr string, serve func(context.Context, *net.UDPConn, net.Listener)) string {
	b.t.Helper()
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := net.ListenPacket("udp4", ln.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); serve(ctx, p.(*net.UDPConn), ln) }()
	b.t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		if b.forwarder == nil || ln.Addr().String() != b.addr { // the forwarder closes its own
			_ = p.Close()
		}
		<-done
	})
	return ln.Addr().String()
}

// ask sends a query from an address of loopback and returns the answer; nil is none.
func (b *bench) ask(network, from string, query []byte) []byte {
	b.t.Helper()
	ip := net.ParseIP(from)
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: ip}}
	if network == "tcp" {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	c, err := d.Dial(network, b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	if network == "tcp" {
		if err := writeMessage(c, query); err != nil {
			b.t.Fatal(err)
		}
		reply, err := readMessage(c, 1<<16-1)
		if err != nil {
			return nil
		}
		return reply
	}
	if _, err := c.Write(query); err != nil {
		b.t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, err := c.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

func query(name string, kind dnsmessage.Type) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 0x1234, RecursionDesired: true, CheckingDisabled: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeOPT, Class: 1232, TTL: 0x8000},
			Body: &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 10, Data: []byte("cookie00")}}}}},
	}
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// answer is the resolver's: an alias, two addresses of it, and the station's own options.
func answer(q []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(q) != nil {
		return nil
	}
	alias := dnsmessage.MustNewName("edge.cdn.example.")
	m.Response, m.AuthenticData = true, true
	m.Answers = []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 30}, Body: &dnsmessage.CNAMEResource{CNAME: alias}},
		{Header: dnsmessage.ResourceHeader{Name: alias, Class: dnsmessage.ClassINET, TTL: 30}, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}}},
		{Header: dnsmessage.ResourceHeader{Name: alias, Class: dnsmessage.ClassINET, TTL: 7200}, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::9").As16()}},
		{Header: dnsmessage.ResourceHeader{Name: alias, Class: dnsmessage.ClassINET, TTL: 30}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}},
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func rcode(t *testing.T, reply []byte) dnsmessage.RCode {
	t.Helper()
	var p dnsmessage.Parser
	h, err := p.Start(reply)
	if err != nil || !h.Response || h.ID != 0x1234 {
		t.Fatalf("no answer: %x %v", reply, err)
	}
	return h.RCode
}

// TestForward: answers pass octet by octet, and what they give for names of the garden is learned before.
func TestForward(t *testing.T) {
	b := newBench(t, answer)
	want := map[netip.Addr]time.Duration{netip.MustParseAddr("192.0.2.9"): 10 * time.Minute, netip.MustParseAddr("2001:db8::9"): 2 * time.Hour}
	for name, learns := range map[string]bool{
		"pay.example.": true, "PAY.Example.": true, "a.shop.example.": true, "b.a.shop.example.": true,
		"shop.example.": false, "xpay.example.": false, "pay.example.org.": false, "x.pay.example.": false, "edge.cdn.example.": false,
	} {
		for _, network := range []string{"udp", "tcp"} {
			b.learns(nil)
			q := query(name, dnsmessage.TypeA)
			if diff := cmp.Diff(answer(q), b.ask(network, "127.0.0.1", q)); diff != "" {
				t.Errorf("%s over %s (-want +got):\n%s", name, network, diff)
			}
			wanted := map[string]map[netip.Addr]time.Duration{}
			if learns {
				wanted["guest"] = want
			}
			b.mu.Lock()
			if diff := cmp.Diff(wanted, b.learned, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("learned by %s over %s (-want +got):\n%s", name, network, diff)
			}
			b.mu.Unlock()
		}
	}
}

// TestLearnedFirst: no answer leaves before its addresses are learned.
func TestLearnedFirst(t *testing.T) {
	b := newBench(t, answer)
	learning, learn := make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.learn = func() error { close(learning); <-learn; return nil }
	b.mu.Unlock()
	c, err := net.Dial("udp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(query("pay.example.", dnsmessage.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-learning
	read := func(within time.Duration) (int, error) {
		_ = c.SetReadDeadline(time.Now().Add(within))
		return c.Read(make([]byte, 512))
	}
	if n, err := read(50 * time.Millisecond); err == nil {
		t.Errorf("%d octets of an answer before its addresses are learned", n)
	}
	close(learn)
	if _, err := read(2 * time.Second); err != nil {
		t.Error(err)
	}
}

// TestAnswerSource: the answer comes from the address that was asked, whatever else the router has.
func TestAnswerSource(t *testing.T) {
	b := newBench(t, answer)
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var setErr error
		err := c.Control(func(fd uintptr) { setErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) })
		return errors.Join(err, setErr)
	}}
	p, err := l.ListenPacket(t.Context(), "udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.forwarder.Serve(ctx, "guest", p.(*net.UDPConn), ln) }()
	_, port, err := net.SplitHostPort(p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	own := b.addr
	b.addr = net.JoinHostPort("127.0.0.77", port)
	if b.ask("udp", "127.0.0.1", query("pay.example.", dnsmessage.TypeA)) == nil {
		t.Error("no answer from the address that was asked")
	}
	b.addr = own
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestForwardFailures: what goes wrong is told in DNS's own words.
func TestForwardFailures(t *testing.T) {
	q := query("pay.example.", dnsmessage.TypeA)
	b := newBench(t, answer)
	b.learns(errors.New("the set is full"))
	if got := b.ask("udp", "127.0.0.1", q); !cmp.Equal(got, answer(q)) {
		t.Errorf("answer that could not be learned: %x", got)
	}
	if b.said("the set is full") != 1 {
		t.Error("the log does not tell why the garden is closed")
	}
	for what, asked := range map[string]struct {
		query []byte
		want  dnsmessage.RCode
	}{
		"zone transfer": {query("pay.example.", typeAXFR), dnsmessage.RCodeRefused},
		"an update":     {changed(q, 2, 0x28), dnsmessage.RCodeNotImplemented},
		"two questions": {changed(q, 5, 2), dnsmessage.RCodeFormatError},
		"no question":   {changed(q, 5, 0), dnsmessage.RCodeFormatError},
		"half a name":   {q[:15], dnsmessage.RCodeFormatError},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := rcode(t, b.ask(network, "127.0.0.1", asked.query)); got != asked.want {
				t.Errorf("%s over %s: %v, want %v", what, network, got, asked.want)
			}
		}
	}
	if got := b.ask("tcp", "127.0.0.1", changed(q, 2, 0x80)); got != nil {
		t.Errorf("a response is answered: %x", got)
	}
	b.answerBy(func(q []byte) []byte { return changed(answer(q), 0, q[0]+1) }) // somebody guesses
	if got := rcode(t, b.ask("tcp", "127.0.0.1", q)); got != dnsmessage.RCodeServerFailure {
		t.Errorf("an answer with a wrong id: %v", got)
	}
	b.answerBy(func(q []byte) []byte { return append(answer(q), make([]byte, maxPacket)...) })
	reply := b.ask("udp", "127.0.0.1", q)
	if rcode(t, reply) != dnsmessage.RCodeSuccess || reply[2]&2 == 0 {
		t.Errorf("an answer beyond what a packet may be: %x", reply)
	}
}

func changed(msg []byte, at int, to byte) []byte {
	msg = append([]byte(nil), msg...)
	msg[at] = to
	return msg
}

// TestCaps: a station that floods is refused, then not answered; its neighbour notices nothing.
func TestCaps(t *testing.T) {
	b := newBench(t, answer)
	q := query("pay.example.", dnsmessage.TypeA)
	count := map[dnsmessage.RCode]int{}
	for range queriesAtOnce + refusalsAtOnce {
		count[rcode(t, b.ask("udp", "127.0.0.1", q))]++
	}
	want := map[dnsmessage.RCode]int{dnsmessage.RCodeSuccess: queriesAtOnce, dnsmessage.RCodeRefused: refusalsAtOnce}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("answers to the flood (-want +got):\n%s", diff)
	}
	if got := rcode(t, b.ask("udp", "127.0.0.2", q)); got != dnsmessage.RCodeSuccess {
		t.Errorf("the neighbour is answered %v", got)
	}
	if got := b.said("more names than a phone"); got != 1 {
		t.Errorf("the log tells %d times", got)
	}
}

// TestAccount is the arithmetic of the caps.
func TestAccount(t *testing.T) {
	c := clock.NewFake(time.Unix(0, 0), "boot")
	s := newStations(c)
	tunnel := sessions.Station{Zone: "guest", MAC: sessions.MAC{1}}
	passed, octets := 0, 0
	for range 60 * 100 { // a minute of 100 queries a second, 250 octets there and 1,000 back
		c.Advance(10 * time.Millisecond)
		if st, v, _ := s.query(tunnel, 250, weight(dnsmessage.TypeTXT)); v == pass {
			s.done(st, 1000, weight(dnsmessage.TypeTXT))
			passed, octets = passed+1, octets+1250
		}
	}
	if most := octetsAtOnce + 61*octetsPerSecond; octets > most {
		t.Errorf("a tunnel carries %d octets a minute, more than %d", octets, most)
	}
	phone := sessions.Station{Zone: "guest", MAC: sessions.MAC{2}}
	for i := range 60 * 4 { // four queries a second, after it began with 200
		if i > 200 {
			c.Advance(250 * time.Millisecond)
		}
		st, v, _ := s.query(phone, 45, 1)
		if v != pass {
			t.Fatalf("query %d of a phone: %v", i, v)
		}
		s.done(st, 180, 1)
	}
	for i := range maxPendingPerStation + 1 { // the resolver hangs
		_, v, _ := s.query(sessions.Station{Zone: "guest", MAC: sessions.MAC{3}}, 45, 1)
		if (v == drop) != (i == maxPendingPerStation) {
			t.Errorf("query %d that waits: %v", i, v)
		}
	}
	for i := range 3 * maxStations {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(i))
		s.query(sessions.Station{Zone: "guest", MAC: sessions.MAC{4, 0, n[0], n[1], n[2], n[3]}}, 45, 1)
	}
	if len(s.of) > maxStations+1 {
		t.Errorf("%d stations are remembered", len(s.of))
	}
}

// TestOwnName: the portal's name is answered here, in both families, and whatever else is asked of it has an empty answer; names
// like it are the resolver's.
func TestOwnName(t *testing.T) {
	var asked atomic.Int32
	b := newBench(t, func(q []byte) []byte { asked.Add(1); return answer(q) })
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		want []string
	}{
		{"wifi.example.com.", dnsmessage.TypeA, []string{"192.0.2.1"}},
		{"WiFi.Example.COM.", dnsmessage.TypeAAAA, []string{"2001:db8::1", "fd00::1"}},
		{"wifi.example.com.", dnsmessage.TypeHTTPS, nil},
		{"wifi.example.com.", dnsmessage.TypeTXT, nil},
	} {
		for _, network := range []string{"udp", "tcp"} {
			var m dnsmessage.Message
			if err := m.Unpack(b.ask(network, "127.0.0.2", query(c.name, c.kind))); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range m.Answers {
				switch body := r.Body.(type) {
				case *dnsmessage.AResource:
					got = append(got, netip.AddrFrom4(body.A).String())
				case *dnsmessage.AAAAResource:
					got = append(got, netip.AddrFrom16(body.AAAA).String())
				}
				if r.Header.TTL != ownTTL || r.Header.Name.String() != c.name {
					t.Errorf("%s %s: record %+v", c.name, c.kind, r.Header)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" || m.RCode != dnsmessage.RCodeSuccess || m.ID != 0x1234 || !m.Response || len(m.Questions) != 1 {
				t.Errorf("%s %s over %s: %v (-want +got):\n%s", c.name, c.kind, network, m.Header, d)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the resolver was asked %d times for the portal's name", n)
	}
	for _, name := range []string{"x.wifi.example.com.", "wifi.example.com.evil.example.", "wifi.example."} {
		if b.ask("udp", "127.0.0.2", query(name, dnsmessage.TypeA)); asked.Load() == 0 {
			t.Errorf("%s was not passed on", name)
		}
		asked.Store(0)
	}
}

func FuzzMessages(f *testing.F) {
	q := query("pay.example.", dnsmessage.TypeA)
	f.Add(q, answer(q))
	f.Add(q[:15], changed(answer(q), 7, 200))
	f.Add(changed(q, 12, 0xc0), changed(answer(q), 40, 0xc0))
	f.Add([]byte{}, []byte{0, 0, 0x80})
	f.Fuzz(func(t *testing.T, q, reply []byte) {
		asked, code, ok := parseQuery(q)
		if !ok {
			return
		}
		if failed := failure(q, dnsmessage.RCodeRefused); len(failed) < headerSize || len(failed) > 600 {
			t.Fatalf("a refusal of %d octets", len(failed))
		}
		if code == dnsmessage.RCodeSuccess && answers(reply, 0x1234, asked) && len(addresses(reply)) > len(reply)/12 {
			t.Fatal("more addresses than there is room for")
		}
	})
}

// TestReach: names are one station's for a while, asked for at once and learned again from its own answers.
func TestReach(t *testing.T) {
	b := newBench(t, answer)
	fake := b.forwarder.cfg.Clock.(*clock.Fake)
	st, _ := b.forwarder.cfg.Identify(netip.MustParseAddr("127.0.0.5"))
	both := "[192.0.2.9 2001:db8::9]"
	if err := b.forwarder.OpenReach(t.Context(), st, []string{"*.login.example", "pay.example", "192.0.2.77"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := b.reached(); got != "[192.0.2.9 192.0.2.77 2001:db8::9]" {
		t.Errorf("at once: %s", got)
	}
	for _, step := range []struct{ from, name, want string }{
		{"127.0.0.5", "a.login.example.", both},
		{"127.0.0.5", "login.example.", "[]"},
		{"127.0.0.6", "a.login.example.", "[]"},
		{"127.0.0.5", "PAY.example.", both},
	} {
		b.ask("udp", step.from, query(step.name, dnsmessage.TypeA))
		if got := b.reached(); got != step.want {
			t.Errorf("%s asked by %s: %s, want %s", step.name, step.from, got, step.want)
		}
	}
	fake.Advance(time.Minute)
	b.ask("udp", "127.0.0.5", query("pay.example.", dnsmessage.TypeA))
	if got := b.reached(); got != "[]" {
		t.Errorf("after the time: %s", got)
	}
	for i := range maxReaches + 10 {
		other := sessions.Station{Zone: "guest", MAC: sessions.MAC{6, 0, 0, 0, byte(i >> 8), byte(i)}}
		if err := b.forwarder.OpenReach(t.Context(), other, []string{"192.0.2.1"}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.forwarder.reaches); n > maxReaches {
		t.Errorf("%d stations are remembered", n)
	}
}

// reached are the addresses learned for stations since the last call.
func (b *bench) reached() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.reaching, netip.Addr.Compare)
	got := fmt.Sprint(slices.Compact(b.reaching))
	b.reaching = nil
	return got
}
