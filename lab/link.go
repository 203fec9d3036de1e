package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func (h *Host) up(iface string) error {
	link, err := h.nl.LinkByName(iface)
	if err == nil {
		err = h.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("setting %s up in %s: %w", iface, h.Name, err)
	}
	return nil
}

// addBridge makes a bridge with addresses and sets it up. plug is an empty host that keeps its carrier up: a bridge
// without a live port has none, and nobody could bind to its IPv6 addresses.
func (h *Host) addBridge(plug *Host, name, mac string, addrs ...netip.Prefix) error {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	noSnooping := false
	bridge := &netlink.Bridge{
		LinkAttrs:         netlink.LinkAttrs{Name: name, HardwareAddr: hw},
		MulticastSnooping: &noSnooping,
	}
	if err := h.nl.LinkAdd(bridge); err != nil {
		return fmt.Errorf("making bridge %s: %w", name, err)
	}
	index, err := h.index(name)
	if err != nil {
		return err
	}
	port := portName("plug", index)
	if err := connect(h, port, name, plug, port, nil); err != nil {
		return err
	}
	return errors.Join(h.addAddrs(name, addrs...), h.up(name))
}

func portName(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, n) }

func (h *Host) index(iface string) (int, error) {
	link, err := h.nl.LinkByName(iface)
	if err != nil {
		return 0, fmt.Errorf("reading interface %s of %s: %w", iface, h.Name, err)
	}
	return link.Attrs().Index, nil
}

func (h *Host) addAddrs(iface string, addrs ...netip.Prefix) error {
	link, err := h.nl.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("reading interface %s of %s: %w", iface, h.Name, err)
	}
	for _, a := range addrs {
		addr := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.nl.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("adding %s to %s of %s: %w", a, iface, h.Name, err)
		}
	}
	return nil
}

// addRoute routes dst, or everything of the router's family when dst is not valid, through via.
func (h *Host) addRoute(dst netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{Gw: via.AsSlice()}
	if dst.IsValid() {
		route.Dst = ipNet(dst)
	}
	if err := h.nl.RouteAdd(route); err != nil {
		return fmt.Errorf("routing through %s in %s: %w", via, h.Name, err)
	}
	return nil
}

// awaitCarrier waits until an interface carries packets: a port that was set up joins its bridge a moment later only.
func (h *Host) awaitCarrier(ctx context.Context, iface string) error {
	err := WaitFor(ctx, 5*time.Second, func() error {
		link, err := h.nl.LinkByName(iface)
		if err == nil && link.Attrs().OperState != netlink.OperUp {
			err = fmt.Errorf("operational state is %v", link.Attrs().OperState)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for %s of %s: %w", iface, h.Name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// connect lays a cable: a veth pair between two hosts with offloads off, so that what is captured is what was sent, and
// both ends up. bridge may be empty; else the near end becomes its port. mac, for the far end, may be nil.
func connect(near *Host, nearName, bridge string, far *Host, farName string, mac net.HardwareAddr) error {
	if err := lay(near, nearName, bridge, far, farName, mac); err != nil {
		return err
	}
	return errors.Join(near.up(nearName), far.up(farName))
}

// lay is connect with both ends left down.
func lay(near *Host, nearName, bridge string, far *Host, farName string, mac net.HardwareAddr) error {
	attrs := netlink.LinkAttrs{Name: nearName}
	if bridge != "" {
		index, err := near.index(bridge)
		if err != nil {
			return err
		}
		attrs.MasterIndex = index
	}
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: farName, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(far.ns)}
	if err := near.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("connecting %s of %s with %s of %s: %w", nearName, near.Name, farName, far.Name, err)
	}
	if err := near.offloadsOff(nearName); err != nil {
		return err
	}
	return far.offloadsOff(farName)
}

// unflooded keeps broadcasts and multicasts out of a bridge's port.
func (h *Host) unflooded(port string) error {
	index, err := h.index(port)
	if err != nil {
		return err
	}
	request := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	link := nl.NewIfInfomsg(unix.AF_BRIDGE)
	link.Index = int32(index)
	request.AddData(link)
	settings := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	settings.AddRtAttr(nl.IFLA_BRPORT_MCAST_FLOOD, []byte{0})
	settings.AddRtAttr(nl.IFLA_BRPORT_BCAST_FLOOD, []byte{0})
	request.AddData(settings)
	err = h.Do(func() error {
		_, err := request.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping floods out of %s of %s: %w", port, h.Name, err)
	}
	return nil
}

// knows enters a neighbour for good.
func (h *Host) knows(iface string, addr netip.Addr, mac net.HardwareAddr) error {
	index, err := h.index(iface)
	if err != nil {
		return err
	}
	err = h.nl.NeighSet(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: mac})
	if err != nil {
		return fmt.Errorf("entering neighbour %s on %s of %s: %w", addr, iface, h.Name, err)
	}
	return nil
}

func (h *Host) offloadsOff(iface string) error {
	if err := h.Do(func() error { return OffloadsOff(iface) }); err != nil {
		return fmt.Errorf("switching offloads of %s in %s off: %w", iface, h.Name, err)
	}
	return nil
}

// OffloadsOff switches segmentation offloads and GRO of an interface in the calling thread's namespace off, as
// `ethtool -K` does.
func OffloadsOff(iface string) error {
	return ethtool(iface, 0, unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO)
}

// GROOn has an interface in the calling thread's namespace merge what it receives, as those of routers do.
func GROOn(iface string) error { return ethtool(iface, 1, unix.ETHTOOL_SGRO) }

// ethtool gives some settings of an interface a value.
func ethtool(iface string, value uint32, commands ...uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for _, command := range commands {
		if err := ethtoolSet(fd, iface, command, value); err != nil {
			return err
		}
	}
	return nil
}

// ethtoolSet is one ETHTOOL_S* request with a struct ethtool_value.
func ethtoolSet(fd int, iface string, command, data uint32) error {
	value := struct{ cmd, data uint32 }{command, data}
	request := struct {
		name  [unix.IFNAMSIZ]byte
		value unsafe.Pointer
		_     [24 - unsafe.Sizeof(uintptr(0))]byte // struct ifreq is 40 bytes
	}{value: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], iface)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return os.NewSyscallError("SIOCETHTOOL", errno)
	}
	return nil
}
