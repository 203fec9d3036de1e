package iptables_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/iptables"
	"gatehouse/lab"
	"gatehouse/lab/oldkernel"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// What every backend must do.

func TestEnforcerContract(t *testing.T) { inBothForms(t, enforcertest.Contract) }
func TestCaptive(t *testing.T)          { inBothForms(t, enforcertest.Captive) }
func TestManagement(t *testing.T)       { inBothForms(t, enforcertest.Management) }
func TestSpoofedSource(t *testing.T)    { inBothForms(t, enforcertest.SpoofedSource) }
func TestTwoZones(t *testing.T)         { inBothForms(t, enforcertest.TwoZones) }
func TestAdmitted(t *testing.T)         { inBothForms(t, enforcertest.Admitted) }
func TestRevoked(t *testing.T)          { inBothForms(t, enforcertest.Revoked) }
func TestSessionTimeout(t *testing.T)   { inBothForms(t, enforcertest.SessionTimeout) }
func TestRestart(t *testing.T)          { inBothForms(t, enforcertest.Restart) }
func TestForeignInterface(t *testing.T) { inBothForms(t, enforcertest.ForeignInterface) }
func TestWatch(t *testing.T)            { inBothForms(t, enforcertest.Watch) }

// inBothForms runs a test with rules per station and, where the kernel has what they need, with ipsets: lab/oldkernel's has.
func inBothForms(t *testing.T, test func(*testing.T, enforcertest.Maker)) {
	lab.RequireKernel(t, "iptables-legacy", "ip6tables-legacy")
	sets := hasSets(t) // not beside another test that asks
	t.Parallel()
	t.Run("plain", func(t *testing.T) { test(t, maker(true)) })
	if sets {
		t.Run("sets", func(t *testing.T) { test(t, maker(false)) })
	}
}

func maker(noSets bool) enforcertest.Maker {
	return func(t testing.TB, o lab.Options, zones ...enforcertest.Zone) *enforcertest.Gate {
		cfg := iptables.Config{NoSets: noSets}
		for _, z := range zones {
			cfg.Zones = append(cfg.Zones, iptables.Zone{Name: z.Name, Interfaces: z.Interfaces, Masquerade: z.Masquerade, Management: z.Management})
		}
		return newGate(t, o, &cfg, new(*iptables.Firewall))
	}
}

// newGate makes a gate; at is where its firewall is to be found.
func newGate(t testing.TB, o lab.Options, cfg *iptables.Config, at **iptables.Firewall) *enforcertest.Gate {
	t.Helper()
	b := enforcertest.Backend{
		Open: func(logger *slog.Logger) (_ enforcertest.Firewall, err error) {
			cfg.Logger = logger
			*at, err = iptables.New(*cfg)
			return *at, err
		},
		Listing: saved,
		Losses: []string{
			"iptables-legacy -F FORWARD; ip6tables-legacy -F FORWARD",
			"for f in iptables ip6tables; do for t in filter nat mangle; do $f-legacy -t $t -F; $f-legacy -t $t -X; done; done",
			"iptables-legacy -F gatehouse_forward",
			"ip6tables-legacy -I FORWARD -i br-guest -j ACCEPT",
		},
		Unattended: !cfg.NoSets,
		Late:       500 * time.Millisecond,
	}
	if oldkernel.Inside() { // where a program takes half a second
		b.Back = 5 * time.Second
	}
	return enforcertest.New(t, b, o)
}

// hasSets tells whether the kernel has what the better keeper needs.
func hasSets(t testing.TB) bool {
	t.Helper()
	fw, err := iptables.New(iptables.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fw.Close() }()
	return strings.HasPrefix(fw.Mechanism(), "ipset")
}
