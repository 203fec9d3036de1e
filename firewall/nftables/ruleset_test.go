package nftables

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestRulesetText(t *testing.T) {
	lan := Zone{Name: "lan", Interfaces: []string{"br-lan"}, Masquerade: true}
	paid := Zone{Name: "paid", Interfaces: []string{"br-paid", "wlan1"}, OnStop: Open,
		Management: []netip.Prefix{netip.MustParsePrefix("192.168.90.8/29"), netip.MustParsePrefix("fd00:90::/64")}}
	for name, r := range map[string]rules{
		"one-zone":  {zones: []Zone{lan}, http: 2080, dns: 53},
		"two-zones": {zones: []Zone{lan, paid}, http: 2080, https: 2443, dns: 53, idleTimeouts: []time.Duration{5 * time.Minute, 3 * time.Second}},
		"gardens": {zones: []Zone{lan, {Name: "bar", Interfaces: []string{"br-bar"}, GardenNames: true, Garden: []Garden{
			{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, {Prefix: netip.MustParsePrefix("2001:db8::/32"), Port: 8443},
			{Prefix: netip.MustParsePrefix("198.51.100.7/32")}}}}, http: 2080, dns: 2053},
		"reach": {zones: []Zone{lan, {Name: "bar", Interfaces: []string{"br-bar"}, GardenNames: true, Reach: true}}, http: 2080, dns: 2053, early: true},
		"opened": {zones: []Zone{lan, paid}, http: 2080, dns: 53, opened: true,
			staleChains: []string{"idle_7000"}, staleSets: []string{"stations_old"}},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".nft", r.text())
			if strings.Contains(r.text(), "map {") {
				t.Error("a rule has a map of its own, which is empty for packets that are on their way while rules are replaced")
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
