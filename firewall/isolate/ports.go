package isolate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// mark is the end of a port's alias that says whose the flag is.
const mark = "(isolated by gatehouse)"

// listTries is how often a listing is begun anew that a change interrupted.
const listTries = 10

// port is a port of a bridge.
type port struct {
	index    int
	bridge   int
	name     string
	isolated bool
}

// portOf reads a message about a bridge's port.
func portOf(data []byte) (p port, ok bool) {
	if len(data) < unix.SizeofIfInfomsg || data[0] != unix.AF_BRIDGE {
		return p, false
	}
	info := nl.DeserializeIfInfomsg(data)
	attrs, err := nl.ParseRouteAttr(data[info.Len():])
	if err != nil {
		return p, false
	}
	p.index = int(info.Index)
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_IFNAME:
			p.name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_MASTER:
			if len(a.Value) < 4 {
				return p, false
			}
			p.bridge = int(nl.NativeEndian().Uint32(a.Value))
		case unix.IFLA_PROTINFO:
			p.isolated = isolated(a.Value)
		}
	}
	return p, p.name != "" && p.bridge != 0
}

// isolated reads the flag among a port's settings.
func isolated(settings []byte) bool {
	attrs, err := nl.ParseRouteAttr(settings)
	return err == nil && slices.ContainsFunc(attrs, func(a syscall.NetlinkRouteAttr) bool {
		return a.Attr.Type == nl.IFLA_BRPORT_ISOLATED && len(a.Value) > 0 && a.Value[0] != 0
	})
}

// allPorts are the ports of all bridges.
func (i *Isolator) allPorts() (ports []port, err error) {
	err = nl.ErrDumpInterrupted
	for try := 0; try < listTries && errors.Is(err, nl.ErrDumpInterrupted); try++ {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.Sockets = i.route
		req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		var answers [][]byte
		answers, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		ports = ports[:0]
		for _, a := range answers {
			if p, ok := portOf(a); ok && p.bridge != p.index { // a bridge lists itself where it has VLANs
				ports = append(ports, p)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listing the ports of bridges: %w", err)
	}
	return ports, nil
}

var errNoFlag = errors.New("the kernel does not know isolated ports (Linux 4.18 and later do)")

// isolate gives a port the flag, and says in its alias that it did so.
func (i *Isolator) isolate(p port) error {
	if p.isolated {
		return nil // by us, or by the operator: then it is to stay
	}
	link, err := i.tc.LinkByIndex(p.index)
	if err != nil {
		return gone(err)
	}
	err = i.mark(link)
	if flagErr := i.tc.LinkSetIsolated(link, true); flagErr != nil {
		return gone(fmt.Errorf("isolating port %s: %w", p.name, flagErr))
	}
	if err != nil || i.flagKnown {
		return gone(err)
	}
	settings, err := i.tc.LinkGetProtinfo(link)
	if err != nil {
		return gone(fmt.Errorf("reading the settings of port %s: %w", p.name, err))
	}
	if i.flagKnown = settings.Isolated; !i.flagKnown {
		return errors.Join(errNoFlag, i.release(p.index)) // what it does not know a kernel passes over
	}
	return nil
}

// release takes the flag back that isolate gave, and leaves one that an operator gave.
func (i *Isolator) release(index int) error {
	link, err := i.tc.LinkByIndex(index)
	if err != nil {
		return gone(err)
	}
	if !strings.HasSuffix(link.Attrs().Alias, mark) {
		return nil
	}
	if err := gone(i.tc.LinkSetIsolated(link, false)); err != nil {
		return fmt.Errorf("taking the isolation of port %s back: %w", link.Attrs().Name, err)
	}
	return gone(i.unmark(link))
}

// marked are the indexes of the interfaces that have our mark: ports, and what was one.
func (i *Isolator) marked() ([]int, error) {
	var links []netlink.Link
	var err error = netlink.ErrDumpInterrupted
	for try := 0; try < listTries && errors.Is(err, netlink.ErrDumpInterrupted); try++ {
		links, err = i.tc.LinkList()
	}
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var out []int
	for _, l := range links {
		if strings.HasSuffix(l.Attrs().Alias, mark) {
			out = append(out, l.Attrs().Index)
		}
	}
	return out, nil
}

// mark fails where the alias is too long already; the port is isolated all the same, and stays so at a clean-up.
func (i *Isolator) mark(link netlink.Link) error {
	alias := link.Attrs().Alias
	if strings.HasSuffix(alias, mark) {
		return nil
	}
	if alias != "" {
		alias += " "
	}
	if err := i.tc.LinkSetAlias(link, alias+mark); err != nil {
		return fmt.Errorf("marking port %s: %w", link.Attrs().Name, err)
	}
	return nil
}

func (i *Isolator) unmark(link netlink.Link) error {
	alias := strings.TrimSuffix(strings.TrimSuffix(link.Attrs().Alias, mark), " ")
	if err := i.tc.LinkSetAlias(link, alias); err != nil {
		return fmt.Errorf("marking port %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// gone forgives what fails because the port went away, or left its bridge.
func gone(err error) error {
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// look sees what is behind the interface of a segment now: a bridge, a VLAN on one, or something else.
func (i *Isolator) look(s *segment) error {
	s.index, s.bridge, s.vlan, s.ports, s.untagged, s.routers, s.mac = 0, 0, 0, nil, nil, nil, sessions.MAC{}
	s.why = "the interface is away"
	link, err := i.tc.LinkByName(s.name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading interface %s: %w", s.name, err)
	}
	s.index = link.Attrs().Index
	copy(s.mac[:], link.Attrs().HardwareAddr)
	bridge := link
	if vlan, ok := link.(*netlink.Vlan); ok {
		if bridge, err = i.tc.LinkByIndex(vlan.ParentIndex); err != nil {
			return gone(fmt.Errorf("reading what %s stands on: %w", s.name, err))
		}
		s.vlan = vlan.VlanId
	}
	if bridge.Type() != "bridge" {
		s.why = fmt.Sprintf("%s is no bridge of this router: only the access point or the switch behind it can isolate", s.name)
		return nil
	}
	s.bridge = bridge.Attrs().Index
	settings, ok := bridge.(*netlink.Bridge)
	s.filters = ok && settings.VlanFiltering != nil && *settings.VlanFiltering
	addrs, err := i.tc.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return gone(fmt.Errorf("reading the addresses of %s: %w", s.name, err))
	}
	for _, a := range addrs {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			s.routers = append(s.routers, addr.Unmap())
		}
	}
	slices.SortFunc(s.routers, netip.Addr.Compare)
	s.routers = slices.Compact(s.routers)
	return nil
}

// lookPorts sees which of all ports are the segment's.
func (i *Isolator) lookPorts(s *segment, all []port) error {
	if s.bridge == 0 {
		return nil
	}
	var vlans map[int32][]*nl.BridgeVlanInfo
	if s.vlan != 0 && s.filters {
		var err error
		if vlans, err = i.tc.BridgeVlanList(); err != nil {
			return fmt.Errorf("listing the VLANs of ports: %w", err)
		}
	}
	for _, p := range all {
		if p.bridge != s.bridge {
			continue
		}
		s.ports = append(s.ports, p.name)
		if slices.ContainsFunc(vlans[int32(p.index)], func(v *nl.BridgeVlanInfo) bool { return int(v.Vid) == s.vlan && v.EngressUntag() }) {
			s.untagged = append(s.untagged, p.name)
		}
	}
	slices.Sort(s.ports)
	slices.Sort(s.untagged)
	return nil
}
