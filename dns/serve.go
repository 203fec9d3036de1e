package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	maxQuery    = 4096 // octets; with every option that there is a query has some hundred
	maxPacket   = 8192 // of an answer over UDP; what is longer is asked for again over TCP
	maxControl  = 128
	maxErrors   = 100 // of a socket in a row
	connTimeout = 10 * time.Second
)

// servePackets answers queries over UDP until ctx ends.
func (f *Forwarder) servePackets(ctx context.Context, zone string, conn *net.UDPConn) error {
	var running sync.WaitGroup
	defer running.Wait()
	buf, control := make([]byte, maxQuery), make([]byte, maxControl)
	for failed := 0; ; {
		n, cn, _, from, err := conn.ReadMsgUDPAddrPort(buf, control)
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // what the socket heard of an answer's way, or of its interface
			if failed++; failed > maxErrors {
				return fmt.Errorf("reading queries: %w", err)
			}
			continue
		}
		failed = 0
		query := buf[:n]
		a, answer, ask := f.admit(f.asker(zone, unmapped(from)), query)
		if !ask {
			if answer != nil {
				_, _, _ = conn.WriteMsgUDPAddrPort(answer, control[:cn], from)
			}
			continue
		}
		query = append([]byte(nil), query...)
		source := append([]byte(nil), control[:cn]...) // the address that was asked, for the answer to come from
		running.Go(func() {
			if answer := f.resolve(ctx, a, "udp", query); answer != nil {
				_, _, _ = conn.WriteMsgUDPAddrPort(answer, source, from) // a station that has gone misses nothing
			}
		})
	}
}

// serveStreams answers queries over TCP until the listener is closed.
func (f *Forwarder) serveStreams(ctx context.Context, zone string, ln net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	for failed := 0; ; {
		conn, err := ln.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			if failed++; failed > maxErrors {
				return fmt.Errorf("accepting queries: %w", err)
			}
			continue
		}
		failed = 0
		who := f.asker(zone, unmapped(addrPort(conn.RemoteAddr())))
		st := f.stations.connect(who)
		if st == nil {
			_ = conn.Close()
			continue
		}
		running.Go(func() {
			defer f.stations.disconnect(st)
			defer func() { _ = conn.Close() }()
			defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
			for f.serveQuery(ctx, zone, conn) == nil {
			}
		})
	}
}

var errTooLong = errors.New("a query is too long")

// serveQuery answers the next query of a connection.
func (f *Forwarder) serveQuery(ctx context.Context, zone string, conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(connTimeout)); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	query, err := readMessage(conn, maxQuery)
	if err != nil {
		return err
	}
	a, answer, ask := f.admit(f.asker(zone, unmapped(addrPort(conn.RemoteAddr()))), query)
	if ask {
		answer = f.resolve(ctx, a, "tcp", query)
	}
	if answer == nil {
		return io.ErrUnexpectedEOF
	}
	return writeMessage(conn, answer)
}

// readMessage reads a message with its length in front (RFC 1035 §4.2.2).
func readMessage(r io.Reader, most int) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > most {
		return nil, errTooLong
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeMessage(w io.Writer, msg []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg))), msg...))
	return err
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

func unmapped(a netip.AddrPort) netip.Addr { return a.Addr().Unmap() }
