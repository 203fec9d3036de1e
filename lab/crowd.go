package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// AddStaticStations connects n stations with fixed addresses of both families to GuestBridge, quickly (some ms each). They
// and the gateway know one another for good, and no broadcast or multicast reaches them: in a crowd these would cost the
// square of its number, and one of a thousand overflows the kernel's neighbour tables, which all namespaces share.
func (l *Lab) AddStaticStations(ctx context.Context, n int) ([]*Station, error) {
	stations := make([]*Station, 0, n)
	for range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		number := int(l.number.Add(1))
		s, err := l.addStaticStation(number)
		if err != nil {
			return nil, fmt.Errorf("adding static station %d: %w", number, err)
		}
		stations = append(stations, s)
	}
	for _, s := range stations {
		if err := s.awaitCable(ctx); err != nil {
			return nil, err
		}
	}
	return stations, nil
}

func (l *Lab) addStaticStation(number int) (*Station, error) {
	router4, router6 := netip.MustParseAddr(GuestGateway4), netip.MustParseAddr(GuestGateway6)
	net4, net6 := netip.MustParsePrefix(GuestNet4), netip.MustParsePrefix(GuestNet6)
	gatewayMAC, err := net.ParseMAC(GuestMAC)
	if err != nil {
		return nil, err
	}
	options := StationOptions{Routers: []netip.Addr{router4, router6}, Static: []netip.Prefix{
		netip.PrefixFrom(nth(net4.Addr(), number+9), net4.Bits()),
		netip.PrefixFrom(nth(net6.Addr(), number+0x5000), net6.Bits()),
	}}
	s, err := l.connectStation(number, options)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return l.Gateway.unflooded(s.Port) },
		s.plugIn,
		func() error { return s.configure(options) },
		func() error { return s.knows(PeerInterface, router4, gatewayMAC) },
		func() error { return s.knows(PeerInterface, router6, gatewayMAC) },
		func() error { return l.Gateway.knows(GuestBridge, s.Addr4, s.MAC) },
		func() error { return l.Gateway.knows(GuestBridge, s.Addr6, s.MAC) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// nth is the address n after a, within the last 16 bits.
func nth(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	low := int(b[len(b)-2])<<8 + int(b[len(b)-1]) + n
	b[len(b)-2], b[len(b)-1] = byte(low>>8), byte(low)
	addr, _ := netip.AddrFromSlice(b)
	return addr
}
