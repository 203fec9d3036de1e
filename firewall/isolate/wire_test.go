package isolate_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// wire is a station's interface, raw: what it sends is what the test says, and what comes is seen before its kernel.
type wire struct {
	*lab.Station
	fd    int
	index int
}

func (r *rig) wire(s *lab.Station) *wire {
	r.t.Helper()
	w := &wire{Station: s}
	err := s.Do(func() error {
		f, err := net.InterfaceByName(lab.PeerInterface)
		if err != nil {
			return err
		}
		w.index = f.Index
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(int64(50 * time.Millisecond))
		return errors.Join(unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
			unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: f.Index}))
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

func (w *wire) send(frame []byte) error {
	_, err := unix.Write(w.fd, frame)
	return err
}

// arrived reads which of the kinds come within a moment after the last one.
func (w *wire) arrived(mark string, all []kind) map[string]bool {
	seen := map[string]bool{}
	buf := make([]byte, 2048)
	for quiet := 0; quiet < int(lab.Patience(2)); { // of 50 ms
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil {
			quiet++
			continue
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		for _, k := range all {
			if bytes.Contains(buf[:n], []byte(mark+k.name+";")) {
				seen[k.name] = true
			}
		}
	}
	return seen
}

// kind is something that one station may send to another.
type kind struct {
	name  string
	frame func(from, to *wire, tag []byte) []gopacket.SerializableLayer
}

var (
	gateway4  = netip.MustParseAddr(lab.GuestGateway4)
	gateway6  = netip.MustParseAddr(lab.GuestGateway6)
	routerMAC = mustMAC(lab.GuestMAC)
	broadcast = mustMAC("ff:ff:ff:ff:ff:ff")
)

func mustMAC(s string) net.HardwareAddr {
	mac, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return mac
}

// kinds are what stations may try on one another.
func kinds() []kind {
	udp := func(name, dst string, sport, dport uint16, header string) kind {
		return kind{name, func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
			mac, addr := to.MAC, to.Addr4
			if dst == "6" {
				addr = to.Addr6
			} else if dst != "4" {
				addr = netip.MustParseAddr(dst)
				mac = groupMAC(addr)
			}
			return datagram(from.MAC, mac, from, addr, sport, dport, append([]byte(header), tag...))
		}}
	}
	const question, answer = "\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00"
	return []kind{
		udp("ipv4", "4", 9999, 9999, ""),
		udp("ipv6", "6", 9999, 9999, ""),
		udp("broadcast", "255.255.255.255", 9999, 9999, ""),
		udp("multicast", "239.1.2.3", 9999, 9999, ""),
		udp("multicast6", "ff02::1", 9999, 9999, ""),
		udp("mdns question", "224.0.0.251", 5353, 5353, question),
		udp("mdns answer", "224.0.0.251", 5353, 5353, answer),
		udp("mdns6 question", "ff02::fb", 5353, 5353, question),
		udp("mdns6 answer", "ff02::fb", 5353, 5353, answer),
		udp("ssdp", "239.255.255.250", 50000, 1900, "M-SEARCH"),
		udp("ssdp6", "ff02::c", 50000, 1900, "M-SEARCH"),
		udp("dhcp discover", "255.255.255.255", 68, 67, ""),
		udp("dhcp offer", "4", 67, 68, ""),
		udp("dhcpv6 reply", "6", 547, 546, ""),
		{"from the router's MAC", func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
			return datagram(routerMAC, to.MAC, from, to.Addr4, 9999, 9999, tag)
		}},
		arp("arp request", layers.ARPRequest, false, false),
		arp("arp reply", layers.ARPReply, true, false),
		arp("arp request as router", layers.ARPRequest, false, true),
		arp("arp reply as router", layers.ARPReply, true, true),
		nd("neighbour solicitation", layers.ICMPv6TypeNeighborSolicitation, false, false),
		nd("neighbour advertisement", layers.ICMPv6TypeNeighborAdvertisement, true, false),
		nd("neighbour advertisement to all", layers.ICMPv6TypeNeighborAdvertisement, false, false),
		nd("neighbour advertisement as router", layers.ICMPv6TypeNeighborAdvertisement, true, true),
		nd("router advertisement", layers.ICMPv6TypeRouterAdvertisement, false, false),
		nd("router advertisement to one", layers.ICMPv6TypeRouterAdvertisement, true, false),
		{"tagged", func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
			return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: from.MAC, DstMAC: to.MAC, EthernetType: layers.EthernetTypeDot1Q},
				&layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}, gopacket.Payload(tag)}
		}},
		{"no IP", func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
			return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: from.MAC, DstMAC: to.MAC, EthernetType: 0x88b5}, gopacket.Payload(tag)}
		}},
	}
}

