package neigh_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/internal/neigh"
	"gatehouse/lab"
)

// listener is a lab whose guest bridge is listened to.
type listener struct {
	fixture
	*neigh.Sniffer
	log lockedBuffer

	mu       sync.Mutex
	heard    map[change]int
	suspects map[neigh.Suspect]int
	online   map[[6]byte]bool
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.String(), text)
}

func listen(t *testing.T, limit int) *listener {
	t.Helper()
	l := &listener{heard: map[change]int{}, suspects: map[neigh.Suspect]int{}, online: map[[6]byte]bool{}}
	begun := time.Now()
	config := neigh.SnifferConfig{
		Interfaces: []string{lab.GuestBridge, otherBridge}, Max: limit, Log: slog.New(slog.NewTextHandler(&l.log, nil)),
		Mono: func() time.Duration { return time.Since(begun) + time.Hour },
		Heard: func(iface string, mac [6]byte, addr netip.Addr) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.heard[change{iface, mac, addr}]++
		},
		Suspected: func(_ string, who neigh.Suspect) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.suspects[who]++
		},
		Kept: func(_ string, mac [6]byte) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.online[mac]
		},
	}
	l.fixture = open(t, neigh.Config{Moved: func(iface string, mac [6]byte, port int) { l.Moved(iface, mac, port) }})
	if err := l.Gateway.Do(func() (err error) { l.Sniffer, err = neigh.NewSniffer(config); return err }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Sniffer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Sniffer.Close()
		if t.Failed() {
			t.Log(l.log.String())
		}
	})
	l.fixture.run(t)
	return l
}

