package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// Flood has a station be ever other ones until ctx ends: frames from random MAC and IPv4 addresses of its network, each an
// announcement of itself and the beginning of a TCP connection to port 80 of some address, some two thousand a second. It returns how many
// stations it was.
func (s *Station) Flood(ctx context.Context, to netip.Addr) (n int, err error) {
	const batch = 20
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	err = s.Do(func() error {
		link, err := net.InterfaceByName(PeerInterface)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
			return err
		}
		gateway, err := net.ParseMAC(GuestMAC)
		if err != nil {
			return err
		}
		prefix := netip.MustParsePrefix(GuestNet4)
		for ; ctx.Err() == nil; n++ {
			if n%batch == 0 {
				<-tick.C
			}
			mac := net.HardwareAddr{2, 0xff, byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())}
			from := nth(prefix.Addr(), 0x800+rand.IntN(250)) // nobody else's
			for _, frame := range [][]gopacket.SerializableLayer{announcement(mac, from), opening(mac, gateway, from, to)} {
				b := gopacket.NewSerializeBuffer()
				if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, frame...); err != nil {
					return err
				}
				if _, err := unix.Write(fd, b.Bytes()); err != nil {
					return fmt.Errorf("flooding: %w", err)
				}
			}
		}
		return nil
	})
	return n, err
}

func announcement(mac net.HardwareAddr, from netip.Addr) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: mac, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: mac, SourceProtAddress: from.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: from.AsSlice()},
	}
}

func opening(mac, router net.HardwareAddr, from, to netip.Addr) []gopacket.SerializableLayer {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(1024 + rand.IntN(60000)), DstPort: 80, Seq: rand.Uint32(), SYN: true, Window: 64240}
	_ = tcp.SetNetworkLayerForChecksum(ip) // an IPv4 header will do
	return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: mac, DstMAC: router, EthernetType: layers.EthernetTypeIPv4}, ip, tcp}
}
