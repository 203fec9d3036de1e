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

const sendBatch = 64 // packets per system call

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

func (p *packetPath) senders(context.Context) (err error) {
	var up, down [][]byte
	for i := range p.n {
		s := station(i)
		web, wan := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("203.0.113.2")
		up = append(up, frame([6]byte(s.mac), [6]byte{2, 0, 0, 0, 1, 2}, netip.AddrPortFrom(s.addr, s.port), netip.AddrPortFrom(web, 9)))
		down = append(down, frame([6]byte{2, 0, 0, 0, 2, 1}, [6]byte{2, 0, 0, 0, 2, 2}, netip.AddrPortFrom(web, 9), netip.AddrPortFrom(wan, s.port)))
	}
	if p.up, err = newSender(p.ns("lan"), up); err != nil {
		return err
	}
	p.down, err = newSender(p.ns("wan"), down)
	return err
}

func newSender(namespace string, frames [][]byte) (*sender, error) {
	s := &sender{frames: frames, random: rand.New(rand.NewPCG(1, 2))}
	return s, inNamespace(namespace, func() (err error) {
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
	b := make([]byte, 60)
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
func (p *packetPath) flows() error {
	for i := range p.up.frames {
		if err := unix.Send(p.up.fd, p.up.frames[i], 0); err != nil {
			return fmt.Errorf("making the flow of station %d: %w", i, err)
		}
		p.up.sent++
	}
	return nil
}

// slice sends for packetSlice and returns the time per packet.
func (s *sender) slice() (time.Duration, error) {
	begun, n := time.Now(), 0
	for {
		if err := s.batch(); err != nil {
			return 0, err
		}
		n += sendBatch
		if lasted := time.Since(begun); lasted >= packetSlice {
			s.sent += uint64(n)
			return lasted / time.Duration(n), nil
		}
	}
}

func (s *sender) batch() error {
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
	return nil
}
