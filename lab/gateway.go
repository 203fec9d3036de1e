package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dadOff makes IPv6 addresses usable at once: a lab has no duplicates, and waiting for them costs a second each.
func dadOff() map[string]string {
	return map[string]string{
		"net/ipv6/conf/all/accept_dad":        "0",
		"net/ipv6/conf/default/accept_dad":    "0",
		"net/ipv6/conf/default/dad_transmits": "0",
	}
}

func guestBridge() Bridge {
	return Bridge{
		Name: GuestBridge, DHCP: true,
		Net4: netip.PrefixFrom(netip.MustParseAddr(GuestGateway4), netip.MustParsePrefix(GuestNet4).Bits()),
		Net6: netip.PrefixFrom(netip.MustParseAddr(GuestGateway6), netip.MustParsePrefix(GuestNet6).Bits()),
	}
}

func (l *Lab) buildGateway(bridges []Bridge) error {
	gw := l.Gateway
	settings := dadOff()
	settings["net/ipv4/ip_forward"] = "1"
	settings["net/ipv6/conf/all/forwarding"] = "1"
	if err := gw.Sysctl(settings); err != nil {
		return err
	}
	plug, err := l.newHost("plug")
	if err != nil {
		return err
	}
	if err := plug.Sysctl(map[string]string{"net/ipv6/conf/default/disable_ipv6": "1"}); err != nil {
		return err
	}
	for i, b := range bridges {
		mac := GuestMAC
		if i > 0 {
			mac = fmt.Sprintf("02:00:5e:77:01:%02x", i)
		}
		addrs := []netip.Prefix{b.Net4}
		if b.Net6.IsValid() {
			addrs = append(addrs, b.Net6)
		}
		if err := gw.addBridge(plug, b.Name, mac, addrs...); err != nil {
			return err
		}
	}
	if err := bridgeNetfilterOff(gw); err != nil {
		return err
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(AdminPageText)) })
	return l.serveHTTP(gw, "[::]:80", page, nil)
}

// bridgeNetfilterOff is what every real router has: bridged packets do not enter the IP hooks (DESIGN D5).
func bridgeNetfilterOff(gw *Host) error {
	for _, table := range []string{"iptables", "ip6tables", "arptables"} {
		err := gw.Sysctl(map[string]string{"net/bridge/bridge-nf-call-" + table: "0"})
		if err != nil && !errors.Is(err, os.ErrNotExist) { // without br_netfilter there is nothing to switch off
			return err
		}
	}
	return nil
}

func (l *Lab) connectWAN() error {
	if err := l.WAN.Sysctl(dadOff()); err != nil {
		return err
	}
	if err := connect(l.Gateway, WANInterface, "", l.WAN, PeerInterface, nil); err != nil {
		return err
	}
	if err := l.Gateway.addAddrs(WANInterface, netip.MustParsePrefix(GatewayWAN4+"/24"), netip.MustParsePrefix(GatewayWAN6+"/64")); err != nil {
		return err
	}
	if err := errors.Join(l.Gateway.awaitCarrier(l.ctx, WANInterface), l.WAN.awaitCarrier(l.ctx, PeerInterface)); err != nil {
		return err
	}
	wan := []netip.Prefix{netip.MustParsePrefix(ProviderWAN4 + "/24"), netip.MustParsePrefix(ProviderWAN6 + "/64")}
	for _, a := range []string{WebAddr4, WebAddr6, GardenAddr4, GardenAddr6, CentreAddr4, CentreAddr6, DNSAddr4, DNSAddr6} {
		addr := netip.MustParseAddr(a)
		wan = append(wan, netip.PrefixFrom(addr, addr.BitLen()))
	}
	if err := l.WAN.addAddrs(PeerInterface, wan...); err != nil {
		return err
	}
	return errors.Join(
		l.Gateway.addRoute(netip.Prefix{}, netip.MustParseAddr(ProviderWAN4)),
		l.Gateway.addRoute(netip.Prefix{}, netip.MustParseAddr(ProviderWAN6)),
		// IPv6 is routed back, IPv4 is not: a missing masquerade must show.
		l.WAN.addRoute(netip.MustParsePrefix(GuestNet6), netip.MustParseAddr(GatewayWAN6)),
	)
}

// startDNSMasq starts dnsmasq on the bridges and waits until it answers.
func (l *Lab) startDNSMasq(bridges []Bridge, more []string) error {
	var conf strings.Builder
	fmt.Fprintf(&conf, `keep-in-foreground
log-facility=-
user=root
pid-file=
no-resolv
no-hosts
no-ping
dhcp-authoritative
bind-interfaces
enable-ra
server=%s
dhcp-leasefile=%s
`, DNSAddr4, l.LeaseFile())
	for _, b := range bridges {
		if !b.DHCP {
			fmt.Fprintf(&conf, "no-dhcp-interface=%s\n", b.Name)
		}
		fmt.Fprintf(&conf, "interface=%s\n", b.Name)
		if b.DHCP {
			first, last := dhcpRange(b.Net4)
			fmt.Fprintf(&conf, "dhcp-range=%s,%s,%s,1h\n", first, last, net.IP(ipNet(b.Net4).Mask))
		}
		if b.DHCP && b.Net6.IsValid() {
			fmt.Fprintf(&conf, "dhcp-range=%s,ra-only,1h\n", b.Net6.Masked().Addr())
		}
	}
	for _, line := range more {
		conf.WriteString(line + "\n")
	}
	path := filepath.Join(l.Dir, "dnsmasq.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o644); err != nil {
		return fmt.Errorf("writing dnsmasq's configuration: %w", err)
	}
	var err error
	if l.DNSMasq, err = l.Gateway.Start(l.ctx, []string{"dnsmasq", "--conf-file=" + path, "--group="}, nil, nil); err != nil {
		return err
	}
	err = WaitFor(l.ctx, 10*time.Second, l.dnsmasqAnswers)
	if err != nil {
		return fmt.Errorf("waiting for dnsmasq: %w\n%s", err, l.DNSMasq.Log())
	}
	return nil
}

func (l *Lab) dnsmasqAnswers() error {
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	defer cancel()
	c, err := l.Gateway.Dial(ctx, "tcp", net.JoinHostPort(GuestGateway4, "53"))
	if err != nil {
		return err
	}
	return c.Close()
}

// LeaseFile is dnsmasq's lease file.
func (l *Lab) LeaseFile() string { return filepath.Join(l.Dir, "dnsmasq.leases") }

// dhcpRange is .20 to .250 of the gateway's own /24.
func dhcpRange(gateway netip.Prefix) (first, last netip.Addr) {
	a := gateway.Addr().As4()
	b := a
	a[3], b[3] = 20, 250
	return netip.AddrFrom4(a), netip.AddrFrom4(b)
}
