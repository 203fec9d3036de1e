package oldkernel_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/oldkernel"
)

// Inside of the emulated computer the tests of this package are those of inside_test.go, in the lab.
func TestMain(m *testing.M) {
	if oldkernel.Inside() {
		os.Exit(lab.Main(m.Run))
	}
	os.Exit(m.Run())
}

const kernel = "../../bin/oldkernel"

// programs are those of the lab; everything else is busybox.
var programs = []string{"bridge", "busybox", "conntrack", "dnsmasq", "ip", "nft", "nsenter", "tc", "udhcpc",
	"iptables-legacy", "iptables-legacy-restore", "iptables-legacy-save", "ip6tables-legacy", "ip6tables-legacy-restore", "ip6tables-legacy-save"}

// suites are the part for every day, or with GATEHOUSE_SOAK everything. Each names tests that must have passed.
func suites() (list []oldkernel.Suite, must [][]string) {
	own := oldkernel.Suite{Package: "gatehouse/lab/oldkernel", Dir: ".", Run: "^TestOldKernel$", Timeout: 5 * time.Minute}
	ownMust := []string{"TestOldKernel", "TestOldKernel/parts", "TestOldKernel/VLAN", "TestOldKernel/isolation", "TestOldKernel/offload"}
	firewall := oldkernel.Suite{Package: "gatehouse/firewall/nftables", Dir: "../../firewall/nftables", Timeout: 30 * time.Minute}
	firewallMust := []string{"TestCaptive", "TestAdmitted", "TestRevoked", "TestSessionTimeout", "TestIdleTimeout", "TestRestart"}
	isolation := oldkernel.Suite{Package: "gatehouse/firewall/isolate", Dir: "../../firewall/isolate", Timeout: 10 * time.Minute}
	isolationMust := []string{"TestPorts", "TestCasting"}
	iptables := oldkernel.Suite{Package: "gatehouse/firewall/iptables", Dir: "../../firewall/iptables", Timeout: 20 * time.Minute}
	iptablesMust := []string{"TestAdmitted/sets", "TestSessionTimeout/sets"}
	if os.Getenv("GATEHOUSE_SOAK") != "" {
		neigh := oldkernel.Suite{Package: "gatehouse/internal/neigh", Dir: "../../internal/neigh", Timeout: 10 * time.Minute}
		// Rates cannot be measured where the computer itself carries no more.
		shape := oldkernel.Suite{Package: "gatehouse/firewall/shape", Dir: "../../firewall/shape", Run: "^TestRefused$", Timeout: 5 * time.Minute}
		return []oldkernel.Suite{own, firewall, neigh, shape, isolation, iptables},
			[][]string{ownMust, firewallMust, {"TestLookup", "TestLostEventsAndBound"}, {"TestRefused"}, isolationMust, iptablesMust}
	}
	firewall.Run = "^(" + strings.Join(firewallMust, "|") + ")$"
	firewall.Skip = "/^early$" // one form of the rules is enough for every day
	isolation.Run = "^(" + strings.Join(isolationMust, "|") + ")$"
	iptables.Run = "^(TestAdmitted|TestSessionTimeout)$/^sets$"
	return []oldkernel.Suite{own, firewall, isolation, iptables}, [][]string{ownMust, firewallMust, isolationMust, iptablesMust}
}

func TestOldKernel(t *testing.T) {
	if oldkernel.Inside() {
		t.Run("parts", testParts)
		t.Run("VLAN", testVLAN)
		t.Run("isolation", testIsolation)
		t.Run("offload", testOffload)
		return
	}
	lab.RequireOldKernel(t, kernel, append([]string{oldkernel.Emulator, "ldd"}, programs...)...)
	list, must := suites()
	var console bytes.Buffer
	within := time.Minute
	for _, suite := range list {
		within += suite.Timeout
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	m := oldkernel.Machine{Kernel: kernel, Programs: programs, Suites: list, Slowdown: 4}
	results, err := m.Boot(ctx, &console)
	t.Logf("the console:\n%s", tail(console.String(), 200))
	if err != nil {
		t.Fatal(err)
	}
	passed := make([][]string, len(list))
	for _, r := range results {
		switch {
		case r.Name == "":
			t.Errorf("%s ends with an error", list[r.Suite].Package)
		case r.Verdict != "PASS":
			t.Errorf("%s of %s: %s", r.Name, list[r.Suite].Package, r.Verdict)
		default:
			passed[r.Suite] = append(passed[r.Suite], r.Name)
		}
	}
	for i, names := range must {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				if !slices.Contains(passed[i], name) {
					t.Fatalf("%s of %s has not passed", name, list[i].Package)
				}
				lab.Ran(t)
			})
		}
	}
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
