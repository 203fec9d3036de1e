package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// upstreamTimeout is a little less than what stations wait before they ask again.
const upstreamTimeout = 4 * time.Second

// exchange asks the resolver and returns its answer as it came, with the station's id. Every query has a port and an id
// of its own, so that nobody elsewhere can guess an answer into the garden.
func (f *Forwarder) exchange(ctx context.Context, network string, query []byte, q dnsmessage.Question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, f.cfg.Upstream.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	var random [2]byte
	_, _ = rand.Read(random[:]) // never fails
	id := binary.BigEndian.Uint16(random[:])
	sent := append([]byte(nil), query...)
	binary.BigEndian.PutUint16(sent, id)
	reply, err := exchangeOver(conn, network, sent, id, q)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", network, err)
	}
	if reply == nil {
		return truncated(query), nil
	}
	copy(reply[:2], query)
	return reply, nil
}

var errForeignAnswer = errors.New("the answer is to another question")

// exchangeOver returns nil where the answer is longer than a packet may be.
func exchangeOver(conn net.Conn, network string, query []byte, id uint16, q dnsmessage.Question) ([]byte, error) {
	if network == "tcp" {
		if err := writeMessage(conn, query); err != nil {
			return nil, err
		}
		reply, err := readMessage(conn, math.MaxUint16)
		if err == nil && !answers(reply, id, q) {
			return nil, errForeignAnswer
		}
		return reply, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, maxPacket)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if !answers(buf[:n], id, q) {
			continue
		}
		if n == len(buf) {
			return nil, nil
		}
		return buf[:n], nil
	}
}
