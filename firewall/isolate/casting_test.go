package isolate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/isolate"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestCasting lets the devices of one account reach one another while both have a session, and nobody else.
func TestCasting(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true, Casting: true})
	phone, screen, stranger := r.station(), r.station(), r.station()
	own := join(unicast, looking, []string{"mdns answer", "mdns6 answer"})
	overheard := join(looking, []string{"mdns answer", "mdns6 answer"})

	r.wantMechanism(isolate.Table, "exceptions")
	r.admit(grant(phone, "ann"), grant(stranger, "bob"))
	r.wantPass("one device", phone, screen)
	r.admit(grant(screen, "ann"))
	r.wantPass("to the screen", phone, screen, own...)
	r.wantPass("from the screen", screen, phone, own...)
	r.wantPass("to a stranger", phone, stranger, overheard...)
	r.wantPass("from a stranger", stranger, screen)

	r.restart(grant(phone, "ann"), grant(screen, "ann"), grant(stranger, "bob"))
	r.wantPass("after a restart", phone, screen, own...)
	r.cut(screen)
	r.wantPass("without a session", phone, screen)
	r.wantPass("from one without a session", screen, phone)

	one := grant(screen, "ann")
	one.Timeout = lab.Patience(time.Second)
	r.admit(one)
	r.stop()
	if err := phone.Ping(t.Context(), screen.Addr4.String()); err != nil {
		t.Errorf("until the session ends: %v", err)
	}
	eventually(t, 3*time.Second, func() error { // by the kernel alone
		if out := r.run("nft", "list", "set", "bridge", "gatehouse", "pairs_guest"); strings.Contains(out, screen.MAC.String()) {
			return fmt.Errorf("the pair is there:\n%s", out)
		}
		return nil
	})
	r.wantPass("after the session", phone, screen, overheard...) // that it may look no more is the daemon's to say
	r.wantPass("from one whose session is over", screen, phone)
}

// TestCrowdOfOneAccount keeps the stations apart of an account that has more devices than a family.
func TestCrowdOfOneAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true, Casting: true})
	var grants []sessions.Grant
	for n := range 17 {
		st := sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x20, 0, byte(n)}}
		grants = append(grants, sessions.Grant{Station: st, AcctSessionID: fmt.Sprint(n), Account: "everybody"})
	}
	pairs := func() int {
		return strings.Count(r.run("nft", "list", "set", "bridge", "gatehouse", "pairs_guest"), " . 02:")
	}
	r.admit(grants[:16]...)
	if got := pairs(); got != 16*16 {
		t.Errorf("16 devices: %d pairs", got)
	}
	r.admit(grants[16])
	if got := pairs(); got != 0 {
		t.Errorf("17 devices: %d pairs", got)
	}
	if _, err := r.i.Cut(t.Context(), grants[3].Station); err != nil {
		t.Fatal(err)
	}
	if got := pairs(); got != 16*16 {
		t.Errorf("16 devices again: %d pairs", got)
	}
	grants[0].Account, grants[1].Account = "ann", ""
	r.admit(grants[0], grants[1])
	if got := pairs(); got != 14*14 {
		t.Errorf("14 devices, one of another account and one of none: %d pairs", got)
	}
}

