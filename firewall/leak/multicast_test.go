package leak_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// Options of linux/mroute.h and linux/mroute6.h, which number them alike.
const (
	mrtInit   = 200
	mrtAddVIF = 202
	mrtAddMFC = 204

	byIndex = 8 // VIFF_USE_IFINDEX
)

// routes of multicast packets: the numbers of their ends.
const (
	insideVIF  = 0
	outsideVIF = 1
)

// routeTelevision makes the gateway route the group television, as igmpproxy does: from the stations to the internet and from
// there into their zone. Without, no multicast packet would come as far as the firewall.
func (r *rig) routeTelevision(all []*station) {
	r.t.Helper()
	r.must(r.Gateway.Do(func() error {
		inside, err := net.InterfaceByName(lab.GuestBridge)
		if err != nil {
			return err
		}
		outside, err := net.InterfaceByName(lab.WANInterface)
		if err != nil {
			return err
		}
		for _, v6 := range []bool{false, true} {
			m, err := openMulticastRouter(v6)
			if err != nil {
				return err
			}
			r.t.Cleanup(func() { _ = unix.Close(m.fd) })
			errs := []error{m.end(insideVIF, inside.Index), m.end(outsideVIF, outside.Index),
				m.route(either(v6, lab.WebAddr4, lab.WebAddr6), outsideVIF, insideVIF)}
			for _, s := range all {
				errs = append(errs, m.route(s.own(v6), insideVIF, outsideVIF))
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
		}
		return nil
	}))
}

type multicastRouter struct {
	fd, level int
	v6        bool
}

func openMulticastRouter(v6 bool) (m multicastRouter, err error) {
	m.v6, m.level = v6, unix.IPPROTO_IP
	family, proto := unix.AF_INET, unix.IPPROTO_IGMP
	if v6 {
		family, proto, m.level = unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.IPPROTO_IPV6
	}
	if m.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto); err != nil {
		return m, err
	}
	return m, m.set(mrtInit, binary.NativeEndian.AppendUint32(nil, 1))
}

func (m multicastRouter) set(option int, value []byte) error {
	if err := unix.SetsockoptString(m.fd, m.level, option, string(value)); err != nil {
		return fmt.Errorf("multicast routing, option %d: %w", option, err)
	}
	return nil
}

// end is a struct vifctl, or mif6ctl.
func (m multicastRouter) end(number uint16, index int) error {
	b := binary.NativeEndian.AppendUint16(nil, number)
	if m.v6 {
		b = append(b, 0, 1) // flags, threshold
		b = binary.NativeEndian.AppendUint16(b, uint16(index))
		return m.set(mrtAddVIF, append(b, make([]byte, 6)...))
	}
	b = append(b, byIndex, 1, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	return m.set(mrtAddVIF, append(b, 0, 0, 0, 0))
}

// route is a struct mfcctl, or mf6cctl.
func (m multicastRouter) route(from netip.Addr, in, out uint16) error {
	group := television(m.v6)
	if m.v6 {
		b := binary.NativeEndian.AppendUint16(append(socketAddress(from), socketAddress(group)...), in)
		b = append(b, 0, 0)
		set := make([]byte, 32)
		binary.NativeEndian.PutUint32(set, 1<<out)
		return m.set(mrtAddMFC, append(b, set...))
	}
	b := binary.NativeEndian.AppendUint16(append(from.AsSlice(), group.AsSlice()...), in)
	thresholds := make([]byte, 32)
	thresholds[out] = 1
	return m.set(mrtAddMFC, append(append(b, thresholds...), make([]byte, 2+16)...))
}

// socketAddress is a struct sockaddr_in6.
func socketAddress(addr netip.Addr) []byte {
	b := append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), 0, 0, 0, 0, 0, 0)
	return append(append(b, addr.AsSlice()...), 0, 0, 0, 0)
}
