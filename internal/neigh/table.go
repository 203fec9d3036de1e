package neigh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Config says what a Table watches.
type Config struct {
	Interfaces []string // names; they need not exist
	// Changed is called for every address that is new or has moved to another MAC address, outside all locks and one
	// call after the other. It may be nil. While it runs, events wait.
	Changed func(iface string, mac [6]byte, addr netip.Addr)
	// Moved is called, as Changed is, when a bridge has learnt behind which of its ports (a number) a station is. It may be
	// nil.
	Moved func(iface string, mac [6]byte, port int)
	// Max is how many addresses per interface are kept in memory; the kernel is asked for the others. 0 means 8192.
	Max int
	Log *slog.Logger // must not be nil
}

// Table knows the stations behind the addresses of some interfaces. Its methods may be called from many goroutines.
type Table struct {
	config Config
	kernel *kernel
	events *nl.NetlinkSocket

	mu     sync.RWMutex
	images map[string]*image // by interface name, for all of Config.Interfaces; only Run writes
}

// New opens a table in the network namespace of the calling thread. Close it, also after Run.
func New(config Config) (*Table, error) {
	if config.Max == 0 {
		config.Max = 8192
	}
	t := &Table{config: config, images: map[string]*image{}}
	for _, name := range config.Interfaces {
		t.images[name] = newImage(0)
	}
	var err error
	if t.kernel, err = openKernel(); err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	if t.events, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_NEIGH, unix.RTNLGRP_LINK); err != nil {
		t.kernel.close()
		return nil, fmt.Errorf("subscribing to neighbour events: %w", err)
	}
	const buffer = 1 << 20
	if t.events.SetReceiveBufferSize(buffer, true) != nil {
		_ = t.events.SetReceiveBufferSize(buffer, false) // a smaller buffer only means more listings
	}
	return t, nil
}

// Close frees the sockets. It ends Run.
func (t *Table) Close() {
	t.events.Close()
	t.kernel.close()
}

// Run lists the kernel's table and follows its events until ctx ends; then it returns nil.
func (t *Table) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.events.Close)()
	if err := t.relist(); err != nil {
		return err
	}
	for {
		msgs, from, err := t.events.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			t.config.Log.Info("neighbour events were lost, listing the table again")
			t.discard()
			err = t.relist()
		case err == nil && from.Pid == nl.PidKernel:
			err = t.apply(msgs)
		}
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("following neighbour events: %w", err)
		}
	}
}

// Lookup tells the interface and MAC address behind an IP address. A link-local address should carry its zone: the name or
// number of the interface. ok is false when no station is known, or more than one.
func (t *Table) Lookup(addr netip.Addr) (iface string, mac [6]byte, ok bool) {
	zone := addr.Zone()
	addr = addr.Unmap().WithZone("")
	candidates := map[string]int{}
	found := 0
	t.mu.RLock()
	for name, image := range t.images {
		if zone != "" && zone != name && zone != strconv.Itoa(image.index) {
			continue
		}
		if m, known := image.macs[addr]; known {
			iface, mac = name, m
			found++
		}
		candidates[name] = image.index
	}
	t.mu.RUnlock()
	if found == 0 {
		iface, mac, found = t.ask(candidates, addr)
	}
	if found != 1 {
		return "", [6]byte{}, false
	}
	return iface, mac, true
}

// ask asks the kernel for an address on each of the interfaces.
func (t *Table) ask(candidates map[string]int, addr netip.Addr) (iface string, mac [6]byte, found int) {
	for name, index := range candidates {
		if index == 0 { // Run has not seen it yet, or it is new
			index, _ = t.kernel.index(name)
		}
		if index == 0 {
			continue
		}
		if e, ok, err := t.kernel.neighbour(index, addr); err == nil && ok {
			iface, mac = name, e.mac
			found++
		}
	}
	return iface, mac, found
}

// Addresses are the known addresses of a station, in order.
func (t *Table) Addresses(iface string, mac [6]byte) []netip.Addr {
	t.mu.RLock()
	defer t.mu.RUnlock()
	image, ok := t.images[iface]
	if !ok {
		return nil
	}
	addrs := slices.Clone(image.addrs[mac])
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// BridgePort names the port behind which a bridge last saw a station. It is empty when the bridge does not know, and for
// an interface that is no bridge.
func (t *Table) BridgePort(iface string, mac [6]byte) string {
	bridge, err := t.kernel.index(iface)
	if err != nil || bridge == 0 {
		return ""
	}
	port, err := t.kernel.port(bridge, mac)
	if err != nil || port == 0 {
		return ""
	}
	link, err := t.kernel.handle.LinkByIndex(port)
	if err != nil {
		return ""
	}
	return link.Attrs().Name
}

// BridgePorts names the ports of a bridge; an interface that is no bridge is its own.
func (t *Table) BridgePorts(iface string) []string {
	index, err := t.kernel.index(iface)
	if err != nil || index == 0 {
		return nil
	}
	links, err := t.kernel.handle.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // what it has is better than nothing
		return nil
	}
	var ports []string
	for _, l := range links {
		if l.Attrs().MasterIndex == index || l.Attrs().Index == index && l.Type() != "bridge" {
			ports = append(ports, l.Attrs().Name)
		}
	}
	return ports
}

