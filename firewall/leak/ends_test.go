package leak_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// place is where a packet may be seen.
type place string

const (
	internet  place = "the internet"
	stations  place = "the stations' port" // of the zone's bridge; the stations of the table are there
	peers     place = "the peers' port"    // of the same bridge
	elsewhere place = "another zone"       // the port of its bridge
	router    place = "the router"         // beyond its firewall: what its programs would get
	tagMark         = "leak-tag"           // stands before the tag in every packet of the tests
	tagSize         = len(tagMark) + 4     // with it
)

func tagged(tag uint32) []byte { return binary.BigEndian.AppendUint32([]byte(tagMark), tag) }

func tagIn(b []byte) (uint32, bool) {
	at := bytes.Index(b, []byte(tagMark))
	if at < 0 || len(b) < at+tagSize {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[at+len(tagMark):]), true
}

// sighting is a tagged packet that came to a place.
type sighting struct {
	at place
	heard
}

// witness remembers what was seen.
type witness struct {
	mu     sync.Mutex
	seen   map[uint32][]sighting   // by tag
	n      int                     // of all that was seen
	resets map[netip.AddrPort]bool // that got a TCP reset, anywhere
	done   sync.WaitGroup
}

func (w *witness) sees(at place, h heard, b []byte) {
	tag, ok := tagIn(b)
	if !ok && !h.isReset {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	if h.isReset {
		w.resets[h.dst] = true
	}
	if ok {
		w.seen[tag] = append(w.seen[tag], sighting{at, h})
	}
}

// sightings are what was seen so far of a tag: the packet itself, answers that repeat it, ICMP errors about it.
func (w *witness) sightings(tag uint32) []sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen[tag])
}

func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.resets = map[uint32][]sighting{}, map[netip.AddrPort]bool{}
}

// wire is an end that frames are sent from, and heard at.
type wire struct {
	at   place
	host *lab.Host
	file *os.File
	conn syscall.RawConn
}

// newWire opens the only interface of a host. What others send there goes to hear, until the test ends.
func newWire(t testing.TB, at place, host *lab.Host, done *sync.WaitGroup, hear func(frame []byte, at time.Time)) *wire {
	t.Helper()
	w := &wire{at: at, host: host}
	err := host.Do(func() error {
		link, err := net.InterfaceByName(lab.PeerInterface)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		w.file = os.NewFile(uintptr(fd), string(at))
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: link.Index}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	done.Go(func() { w.listen(hear) })
	t.Cleanup(func() { _ = w.file.Close() })
	return w
}

// listen reads until the socket is closed.
func (w *wire) listen(hear func(frame []byte, at time.Time)) {
	b, control := make([]byte, 65536), make([]byte, 128)
	for {
		var n, controls int
		var recvErr error
		err := w.conn.Read(func(fd uintptr) bool {
			n, controls, _, _, recvErr = unix.Recvmsg(int(fd), b, control, 0)
			return recvErr != unix.EAGAIN && recvErr != unix.EINTR
		})
		if err != nil {
			return
		}
		if recvErr == nil { // else the interface is down
			hear(b[:n], stamp(control[:controls]))
		}
	}
}

// stamp is when the kernel got a packet.
func stamp(control []byte) time.Time {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Time{}
}

// losses is how many packets the kernel could not keep for the socket.
func (w *wire) losses() (n uint32, err error) {
	controlErr := w.conn.Control(func(fd uintptr) {
		var stats *unix.TpacketStats
		if stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			n = stats.Drops
		}
	})
	return n, errors.Join(err, controlErr)
}

// send sends frames.
func (w *wire) send(frames ...[]byte) error {
	for _, f := range frames {
		var sendErr error
		err := w.conn.Write(func(fd uintptr) bool {
			_, sendErr = unix.Write(int(fd), f)
			return sendErr != unix.EAGAIN && sendErr != unix.EINTR
		})
		if err := errors.Join(err, sendErr); err != nil {
			return err
		}
	}
	return nil
}

// groups are what programs of a router may have joined: mDNS, SSDP, DHCPv6.
var groups = []string{"224.0.0.251", "239.255.255.250", "ff02::fb", "ff02::c", "ff02::1:2"}

// listenAtRouter hears every packet that passes the router's own firewall, whatever its port.
func listenAtRouter(t testing.TB, gateway *lab.Host, w *witness, interfaces ...string) {
	t.Helper()
	listen := func(proto byte, network, addr string) {
		c, err := gateway.ListenPacket(t.Context(), fmt.Sprintf("%s:%d", network, proto), addr)
		if err != nil {
			t.Fatal(err)
		}
		roomy(t, c.(*net.IPConn))
		w.done.Go(func() {
			b := make([]byte, 65536)
			for {
				n, _, err := c.ReadFrom(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					w.hearsAtRouter(proto, b[:n])
				}
			}
		})
		t.Cleanup(func() { _ = c.Close() })
	}
	for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, protoGRE, protoESP} {
		listen(proto, "ip4", "0.0.0.0")
		listen(proto, "ip6", "::")
	}
	listen(unix.IPPROTO_ICMP, "ip4", "0.0.0.0")
	listen(protoIGMP, "ip4", "0.0.0.0")
	listen(unix.IPPROTO_ICMPV6, "ip6", "::")
	err := gateway.Do(func() error {
		for _, name := range interfaces {
			link, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			for _, g := range groups {
				c, err := net.ListenMulticastUDP("udp", link, &net.UDPAddr{IP: net.ParseIP(g), Port: 9999})
				if err != nil {
					return err
				}
				t.Cleanup(func() { _ = c.Close() })
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// roomy gives a socket room for all that comes at once.
func roomy(t testing.TB, c *net.IPConn) {
	t.Helper()
	conn, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	controlErr := conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) })
	if err := errors.Join(controlErr, err); err != nil {
		t.Fatal(err)
	}
}

func (w *witness) hearsAtRouter(proto byte, body []byte) {
	h := heard{proto: proto}
	if len(body) >= 8 {
		switch proto {
		case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
			h.dst = netip.AddrPortFrom(netip.Addr{}, binary.BigEndian.Uint16(body[2:]))
		case unix.IPPROTO_ICMP:
			h.isError = body[0] == 3 || body[0] == 11
		case unix.IPPROTO_ICMPV6:
			h.isError = body[0] < 128
		}
	}
	w.sees(router, h, body)
}
