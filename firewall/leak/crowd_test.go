package leak_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/lab"
)

// sent is a packet of a member, by its number. Times are of the wall clock, as the kernel stamps packets; zero is never.
type sent struct {
	at, arrived int64
	octets      uint16
	tick        uint8 // by how many milliseconds the kernel's clock was behind, where that is out of the ordinary
	kind        uint8
	v6          bool
}

// member is a station of the crowd: what it may do, and what it did.
type member struct {
	*station
	remote [2]netip.Addr
	state

	mu     sync.Mutex // of what follows
	silent bool
	log    []sent
}

// crowdKinds are the kinds of packets that a member sends, as often as they come.
var crowdKinds = []kind{udpKind, udpKind, udpKind, udpKind, tcpKind, tcpKind, icmpKind, espKind, greKind}

const (
	crowdSize   = 200 // fits into one octet of a tag
	crowdPort   = 9000
	freshPorts  = 64                    // that new flows take in turn
	crowdPacket = 32 * time.Millisecond // between two packets of a member
)

func newCrowd() []*member {
	crowd := make([]*member, crowdSize)
	for i := range crowd {
		s := newStation(i+1, guestZone, stations)
		s.mac[3] = 0x61
		crowd[i] = &member{station: s, remote: [2]netip.Addr{netip.AddrFrom4([4]byte{198, 18, 1, byte(i)}),
			netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 14: 1, 15: byte(i)})}}
	}
	return crowd
}

// send sends the next packet of the member number n, unless it is silent.
func (m *member) send(r *rig, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent {
		return nil
	}
	k, v6, number := rand.IntN(len(crowdKinds)), rand.IntN(2) == 1, len(m.log)
	from, to := netip.AddrPortFrom(m.own(v6), crowdPort), netip.AddrPortFrom(m.remote[0], crowdPort)
	if v6 {
		to = netip.AddrPortFrom(m.remote[1], crowdPort)
	}
	if rand.IntN(4) == 0 { // a new flow, or one of some seconds ago
		from = netip.AddrPortFrom(from.Addr(), uint16(crowdPort+1+number%freshPorts))
	}
	frame := crowdKinds[k].packets(from, to, up, uint32(n)<<24|uint32(number))[0].frame(m.mac, r.macs[lab.GuestBridge])
	p := sent{octets: uint16(len(frame) - 14), kind: uint8(k), v6: v6}
	if lag := lab.TickLag(); lag > late/2 {
		p.tick = uint8(min(lag.Milliseconds(), 255))
	}
	p.at = time.Now().UnixNano()
	m.log = append(m.log, p)
	return r.wires[stations].send(frame)
}

// setSilent makes the member silent, or talk again. When it returns, the last packet before has been sent.
func (m *member) setSilent(silent bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = silent
}

// talk makes every member send until stop is closed.
func (r *rig) talk(crowd []*member, stop <-chan struct{}) error {
	tick := time.NewTicker(crowdPacket / time.Duration(len(crowd)))
	defer tick.Stop()
	due := time.Now()
	for n := 0; ; {
		select {
		case <-stop:
			return nil
		case now := <-tick.C: // a tick that comes late stands for those that it has lost
			if due.Before(now.Add(-crowdPacket)) {
				due = now.Add(-crowdPacket)
			}
			for ; due.Before(now); due = due.Add(crowdPacket / time.Duration(len(crowd))) {
				if err := crowd[n].send(r, n); err != nil {
					return fmt.Errorf("sending a packet of station %d: %w", n, err)
				}
				n = (n + 1) % len(crowd)
			}
		}
	}
}

// note notes what comes to the internet from the crowd.
func (r *rig) note(crowd []*member) func(frame []byte, at time.Time) {
	return func(frame []byte, at time.Time) {
		h, ok := parse(frame)
		tag, tagged := tagIn(frame)
		if !ok || !tagged || h.isError || int(tag>>24) >= len(crowd) {
			return
		}
		m, number := crowd[tag>>24], int(tag&0xffffff)
		m.mu.Lock()
		defer m.mu.Unlock()
		if number < len(m.log) && m.log[number].arrived == 0 {
			m.log[number].arrived = at.UnixNano()
		}
	}
}

// tally is what became of the crowd's packets.
type tally struct {
	sent    int
	arrived int
	out     int // sent while the station surely was not allowed
	sure    int // sent while it surely was
	lost    int // of these
	leaked  int // of those that were sent while it was not
}

// judge compares what arrived with what was allowed. free are the spans in which the gateway had no rules.
func (r *rig) judge(crowd []*member, free []span) (t tally) {
	r.t.Helper()
	margin := lab.Patience(200 * time.Millisecond) // for a packet that waits on its way when its span ends
	for n, m := range crowd {
		m.mu.Lock()
		for i, p := range m.log {
			t.sent++
			at := time.Unix(0, p.at).Add(-time.Duration(p.tick) * time.Millisecond) // the kernel believes that it is so early
			may := func(to time.Time) bool {
				isIt := func(s span) bool { return s.touches(at, to) }
				return slices.ContainsFunc(m.may, isIt) || slices.ContainsFunc(free, isIt)
			}
			if !may(at) {
				t.out++
			}
			sure := slices.ContainsFunc(m.sure, func(s span) bool { return s.holds(at, margin) })
			if sure {
				t.sure++
			}
			if p.arrived != 0 {
				t.arrived++
				if to := time.Unix(0, p.arrived); !may(to) {
					if t.leaked++; t.leaked <= 5 {
						r.t.Errorf("station %d: a packet (%s) sent at %s got out at %s; %s", n, p, stampOf(at), stampOf(to), m.history(at))
					}
				}
				continue
			}
			if sure {
				if t.lost++; t.lost <= 5 {
					r.t.Errorf("station %d: a packet (%s) sent at %s did not get out, but was seen %+v; %s", n, p, stampOf(at), r.witness.sightings(uint32(n)<<24|uint32(i)), m.history(at))
				}
			}
		}
		m.mu.Unlock()
		for _, c := range m.capped {
			r.judgeCap(n, m, c)
		}
	}
	return t
}

// judgeCap checks that no more than a cap's octets got out while it held.
func (r *rig) judgeCap(n int, m *member, c capped) {
	r.t.Helper()
	var octets uint64
	for _, p := range m.log {
		if p.arrived != 0 && time.Unix(0, p.at).After(c.from) && time.Unix(0, p.arrived).Before(c.to) {
			octets += uint64(p.octets)
		}
	}
	if octets > c.octets+1 { // the one more is decision 0015's
		r.t.Errorf("station %d: %d octets got out under a cap of %d; %s", n, octets, c.octets, m.history(c.from))
	}
}

func (p sent) String() string {
	family := 4
	if p.v6 {
		family = 6
	}
	return fmt.Sprintf("%s, IPv%d", crowdKinds[p.kind], family)
}

func stampOf(t time.Time) string { return t.Format("05.000000") }
