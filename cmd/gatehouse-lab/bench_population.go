package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// population is many stations of a lab behind one port of its bridge. They and the web talk UDP without regard to what
// arrives; two raw senders speak for all.
type population struct {
	*lab.Lab
	port     *lab.Station // whose port it is
	up, down *sender
}

// populate lets n stations join. The gateway must translate, and admits them itself.
func populate(ctx context.Context, l *lab.Lab, n int) (*population, error) {
	ports, err := l.AddStaticStations(ctx, 1)
	if err != nil {
		return nil, err
	}
	p := &population{Lab: l, port: ports[0]}
	a := addresses{outside: netip.MustParseAddr(lab.GatewayWAN4), web: netip.MustParseAddr(lab.WebAddr4)}
	for _, one := range []struct {
		host  *lab.Host
		iface string
		mac   *[6]byte
	}{
		{l.Gateway, lab.GuestBridge, &a.gatewayLAN},
		{l.Gateway, lab.WANInterface, &a.gatewayWAN},
		{l.WAN, lab.PeerInterface, &a.wan},
	} {
		if err := one.host.Do(func() error {
			dev, err := net.InterfaceByName(one.iface)
			if err == nil {
				*one.mac = [6]byte(dev.HardwareAddr)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	var gw strings.Builder
	fmt.Fprintf(&gw, "addr add 10.0.0.1/16 dev %s\nneigh replace %s lladdr %s dev %s\n", lab.GuestBridge,
		a.web, net.HardwareAddr(a.wan[:]), lab.WANInterface)
	writeNeighbours(&gw, n, lab.GuestBridge)
	if err := ip(ctx, l.Gateway.Name, gw.String()); err != nil {
		return nil, err
	}
	// Nobody listens, and nobody shall say so.
	for host, match := range map[string]string{l.WAN.Name: "udp dport", p.port.Name: "udp sport"} {
		sink := fmt.Sprintf("table netdev sink { chain in { type filter hook ingress device %s priority 0; %s %d drop; }; }", lab.PeerInterface, match, benchPort)
		if err := nft(ctx, host, sink); err != nil {
			return nil, err
		}
	}
	up, down := frames(n, true, a)
	if p.up, err = newSender(p.port.Do, up); err != nil {
		return nil, err
	}
	p.down, err = newSender(l.WAN.Do, down)
	return p, err
}

func (p *population) close() {
	for _, s := range []*sender{p.up, p.down} {
		if s != nil {
			_ = unix.Close(s.fd)
		}
	}
}

// talk calls send every so often until stop is called, which returns the first error.
func talk(every time.Duration, send func() error) (stop func() error) {
	quit, done := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				done <- nil
				return
			case <-tick.C:
				if err := send(); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	return func() error { close(quit); return <-done }
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// benchFlow picks the packets of the senders.
func benchFlow(p lab.Packet) bool {
	return p.Protocol == unix.IPPROTO_UDP && (p.Src.Port() == benchPort || p.Dst.Port() == benchPort)
}

// stationOf is the number of the station whose packet it is, and whether the packet goes to it.
func stationOf(p lab.Packet) (number int, down bool) {
	if p.Src.Port() == benchPort {
		return int(p.Dst.Port() - station(0).port), true
	}
	return int(p.Src.Port() - station(0).port), false
}
