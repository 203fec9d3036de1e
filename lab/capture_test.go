package lab_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gatehouse/lab"
)

func TestCaptureCountsEveryOctet(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{})
	s := addStation(t, l, lab.StationOptions{})
	if out, err := l.Gateway.Run(t.Context(), "nft", masquerade); err != nil {
		t.Fatal(err, out)
	}
	for _, tc := range []struct{ name, web, wanSide, lanSide string }{
		{"IPv4", lab.WebAddr4, lab.GatewayWAN4, s.Addr4.String()},
		{"IPv6", "[" + lab.WebAddr6 + "]", s.Addr6.String(), s.Addr6.String()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			of := func(addr string) func(lab.Packet) bool {
				a := netip.MustParseAddr(addr)
				return func(p lab.Packet) bool { return p.Protocol == 6 && (p.Src.Addr() == a || p.Dst.Addr() == a) }
			}
			wan, err := l.WAN.Capture(t.Context(), lab.PeerInterface, of(tc.wanSide))
			if err != nil {
				t.Fatal(err)
			}
			lan, err := l.Gateway.Count(t.Context(), s.Port, of(tc.lanSide))
			if err != nil {
				t.Fatal(err)
			}
			const size = 300_000
			if code, body := get(t, s.Host, "http://"+tc.web+"/bytes?n=300000"); code != http.StatusOK || len(body) != size {
				t.Fatalf("download: %d, %d octets", code, len(body))
			}
			if err := lab.WaitFor(t.Context(), 5*time.Second, func() error { return closed(wan.Packets()) }); err != nil {
				t.Fatal(err)
			}
			packets, err := wan.Stop()
			if err != nil {
				t.Fatal(err)
			}
			if kept, err := lan.Stop(); err != nil || kept != nil {
				t.Fatalf("counter: %v, kept %d packets", err, len(kept))
			}
			down, up := wan.Octets()
			lanDown, lanUp := lan.Octets()
			if down != lanDown || up != lanUp {
				t.Errorf("WAN side %d down %d up, LAN side %d down %d up", down, up, lanDown, lanUp)
			}
			if down < size || up == 0 {
				t.Errorf("%d octets down, %d up, for a download of %d", down, up, size)
			}
			checkPackets(t, packets, down+up)
		})
	}
}

// closed tells whether both sides have ended a connection and the last end was acknowledged.
func closed(packets []lab.Packet) error {
	const fin, ack = 1, 16
	ends := 0
	for _, p := range packets {
		ends += int(p.TCPFlags & fin)
	}
	if ends < 2 || packets[len(packets)-1].TCPFlags != ack {
		return fmt.Errorf("the connection is not closed: %d ends seen", ends)
	}
	return nil
}

func checkPackets(t *testing.T, packets []lab.Packet, want uint64) {
	t.Helper()
	var sum uint64
	for i, p := range packets {
		sum += uint64(p.Octets)
		if p.Octets > 1500 {
			t.Fatalf("packet %d has %d octets: an offload is on", i, p.Octets)
		}
		if age := time.Since(p.At); age < 0 || age > time.Minute {
			t.Fatalf("packet %d is from %v", i, p.At)
		}
	}
	if sum != want {
		t.Errorf("packets have %d octets, counters %d", sum, want)
	}
	const syn = 2
	if len(packets) == 0 || packets[0].TCPFlags != syn || packets[0].Sent {
		t.Errorf("the first packet is no SYN from the station: %+v", packets[:min(1, len(packets))])
	}
}

func TestCaptureKnowsRefusals(t *testing.T) {
	t.Parallel()
	l := newLab(t, lab.Options{})
	s := addStation(t, l, lab.StationOptions{})
	for _, addr := range []string{lab.GuestGateway4, lab.GuestGateway6} {
		refusals, err := s.Capture(t.Context(), lab.PeerInterface, func(p lab.Packet) bool { return p.Refusal })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ProbeUDP(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(addr), 9).String(), 5*time.Second); got != lab.Refused || err != nil {
			t.Fatalf("a port where nobody listens: %v, %v", got, err)
		}
		packets, err := refusals.Stop()
		if err != nil || len(packets) != 1 || packets[0].Sent || packets[0].Src.Addr() != netip.MustParseAddr(addr) {
			t.Errorf("one refusal is expected from %s: %+v, %v", addr, packets, err)
		}
	}
}
