package neigh

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
)

var update = flag.Bool("update", false, "write the golden files")

// captured are frames by name: testdata/frames.txt, captured in the lab with tcpdump; "made" ones were changed by hand.
func captured(t testing.TB) (names []string, frames map[string][]byte) {
	t.Helper()
	f, err := os.Open("testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	frames = map[string][]byte{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, digits, ok := strings.Cut(lines.Text(), " ")
		frame, err := hex.DecodeString(digits)
		if !ok || err != nil {
			t.Fatalf("testdata/frames.txt: %q: %v", lines.Text(), err)
		}
		names, frames[name] = append(names, name), frame
	}
	return names, frames
}

// told is what is compared of a message.
func told(m message, ok bool, err error) string {
	return strings.TrimSpace(fmt.Sprintf("%v %v %x addr=%v claims=%v leaves=%v dhcp=%d name=%q vendor=%q id=%x", ok, err, m.mac, m.addr, m.claims,
		m.leaves, m.dhcp, m.name, m.vendor, m.id))
}

func TestDecode(t *testing.T) {
	names, frames := captured(t)
	want := map[string]string{}
	got := map[string]string{}
	text, err := os.ReadFile("testdata/frames.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[name] = rest
	}
	d := newDecoder()
	for _, name := range names {
		got[name] = told(d.decode(frames[name]))
	}
	if *update {
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "%s %s\n", name, got[name])
		}
		if err := os.WriteFile("testdata/frames.golden", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("testdata/frames.golden (-want +got):\n%s", diff)
	}
}

// TestDecodeAsLayers compares with gopacket's own decoders, which are too heavy for the router.
func TestDecodeAsLayers(t *testing.T) {
	names, frames := captured(t)
	d := newDecoder()
	compared := 0
	for _, name := range names {
		m, ok, _ := d.decode(frames[name])
		if !ok || strings.Contains(name, "-made-") {
			continue
		}
		p := gopacket.NewPacket(frames[name], layers.LayerTypeEthernet, gopacket.Default)
		if p.ErrorLayer() != nil {
			t.Errorf("%s: %v", name, p.ErrorLayer().Error())
		}
		if e, ok := p.LinkLayer().(*layers.Ethernet); !ok || string(e.SrcMAC) != string(m.mac[:]) {
			t.Errorf("%s: MAC %x", name, m.mac)
		}
		if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
			compared++
			if addr, _ := netip.AddrFromSlice(a.SourceProtAddress); addr != m.addr && !addr.IsUnspecified() {
				t.Errorf("%s: %v, layers has %v", name, m.addr, addr)
			}
		}
		if a, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
			compared++
			if addr, _ := netip.AddrFromSlice(a.TargetAddress); addr != m.addr {
				t.Errorf("%s: %v, layers has %v", name, m.addr, addr)
			}
		}
		if c, ok := p.Layer(layers.LayerTypeDHCPv4).(*layers.DHCPv4); ok {
			compared++
			for _, o := range c.Options {
				for code, has := range map[layers.DHCPOpt][]byte{layers.DHCPOptHostname: m.name, layers.DHCPOptClassID: m.vendor, layers.DHCPOptClientID: m.id} {
					if o.Type == code && string(o.Data) != string(has) {
						t.Errorf("%s: %v is %q, layers has %q", name, code, has, o.Data)
					}
				}
			}
		}
	}
	if compared < 6 {
		t.Errorf("only %d frames were compared", compared)
	}
}

