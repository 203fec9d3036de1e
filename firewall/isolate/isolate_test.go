package isolate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/isolate"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// unicast is what may pass between two that may meet, one for the other.
var unicast = []string{"ipv4", "ipv6", "arp reply", "neighbour advertisement", "tagged", "no IP"}

// looking is what a station needs to find another.
var looking = []string{"arp request", "neighbour solicitation", "mdns question", "mdns6 question", "ssdp", "ssdp6"}

func join(lists ...[]string) (out []string) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// TestPorts isolates all stations of a bridge, also those of a port that comes later, through restart and clean-up.
func TestPorts(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true})
	a, b := r.station(), r.station() // their ports are younger than the isolation
	r.wantMechanism(isolate.Ports, "every port of")
	r.wantPass("isolated", a, b)
	forger := r.station()
	forger.MAC = a.MAC // behind another port
	r.wantPass("with another's MAC address", forger, b)
	if err := a.Ping(t.Context(), lab.GuestGateway4); err != nil {
		t.Errorf("whose MAC address it is: %v", err)
	}
	r.run("bridge", "link", "set", "dev", a.Port, "isolated", "off") // somebody else
	eventually(t, time.Second, func() error { return isolatedPort(r, a.Port, true) })
	r.stop()
	r.wantPass("without the daemon", a, b)
	r.restart()
	r.wantPass("after a restart", a, b)

	r.cfg.Zones[0].Isolated = false
	r.restart()
	r.wantMechanism(isolate.Off, "isolation = false")
	r.wantPass("not isolated any more", a, b, everything()...)
}

func isolatedPort(r *rig, port string, want bool) error {
	if out := r.run("bridge", "-d", "link", "show", "dev", port); strings.Contains(out, "isolated on") != want {
		return fmt.Errorf("%s is not isolated=%v:\n%s", port, want, out)
	}
	return nil
}

// TestCleanUp takes back what was done, and nothing that an operator did, by an Isolator that knows no zone.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{})
	a, b, c := r.station(), r.station(), r.station()
	r.run("bridge", "link", "set", "dev", a.Port, "isolated", "on")
	r.run("ip", "link", "set", "dev", b.Port, "alias", "Lobby east")
	r.cfg.Zones[0].Isolated = true
	r.restart()
	for _, w := range []*wire{a, b, c} {
		if err := isolatedPort(r, w.Port, true); err != nil {
			t.Error(err)
		}
	}
	if out := r.run("ip", "link", "show", "dev", b.Port); !strings.Contains(out, "alias Lobby east (isolated by gatehouse)") {
		t.Errorf("the port does not say whose its flag is:\n%s", out)
	}
	r.run("ip", "link", "set", "dev", c.Port, "nomaster") // out of the bridge, the flag is gone, and so is its mark
	eventually(t, time.Second, func() error {
		if out := r.run("ip", "link", "show", "dev", c.Port); strings.Contains(out, "alias") {
			return errors.New(out)
		}
		return nil
	})
	r.stop()
	r.cfg.Zones = nil
	r.do(func() error {
		i, err := isolate.Around(open{}, r.cfg)
		if err != nil {
			return err
		}
		defer i.Close()
		return i.CleanUp(t.Context())
	})
	if err := errors.Join(isolatedPort(r, a.Port, true), isolatedPort(r, b.Port, false)); err != nil {
		t.Error(err)
	}
	if out := r.run("ip", "link", "show"); strings.Contains(out, "gatehouse") || !strings.Contains(out, "alias Lobby east\n") {
		t.Errorf("after cleaning up:\n%s", out)
	}
}

// TestShared has a printer that all may reach, and that reaches all; nobody reaches anybody else.
func TestShared(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{})
	a, b, printer, forger := r.station(), r.station(), r.station(), r.station()
	r.cfg.Zones[0].Isolated = true
	r.cfg.Zones[0].Shared = []isolate.Shared{{MAC: sessions.MAC(printer.MAC), Port: printer.Port}}
	r.restart()
	r.wantMechanism(isolate.Table, "exceptions")
	r.wantPass("to the printer", a, printer, join(unicast, looking)...)
	toAll := join(looking, []string{"broadcast", "multicast", "multicast6", "mdns answer", "mdns6 answer", "neighbour advertisement to all"})
	r.wantPass("from the printer", printer, a, join(unicast, toAll)...)
	r.wantPass("to another", a, b, looking...)

	r.block(a)
	r.wantPass("from one who is blocked", a, printer)
	r.wantPass("to one who is blocked", printer, a, toAll...)
	r.run("nft", "delete", "table", "bridge", "gatehouse")
	eventually(t, time.Second, func() error {
		if got := tries(t, a, printer); len(got) > 0 || !tries(t, b, printer)["ipv4"] {
			return fmt.Errorf("after a loss: from one who is blocked %v arrive", got)
		}
		return nil
	})
	r.block()
	r.wantPass("from one who was blocked", a, printer, join(unicast, looking)...)

	forger.MAC = printer.MAC // from another port than the printer's
	r.wantPass("as the printer", forger, b, looking...)
}
