package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Packet is one IP packet as an interface carried it.
type Packet struct {
	At             time.Time // by the kernel
	Sent           bool      // by the captured host; else received
	SrcMAC, DstMAC net.HardwareAddr
	Src, Dst       netip.AddrPort // ports are 0 but for TCP and UDP
	Protocol       uint8          // of the IP header; of IPv6's first header
	TCPFlags       uint8          // as on the wire: FIN 1, SYN 2, RST 4, ACK 16
	Refusal        bool           // ICMP's or ICMPv6's destination unreachable
	HopLimit       uint8          // IPv4's TTL; hosts of the lab send 64
	Octets         int            // of the whole IP packet, headers included
}

// Capture reads the IP packets of one interface.
type Capture struct {
	file  *os.File
	match func(Packet) bool
	keep  bool
	done  chan struct{}

	mu             sync.Mutex
	packets        []Packet
	sent, received uint64
	err            error
}

// Capture keeps every packet of an interface that match wants, or every one when match is nil. It sees all that passes
// after it returns. It ends by Stop, or with the lab.
func (h *Host) Capture(ctx context.Context, iface string, match func(Packet) bool) (*Capture, error) {
	return h.capture(ctx, iface, match, true)
}

// Count is Capture that only sums up the octets, for long runs.
func (h *Host) Count(ctx context.Context, iface string, match func(Packet) bool) (*Capture, error) {
	return h.capture(ctx, iface, match, false)
}

// Octets are the L3 octets so far that the captured host sent and received.
func (c *Capture) Octets() (sent, received uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.received
}

// Packets are the packets so far, in the order of their time stamps.
func (c *Capture) Packets() []Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	packets := slices.Clone(c.packets)
	// Two processors hand their packets over in an order of their own.
	slices.SortStableFunc(packets, func(a, b Packet) int { return a.At.Compare(b.At) })
	return packets
}

// Stop ends the capture and returns its packets. An error means that packets are missing.
func (c *Capture) Stop() ([]Packet, error) {
	dropped, err := c.drain()
	_ = c.file.Close()
	<-c.done
	if dropped > 0 {
		err = errors.Join(err, fmt.Errorf("the kernel dropped %d captured packets", dropped))
	}
	return c.Packets(), errors.Join(err, c.err)
}

func (h *Host) capture(ctx context.Context, iface string, match func(Packet) bool, keep bool) (*Capture, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &Capture{match: match, keep: keep, done: make(chan struct{})}
	err := h.Do(func() error {
		link, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		fd, err := packetSocket(link.Index)
		if err == nil {
			c.file = os.NewFile(uintptr(fd), "capture of "+iface)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capturing on %s of %s: %w", iface, h.Name, err)
	}
	h.lab.servers.Go(func() { c.read(); close(c.done) })
	stop := context.AfterFunc(h.lab.ctx, func() { _ = c.file.Close() })
	h.lab.servers.Go(func() { <-c.done; stop() })
	return c, nil
}

func packetSocket(index int) (fd int, err error) {
	// Protocol 0 receives nothing until the bind, so that no packet of another interface slips in.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: index}),
	)
	const buffer = 64 << 20
	if err == nil && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // not root: as much as allowed
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// read takes packets until the socket is closed.
func (c *Capture) read() {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return
	}
	frame, control := make([]byte, 65536), make([]byte, 128)
	for {
		var n, cn int
		var from unix.Sockaddr
		var recvErr error
		err := conn.Read(func(fd uintptr) bool {
			n, cn, _, from, recvErr = unix.Recvmsg(int(fd), frame, control, 0)
			return recvErr != unix.EAGAIN && recvErr != unix.EINTR
		})
		switch {
		case err != nil:
			return // closed
		case recvErr == unix.ENETDOWN: // the interface went down; it may come up again
		case recvErr != nil:
			c.mu.Lock()
			c.err = errors.Join(c.err, os.NewSyscallError("recvmsg", recvErr))
			c.mu.Unlock()
			return
		default:
			c.take(frame[:n], control[:cn], from)
		}
	}
}

func (c *Capture) take(frame, control []byte, from unix.Sockaddr) {
	p, ok := parsePacket(frame)
	if !ok {
		return
	}
	link, ok := from.(*unix.SockaddrLinklayer)
	p.Sent = ok && link.Pkttype == unix.PACKET_OUTGOING
	p.At = timestamp(control)
	if c.match != nil && !c.match(p) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Sent {
		c.sent += uint64(p.Octets)
	} else {
		c.received += uint64(p.Octets)
	}
	if c.keep {
		c.packets = append(c.packets, p)
	}
}

// drain waits until all that the kernel holds for the socket has been read, and asks for its losses.
func (c *Capture) drain() (dropped uint32, err error) {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = WaitFor(context.Background(), 5*time.Second, func() error {
		var n int
		var peekErr error
		if err := conn.Control(func(fd uintptr) {
			n, _, peekErr = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		}); err != nil {
			return err
		}
		if peekErr == nil && n > 0 {
			return errors.New("packets are waiting to be read")
		}
		return nil
	})
	controlErr := conn.Control(func(fd uintptr) {
		stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			dropped = stats.Drops
		}
	})
	return dropped, errors.Join(err, controlErr)
}

func timestamp(control []byte) time.Time {
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

const ethernetHeader = 14

// parsePacket reads an Ethernet frame; ok is false for what is no IP packet.
func parsePacket(frame []byte) (p Packet, ok bool) {
	if len(frame) < ethernetHeader+20 {
		return p, false
	}
	p.DstMAC, p.SrcMAC = slices.Clone(frame[:6]), slices.Clone(frame[6:12])
	ip := frame[ethernetHeader:]
	var src, dst netip.Addr
	var payload []byte
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		header := int(ip[0]&15) * 4
		p.Octets, p.HopLimit, p.Protocol = int(binary.BigEndian.Uint16(ip[2:])), ip[8], ip[9]
		src, dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		payload = ip[min(header, len(ip)):]
	case unix.ETH_P_IPV6:
		if len(ip) < 40 {
			return p, false
		}
		p.Octets, p.HopLimit, p.Protocol = 40+int(binary.BigEndian.Uint16(ip[4:])), ip[7], ip[6]
		src, dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		payload = ip[40:]
	default:
		return p, false
	}
	var sport, dport uint16
	if (p.Protocol == unix.IPPROTO_TCP || p.Protocol == unix.IPPROTO_UDP) && len(payload) >= 4 {
		sport, dport = binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])
	}
	if p.Protocol == unix.IPPROTO_TCP && len(payload) >= 14 {
		p.TCPFlags = payload[13]
	}
	if len(payload) > 0 {
		p.Refusal = p.Protocol == unix.IPPROTO_ICMP && payload[0] == 3 || p.Protocol == unix.IPPROTO_ICMPV6 && payload[0] == 1
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return p, true
}
