package iptables

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nfnetlink_conntrack.h.
const (
	conntrackDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2

	ctaTupleReply    = 2
	ctaMark          = 8
	ctaMarkMask      = 21
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

// Flow is a TCP connection between a station and the portal, as the portal's socket names its ends.
type Flow struct{ Client, Portal netip.AddrPort }

// Forget makes the kernel forget redirected connections, so that what the station sends on them next reaches whom it
// was meant for. A flow that is gone is no error.
func (f *Firewall) Forget(ctx context.Context, flows []Flow) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, flow := range flows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.netfilter.deleteFlow(flow); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("forgetting a redirected connection: %w", err))
		}
	}
	return errors.Join(errs...)
}

// netfilter is a lasting netlink socket in the network namespace in which it was opened.
type netfilter struct{ sockets map[int]*nl.SocketHandle }

func openNetfilter() (netfilter, error) {
	s, err := nl.Subscribe(unix.NETLINK_NETFILTER)
	if err != nil {
		return netfilter{}, fmt.Errorf("opening a netlink socket: %w", err)
	}
	return netfilter{map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: {Socket: s}}}, nil
}

func (n netfilter) close() {
	for _, s := range n.sockets {
		s.Close()
	}
}

// call sends a message about a family and hands each answer to each, without its header.
func (n netfilter) call(kind, flags int, family uint8, data []nl.NetlinkRequestData, each func([]byte)) error {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = n.sockets
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	for _, d := range data {
		req.AddData(d)
	}
	err := req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if each != nil && len(message) >= nl.SizeofNfgenmsg {
			each(message[nl.SizeofNfgenmsg:])
		}
		return true
	})
	var errno syscall.Errno
	if errors.As(err, &errno) && errno >= nl.IPSET_ERR_PRIVATE {
		return nl.IPSetError(errno)
	}
	return err
}

func number(kind int, value uint32) nl.NetlinkRequestData {
	return &nl.Uint32Attribute{Type: uint16(kind) | nl.NLA_F_NET_BYTEORDER, Value: value}
}

// deleteFlow deletes a conntrack entry by what the portal sends: that direction is the one whose addresses are known.
func (n netfilter) deleteFlow(flow Flow) error {
	from, to := flow.Portal.Addr().Unmap().WithZone(""), flow.Client.Addr().Unmap().WithZone("")
	family, src, dst := uint8(unix.AF_INET), ctaIPv4Src, ctaIPv4Dst
	if from.Is6() {
		family, src, dst = unix.AF_INET6, ctaIPv6Src, ctaIPv6Dst
	}
	tuple := nl.NewRtAttr(ctaTupleReply|unix.NLA_F_NESTED, nil)
	ip := tuple.AddRtAttr(ctaTupleIP|unix.NLA_F_NESTED, nil)
	ip.AddRtAttr(src, from.AsSlice())
	ip.AddRtAttr(dst, to.AsSlice())
	proto := tuple.AddRtAttr(ctaTupleProto|unix.NLA_F_NESTED, nil)
	proto.AddRtAttr(ctaProtoNum, []byte{unix.IPPROTO_TCP})
	proto.AddRtAttr(ctaProtoSrcPort, nl.BEUint16Attr(flow.Portal.Port()))
	proto.AddRtAttr(ctaProtoDestPort, nl.BEUint16Attr(flow.Client.Port()))
	return n.call(conntrackDelete, unix.NLM_F_ACK, family, []nl.NetlinkRequestData{tuple}, nil)
}

// deleteFlows deletes the conntrack entries, of all families, whose mark is value where mask has bits.
func (n netfilter) deleteFlows(value, mask uint32) error {
	err := n.call(conntrackDelete, unix.NLM_F_ACK, unix.AF_UNSPEC, []nl.NetlinkRequestData{
		nl.NewRtAttr(ctaMark, nl.BEUint32Attr(value)), nl.NewRtAttr(ctaMarkMask, nl.BEUint32Attr(mask))}, nil)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("deleting connections: %w", err)
	}
	return nil
}

// deleteAllFlows deletes every conntrack entry that carries our bits. The kernel compares marks with one value only, so it is
// asked once per bit.
func (n netfilter) deleteAllFlows() error {
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if bit&Mask == 0 {
			continue
		}
		if err := n.deleteFlows(bit, bit); err != nil {
			return err
		}
	}
	return nil
}
