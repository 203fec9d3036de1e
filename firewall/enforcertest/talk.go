package enforcertest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// talkers are stations that talk UDP with a server of the internet, one packet at a time: each carries a number of its own
// and how many answers it wants.
type talkers struct {
	all    []*talker
	number uint64 // of the last packet

	mu      sync.Mutex
	arrived map[uint64]net.Addr // at the server, from where
	servers []net.PacketConn
}

type talker struct {
	sessions.Station
	host  *lab.Station
	conns [families]net.Conn // a flow per family, as old as can be
	seen  [families]net.Addr // where the last packet that passed came from
}

const (
	families    = 2
	headerSize  = 9 // bytes: the number, and how many answers
	talkPort    = 9100
	maxTalkSize = 1200
	answerLimit = 3 * time.Second        // for an answer that must come
	silentLimit = 100 * time.Millisecond // for one that must not
)

// serverAddrs are the server's address in each family, and overheads the octets of a packet beside what it carries.
var (
	serverAddrs = [families]string{lab.WebAddr4, lab.WebAddr6}
	overheads   = [families]uint64{20 + 8, 40 + 8}
)

func newTalkers(t testing.TB, l *lab.Lab, zone string, n int) (*talkers, error) {
	stations, err := l.AddStaticStations(t.Context(), n)
	if err != nil {
		return nil, err
	}
	k := &talkers{arrived: map[uint64]net.Addr{}}
	for _, s := range stations {
		k.all = append(k.all, &talker{Station: sessions.Station{Zone: zone, MAC: sessions.MAC(s.MAC)}, host: s})
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		for _, s := range k.servers {
			_ = s.Close()
		}
		serving.Wait()
		for _, s := range k.all {
			for _, c := range s.conns {
				if c != nil {
					_ = c.Close()
				}
			}
		}
	})
	for _, addr := range serverAddrs {
		server, err := l.WAN.ListenPacket(t.Context(), "udp", netip.AddrPortFrom(netip.MustParseAddr(addr), talkPort).String())
		if err != nil {
			return nil, err
		}
		k.servers = append(k.servers, server)
		serving.Go(func() { k.serve(server) })
	}
	return k, nil
}

// serve notes and answers until the server is closed.
func (k *talkers) serve(server net.PacketConn) {
	packet := make([]byte, maxTalkSize)
	for {
		n, from, err := server.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < headerSize {
			continue
		}
		k.mu.Lock()
		k.arrived[binary.BigEndian.Uint64(packet)] = from
		k.mu.Unlock()
		for range packet[headerSize-1] {
			_, _ = server.WriteTo(packet[:n], from)
		}
	}
}

func (k *talkers) from(number uint64) net.Addr {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.arrived[number]
}

