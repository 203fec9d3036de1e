package neigh

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// trusted are the states in which the kernel stands by an entry's MAC address.
const trusted = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT

// entry is one line of the kernel's table.
type entry struct {
	index int
	addr  netip.Addr
	mac   [6]byte
	valid bool // the kernel stands by mac
}

// entryOf reads a neighbour message; ok is false for what is no IP neighbour.
func entryOf(n *netlink.Neigh, deleted bool) (e entry, ok bool) {
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok || n.Family != unix.AF_INET && n.Family != unix.AF_INET6 {
		return e, false
	}
	e = entry{index: n.LinkIndex, addr: addr}
	if !deleted && n.State&trusted != 0 && len(n.HardwareAddr) == len(e.mac) {
		e.mac, e.valid = [6]byte(n.HardwareAddr), true
	}
	return e, true
}

// kernel asks the kernel single questions.
type kernel struct {
	handle *netlink.Handle
	sock   *nl.SocketHandle
}

func openKernel() (*kernel, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	sock, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		handle.Close()
		return nil, err
	}
	timeout := unix.Timeval{Sec: 5} // the kernel answers at once or never
	if err := sock.SetReceiveTimeout(&timeout); err != nil {
		handle.Close()
		sock.Close()
		return nil, err
	}
	return &kernel{handle: handle, sock: &nl.SocketHandle{Socket: sock}}, nil
}

func (k *kernel) close() {
	k.handle.Close()
	k.sock.Close()
}

// get asks for one entry (no dump). A nil answer without error: there is none.
func (k *kernel) get(msg *netlink.Ndmsg, attrs ...*nl.RtAttr) (*netlink.Neigh, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.sock}
	req.AddData(msg)
	for _, a := range attrs {
		req.AddData(a)
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	// EINVAL and EOPNOTSUPP: the interface is none that has such entries.
	for _, none := range []syscall.Errno{unix.ENOENT, unix.ENODEV, unix.EINVAL, unix.EOPNOTSUPP} {
		if errors.Is(err, none) {
			return nil, nil
		}
	}
	if err != nil || len(msgs) == 0 {
		return nil, err
	}
	return netlink.NeighDeserialize(msgs[0])
}

// neighbour asks who has addr on one interface.
func (k *kernel) neighbour(index int, addr netip.Addr) (e entry, ok bool, err error) {
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	n, err := k.get(&netlink.Ndmsg{Family: uint8(family), Index: uint32(index)}, nl.NewRtAttr(netlink.NDA_DST, addr.AsSlice()))
	if err != nil {
		return e, false, fmt.Errorf("reading one neighbour: %w", err)
	}
	if n == nil {
		return e, false, nil
	}
	e, ok = entryOf(n, false)
	return e, ok && e.valid, nil
}

// port asks the bridge by which of its ports it reaches mac; the index is 0 when it does not know.
func (k *kernel) port(bridge int, mac [6]byte) (index int, err error) {
	n, err := k.get(&netlink.Ndmsg{Family: unix.AF_BRIDGE},
		nl.NewRtAttr(netlink.NDA_MASTER, nl.Uint32Attr(uint32(bridge))), nl.NewRtAttr(netlink.NDA_LLADDR, mac[:]))
	if err != nil {
		return 0, fmt.Errorf("reading one bridge forwarding entry: %w", err)
	}
	if n == nil || n.LinkIndex == bridge {
		return 0, nil
	}
	return n.LinkIndex, nil
}

// list reads the whole table, both families. A listing that the kernel calls inconsistent is begun again.
func (k *kernel) list() ([]entry, error) {
	const tries = 10
	for try := 1; ; try++ {
		neighs, err := k.handle.NeighList(0, unix.AF_UNSPEC)
		if errors.Is(err, netlink.ErrDumpInterrupted) && try < tries {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading neighbour table: %w", err)
		}
		entries := make([]entry, 0, len(neighs))
		for i := range neighs {
			if e, ok := entryOf(&neighs[i], false); ok {
				entries = append(entries, e)
			}
		}
		return entries, nil
	}
}

// index is the number of an interface, 0 when there is none of that name.
func (k *kernel) index(name string) (int, error) {
	link, err := k.handle.LinkByName(name)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading interface %s: %w", name, err)
	}
	return link.Attrs().Index, nil
}
