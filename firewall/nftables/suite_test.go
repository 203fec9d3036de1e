package nftables_test

import (
	"testing"

	"gatehouse/firewall/enforcertest"
	"gatehouse/firewall/nftables"
	"gatehouse/lab"
)

// What every backend must do. Rules are tried in both forms where they differ.

func TestEnforcerContract(t *testing.T) { inOneForm(t, enforcertest.Contract) }
func TestForeignInterface(t *testing.T) { inOneForm(t, enforcertest.ForeignInterface) }
func TestWatch(t *testing.T)            { inOneForm(t, enforcertest.Watch) }

func TestCaptive(t *testing.T)        { sharedInBothForms(t, enforcertest.Captive) }
func TestManagement(t *testing.T)     { sharedInBothForms(t, enforcertest.Management) }
func TestSpoofedSource(t *testing.T)  { sharedInBothForms(t, enforcertest.SpoofedSource) }
func TestTwoZones(t *testing.T)       { sharedInBothForms(t, enforcertest.TwoZones) }
func TestAdmitted(t *testing.T)       { sharedInBothForms(t, enforcertest.Admitted) }
func TestRevoked(t *testing.T)        { sharedInBothForms(t, enforcertest.Revoked) }
func TestSessionTimeout(t *testing.T) { sharedInBothForms(t, enforcertest.SessionTimeout) }
func TestRestart(t *testing.T)        { sharedInBothForms(t, enforcertest.Restart) }

func inOneForm(t *testing.T, test func(*testing.T, enforcertest.Maker)) {
	t.Parallel()
	test(t, shared(newGate))
}

func sharedInBothForms(t *testing.T, test func(*testing.T, enforcertest.Maker)) {
	inBothForms(t, func(t *testing.T, newGate gateMaker) { test(t, shared(newGate)) })
}

// shared makes gates for a test that knows no backend.
func shared(newGate gateMaker) enforcertest.Maker {
	return func(t testing.TB, o lab.Options, zones ...enforcertest.Zone) *enforcertest.Gate {
		of := make([]nftables.Zone, len(zones))
		for i, z := range zones {
			of[i] = nftables.Zone{Name: z.Name, Interfaces: z.Interfaces, Masquerade: z.Masquerade, Management: z.Management}
		}
		return newGate(t, o, of...).Gate
	}
}
