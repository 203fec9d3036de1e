package shape

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

const (
	tableName = "gatehouse" // of the family netdev

	// batchElements is how many elements go into one message: an attribute has 16 bits of length.
	batchElements = 300

	socketBuffer = 4 << 20 // bytes; the elements of a zone that is full fit
)

// sockets are netlink sockets as the library wants them.
type sockets map[int]*nl.SocketHandle

func dial(protocol int) (sockets, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), protocol)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	return sockets{protocol: {Socket: s}}, nil
}

func (s sockets) close() {
	for _, h := range s {
		h.Close()
	}
}

// table is netdev gatehouse.
type table struct {
	program string
	netlink sockets
	buf     []byte // for what the kernel answers
}

func openTable(program string) (*table, error) {
	s, err := dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	// Without CAP_NET_ADMIN this fails, and so will the first request, which says so.
	_ = unix.SetsockoptInt(s[unix.NETLINK_NETFILTER].Socket.GetFd(), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	return &table{program: program, netlink: s, buf: make([]byte, 64<<10)}, nil
}

// load makes the table what the text says, in one transaction.
func (t *table) load(ctx context.Context, text string) error {
	cmd := exec.CommandContext(ctx, t.program, "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return fmt.Errorf("running nft: %w: %s", err, first)
	}
	return nil
}

// element is one of a set or map: key, and data or expression where it has one.
type element []*nl.RtAttr

func dataValue(kind int, b []byte) *nl.RtAttr {
	a := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
	a.AddRtAttr(unix.NFTA_DATA_VALUE, b)
	return a
}

func keyElement(mac sessions.MAC) element {
	return element{dataValue(unix.NFTA_SET_ELEM_KEY, mac[:])}
}

// classElement leads a station to its class. A priority is in the host's order.
func classElement(mac sessions.MAC, minor uint16) element {
	return append(keyElement(mac), dataValue(unix.NFTA_SET_ELEM_DATA, binary.NativeEndian.AppendUint32(nil, handle(minor))))
}

// limitElement is a station with a limit of its own.
func limitElement(mac sessions.MAC, rate sessions.BitRate) element {
	e := nl.NewRtAttr(unix.NFTA_SET_ELEM_EXPR|unix.NLA_F_NESTED, nil)
	e.AddRtAttr(unix.NFTA_EXPR_NAME, nl.ZeroTerminated("limit"))
	data := e.AddRtAttr(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, nil)
	data.AddRtAttr(unix.NFTA_LIMIT_RATE, binary.BigEndian.AppendUint64(nil, uint64(max(rate, minRate)/8)))
	data.AddRtAttr(unix.NFTA_LIMIT_UNIT, binary.BigEndian.AppendUint64(nil, 1)) // per second
	data.AddRtAttr(unix.NFTA_LIMIT_BURST, binary.BigEndian.AppendUint32(nil, limitBurst))
	data.AddRtAttr(unix.NFTA_LIMIT_TYPE, binary.BigEndian.AppendUint32(nil, unix.NFT_LIMIT_PKT_BYTES))
	data.AddRtAttr(unix.NFTA_LIMIT_FLAGS, binary.BigEndian.AppendUint32(nil, unix.NFT_LIMIT_F_INV))
	return append(keyElement(mac), e)
}

func (t *table) add(set string, all ...element) error {
	return t.transact(elementMessages(unix.NFT_MSG_NEWSETELEM, set, all))
}

// del deletes elements; that one is not there is no error.
func (t *table) del(set string, all ...element) error {
	err := t.transact(elementMessages(unix.NFT_MSG_DELSETELEM, set, all))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// replace deletes one element and adds another in one transaction.
func (t *table) replace(set string, was, now element) error {
	return t.transact(append(elementMessages(unix.NFT_MSG_DELSETELEM, set, []element{was[:1]}),
		elementMessages(unix.NFT_MSG_NEWSETELEM, set, []element{now})...))
}

// remove deletes the table; that it is not there is no error.
func (t *table) remove() error {
	m := message(unix.NFT_MSG_DELTABLE, 0)
	m.AddData(nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated(tableName)))
	if err := t.transact([]*nl.NetlinkRequest{m}); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing the table: %w", err)
	}
	return nil
}

func elementMessages(kind int, set string, all []element) []*nl.NetlinkRequest {
	var out []*nl.NetlinkRequest
	for len(all) > 0 {
		n := min(len(all), batchElements)
		m := message(kind, unix.NLM_F_CREATE)
		m.AddData(nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_TABLE, nl.ZeroTerminated(tableName)))
		m.AddData(nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_SET, nl.ZeroTerminated(set)))
		list := nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_ELEMENTS|unix.NLA_F_NESTED, nil)
		for _, e := range all[:n] {
			item := list.AddRtAttr(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, nil)
			for _, a := range e {
				item.AddChild(a)
			}
		}
		m.AddData(list)
		out, all = append(out, m), all[n:]
	}
	return out
}

