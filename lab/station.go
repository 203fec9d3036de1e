package lab

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// StationOptions say how a station differs from a phone in the guest network.
type StationOptions struct {
	Bridge string // empty: GuestBridge
	MAC    string // empty: one of its own, 02:00:5e:10:…
	// Static are fixed addresses with the gateway's router addresses in Routers; no DHCP, no RA. Empty: DHCP and RA.
	Static  []netip.Prefix
	Routers []netip.Addr
	// Bare gives the station no addresses: something in it looks for them itself.
	Bare bool
	// DHCP are more arguments for udhcpc, as in -F name.
	DHCP []string
	// NoIPv6 keeps the station from waiting for an IPv6 address, for bridges without RA.
	NoIPv6 bool
}

// Station is a guest's device: a Host with one interface, PeerInterface, behind a port of the gateway's bridge.
type Station struct {
	*Host
	MAC   net.HardwareAddr
	Port  string // of the gateway's bridge
	Addr4 netip.Addr
	Addr6 netip.Addr // the first global one; not valid without IPv6

	dhcp  *Process
	lease string // file that the DHCP client's script writes
}

// AddStation connects a station and waits until it has its addresses.
func (l *Lab) AddStation(ctx context.Context, options StationOptions) (*Station, error) {
	n := int(l.number.Add(1))
	s, err := l.connectStation(n, options)
	if err != nil {
		return nil, fmt.Errorf("adding station %d: %w", n, err)
	}
	if err := s.settle(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("adding station %d: %w", n, err), l.forget(s.Host))
	}
	return s, nil
}

func (l *Lab) connectStation(n int, options StationOptions) (*Station, error) {
	mac, err := net.ParseMAC(options.MAC)
	if options.MAC == "" {
		mac, err = net.HardwareAddr{0x02, 0x00, 0x5e, 0x10, byte(n >> 8), byte(n)}, nil
	}
	if err != nil {
		return nil, err
	}
	host, err := l.newHost(portName("sta", n))
	if err != nil {
		return nil, err
	}
	s := &Station{Host: host, MAC: mac, Port: portName("sta", n)}
	settings := dadOff()
	settings["net/ipv6/conf/default/router_solicitation_delay"] = "0"
	if len(options.Static) > 0 {
		settings["net/ipv6/conf/default/accept_ra"] = "0"
	}
	if err := host.Sysctl(settings); err != nil {
		return nil, errors.Join(err, l.forget(host))
	}
	bridge := options.Bridge
	if bridge == "" {
		bridge = GuestBridge
	}
	if err := lay(l.Gateway, s.Port, bridge, host, PeerInterface, mac); err != nil {
		return nil, errors.Join(err, l.forget(host))
	}
	return s, nil
}

// settle plugs a connected station in and waits until it has its addresses.
func (s *Station) settle(ctx context.Context, options StationOptions) error {
	if err := s.plugIn(); err != nil {
		return err
	}
	if err := s.awaitCable(ctx); err != nil {
		return err
	}
	if options.Bare {
		return nil
	}
	if len(options.Static) > 0 {
		return s.configure(options)
	}
	return s.obtain(ctx, options)
}

// plugIn sets both ends of the station's cable up.
func (s *Station) plugIn() error {
	return errors.Join(s.lab.Gateway.up(s.Port), s.up(PeerInterface))
}

func (s *Station) awaitCable(ctx context.Context) error {
	return errors.Join(s.lab.Gateway.awaitCarrier(ctx, s.Port), s.awaitCarrier(ctx, PeerInterface))
}

func (s *Station) configure(options StationOptions) error {
	if err := s.addAddrs(PeerInterface, options.Static...); err != nil {
		return err
	}
	for _, p := range options.Static {
		if p.Addr().Is4() {
			s.Addr4 = p.Addr()
		} else {
			s.Addr6 = p.Addr()
		}
	}
	for _, router := range options.Routers {
		if err := s.addRoute(netip.Prefix{}, router); err != nil {
			return err
		}
	}
	return nil
}

