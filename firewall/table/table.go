package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Name is what the table of each family is called.
const Name = "gatehouse"

const (
	// batchElements is how many elements go into one message: an attribute has 16 bits of length.
	batchElements = 300

	socketBuffer = 4 << 20 // bytes; the elements of a zone that is full fit
	dumpTries    = 10      // of a reading that another program's change interrupted
)

// Sockets are netlink sockets as the library wants them.
type Sockets map[int]*nl.SocketHandle

// Dial opens a socket of that netlink protocol in the calling thread's network namespace.
func Dial(protocol int) (Sockets, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), protocol)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	return Sockets{protocol: {Socket: s}}, nil
}

// Close closes the sockets.
func (s Sockets) Close() {
	for _, h := range s {
		h.Close()
	}
}

// Table is the table gatehouse of one family, in the network namespace in which Open was called. It is not safe for
// concurrent use.
type Table struct {
	family  byte
	program string
	netlink Sockets
	buf     []byte // for what the kernel answers
}

// Open opens the way to the kernel and changes nothing. family is as in unix.NFPROTO_BRIDGE, program the path of nft.
func Open(family byte, program string) (*Table, error) {
	s, err := Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	// Without CAP_NET_ADMIN this fails, and so will the first request, which says so.
	_ = unix.SetsockoptInt(s[unix.NETLINK_NETFILTER].Socket.GetFd(), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	return &Table{family: family, program: program, netlink: s, buf: make([]byte, 64<<10)}, nil
}

// Close closes the sockets. The table stays.
func (t *Table) Close() { t.netlink.Close() }

// Load makes the table what the text says, in one transaction, by the nft program of the calling thread's namespace.
func (t *Table) Load(ctx context.Context, text string) error {
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

// Element is one element of a set or map: its key, and what it has beside.
type Element []*nl.RtAttr

// Key is an element that is only a key.
func Key(b []byte) Element { return Element{Value(unix.NFTA_SET_ELEM_KEY, b)} }

// Value is a key or data.
func Value(kind int, b []byte) *nl.RtAttr {
	a := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
	a.AddRtAttr(unix.NFTA_DATA_VALUE, b)
	return a
}

// Until gives an element an end; zero is none. It lasts a millisecond at least.
func (e Element) Until(d time.Duration) Element {
	if d == 0 {
		return e
	}
	left := binary.BigEndian.AppendUint64(nil, uint64(max(1, d.Milliseconds())))
	return append(e, nl.NewRtAttr(unix.NFTA_SET_ELEM_TIMEOUT, left))
}

// Add adds elements; one that is there already is left as it is.
func (t *Table) Add(set string, all ...Element) error {
	return t.transact(t.elementMessages(unix.NFT_MSG_NEWSETELEM, set, all))
}

// Delete deletes elements, all or none; that one is not there is no error.
func (t *Table) Delete(set string, all ...Element) error {
	err := t.transact(t.elementMessages(unix.NFT_MSG_DELSETELEM, set, all))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// Replace deletes elements, which may have expired, and adds others, in one transaction.
func (t *Table) Replace(set string, gone, now []Element) error {
	keys := make([]Element, len(gone))
	for i, e := range gone {
		keys[i] = e[:1]
	}
	all := t.elementMessages(unix.NFT_MSG_NEWSETELEM, set, gone) // deleting what has expired would undo the transaction
	all = append(all, t.elementMessages(unix.NFT_MSG_DELSETELEM, set, keys)...)
	return t.transact(append(all, t.elementMessages(unix.NFT_MSG_NEWSETELEM, set, now)...))
}

// Remove deletes the table; that it is not there is no error, nor that the kernel has no nftables.
func (t *Table) Remove() error {
	m := t.message(unix.NFT_MSG_DELTABLE, 0)
	m.AddData(nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated(Name)))
	err := t.transact([]*nl.NetlinkRequest{m})
	for _, none := range []error{nil, unix.ENOENT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return fmt.Errorf("removing the table: %w", err)
}

func (t *Table) elementMessages(kind int, set string, all []Element) []*nl.NetlinkRequest {
	var out []*nl.NetlinkRequest
	for len(all) > 0 {
		n := min(len(all), batchElements)
		m := t.message(kind, unix.NLM_F_CREATE)
		m.AddData(nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_TABLE, nl.ZeroTerminated(Name)))
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

func (t *Table) message(kind, flags int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags)
	m.AddData(&nl.Nfgenmsg{NfgenFamily: t.family, Version: unix.NFNETLINK_V0})
	return m
}

// frame is the beginning or the end of a transaction.
func frame(kind int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(kind, 0)
	m.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: unix.NFNETLINK_V0, ResId: 0x0a00}) // the subsystem, in network order
	return m
}

// transact has the kernel carry out all messages, or none.
func (t *Table) transact(all []*nl.NetlinkRequest) error {
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
func (t *Table) dump(kind int, narrow ...*nl.RtAttr) ([][]syscall.NetlinkRouteAttr, error) {
	var answers [][]byte
	var err error = nl.ErrDumpInterrupted
	for try := 0; try < dumpTries && errors.Is(err, nl.ErrDumpInterrupted); try++ {
		m := t.message(kind, unix.NLM_F_DUMP)
		for _, a := range narrow {
			m.AddData(a)
		}
		m.Sockets = t.netlink
		answers, err = m.Execute(unix.NETLINK_NETFILTER, 0)
	}
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
func (t *Table) names(kind int, ofTable, ofName uint16) ([]string, error) {
	all, err := t.dump(kind)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, attrs := range all {
		if text(Find(attrs, ofTable)) == Name {
			out = append(out, text(Find(attrs, ofName)))
		}
	}
	return out, nil
}

// Chains are the names of the table's chains; without a table there are none.
func (t *Table) Chains() ([]string, error) {
	return t.names(unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME)
}

// Sets are the names of the table's sets and maps.
func (t *Table) Sets() ([]string, error) {
	return t.names(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME)
}

// Elements calls f with key and data, if any, of each element of a set or map. A set that is not there has none.
func (t *Table) Elements(set string, f func(key, data []byte)) error {
	all, err := t.dump(unix.NFT_MSG_GETSETELEM, nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_TABLE, nl.ZeroTerminated(Name)),
		nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_SET, nl.ZeroTerminated(set)))
	if err != nil {
		return err
	}
	for _, attrs := range all {
		items, err := nl.ParseRouteAttr(Find(attrs, unix.NFTA_SET_ELEM_LIST_ELEMENTS))
		if err != nil {
			return fmt.Errorf("reading set %s: %w", set, err)
		}
		for _, item := range items {
			parts, err := nl.ParseRouteAttr(item.Value)
			if err != nil {
				return fmt.Errorf("reading set %s: %w", set, err)
			}
			f(value(parts, unix.NFTA_SET_ELEM_KEY), value(parts, unix.NFTA_SET_ELEM_DATA))
		}
	}
	return nil
}

const attributeType = 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

// Find is the value of the first attribute of a kind, nil when there is none.
func Find(attrs []syscall.NetlinkRouteAttr, kind uint16) []byte {
	for _, a := range attrs {
		if a.Attr.Type&attributeType == kind {
			return a.Value
		}
	}
	return nil
}

// value is what stands in a key or data.
func value(attrs []syscall.NetlinkRouteAttr, kind uint16) []byte {
	inner, err := nl.ParseRouteAttr(Find(attrs, kind))
	if err != nil {
		return nil
	}
	return Find(inner, unix.NFTA_DATA_VALUE)
}

// text is an attribute's string without its zero byte.
func text(b []byte) string { return strings.TrimSuffix(string(b), "\x00") }
