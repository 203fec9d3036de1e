package dns

import (
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatehouse/sessions"
)

const (
	maxReaches      = 1024
	maxReachNames   = 32
	reachLookupTime = 2 * time.Second // what a guest waits at most before his browser is sent there
)

// reach are names that one captive station may reach for a while.
type reach struct {
	names garden
	until time.Duration // Mono
}

// OpenReach learns addresses of names for one station for a while, in the place of names that it had. What the station may have
// asked for before is asked for again: it will not ask a second time. An address among the names is learned as it is.
func (f *Forwarder) OpenReach(ctx context.Context, st sessions.Station, names []string, lasts time.Duration) error {
	names = names[:min(len(names), maxReachNames)]
	f.rememberReach(st, reach{newGarden(names), f.cfg.Clock.Mono() + lasts})
	ctx, cancel := context.WithTimeout(ctx, reachLookupTime)
	defer cancel()
	var mu sync.Mutex
	var addrs []netip.Addr
	var asking sync.WaitGroup
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			mu.Lock()
			addrs = append(addrs, a.Unmap())
			mu.Unlock()
			continue
		}
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
			asking.Go(func() {
				found := f.lookUp(ctx, name, kind)
				mu.Lock()
				defer mu.Unlock()
				addrs = append(addrs, found...)
			})
		}
	}
	asking.Wait()
	return f.cfg.LearnReach(ctx, st, addrs)
}

// lookUp asks the resolver on the gateway's own behalf. A pattern has no addresses; a name that cannot be asked for is learned when the station asks.
func (f *Forwarder) lookUp(ctx context.Context, name string, kind dnsmessage.Type) (addrs []netip.Addr) {
	full, err := dnsmessage.NewName(name + ".")
	if err != nil || strings.HasPrefix(name, "*") {
		return nil
	}
	q := dnsmessage.Question{Name: full, Type: kind, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	query, err := m.Pack()
	if err != nil {
		return nil
	}
	reply, err := f.exchange(ctx, "udp", query, q)
	if err == nil && isTruncated(reply) {
		reply, err = f.exchange(ctx, "tcp", query, q)
	}
	if err != nil {
		return nil
	}
	for a := range addresses(reply) {
		addrs = append(addrs, a)
	}
	return addrs
}

func isTruncated(msg []byte) bool {
	return len(msg) >= headerSize && binary.BigEndian.Uint16(msg[2:])&0x200 != 0
}

func (f *Forwarder) rememberReach(st sessions.Station, what reach) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reaches) >= maxReaches {
		now, first := f.cfg.Clock.Mono(), st
		for other, r := range f.reaches {
			if r.until <= now {
				delete(f.reaches, other)
			} else if f.reaches[first].names.names == nil || r.until < f.reaches[first].until {
				first = other
			}
		}
		if len(f.reaches) >= maxReaches {
			delete(f.reaches, first)
		}
	}
	f.reaches[st] = what
}

// learnReach learns an answer for the station's own reach, if it has one with the name.
func (f *Forwarder) learnReach(ctx context.Context, st sessions.Station, name string, found map[netip.Addr]time.Duration) error {
	f.mu.Lock()
	r, ok := f.reaches[st]
	f.mu.Unlock()
	if !ok || len(found) == 0 || f.cfg.Clock.Mono() >= r.until || !r.names.has(name) {
		return nil
	}
	addrs := make([]netip.Addr, 0, len(found))
	for a := range found {
		addrs = append(addrs, a)
	}
	return f.cfg.LearnReach(ctx, st, addrs)
}