// TestTableLost deletes the rules, or a part of them, under the daemon: a second later they are back. A new port is isolated,
// and a new address of the router is nobody else's.
func TestTableLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true, Casting: true})
	phone, screen, stranger := r.station(), r.station(), r.station()
	r.admit(grant(phone, "ann"), grant(screen, "ann"))
	for _, command := range []string{"flush ruleset", "delete table bridge gatehouse", "flush chain bridge gatehouse forward"} {
		r.run("nft", strings.Fields(command)...)
		eventually(t, time.Second, func() error {
			if got := tries(t, stranger, phone); len(got) > 0 {
				return fmt.Errorf("after %s: %v arrive", command, got)
			}
			if got := tries(t, phone, screen); !got["ipv4"] || !got["ipv6"] {
				return fmt.Errorf("after %s only %v arrive", command, got)
			}
			return nil
		})
	}
	late := r.station()
	if got := tries(t, late, phone); len(got) > 0 {
		t.Errorf("from a port that came later: %v arrive", got)
	}
	if got := tries(t, phone, late); got["ipv4"] {
		t.Errorf("to a port that came later: %v arrive", got)
	}
	r.stop() // a port that comes back is isolated from its first frame, also with the daemon dead
	r.run("ip", "link", "set", "dev", late.Port, "nomaster")
	r.run("ip", "link", "set", "dev", late.Port, "master", lab.GuestBridge)
	if got := tries(t, late, phone); len(got) > 0 {
		t.Errorf("from a port that came back: %v arrive", got)
	}
	r.restart(grant(phone, "ann"), grant(screen, "ann"))
	r.run("ip", "link", "add", "br-other", "type", "bridge")
	r.run("ip", "link", "set", "dev", late.Port, "master", "br-other")
	eventually(t, time.Second, func() error {
		if out := r.run("nft", "list", "set", "bridge", "gatehouse", "ports_guest_0"); strings.Contains(out, late.Port) {
			return fmt.Errorf("what another bridge has is isolated:\n%s", out)
		}
		return nil
	})
	r.run("ip", "addr", "add", "192.0.2.77/24", "dev", lab.GuestBridge)
	r.run("ip", "addr", "add", "2001:db8:99::1/64", "dev", lab.GuestBridge, "nodad")
	eventually(t, time.Second, func() error {
		rules := r.run("nft", "list", "table", "bridge", "gatehouse")
		if !strings.Contains(rules, "192.0.2.77") || !strings.Contains(rules, "0x20010db8009900000000000000000001") {
			return fmt.Errorf("the rules do not have the new addresses:\n%s", rules)
		}
		return nil
	})
	if got := tries(t, phone, screen); !got["ipv4"] {
		t.Errorf("after a change of the rules only %v arrive", got)
	}
}

// TestInterfaces has a zone on what is no bridge, on one that comes later, and a router without the nft program.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true, Interfaces: []string{"br-late", lab.WANInterface}})
	got := r.i.Mechanisms()
	for n, want := range []string{"the interface is away", "is no bridge of this router"} {
		if got[n].Kind != isolate.None || !strings.Contains(got[n].Why, want) {
			t.Errorf("%+v, want %q", got[n], want)
		}
	}
	r.run("ip", "link", "add", "br-late", "type", "bridge")
	r.run("ip", "link", "add", "p1", "type", "veth", "peer", "name", "p2")
	r.run("ip", "link", "set", "p1", "master", "br-late")
	eventually(t, time.Second, func() error { return isolatedPort(r, "p1", true) })
	r.run("ip", "link", "del", "br-late")
	eventually(t, time.Second, func() error {
		if m := r.i.Mechanisms()[0]; m.Kind != isolate.None {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})

	r = newRig(t, isolate.Zone{Isolated: true, Casting: true})
	r.stop()
	r.cfg.NFT = "/nonexistent/nft"
	r.run("nft", "delete", "table", "bridge", "gatehouse")
	r.restart()
	a, b := r.station(), r.station()
	r.wantMechanism(isolate.Ports, "casting do not work")
	if !strings.Contains(r.log.String(), "level=WARN msg=isolation zone=guest") {
		t.Errorf("the log does not warn:\n%s", r.log.String())
	}
	r.admit(grant(a, "ann"), grant(b, "ann"))
	r.wantPass("without rules", a, b)
}

// TestBecomesTotal takes the exceptions away, and gives them back, under traffic that must not pass.
func TestBecomesTotal(t *testing.T) {
	t.Parallel()
	r := newRig(t, isolate.Zone{Isolated: true})
	a, b := r.station(), r.station()
	slips := make(chan map[string]bool)
	ctx, done := t.Context(), make(chan struct{})
	go func() {
		seen := map[string]bool{}
		for {
			select {
			case <-done:
				slips <- seen
				return
			case <-ctx.Done():
				return
			default:
				for name := range tries(t, a, b) {
					seen[name] = true
				}
			}
		}
	}()
	for _, casting := range []bool{true, false, true, false} {
		r.cfg.Zones[0].Casting = casting
		r.restart()
		want := isolate.Ports
		if casting {
			want = isolate.Table
		}
		r.wantMechanism(want, "")
	}
	close(done)
	if seen := <-slips; len(seen) > 0 {
		t.Errorf("while the way of isolating changed: %v arrived", seen)
	}
	if tables := r.run("nft", "list", "tables"); slices.Contains(strings.Split(tables, "\n"), "table bridge gatehouse") {
		t.Errorf("the table is left:\n%s", tables)
	}
}