func TestFilter(t *testing.T) {
	program, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	instructions, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("the filter does not disassemble")
	}
	// x/net's machine has no packet type and no VLAN: ours never is outgoing, and has none.
	for i, in := range instructions {
		if _, ok := in.(bpf.LoadExtension); ok {
			instructions[i] = bpf.LoadConstant{Dst: bpf.RegA}
		}
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	names, frames := captured(t)
	for _, name := range names {
		n, err := vm.Run(frames[name])
		if err != nil {
			t.Fatal(err)
		}
		if passes := !strings.HasPrefix(name, "other-"); passes != (n > 0) {
			t.Errorf("%s: %d octets pass", name, n)
		}
	}
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{
		"annas-phone":                "annas-phone",
		"\x1b[31mred\x07":            "__31mred_",
		"<script>alert(1)</script>":  "_script_alert(1)_/script_",
		`a"b'c&d`:                    "a_b_c_d",
		"名前":                         "名前",
		"a\u202eb\u200bc":            "a_b_c",
		"cut\x00here":                "cut",
		"\xff\xfe":                   "__",
		"  spaces  ":                 "spaces",
		"":                           "",
		strings.Repeat("x", 255):     strings.Repeat("x", 63),
		strings.Repeat("ä", 100):     strings.Repeat("ä", 31),
		strings.Repeat("\x00x", 100): "",
	} {
		if got := tidy([]byte(in)); got != want {
			t.Errorf("tidy(%q) = %q, want %q", in, got, want)
		}
	}
}

func seeds(f *testing.F, prefix string, skip int) {
	names, frames := captured(f)
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && len(frames[name]) >= skip {
			f.Add(frames[name][skip:])
		}
	}
	f.Add([]byte{})
}

func FuzzDecode(f *testing.F) {
	seeds(f, "", 0)
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := newDecoder()
		d.parser.IgnorePanic = true // a panic is a fault here
		m, ok, err := d.decode(frame)
		if err != nil || !ok {
			return
		}
		if m.mac[0]&1 != 0 || m.mac != [6]byte(frame[6:]) {
			t.Errorf("told of %x", m.mac)
		}
		if m.addr.IsValid() && !m.addr.IsGlobalUnicast() && !m.addr.IsLinkLocalUnicast() {
			t.Errorf("told of %v", m.addr)
		}
		if again, _, _ := d.decode(frame); cmp.Diff(told(m, ok, err), told(again, ok, err)) != "" {
			t.Error("the same frame tells something else the second time")
		}
	})
}

// fuzzLayer decodes one layer alone.
func fuzzLayer(f *testing.F, layer gopacket.DecodingLayer) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := layer.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err == nil && len(layer.LayerPayload()) > len(b) {
			t.Errorf("%d octets left of %d", len(layer.LayerPayload()), len(b))
		}
	})
}

func FuzzARP(f *testing.F) { seeds(f, "arp-", 14); fuzzLayer(f, &arp{}) }

func FuzzIPv4(f *testing.F) { seeds(f, "dhcp4-", 14); fuzzLayer(f, &ipv4{}) }

func FuzzIPv6(f *testing.F) { seeds(f, "nd-", 14); fuzzLayer(f, &ipv6{}) }

func FuzzND(f *testing.F) { seeds(f, "nd-", 54); fuzzLayer(f, &nd{}) }

func FuzzDHCPv4(f *testing.F) {
	seeds(f, "dhcp4-", 42)
	f.Fuzz(func(_ *testing.T, b []byte) {
		var d dhcp4
		if d.DecodeFromBytes(b, gopacket.NilDecodeFeedback) == nil {
			d.tell(&message{})
		}
	})
}

func FuzzDHCPv6(f *testing.F) {
	seeds(f, "dhcp6-", 62)
	f.Fuzz(func(_ *testing.T, b []byte) {
		var d dhcp6
		if d.DecodeFromBytes(b, gopacket.NilDecodeFeedback) == nil {
			d.tell(&message{})
		}
	})
}

func FuzzTidy(f *testing.F) {
	f.Add([]byte("annas-phone"))
	f.Add([]byte("\x1b[31m<b>\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := tidy(b)
		bad := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("<>&\"'`\\", r) }
		if len(text) > 63 || !utf8.ValidString(text) || strings.ContainsFunc(text, bad) {
			t.Errorf("tidy(%q) = %q", b, text)
		}
	})
}

func TestDecodeAllocatesNothing(t *testing.T) {
	names, frames := captured(t)
	d := newDecoder()
	for _, name := range names {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = d.decode(frames[name]) }); n > 0 && !strings.Contains(name, "-end") {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