// relist replaces the images by what the kernel knows now. What happens meanwhile comes as events afterwards.
func (t *Table) relist() error {
	fresh := map[int]*image{}
	names := map[int]string{}
	for _, name := range t.config.Interfaces {
		index, err := t.kernel.index(name)
		if err != nil {
			return err
		}
		if index != 0 {
			fresh[index], names[index] = newImage(index), name
		}
	}
	entries, err := t.kernel.list()
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return !e.valid || fresh[e.index] == nil })
	for _, e := range entries {
		fresh[e.index].set(e.addr, e.mac, t.config.Max)
	}
	t.mu.Lock()
	old := t.images
	t.images = map[string]*image{}
	for _, name := range t.config.Interfaces {
		t.images[name] = newImage(0)
	}
	for index, image := range fresh {
		t.images[names[index]] = image
	}
	t.mu.Unlock()
	for _, e := range entries { // nobody else writes: the old images are ours to read
		if was, known := old[names[e.index]].macs[e.addr]; !known || was != e.mac {
			t.changed(names[e.index], e)
		}
	}
	return nil
}

// discard drops the events that wait. After a loss they are older than the listing to come, and the later ones that would
// put them right are missing: applied, they would bring the dead back.
func (t *Table) discard() {
	moment := unix.Timeval{Usec: 1000}
	_ = t.events.SetReceiveTimeout(&moment) // sets a field
	defer func() { _ = t.events.SetReceiveTimeout(&unix.Timeval{}) }()
	const more = 10_000 // than the socket's buffer holds
	for range more {
		_, _, err := t.events.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			return // nothing waits any more, or the socket is closed
		}
	}
}

// apply takes events into the images.
func (t *Table) apply(msgs []syscall.NetlinkMessage) error {
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
			n, err := netlink.NeighDeserialize(m.Data)
			if err != nil {
				return fmt.Errorf("reading a neighbour event: %w", err)
			}
			deleted := m.Header.Type == unix.RTM_DELNEIGH
			if e, ok := entryOf(n, deleted); ok {
				t.applyEntry(e)
			} else if n.Family == unix.AF_BRIDGE && !deleted {
				t.applyPort(n)
			}
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			if err := t.applyLink(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Table) applyEntry(e entry) {
	t.mu.Lock()
	name, news := "", false
	for n, image := range t.images {
		if image.index != e.index {
			continue
		}
		name = n
		if e.valid {
			news = image.set(e.addr, e.mac, t.config.Max)
		} else {
			image.remove(e.addr)
		}
	}
	t.mu.Unlock()
	if news {
		t.changed(name, e)
	}
}

// applyPort tells what a bridge has learnt. What is permanent is the port's own address.
func (t *Table) applyPort(n *netlink.Neigh) {
	if t.config.Moved == nil || n.State&netlink.NUD_PERMANENT != 0 || len(n.HardwareAddr) != 6 {
		return
	}
	for name, image := range t.images { // only Run writes it
		if image.index == n.MasterIndex && image.index != 0 {
			t.config.Moved(name, [6]byte(n.HardwareAddr), n.LinkIndex)
		}
	}
}

// applyLink lists again when one of our interfaces came, went, or got another name or number.
func (t *Table) applyLink(m syscall.NetlinkMessage) error {
	info := nl.DeserializeIfInfomsg(m.Data)
	if info.Family == unix.AF_BRIDGE {
		return nil // about a bridge's port; its "deleted" leaves the interface where it is
	}
	attrs, err := nl.ParseRouteAttr(m.Data[info.Len():])
	if err != nil {
		return fmt.Errorf("reading an interface event: %w", err)
	}
	i := slices.IndexFunc(attrs, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type == unix.IFLA_IFNAME })
	if i < 0 {
		return nil
	}
	eventName := unix.ByteSliceToString(attrs[i].Value)
	for name, image := range t.images { // only Run writes it
		is := m.Header.Type == unix.RTM_NEWLINK && name == eventName
		was := image.index == int(info.Index)
		if is != was {
			return t.relist()
		}
	}
	return nil
}

func (t *Table) changed(iface string, e entry) {
	if t.config.Changed != nil {
		t.config.Changed(iface, e.mac, e.addr)
	}
}
