package nftables

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nfnetlink_conntrack.h that x/sys does not have.
const (
	conntrackDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	ctaTupleReply = 2
	ctaMark       = 8
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