// tells waits until a station was heard with an address.
func (l *listener) tells(t *testing.T, mac []byte, addr netip.Addr) {
	t.Helper()
	want := change{lab.GuestBridge, [6]byte(mac), addr}
	if err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.heard[want] == 0 {
			return fmt.Errorf("%v was not heard", want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// suspected waits until a station is suspected of one thing alone.
func (l *listener) suspected(t *testing.T, mac []byte, want neigh.Suspicion, stir func()) {
	t.Helper()
	if err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		stir()
		f, _ := l.Facts(lab.GuestBridge, [6]byte(mac))
		if !slices.Equal(f.Suspicions, []neigh.Suspicion{want}) {
			return fmt.Errorf("suspicions %q, want %s", f.Suspicions, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	line := fmt.Sprintf(":%02x suspicion=%s", mac[len(mac)-1], want)
	if n := l.log.count(line); n != 1 {
		t.Errorf("an episode was logged %d times:\n%s", n, l.log.String())
	}
}

func command(t *testing.T, h *lab.Host, name string, args ...string) {
	t.Helper()
	if _, err := h.Run(t.Context(), name, args...); err != nil {
		t.Fatal(err)
	}
}

func TestSnifferHearsStation(t *testing.T) {
	t.Parallel()
	l := listen(t, 0)
	s := l.station(t, lab.StationOptions{DHCP: []string{"-x", "hostname:annas-phone", "-V", "android-dhcp-15"}})
	l.tells(t, s.MAC, netip.Addr{}) // from its first DHCP packet, which has no address yet
	l.tells(t, s.MAC, s.Addr4)
	f, ok := l.Facts(lab.GuestBridge, [6]byte(s.MAC))
	if !ok || f.Name != "annas-phone" || f.Vendor != "android-dhcp-15" || len(f.Suspicions) > 0 {
		t.Errorf("facts: %+v, %v", f, ok)
	}
	if _, ok := l.Facts(otherBridge, [6]byte(s.MAC)); ok {
		t.Error("it was heard on a bridge where it is not")
	}

	// A frame of a VLAN, and what the router sends, tell of nobody here. The last one is there to wait for.
	socket, stranger := newFrameSocket(t, s), []byte{2, 0, 0, 0, 0, 0x0a}
	addr := netip.MustParseAddr("192.168.77.241")
	socket.send(t, slices.Insert(arpFrame(stranger, addr), 12, 0x81, 0x00, 0x00, 0x0a))
	ping(t, l.Gateway, s.Addr4.String())
	last := []byte{2, 0, 0, 0, 0, 0x0b}
	socket.send(t, arpFrame(last, addr))
	l.tells(t, last, addr)
	for _, mac := range [][]byte{stranger, {0x02, 0, 0x5e, 0x77, 0, 1}} { // the second is the bridge itself
		if _, ok := l.Facts(lab.GuestBridge, [6]byte(mac)); ok {
			t.Errorf("%x was heard as a station", mac)
		}
	}

	// Duplicate address detection tells an IPv6 address before the router has met it, temporary ones too.
	if err := s.Sysctl(map[string]string{
		"net/ipv6/conf/all/accept_dad": "1", "net/ipv6/conf/" + lab.PeerInterface + "/accept_dad": "1",
		"net/ipv6/conf/" + lab.PeerInterface + "/dad_transmits": "1", "net/ipv6/conf/" + lab.PeerInterface + "/use_tempaddr": "2",
	}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"2001:db8:77::aaaa", "2001:db8:77::bbbb"} {
		command(t, s.Host, "ip", "addr", "add", a+"/64", "dev", lab.PeerInterface)
		l.tells(t, s.MAC, netip.MustParseAddr(a))
	}
	command(t, s.Host, "ip", "link", "set", lab.PeerInterface, "down")
	command(t, s.Host, "ip", "link", "set", lab.PeerInterface, "up")
	if err := lab.WaitFor(t.Context(), 15*time.Second, func() error {
		out, err := s.Run(t.Context(), "ip", "-6", "-o", "addr", "show", "dev", lab.PeerInterface, "temporary")
		if _, rest, found := strings.Cut(out, "inet6 "); err == nil && found {
			addr, _, _ := strings.Cut(rest, "/")
			l.tells(t, s.MAC, netip.MustParseAddr(addr))
			return nil
		}
		return fmt.Errorf("no temporary address yet: %v %s", err, out)
	}); err != nil {
		t.Error(err)
	}

	// A change of address is heard before the router has talked to it: the kernel's table does not know it yet.
	moved := netip.MustParseAddr("192.168.77.240")
	newFrameSocket(t, s).send(t, arpFrame(s.MAC, moved))
	l.tells(t, s.MAC, moved)
	if _, mac, known := l.Lookup(moved); known {
		t.Errorf("what was only sniffed makes %x identified", mac)
	}
}

func TestSnifferSuspects(t *testing.T) {
	t.Parallel()
	l := listen(t, 0)
	honest := l.station(t, lab.StationOptions{})

	// Two client ids by turns.
	two := l.station(t, lab.StationOptions{})
	l.suspected(t, two.MAC, neigh.TwoClientIDs, func() {
		for _, id := range []string{"01020304050607", "aabbccddeeff"} {
			_, _ = two.Run(t.Context(), "udhcpc", "-n", "-q", "-f", "-i", lab.PeerInterface, "-s", "/bin/true", "-t", "1", "-T", "1", "-x", "0x3d:"+id)
		}
	})

	// One address, two MAC addresses.
	a, b := l.station(t, lab.StationOptions{}), l.station(t, lab.StationOptions{})
	frames := []*frameSocket{newFrameSocket(t, a), newFrameSocket(t, b)}
	l.suspected(t, b.MAC, neigh.TwoMACs, func() {
		frames[0].send(t, arpFrame(a.MAC, a.Addr4))
		frames[1].send(t, arpFrame(b.MAC, a.Addr4))
	})

	// The router's address.
	gateway := netip.MustParseAddr(lab.GuestGateway4)
	rogue := l.station(t, lab.StationOptions{})
	liar := newFrameSocket(t, rogue)
	l.suspected(t, rogue.MAC, neigh.AsRouter, func() { liar.send(t, arpFrame(rogue.MAC, gateway)) })
	l.mu.Lock()
	if n := l.heard[change{lab.GuestBridge, [6]byte(rogue.MAC), gateway}]; n > 0 {
		t.Errorf("the router's address was told %d times as a station's", n)
	}
	l.mu.Unlock()

	// One MAC address behind two ports.
	mac := "02:00:5e:99:00:07"
	left := l.station(t, lab.StationOptions{MAC: mac})
	right := l.station(t, lab.StationOptions{MAC: mac})
	twins := []*frameSocket{newFrameSocket(t, left), newFrameSocket(t, right)}
	l.suspected(t, left.MAC, neigh.TwoPorts, func() {
		for _, s := range twins {
			s.send(t, arpFrame(left.MAC, left.Addr4))
		}
	})
	if f, _ := l.Facts(lab.GuestBridge, [6]byte(honest.MAC)); len(f.Suspicions) > 0 {
		t.Errorf("an honest station is suspected: %q", f.Suspicions)
	}

	// What the importer hears, and how often.
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, who := range []neigh.Suspect{
		{MAC: [6]byte(two.MAC), What: neigh.TwoClientIDs},
		{MAC: [6]byte(a.MAC), What: neigh.TwoMACs, Rival: [6]byte(b.MAC), Addr: a.Addr4},
		{MAC: [6]byte(b.MAC), What: neigh.TwoMACs, Rival: [6]byte(a.MAC), Addr: a.Addr4},
		{MAC: [6]byte(rogue.MAC), What: neigh.AsRouter},
		{MAC: [6]byte(left.MAC), What: neigh.TwoPorts},
	} {
		if n := l.suspects[who]; n == 0 || n > 3 {
			t.Errorf("%+v was told %d times", who, n)
		}
	}
	if len(l.suspects) != 5 {
		t.Errorf("told: %+v", l.suspects)
	}
	for _, s := range []*lab.Station{honest, two, a, b, rogue, left} {
		if f, _ := l.Facts(lab.GuestBridge, [6]byte(s.MAC)); (f.MovedAt > 0) != (s == left) {
			t.Errorf("%s moved at %v", s.MAC, f.MovedAt)
		}
	}
}

func TestSnifferUnderFlood(t *testing.T) {
	t.Parallel()
	const limit = 256
	l := listen(t, limit)
	s := l.station(t, lab.StationOptions{DHCP: []string{"-x", "hostname:annas-phone"}})
	l.tells(t, s.MAC, s.Addr4)
	l.mu.Lock()
	l.online[[6]byte(s.MAC)] = true
	l.mu.Unlock()
	attacker := newFrameSocket(t, l.station(t, lab.StationOptions{}))
	before := heap()
	const frames = 100_000
	frame := arpFrame(make([]byte, 6), netip.MustParseAddr("192.168.70.1"))
	for i := range uint32(frames) {
		frame[6], frame[22] = 2, 2
		binary.BigEndian.PutUint32(frame[8:], i)
		binary.BigEndian.PutUint32(frame[24:], i)
		binary.BigEndian.PutUint32(frame[28:], 0xc0a84000+i%4000)
		attacker.send(t, frame)
	}
	// Who comes while it lasts is heard once there is room again.
	l.tellsAfter(t, s)
	if f, ok := l.Facts(lab.GuestBridge, [6]byte(s.MAC)); !ok || f.Name != "annas-phone" {
		t.Errorf("the flood pushed out a station that has a session: %+v", f)
	}
	l.mu.Lock()
	heard := len(l.heard)
	clear(l.heard)
	l.mu.Unlock()
	if heard > 5000 {
		t.Errorf("%d stations of the flood were told on", heard)
	}
	if n := l.log.count("more new stations than can be real"); n != 1 {
		t.Errorf("the flood was logged %d times", n)
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d stations told of, heap %+d KiB", heard, grown>>10)
	if grown > 4<<20 {
		t.Errorf("the heap grew by %d octets", grown)
	}
}

// tellsAfter waits for a new sighting of a station that speaks again and again.
func (l *listener) tellsAfter(t *testing.T, s *lab.Station) {
	t.Helper()
	key := change{lab.GuestBridge, [6]byte(s.MAC), s.Addr4}
	l.mu.Lock()
	before := l.heard[key]
	l.mu.Unlock()
	socket := newFrameSocket(t, s)
	if err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		socket.send(t, arpFrame(s.MAC, s.Addr4))
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.heard[key] == before {
			return fmt.Errorf("%v is not heard", s.Addr4)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestSnifferInterfaceGoneAndBack(t *testing.T) {
	t.Parallel()
	l := listen(t, 0)
	remake := func() {
		l.ip(t, "link", "del", otherBridge)
		l.ip(t, "link", "add", otherBridge, "type", "bridge")
		l.ip(t, "link", "set", otherBridge, "up")
	}
	remake()
	remake()
	s, err := l.AddStation(t.Context(), lab.StationOptions{Bridge: otherBridge, NoIPv6: true,
		Static: []netip.Prefix{netip.MustParsePrefix("192.168.90.7/24")}})
	if err != nil {
		t.Fatal(err)
	}
	socket := newFrameSocket(t, s)
	for round := range 2 { // made anew; then down and up
		l.mu.Lock()
		clear(l.heard)
		l.mu.Unlock()
		if err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
			socket.send(t, arpFrame(s.MAC, s.Addr4))
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.heard[change{otherBridge, [6]byte(s.MAC), s.Addr4}] == 0 {
				return fmt.Errorf("round %d: not heard", round)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		l.ip(t, "link", "set", otherBridge, "down")
		l.ip(t, "link", "set", otherBridge, "up")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// frameSocket sends frames from a station.
type frameSocket struct{ fd, index int }

func newFrameSocket(t *testing.T, s *lab.Station) *frameSocket {
	t.Helper()
	f := &frameSocket{}
	if err := s.Do(func() (err error) {
		f.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq(lab.PeerInterface)
		if err != nil {
			return err
		}
		err = unix.IoctlIfreq(f.fd, unix.SIOCGIFINDEX, request)
		f.index = int(request.Uint32())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(f.fd) })
	return f
}

func (f *frameSocket) send(t *testing.T, frame []byte) {
	t.Helper()
	err := unix.Sendto(f.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: f.index})
	if err != nil && err != unix.ENOBUFS && err != unix.ENETDOWN {
		t.Fatal(err)
	}
}

// arpFrame announces an address.
func arpFrame(mac []byte, addr netip.Addr) []byte {
	frame := slices.Concat([]byte{255, 255, 255, 255, 255, 255}, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1},
		mac, addr.AsSlice(), make([]byte, 6), addr.AsSlice())
	return append(frame, make([]byte, 18)...)
}

// TestHeardBeforeRun: the first packet of a station may come while the daemon still starts.
func TestHeardBeforeRun(t *testing.T) {
	lab.RequireKernel(t)
	t.Parallel()
	l, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := l.AddStation(t.Context(), lab.StationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan [6]byte, 100)
	var sniffer *neigh.Sniffer
	begun := time.Now()
	if err := l.Gateway.Do(func() (err error) {
		sniffer, err = neigh.NewSniffer(neigh.SnifferConfig{Interfaces: []string{lab.GuestBridge}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Mono: func() time.Duration { return time.Since(begun) }, Kept: func(string, [6]byte) bool { return false },
			Heard: func(_ string, mac [6]byte, _ netip.Addr) { heard <- mac }})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer sniffer.Close()
	command(t, s.Host, "busybox", "udhcpc", "-n", "-q", "-f", "-i", lab.PeerInterface, "-s", "/bin/true", "-t", "1", "-T", "1", "-A", "1")
	command(t, s.Host, "ip", "link", "set", lab.PeerInterface, "down")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- sniffer.Run(ctx) }()
	select {
	case mac := <-heard:
		if mac != [6]byte(s.MAC) {
			t.Errorf("heard %x", mac)
		}
	case <-ctx.Done():
		t.Error("what the station sent before is not told")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
