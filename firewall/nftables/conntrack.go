package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nfnetlink_conntrack.h that x/sys does not have.
const (
	conntrackGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	conntrackDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaMark       = 8
	ctaID         = 12
	ctaZone       = 18
	ctaMarkMask   = 21

	ctaTupleIP       = 1
	ctaTupleProto    = 2
	ctaIPv4Src       = 1
	ctaIPv4Dst       = 2
	ctaIPv6Src       = 3
	ctaIPv6Dst       = 4
	ctaProtoNum      = 1
	ctaProtoSrcPort  = 2
	ctaProtoDestPort = 3
)

// Flow is a TCP connection between a station and the portal, as the portal's socket names its ends. Where the station
// believed that it talked to somebody else, only conntrack knows.
type Flow struct{ Client, Portal netip.AddrPort }

// Forget makes the kernel forget redirected connections, so that what the station sends on them next reaches whom it
// was meant for. It must not be called for the connection that carries the login. A flow that is gone is no error.
func (f *Firewall) Forget(ctx context.Context, flows []Flow) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, flow := range flows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.socket.deleteFlow(flow); err != nil && !isMissing(err) {
			errs = append(errs, fmt.Errorf("forgetting a redirected connection: %w", err))
		}
	}
	return errors.Join(errs...)
}

// deleteFlow deletes a conntrack entry by what the portal sends: that direction is the one whose addresses are known.
func (s *socket) deleteFlow(flow Flow) error {
	from, to := flow.Portal.Addr().Unmap().WithZone(""), flow.Client.Addr().Unmap().WithZone("")
	family, src, dst := uint8(unix.AF_INET), uint16(ctaIPv4Src), uint16(ctaIPv4Dst)
	if from.Is6() {
		family, src, dst = unix.AF_INET6, ctaIPv6Src, ctaIPv6Dst
	}
	var m messages
	m.add(conntrackDelete, 0, family, 0)
	tuple := m.begin(ctaTupleReply)
	ip := m.begin(ctaTupleIP)
	m.bytes(src, from.AsSlice())
	m.bytes(dst, to.AsSlice())
	m.end(ip)
	proto := m.begin(ctaTupleProto)
	m.u8(ctaProtoNum, unix.IPPROTO_TCP)
	m.u16(ctaProtoSrcPort, flow.Portal.Port())
	m.u16(ctaProtoDestPort, flow.Client.Port())
	m.end(proto)
	m.end(tuple)
	return s.call(&m)
}

// deleteFlowsByMark deletes the conntrack entries, of all families, whose mark is value where mask has bits.
func (s *socket) deleteFlowsByMark(value, mask uint32) error {
	var m messages
	m.add(conntrackDelete, 0, unix.AF_UNSPEC, 0)
	m.u32(ctaMark, value)
	m.u32(ctaMarkMask, mask)
	if err := s.call(&m); err != nil && !isMissing(err) {
		return fmt.Errorf("deleting connections of a station: %w", err)
	}
	return nil
}

// fewFlowWalks is up to how many stations the kernel is asked to walk its connections for, each by itself, instead of
// telling all connections once.
const fewFlowWalks = 24

// deleteFlowsOf deletes the connections of these ids.
func (s *socket) deleteFlowsOf(ids []id) error {
	if len(ids) <= fewFlowWalks {
		for _, i := range ids {
			if err := s.deleteFlowsByMark(i.mark(), idMask); err != nil {
				return err
			}
		}
		return nil
	}
	wanted := make(map[id]bool, len(ids))
	same := uint32(idMask) // the bits that all ids agree on: the kernel tells only connections that have them
	for _, i := range ids {
		wanted[i] = true
		same &^= i.mark() ^ ids[0].mark()
	}
	var ask, deletions messages
	ask.add(conntrackGet, 0, unix.AF_UNSPEC, 0)
	ask.u32(ctaMark, ids[0].mark()&same)
	ask.u32(ctaMarkMask, same)
	err := s.dump(&ask, func() { deletions = messages{} }, func(body []byte) error {
		return deletions.deletionOf(body, wanted)
	})
	if err != nil {
		return fmt.Errorf("listing connections of stations: %w", err)
	}
	if err := s.post(&deletions); err != nil {
		return fmt.Errorf("deleting connections of stations: %w", err)
	}
	return nil
}

// deletionOf adds the deletion of a listed connection when its mark has one of the ids.
func (m *messages) deletionOf(flow []byte, ids map[id]bool) error {
	named := map[uint16][]byte{}
	err := attributes(flow, func(kind uint16, b []byte) error { named[kind] = b; return nil })
	if err != nil || len(named[ctaMark]) != 4 || !ids[idOf(binary.BigEndian.Uint32(named[ctaMark]))] {
		return err
	}
	family := uint8(unix.AF_INET)
	err = attributes(named[ctaTupleOrig], func(kind uint16, b []byte) error {
		if kind != ctaTupleIP {
			return nil
		}
		return attributes(b, func(kind uint16, _ []byte) error {
			if kind == ctaIPv6Src {
				family = unix.AF_INET6
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	m.add(conntrackDelete, 0, family, 0)
	m.bytes(ctaTupleOrig|unix.NLA_F_NESTED, named[ctaTupleOrig])
	for _, kind := range []uint16{ctaID, ctaZone} { // that it is this one, and not a later one between the same ends
		if b, there := named[kind]; there {
			m.bytes(kind, b)
		}
	}
	return nil
}

// deleteAllFlows deletes every conntrack entry that carries our bits. The kernel compares marks with one value
// only, so it is asked once per bit.
func (s *socket) deleteAllFlows() error {
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if bit&Mask == 0 {
			continue
		}
		if err := s.deleteFlowsByMark(bit, bit); err != nil {
			return err
		}
	}
	return nil
}