// dhcpScript is what udhcpc calls: it configures the interface and leaves the lease as "event" and variables.
const dhcpScript = `#!/bin/sh
case "$1" in
deconfig) ip -4 addr flush dev "$interface" ;;
bound|renew)
	ip -4 addr replace "$ip/$mask" dev "$interface"
	ip -4 route replace default via "${router%% *}" dev "$interface"
	;;
esac
n=$(($(head -n 1 "$LEASE" 2>/dev/null || echo 0) + 1))
{ echo "$n"; echo "event=$1"; echo "ip=$ip"; env | grep -E '^(router|dns|lease|serverid|opt114)='; } > "$LEASE.new"
mv "$LEASE.new" "$LEASE"
`

func (s *Station) obtain(ctx context.Context, options StationOptions) error {
	s.lease = filepath.Join(s.lab.Dir, s.Port+".lease")
	script := filepath.Join(s.lab.Dir, s.Port+".sh")
	if err := os.WriteFile(script, []byte(dhcpScript), 0o755); err != nil {
		return fmt.Errorf("writing the DHCP client's script: %w", err)
	}
	var err error
	argv := append([]string{"udhcpc", "-f", "-i", PeerInterface, "-s", script, "-t", "20", "-T", "1", "-R"}, options.DHCP...)
	s.dhcp, err = s.Start(s.lab.ctx, argv, []string{"LEASE=" + s.lease}, nil)
	if err != nil {
		return err
	}
	if err := s.awaitLease(ctx, 0, "bound"); err != nil {
		return err
	}
	if options.NoIPv6 {
		return nil
	}
	return WaitFor(ctx, 10*time.Second, s.readAddr6)
}

// awaitLease waits for an event of the DHCP client after the first seen ones, and takes the address it tells.
func (s *Station) awaitLease(ctx context.Context, seen int, event string) error {
	err := WaitFor(ctx, 15*time.Second, func() error {
		n, lease := s.readLease()
		if n <= seen || lease["event"] != event {
			return fmt.Errorf("no %s event from DHCP yet", event)
		}
		s.Addr4, _ = netip.ParseAddr(lease["ip"])
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.dhcp.Log())
	}
	return nil
}

func (s *Station) readLease() (events int, lease map[string]string) {
	text, err := os.ReadFile(s.lease)
	if err != nil {
		return 0, nil
	}
	lease = map[string]string{}
	first, rest, _ := strings.Cut(string(text), "\n")
	_, _ = fmt.Sscan(first, &events)
	for line := range strings.Lines(rest) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		lease[key] = value
	}
	return events, lease
}

func (s *Station) readAddr6() error {
	link, err := s.nl.LinkByName(PeerInterface)
	if err != nil {
		return err
	}
	addrs, err := s.nl.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.IsGlobalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
			s.Addr6 = ip
			return nil
		}
	}
	return errors.New("no IPv6 address from RA yet")
}

// Renew makes the DHCP client renew its lease and waits until it has.
func (s *Station) Renew(ctx context.Context) error {
	seen, _ := s.readLease()
	s.dhcp.Signal(syscall.SIGUSR1)
	return s.awaitLease(ctx, seen, "renew")
}

// Option114 is the address of a captive portal's API that the last lease told (RFC 8910), where the station asked for it: its
// DHCP options are -O 114. Empty: none.
func (s *Station) Option114() string {
	_, lease := s.readLease()
	uri, err := hex.DecodeString(lease["opt114"])
	if err != nil {
		return lease["opt114"]
	}
	return string(uri)
}

// Release makes the DHCP client give its lease back and waits until the address is gone. Obtain gets one again.
func (s *Station) Release(ctx context.Context) error {
	seen, _ := s.readLease()
	s.dhcp.Signal(syscall.SIGUSR2)
	return s.awaitLease(ctx, seen, "deconfig")
}

// Obtain makes the DHCP client ask again after Release, and waits for the lease.
func (s *Station) Obtain(ctx context.Context) error {
	seen, _ := s.readLease()
	s.dhcp.Signal(syscall.SIGUSR1)
	return s.awaitLease(ctx, seen, "bound")
}

// Leave takes the station out of the network, as a phone out of reach: its port goes down and away.
func (s *Station) Leave() error {
	if s.dhcp != nil {
		s.dhcp.Kill()
	}
	port, err := s.lab.Gateway.nl.LinkByName(s.Port)
	if err == nil {
		err = s.lab.Gateway.nl.LinkDel(port)
	}
	if err != nil {
		err = fmt.Errorf("removing port %s: %w", s.Port, err)
	}
	return errors.Join(err, s.lab.forget(s.Host))
}
