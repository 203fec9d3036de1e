package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Outcome is what a sender learns about one attempt.
type Outcome string

// The outcomes.
const (
	Connected   Outcome = "connected"   // TCP handshake done, or a datagram answered
	Refused     Outcome = "refused"     // a TCP reset in answer to the SYN, or ICMP port unreachable
	Reset       Outcome = "reset"       // a TCP reset later
	Unreachable Outcome = "unreachable" // another ICMP error, or no route
	TimedOut    Outcome = "timed out"   // nothing came
)

// ProbeTCP tries to connect to a literal address and port. A lab is so quick that an ICMP error may arrive while the
// kernel is still inside connect, which then forgets it and learns of it by the next SYN: give Unreachable 1.5 s.
func (h *Host) ProbeTCP(ctx context.Context, addr string, timeout time.Duration) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience(timeout))
	defer cancel()
	c, err := h.Dial(ctx, "tcp", addr)
	if err == nil {
		err = c.Close()
	}
	return outcome(err)
}

// ProbeUDP sends a datagram to a literal address and port and waits for an answer or an ICMP error.
func (h *Host) ProbeUDP(ctx context.Context, addr string, timeout time.Duration) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience(timeout))
	defer cancel()
	c, err := h.Dial(ctx, "udp", addr)
	if err != nil {
		return outcome(err)
	}
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	return outcome(exchange(c, deadline))
}

func exchange(c net.Conn, deadline time.Time) error {
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.Write([]byte("probe")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1500))
	return err
}

// outcome sorts the errors of the network; any other error is returned.
func outcome(err error) (Outcome, error) {
	switch {
	case err == nil:
		return Connected, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, nil
	case errors.Is(err, syscall.ECONNRESET):
		return Reset, nil
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES):
		return Unreachable, nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return TimedOut, nil
	}
	return "", fmt.Errorf("probing: %w", err)
}

// Ping sends one ICMP echo to a literal address and waits up to a second for the answer. The error says what came instead.
func (h *Host) Ping(ctx context.Context, addr string) error {
	_, err := h.Run(ctx, "busybox", "ping", "-c", "1", "-W", "1", addr)
	return err
}
