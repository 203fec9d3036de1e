package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrPermission says that the process may not change the firewall: it lacks CAP_NET_ADMIN.
var ErrPermission = errors.New("no permission to change the firewall (CAP_NET_ADMIN is missing)")

const (
	socketBuffer = 16 << 20 // bytes; one transaction of 32,767 grants fits
	dumpRetries  = 10       // of a dump that another program's change interrupted
)

// socket is a lasting netlink connection to netfilter. It is not safe for concurrent use.
type socket struct {
	fd   int
	seq  uint32
	read []byte
}

func dial() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("opening netfilter's netlink socket: %w", err)
	}
	s := &socket{fd: fd, read: make([]byte, 64<<10)}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("binding netfilter's netlink socket: %w", err), s.close())
	}
	// Without CAP_NET_ADMIN this fails, and so will the first request, which says so.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
	return s, nil
}

// close may be called again: the number of a closed socket soon belongs to something else.
func (s *socket) close() error {
	fd := s.fd
	if fd < 0 {
		return nil
	}
	s.fd = -1
	return unix.Close(fd)
}

// send numbers the messages and returns the number of the first. The kernel handles them before the call returns.
func (s *socket) send(m *messages) (first uint32, err error) {
	first = s.seq + 1
	m.number(first)
	s.seq += uint32(len(m.starts))
	if err := unix.Sendto(s.fd, m.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("sending to the kernel: %w", err)
	}
	return first, nil
}

// receive calls f with what the kernel says, until f is done or nothing is left.
func (s *socket) receive(f func(syscall.NetlinkMessage) (done bool, err error)) error {
	for {
		n, _, err := unix.Recvfrom(s.fd, s.read, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("hearing from the kernel: %w", err)
		}
		parsed, err := syscall.ParseNetlinkMessage(s.read[:n])
		if err != nil {
			return fmt.Errorf("hearing from the kernel: %w", err)
		}
		for _, message := range parsed {
			if done, err := f(message); done || err != nil {
				return err
			}
		}
	}
}

// drop forgets what an exchange that failed left behind.
func (s *socket) drop() {
	_ = s.receive(func(syscall.NetlinkMessage) (bool, error) { return false, nil })
}

// errno reads an NLMSG_ERROR; nil is an acknowledgement.
func errno(message syscall.NetlinkMessage) error {
	if len(message.Data) < 4 {
		return errTruncated
	}
	switch code := unix.Errno(-int32(binary.NativeEndian.Uint32(message.Data))); code {
	case 0:
		return nil
	case unix.EPERM:
		return ErrPermission
	default:
		return code
	}
}

// transact has the kernel carry out all messages of one nftables transaction, or none.
func (s *socket) transact(m *messages) error {
	if len(m.starts) == 0 {
		return nil
	}
	// Only the last message asks for an answer: thousands of them would overrun the socket.
	m.orFlags(len(m.starts)-1, unix.NLM_F_ACK)
	first, err := s.send(framed(m))
	if err != nil {
		return err
	}
	last := first + uint32(len(m.starts)) // the frame's opening is number first
	var failure error
	acknowledged := false
	err = s.receive(func(message syscall.NetlinkMessage) (bool, error) {
		if message.Header.Type != unix.NLMSG_ERROR {
			return false, nil
		}
		err := errno(message)
		if err != nil && failure == nil {
			failure = err
		}
		acknowledged = acknowledged || err == nil && message.Header.Seq == last
		return false, nil
	})
	switch {
	case err != nil:
		return err
	case failure != nil:
		return failure
	case !acknowledged:
		return errors.New("the kernel did not acknowledge the transaction")
	}
	return nil
}

// framed puts the messages between the marks of a transaction.
func framed(m *messages) *messages {
	m.closeMessage()
	out := &messages{buf: make([]byte, 0, len(m.buf)+64), starts: make([]int, 0, len(m.starts)+2)}
	out.add(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	out.closeMessage()
	for _, start := range m.starts {
		out.starts = append(out.starts, len(out.buf)+start)
	}
	out.buf = append(out.buf, m.buf...)
	out.add(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	return out
}

// call sends one message that the kernel answers by an acknowledgement or an error.
func (s *socket) call(m *messages) error {
	m.orFlags(0, unix.NLM_F_ACK)
	return s.get(m, func([]byte) error { return nil })
}

// post sends messages that the kernel answers only when they fail. What they name and is not there is no failure.
func (s *socket) post(m *messages) error {
	if len(m.starts) == 0 {
		return nil
	}
	if _, err := s.send(m); err != nil {
		return err
	}
	var failure error
	err := s.receive(func(message syscall.NetlinkMessage) (bool, error) {
		if message.Header.Type == unix.NLMSG_ERROR && failure == nil {
			if err := errno(message); !isMissing(err) {
				failure = err
			}
		}
		return false, nil
	})
	return errors.Join(failure, err)
}

// get sends one request and calls f with the body of each answer.
func (s *socket) get(m *messages, f func(body []byte) error) error {
	first, err := s.send(m)
	if err != nil {
		return err
	}
	err = s.receive(func(message syscall.NetlinkMessage) (bool, error) {
		switch {
		case message.Header.Seq != first || len(message.Data) < nfgenmsgSize:
			return false, nil
		case message.Header.Type == unix.NLMSG_ERROR:
			return false, errno(message)
		}
		return false, f(message.Data[nfgenmsgSize:])
	})
	if err != nil {
		s.drop()
	}
	return err
}

var errInterrupted = errors.New("the firewall changed while it was read")

// dump sends one request and calls f with the body of every object. When another program's change interrupts it, it
// calls restart and begins again.
func (s *socket) dump(m *messages, restart func(), f func(body []byte) error) error {
	m.orFlags(0, unix.NLM_F_DUMP)
	for range dumpRetries {
		restart()
		err := s.dumpOnce(m, f)
		if !errors.Is(err, errInterrupted) {
			return err
		}
	}
	return errInterrupted
}

func (s *socket) dumpOnce(m *messages, f func(body []byte) error) error {
	first, err := s.send(m)
	if err != nil {
		return err
	}
	interrupted := false
	err = s.receive(func(message syscall.NetlinkMessage) (bool, error) {
		if message.Header.Seq != first {
			return false, nil
		}
		interrupted = interrupted || message.Header.Flags&unix.NLM_F_DUMP_INTR != 0
		switch message.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, errno(message)
		}
		if len(message.Data) < nfgenmsgSize {
			return false, errTruncated
		}
		return false, f(message.Data[nfgenmsgSize:])
	})
	if err != nil {
		s.drop()
		return err
	}
	if interrupted {
		return errInterrupted
	}
	return nil
}

// isMissing tells whether the kernel said that something does not exist.
func isMissing(err error) bool { return errors.Is(err, unix.ENOENT) }