func message(kind, flags int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags)
	m.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_NETDEV, Version: unix.NFNETLINK_V0})
	return m
}

// frame is the beginning or the end of a transaction.
func frame(kind int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(kind, 0)
	m.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: unix.NFNETLINK_V0, ResId: 0x0a00}) // the subsystem, in network order
	return m
}

// transact has the kernel carry out all messages, or none.
func (t *table) transact(all []*nl.NetlinkRequest) error {
	if len(all) == 0 {
		return nil
	}
	all[len(all)-1].Flags |= unix.NLM_F_ACK
	out := frame(unix.NFNL_MSG_BATCH_BEGIN).Serialize()
	for _, m := range all {
		out = append(out, m.Serialize()...)
	}
	out = append(out, frame(unix.NFNL_MSG_BATCH_END).Serialize()...)
	fd := t.netlink[unix.NETLINK_NETFILTER].Socket.GetFd()
	if err := unix.Sendto(fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("sending to the kernel: %w", err)
	}
	acknowledged := false
	var failure error
	for { // the kernel has done it, and answered, before Sendto returns
		n, _, err := unix.Recvfrom(fd, t.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && failure == nil && !acknowledged:
			return errors.New("the kernel did not acknowledge the transaction")
		case errors.Is(err, unix.EAGAIN):
			return failure
		case err != nil:
			return fmt.Errorf("hearing from the kernel: %w", err)
		}
		answers, err := syscall.ParseNetlinkMessage(t.buf[:n])
		if err != nil {
			return fmt.Errorf("hearing from the kernel: %w", err)
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR || len(a.Data) < 4 {
				continue
			}
			code := unix.Errno(-int32(binary.NativeEndian.Uint32(a.Data)))
			acknowledged = acknowledged || code == 0
			if code != 0 && failure == nil {
				failure = code
			}
		}
	}
}

// dump asks for all objects of a kind in our family and returns their attributes.
func (t *table) dump(kind int, narrow ...*nl.RtAttr) ([][]syscall.NetlinkRouteAttr, error) {
	m := message(kind, unix.NLM_F_DUMP)
	for _, a := range narrow {
		m.AddData(a)
	}
	m.Sockets = t.netlink
	answers, err := m.Execute(unix.NETLINK_NETFILTER, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	out := make([][]syscall.NetlinkRouteAttr, 0, len(answers))
	for _, a := range answers {
		attrs, err := nl.ParseRouteAttr(a[nl.SizeofNfgenmsg:])
		if err != nil {
			return nil, fmt.Errorf("reading the table: %w", err)
		}
		out = append(out, attrs)
	}
	return out, nil
}

// names lists chains or sets of our table.
func (t *table) names(kind int, ofTable, ofName uint16) ([]string, error) {
	all, err := t.dump(kind)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, attrs := range all {
		if nl.BytesToString(find(attrs, ofTable)) == tableName {
			out = append(out, nl.BytesToString(find(attrs, ofName)))
		}
	}
	return out, nil
}

func (t *table) chains() ([]string, error) {
	return t.names(unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME)
}

func (t *table) sets() ([]string, error) {
	return t.names(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME)
}

// elements reads a set or map: the minor of each station's class, 0 where the set has none.
func (t *table) elements(set string) (map[sessions.MAC]uint16, error) {
	found := map[sessions.MAC]uint16{}
	all, err := t.dump(unix.NFT_MSG_GETSETELEM, nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_TABLE, nl.ZeroTerminated(tableName)),
		nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_SET, nl.ZeroTerminated(set)))
	if err != nil {
		return nil, err
	}
	for _, attrs := range all {
		items, err := nl.ParseRouteAttr(find(attrs, unix.NFTA_SET_ELEM_LIST_ELEMENTS))
		if err != nil {
			return nil, fmt.Errorf("reading set %s: %w", set, err)
		}
		for _, item := range items {
			parts, err := nl.ParseRouteAttr(item.Value)
			if err != nil {
				return nil, fmt.Errorf("reading set %s: %w", set, err)
			}
			key, data := value(parts, unix.NFTA_SET_ELEM_KEY), value(parts, unix.NFTA_SET_ELEM_DATA)
			if len(key) < 6 {
				continue
			}
			minor := uint16(0)
			if len(data) >= 4 {
				minor = uint16(binary.NativeEndian.Uint32(data))
			}
			found[sessions.MAC(key[:6])] = minor
		}
	}
	return found, nil
}

const attributeType = 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

func find(attrs []syscall.NetlinkRouteAttr, kind uint16) []byte {
	for _, a := range attrs {
		if a.Attr.Type&attributeType == kind {
			return a.Value
		}
	}
	return nil
}

// value is what stands in a key or data.
func value(attrs []syscall.NetlinkRouteAttr, kind uint16) []byte {
	inner, err := nl.ParseRouteAttr(find(attrs, kind))
	if err != nil {
		return nil
	}
	return find(inner, unix.NFTA_DATA_VALUE)
}
