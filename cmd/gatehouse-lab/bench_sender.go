package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

const (
	sendBatch   = 64 // packets per system call
	frameOctets = 46 // of the IP packet in a frame
)

// benchStation is one of the stations that packets come from and go to. Its port is its own, so that masquerade keeps it
// and the way back can be written down beforehand.
type benchStation struct {
	mac  sessions.MAC
	addr netip.Addr
	port uint16
}

func station(i int) benchStation {
	return benchStation{
		mac:  sessions.MAC{2, 0, 1, 0, byte(i >> 8), byte(i)},
		addr: netip.AddrFrom4([4]byte{10, 0, byte(1 + i>>8), byte(i)}),
		port: uint16(10000 + i),
	}
}

// sender sends the frames of random stations over one interface.
type sender struct {
	fd     int
	frames [][]byte
	iovecs [sendBatch]unix.Iovec
	msgs   [sendBatch]mmsghdr
	random *rand.Rand
	sent   uint64
}

// mmsghdr is the kernel's struct of sendmmsg(2) on 64-bit machines.
type mmsghdr struct {
	hdr unix.Msghdr
	_   [8]byte // the length sent, and padding
}

// packetEnds makes the senders. What arrives at the far ends is dropped on ingress, so that nothing but the gateway works.
func (p *path) packetEnds(ctx context.Context) (err error) {
	for _, h := range []string{"lan", "wan"} {
		if err := nft(ctx, p.ns(h), "table netdev sink { chain in { type filter hook ingress device eth0 priority 0; drop; }; }"); err != nil {
			return err
		}
	}
	up, down := frames(p.n, p.kind.translates(), pathAddresses)
	if p.up, err = newSender(p.inHost("lan"), up); err != nil {
		return err
	}
	p.down, err = newSender(p.inHost("wan"), down)
	return err
}

// inHost runs a function in the namespace of a host.
func (p *path) inHost(host string) func(func() error) error {
	return func(f func() error) error { return inNamespace(p.ns(host), f) }
}

// addresses are what frames need beside the stations.
type addresses struct {
	gatewayLAN, gatewayWAN, wan [6]byte
	outside, web                netip.Addr // of the gateway, and who is talked to
}

var pathAddresses = addresses{
	gatewayLAN: [6]byte{2, 0, 0, 0, 1, 2}, gatewayWAN: [6]byte{2, 0, 0, 0, 2, 2}, wan: [6]byte{2, 0, 0, 0, 2, 1},
	outside: netip.MustParseAddr("203.0.113.2"), web: netip.MustParseAddr("203.0.113.10"),
}

const benchPort = 9 // of the web

// frames are a packet of every station up and down; behind a translation the way down leads to the gateway's address.
func frames(n int, translated bool, a addresses) (up, down [][]byte) {
	web := netip.AddrPortFrom(a.web, benchPort)
	for i := range n {
		s := station(i)
		to := netip.AddrPortFrom(s.addr, s.port)
		up = append(up, frame([6]byte(s.mac), a.gatewayLAN, to, web))
		if translated {
			to = netip.AddrPortFrom(a.outside, s.port)
		}
		down = append(down, frame(a.wan, a.gatewayWAN, web, to))
	}
	return up, down
}

// newSender opens a sender on the interface eth0 of the namespace that in runs functions in.
func newSender(in func(func() error) error, frames [][]byte) (*sender, error) {
	s := &sender{frames: frames, random: rand.New(rand.NewPCG(1, 2))}
	return s, in(func() (err error) {
		// Protocol 0: this socket receives nothing, so the far end's drop is all that happens there.
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return err
		}
		dev, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: dev.Index})
	})
}

// frame is an Ethernet frame of 60 octets with a UDP packet; UDP over IPv4 may go without a checksum.
func frame(src, dst [6]byte, from, to netip.AddrPort) []byte {
	b := make([]byte, 14+frameOctets)
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	h := b[14:34]
	h[0], h[8], h[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(h[2:], uint16(len(b)-14))
	copy(h[12:], from.Addr().AsSlice())
	copy(h[16:], to.Addr().AsSlice())
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	u := b[34:]
	binary.BigEndian.PutUint16(u, from.Port())
	binary.BigEndian.PutUint16(u[2:], to.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	return b
}

// flows sends one packet of every station, so that each has its entry in the connection table and its translation.
func (p *path) flows() error { return p.up.all() }

// all sends every frame once.
func (s *sender) all() error { return s.each(0, len(s.frames)) }

// each sends the frames of some stations once.
func (s *sender) each(from, to int) error {
	for i := from; i < to; i++ {
		if err := unix.Send(s.fd, s.frames[i], 0); err != nil {
			return fmt.Errorf("sending a packet of station %d: %w", i, err)
		}
		s.sent++
	}
	return nil
}

// slice sends for packetSlice and returns the time per packet.
func (s *sender) slice() (time.Duration, error) {
	begun, n := time.Now(), 0
	for {
		if err := s.some(); err != nil {
			return 0, err
		}
		n += sendBatch
		if lasted := time.Since(begun); lasted >= packetSlice {
			return lasted / time.Duration(n), nil
		}
	}
}

// some sends the packets of random stations, sendBatch of them.
func (s *sender) some() error {
	for i := range s.msgs {
		f := s.frames[s.random.IntN(len(s.frames))]
		s.iovecs[i].Base = &f[0]
		s.iovecs[i].SetLen(len(f))
		s.msgs[i].hdr.Iov = &s.iovecs[i]
		s.msgs[i].hdr.SetIovlen(1)
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msgs)), sendBatch, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("sending packets: %w", errno)
	}
	if n != sendBatch {
		return fmt.Errorf("%d of %d packets sent", n, sendBatch)
	}
	s.sent += sendBatch
	return nil
}