// talk lets every station say something in each family, and tells the model what passed. settle waits until it is certain
// who is live.
func (k *talkers) talk(m *model, random *rand.Rand, settle func()) error {
	for _, i := range random.Perm(len(k.all)) {
		for family := range families {
			settle()
			x := exchange{talker: k.all[i], family: family, size: headerSize + random.IntN(maxTalkSize-headerSize),
				answers: byte(1 + random.IntN(3)), begun: time.Now()}
			if random.IntN(4) == 0 {
				if err := x.talker.hangUp(family); err != nil {
					return err
				}
			}
			g := m.latest(x.talker.Station)
			m.expect(g, &x)
			if err := k.exchange(&x); err != nil {
				return err
			}
			if err := m.take(g, x); err != nil {
				return err
			}
			if !g.isLive(x.ended) || m.blocked[x.talker.Station] {
				if err := k.intrude(&x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// exchange is a packet of a station, and what came of it.
type exchange struct {
	*talker
	family, size int
	answers      byte
	begun, ended time.Time
	passed       bool // the packet arrived
	answered     byte // so many came back

	willPass   bool
	willAnswer byte
	unsure     bool // about either
}

func (x *exchange) octets() uint64 { return uint64(x.size) + overheads[x.family] }

// expect foretells an exchange, and counts it.
func (m *model) expect(g *grant, x *exchange) {
	if !g.isLive(x.begun) || m.blocked[x.Station] {
		return
	}
	_, sure := m.isCapped(g)
	x.unsure = !sure
	if x.willPass = m.passes(g, up, x.octets()); !x.willPass {
		return
	}
	for x.willAnswer < x.answers && m.passes(g, down, x.octets()) {
		x.willAnswer++
	}
}

func (s *talker) hangUp(family int) error {
	if s.conns[family] == nil {
		return nil
	}
	err := s.conns[family].Close()
	s.conns[family] = nil
	return err
}

// exchange sends the packet and waits for its answers.
func (k *talkers) exchange(x *exchange) error {
	defer func() { x.ended = time.Now() }()
	if x.conns[x.family] == nil {
		server := netip.AddrPortFrom(netip.MustParseAddr(serverAddrs[x.family]), talkPort)
		conn, err := x.host.Dial(context.Background(), "udp", server.String())
		if err != nil {
			return err
		}
		x.conns[x.family] = conn
	}
	conn := x.conns[x.family]
	k.number++
	number := k.number
	packet := make([]byte, x.size)
	binary.BigEndian.PutUint64(packet, number)
	packet[headerSize-1] = x.answers
	// An error that is told now may be about the packet before.
	if _, err := conn.Write(packet); err != nil {
		if _, err = conn.Write(packet); err != nil {
			return fmt.Errorf("sending from %s: %w", x.host.Name, err)
		}
	}
	answer := make([]byte, maxTalkSize)
	for x.answered < x.answers {
		isDue, limit := x.answered < x.willAnswer && !x.unsure, silentLimit
		if isDue {
			limit = answerLimit
		}
		if err := conn.SetReadDeadline(time.Now().Add(lab.Patience(limit))); err != nil {
			return err
		}
		n, err := conn.Read(answer)
		if isDue && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil { // refused by ICMP, or not answered
			break
		}
		if got := binary.BigEndian.Uint64(answer); n != x.size || got != number {
			return fmt.Errorf("%s got an answer of %d octets to packet %d, long after it was sent", x.host.Name, n, got)
		}
		x.answered++
	}
	if from := k.from(number); from != nil {
		x.passed, x.seen[x.family] = true, from
	}
	return nil
}

// intrude has the server send to where the station's last packet came from, as a leak would let through. What arrives is
// taken for the answer to the next packet.
func (k *talkers) intrude(x *exchange) error {
	// Where addresses are translated it would be a connection to the router itself, and one in the station's way later.
	if from, ok := x.seen[x.family].(*net.UDPAddr); !ok || from.IP.To4() != nil {
		return nil
	}
	_, err := k.servers[x.family].WriteTo(make([]byte, x.size), x.seen[x.family])
	return err
}

// take checks what came of an exchange with the station's latest grant, or nil, and counts it.
func (m *model) take(g *grant, x exchange) error {
	isVague := g != nil && !m.blocked[x.Station] && (x.unsure || g.vagueUntil(x.begun, x.ended).After(x.begun))
	if !isVague && (x.passed != x.willPass || x.answered != x.willAnswer) {
		return fmt.Errorf("IPv%d of %s, whose session is %v, blocked %v: passed %v, want %v; %d of %d answers came back, want %d",
			4+2*x.family, x.host.Name, g, m.blocked[x.Station], x.passed, x.willPass, x.answered, x.answers, x.willAnswer)
	}
	if g == nil || g.cut {
		return nil
	}
	octets := x.octets()
	add := func(u *sessions.Usage, up, down uint64) {
		u.InputPackets, u.InputOctets = u.InputPackets+up, u.InputOctets+up*octets
		u.OutputPackets, u.OutputOctets = u.OutputPackets+down, u.OutputOctets+down*octets
	}
	var up uint64
	if x.passed {
		up = 1
	}
	add(&g.least, up, uint64(x.answered))
	if isVague {
		m.doubt(g)
		add(&g.most, 1, uint64(x.answers))
	} else {
		add(&g.most, up, uint64(x.answered))
	}
	if renewed := m.after(g.IdleTimeout, x.begun, x.ended); x.passed && !renewed.isNever() {
		if isVague {
			renewed.from = g.silent.from
		}
		g.silent = renewed
	}
	return nil
}

// String says what is expected of a grant.
func (g *grant) String() string {
	if g == nil {
		return "none"
	}
	return fmt.Sprintf("%s (timeout %v, idle timeout %v, caps %+v, cut %v)", g.AcctSessionID, g.Timeout, g.IdleTimeout, g.Caps, g.cut)
}
