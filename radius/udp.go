package radius

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"layeh.com/radius"
)

const udpBuffer = 4 << 20 // octets of packets that may wait in the kernel

// ServeUDP answers on a socket until ctx ends, then waits for the requests that are running, and closes it.
func (s *Server) ServeUDP(ctx context.Context, conn *net.UDPConn) error {
	defer conn.Close()
	if err := errors.Join(conn.SetReadBuffer(udpBuffer), tellDestination(conn)); err != nil {
		return fmt.Errorf("preparing RADIUS socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	work := context.WithoutCancel(ctx) // what was received is answered
	datagram, control := make([]byte, radius.MaxPacketLength), make([]byte, 64)
	for {
		n, controlLen, _, from, err := conn.ReadMsgUDPAddrPort(datagram, control)
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return fmt.Errorf("reading RADIUS socket: %w", err)
		}
		source := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p, err := s.admit(datagram[:n], source, false, func(nas string) []Client {
			return s.clients.Load().at(source.Addr(), nas)
		})
		if err != nil {
			continue
		}
		back := replyFrom(control[:controlLen])
		if p.Code != radius.CodeAccountingRequest {
			send(conn, s.other(p, false), back, from)
			continue
		}
		select {
		case s.running <- struct{}{}:
			running.Go(func() {
				defer func() { <-s.running }()
				answer, _ := s.respond(work, p) // an error is noted, and silence is the answer
				send(conn, answer, back, from)
			})
		default:
			s.note(overloaded, source, errOverloaded)
		}
	}
}

// send drops what cannot be sent: the NAS asks again.
func send(conn *net.UDPConn, answer, control []byte, to netip.AddrPort) {
	if answer != nil {
		_, _, _ = conn.WriteMsgUDPAddrPort(answer, control, to)
	}
}

// tellDestination makes the kernel say which of the machine's addresses a packet came to. A NAS takes an answer only from the
// address that it has asked.
func tellDestination(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		v6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if v4 != nil && v6 != nil { // a socket is of one family
		return errors.Join(err, v4, v6)
	}
	return err
}

// replyFrom turns what the kernel said of a packet's destination into the order to answer from there. The interface is left
// to the routing table.
func replyFrom(control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])}
			return unix.PktInfo4(&info)
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])}
			if a := netip.AddrFrom16(info.Addr); a.IsLinkLocalUnicast() {
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:20])
			}
			return unix.PktInfo6(&info)
		}
	}
	return nil
}