func groupMAC(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	switch {
	case a.Is6():
		return append(net.HardwareAddr{0x33, 0x33}, b[12:]...)
	case a.IsMulticast():
		return net.HardwareAddr{1, 0, 0x5e, b[1] & 127, b[2], b[3]}
	}
	return broadcast
}

func datagram(src, dst net.HardwareAddr, from *wire, to netip.Addr, sport, dport uint16, payload []byte) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	var ip gopacket.SerializableLayer
	if to.Is4() {
		ip4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from.Addr4.AsSlice(), DstIP: to.AsSlice()}
		_ = udp.SetNetworkLayerForChecksum(ip4)
		ip = ip4
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip6 := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolUDP, SrcIP: from.Addr6.AsSlice(), DstIP: to.AsSlice()}
		_ = udp.SetNetworkLayerForChecksum(ip6)
		ip = ip6
	}
	return []gopacket.SerializableLayer{eth, ip, udp, gopacket.Payload(payload)}
}

func arp(name string, operation uint16, unicast, asRouter bool) kind {
	return kind{name, func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
		mac, addr := broadcast, from.Addr4
		if unicast {
			mac = to.MAC
		}
		if asRouter {
			addr = gateway4
		}
		return []gopacket.SerializableLayer{
			&layers.Ethernet{SrcMAC: from.MAC, DstMAC: mac, EthernetType: layers.EthernetTypeARP},
			&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
				Operation: operation, SourceHwAddress: from.MAC, SourceProtAddress: addr.AsSlice(), DstHwAddress: make([]byte, 6),
				DstProtAddress: to.Addr4.AsSlice()},
			gopacket.Payload(tag),
		}
	}}
}

func nd(name string, message uint8, unicast, asRouter bool) kind {
	return kind{name, func(from, to *wire, tag []byte) []gopacket.SerializableLayer {
		about, dst := from.Addr6, netip.MustParseAddr("ff02::1")
		if message == layers.ICMPv6TypeNeighborSolicitation {
			about = to.Addr6
			group := netip.MustParseAddr("ff02::1:ff00:0").As16()
			last := to.Addr6.As16()
			copy(group[13:], last[13:])
			dst = netip.AddrFrom16(group)
		}
		if asRouter {
			about = gateway6
		}
		mac := groupMAC(dst)
		if unicast {
			mac, dst = to.MAC, to.Addr6
		}
		ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.Addr6.AsSlice(), DstIP: dst.AsSlice()}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(message, 0)}
		_ = icmp.SetNetworkLayerForChecksum(ip)
		body := append(make([]byte, 4), about.AsSlice()...)
		if message == layers.ICMPv6TypeRouterAdvertisement {
			body = make([]byte, 12)
		}
		option := append([]byte{200, 0}, tag...) // no kernel knows it
		for len(option)%8 != 0 {
			option = append(option, 0)
		}
		option[1] = byte(len(option) / 8)
		return []gopacket.SerializableLayer{
			&layers.Ethernet{SrcMAC: from.MAC, DstMAC: mac, EthernetType: layers.EthernetTypeIPv6}, ip, icmp, gopacket.Payload(append(body, option...)),
		}
	}}
}

// tries sends everything that there is from one station to another and returns what arrived.
func tries(t testing.TB, from, to *wire) map[string]bool {
	t.Helper()
	all := kinds()
	mark := fmt.Sprintf("try %s %d ", from.Port, time.Now().UnixNano())
	for _, k := range all {
		b := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, k.frame(from, to, []byte(mark+k.name+";"))...)
		if err == nil {
			err = from.send(b.Bytes())
		}
		if err != nil {
			t.Fatalf("sending %s: %v", k.name, err)
		}
	}
	return to.arrived(mark, all)
}
