package radius_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/radius"
)

func TestUniqueIDs(t *testing.T) { // check value of the first: FreeRADIUS 3.2.1; of the other: md5sum
	addr := netip.MustParseAddr("10.0.0.1")
	for want, a := range map[string]radius.Accounting{
		"49a26151c09cb39a7bafbd97ba2fde1b": {Username: "al", SessionID: "S2", NASIPAddress: addr, NASIdentifier: "gw1"},
		"cb1d04ee1a686f30a697231ba88a5b0e": {Username: "al", SessionID: "S2", Class: []string{"ai:0123456789abcdef0123456789abcdef"}},
	} {
		if got := a.UniqueID(); got != want {
			t.Errorf("%+v: %s, want %s", a, got, want)
		}
	}
}

func TestSplitStation(t *testing.T) {
	for text, want := range map[string][2]string{
		"02-00-5E-00-00-01:guests": {"02-00-5E-00-00-01", "guests"},
		"02:00:5e:00:00:01:a:b":    {"02-00-5E-00-00-01", "a:b"},
		"0200.5e00.0001":           {"02-00-5E-00-00-01", ""},
		"02005e000001:":            {"02-00-5E-00-00-01", ""},
		"02005e000001guests":       {},
		"02005e00000":              {},
		"hotspot1":                 {},
		"":                         {},
	} {
		if mac, ssid := radius.SplitStation(text); mac != want[0] || ssid != want[1] {
			t.Errorf("%q: %q %q, want %q", text, mac, ssid, want)
		}
	}
}

// FuzzDecode: nothing that is sent crashes it, and what it understands it can say itself.
func FuzzDecode(f *testing.F) {
	a := radius.Accounting{StatusType: radius.Stop, SessionID: "S1", Username: "bob", NASIPAddress: netip.MustParseAddr("2001:db8::1"),
		EventTime: noon, Class: []string{"x"}, SSID: "guests", LocationName: "Lobby", TerminateCause: "User-Request", OutputOctets: 1 << 40}
	packet, err := a.Encode(1, secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packet)
	f.Add([]byte{4, 1, 0, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26, 6, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, packet []byte) {
		first, err := radius.Decode(packet)
		if err != nil {
			return
		}
		_ = first.UniqueID()
		again, err := first.Encode(1, secret)
		if err != nil { // the texts of several vendors in one, or many classes, may be too much
			return
		}
		second, err := radius.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		first.InputPackets, first.OutputPackets = uint64(uint32(first.InputPackets)), uint64(uint32(first.OutputPackets))
		if diff := cmp.Diff(first, second, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("said again (-first +second):\n%s", diff)
		}
	})
}

// FuzzStream: a stream is cut into packets that have the length they say, or refused.
func FuzzStream(f *testing.F) {
	packet, err := new(radius.Accounting{StatusType: radius.Start, SessionID: "S1"}).Encode(1, secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(packet, packet...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bytes.NewReader(stream)
		for used := 0; ; {
			packet, err := radius.ReadPacket(in)
			if err != nil {
				return
			}
			if len(packet) < 20 || len(packet) > 4096 || !bytes.Equal(packet, stream[used:used+len(packet)]) {
				t.Fatalf("packet of %d octets", len(packet))
			}
			used += len(packet)
		}
	})
}

// FuzzAnswer: what answers a request is never wrongly taken for genuine.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{5, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{4, 1, 0, 20})
	f.Fuzz(func(t *testing.T, answer, request []byte) {
		if radius.VerifyResponse(answer, request, secret) == nil {
			t.Error("a guess was taken for an answer")
		}
	})
}

func FuzzStation(f *testing.F) {
	f.Add("02-00-5E-00-00-01:guests")
	f.Fuzz(func(t *testing.T, text string) {
		mac, ssid := radius.SplitStation(text)
		if mac == "" && ssid != "" || mac != "" && len(mac) != 17 || len(ssid) > len(text) {
			t.Errorf("%q: %q %q", text, mac, ssid)
		}
		if mac != "" {
			if again, same := radius.SplitStation(mac + ":" + ssid); again != mac || same != ssid {
				t.Errorf("%q: %q %q", text, again, same)
			}
		}
	})
}
