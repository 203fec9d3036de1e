package neigh

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

// ErrRaw says that the process may not listen to frames: it lacks CAP_NET_RAW.
var ErrRaw = errors.New("no permission to listen to stations (CAP_NET_RAW is missing)")

// SnifferConfig says what a Sniffer listens to.
type SnifferConfig struct {
	Interfaces []string // names; they need not exist
	// Heard is called for a station that shows itself, at most once a second for the same address, outside all locks, from
	// one goroutine per interface. addr is the address that it says it has or is about to have; not valid when it told none.
	// The frame may be forged. It must not be nil.
	Heard func(iface string, mac [6]byte, addr netip.Addr)
	// Suspected is called for evidence against a station, at most once in ten seconds for the same, outside all locks, from
	// several goroutines. It may be nil.
	Suspected func(iface string, who Suspect)
	// Kept tells whether a station must be remembered before others. It must not call the Sniffer. It may be nil: none.
	Kept func(iface string, mac [6]byte) bool
	// Max is how many stations per interface are remembered. 0 means 4096.
	Max  int
	Mono func() time.Duration // a clock that never goes back; must not be nil
	Log  *slog.Logger         // must not be nil
}

// Sniffer hears what stations say of themselves. Its methods may be called from many goroutines.
type Sniffer struct {
	config SnifferConfig
	kernel *netlink.Handle
	ears   map[string]*ear
}

// ear listens to one interface.
type ear struct {
	name      string
	socket    *os.File
	bound     int // number of the interface; 0: not bound
	heard     *heard
	decoder   *decoder
	malformed atomic.Uint64
}

// NewSniffer opens a Sniffer in the network namespace of the calling thread. It hears from then on; what it has heard is told when Run
// runs. Close it, but not while Run runs. The error is ErrRaw when the permission is missing.
func NewSniffer(config SnifferConfig) (*Sniffer, error) {
	if config.Max == 0 {
		config.Max = maxStation
	}
	s := &Sniffer{config: config, ears: map[string]*ear{}}
	var err error
	if s.kernel, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	for _, name := range config.Interfaces {
		socket, err := packetSocket(name)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("listening on %s: %w", name, err)
		}
		e := &ear{name: name, socket: socket, decoder: newDecoder(), heard: newHeard(name, config.Max, config.Kept, config.Log)}
		s.ears[name] = e
		if err := e.look(); err != nil {
			s.Close()
			return nil, fmt.Errorf("listening on %s: %w", name, err)
		}
	}
	return s, nil
}

// packetSocket hears nothing yet: it is bound to no interface.
func packetSocket(name string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) {
		return nil, ErrRaw
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), "frames of "+name)
	program, err := filter()
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	raw := make([]unix.SockFilter, len(program))
	for i, p := range program {
		raw[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]})
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), socket.Close())
	}
	// Saves the kernel a copy of every packet to a station. Before Linux 4.20 the filter alone keeps them out.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	return socket, nil
}

// Close frees the sockets.
func (s *Sniffer) Close() {
	s.deafen()
	s.kernel.Close()
}

func (s *Sniffer) deafen() {
	for _, e := range s.ears {
		_ = e.socket.Close()
	}
}

// Run listens until ctx ends; then it returns nil.
func (s *Sniffer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, s.deafen)()
	for _, e := range s.ears {
		group.Go(func() error {
			err := s.listen(ctx, e)
			if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return fmt.Errorf("listening on %s: %w", e.name, err)
		})
	}
	return group.Wait()
}

// Facts are what a station said of itself; ok is false when it was not heard.
func (s *Sniffer) Facts(iface string, mac [6]byte) (f Facts, ok bool) {
	e, ok := s.ears[iface]
	if !ok {
		return f, false
	}
	return e.heard.facts(mac, s.config.Mono())
}

// Moved is for Config.Moved of a Table: it takes in behind which port of a bridge a station is.
func (s *Sniffer) Moved(iface string, mac [6]byte, port int) {
	if e, ok := s.ears[iface]; ok {
		e.heard.moved(mac, port, s.config.Mono())
		s.tell(e)
	}
}

const (
	lookEvery = 2 * time.Second // how long an interface that was made anew may stay unheard
	// More frames than this the kernel drops, at the price of its filter: no flood takes the processor.
	frameRate = 2000
	frameWave = 4000
)

// listen returns why it had to stop.
func (s *Sniffer) listen(ctx context.Context, e *ear) error {
	frames := rate.NewLimiter(frameRate, frameWave)
	buf := make([]byte, snapLength)
	for {
		if err := e.look(); err != nil {
			return err
		}
		if err := s.learnOwn(e); err != nil {
			return err
		}
		if err := e.socket.SetReadDeadline(time.Now().Add(lookEvery)); err != nil {
			return err
		}
		for {
			n, err := e.socket.Read(buf)
			if errors.Is(err, unix.ENETDOWN) {
				e.bound = 0 // the interface went down or away
				continue
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			s.take(e, buf[:n])
			if err := frames.Wait(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *Sniffer) take(e *ear, frame []byte) {
	m, ok, err := e.decoder.decode(frame)
	if err != nil {
		if n := e.malformed.Add(1); n&(n-1) == 0 { // the first, the second, the fourth ...
			s.config.Log.Info("a station sends broken frames", "interface", e.name, "frames", n, "error", err)
		}
		return
	}
	if !ok {
		return
	}
	if e.heard.take(&m, s.config.Mono()) {
		s.config.Heard(e.name, m.mac, m.addr)
	}
	s.tell(e)
}

// tell passes on what speaks against stations.
func (s *Sniffer) tell(e *ear) {
	for _, who := range e.heard.takeSuspects() {
		if s.config.Suspected != nil {
			s.config.Suspected(e.name, who)
		}
	}
}

// learnOwn reads the router's addresses on the interface.
func (s *Sniffer) learnOwn(e *ear) error {
	if e.bound == 0 {
		return nil
	}
	addrs, err := s.kernel.AddrList(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: e.bound}}, netlink.FAMILY_ALL)
	if errors.Is(err, netlink.ErrDumpInterrupted) || errors.Is(err, unix.ENODEV) {
		return nil // soon again
	}
	if err != nil {
		return fmt.Errorf("reading the router's addresses: %w", err)
	}
	own := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			own = append(own, addr.Unmap())
		}
	}
	e.heard.setOwn(own)
	return nil
}

// look binds the socket to the interface as it is now, if there is one.
func (e *ear) look() error {
	request, err := unix.NewIfreq(e.name)
	if err != nil {
		return fmt.Errorf("interface name: %w", err)
	}
	raw, err := e.socket.SyscallConn()
	if err != nil {
		return err
	}
	var problem error
	err = raw.Control(func(fd uintptr) {
		if unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, request) != nil {
			e.bound = 0 // there is none
			return
		}
		index := int(request.Uint32())
		if index == e.bound {
			return
		}
		all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in the order of the network
		problem = unix.Bind(int(fd), &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
		if errors.Is(problem, unix.ENODEV) {
			problem = nil // it went away meanwhile
			return
		}
		e.bound = index
	})
	return errors.Join(err, problem)
}
