package isolate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"gatehouse/firewall/isolate"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// BenchmarkAdmit is what isolation adds to a login: nothing for the first device of an account, pairs for the fourth.
func BenchmarkAdmit(b *testing.B) {
	for _, devices := range []int{1, 4} {
		b.Run(fmt.Sprintf("device %d", devices), func(b *testing.B) {
			r := newRig(b, isolate.Zone{Isolated: true, Casting: true})
			g := sessions.Grant{Account: "ann", Timeout: time.Hour, Station: sessions.Station{Zone: "guest"}}
			for n := range devices {
				g.Station.MAC = sessions.MAC{2, 0, 0x5e, 0x20, 0, byte(n)}
				r.admit(g)
			}
			for b.Loop() {
				if _, err := r.i.Cut(b.Context(), g.Station); err != nil {
					b.Fatal(err)
				}
				r.admit(g)
			}
		})
	}
}

// BenchmarkNewPort is how long a new port of the bridge is open, until the daemon has heard of it.
func BenchmarkNewPort(b *testing.B) {
	r := newRig(b, isolate.Zone{Isolated: true})
	r.run("ip", "link", "add", "p1", "type", "veth", "peer", "name", "p2")
	for b.Loop() {
		r.do(func() error { return newPort(b, "p1", lab.GuestBridge) })
	}
}

// newPort puts an interface into a bridge and waits until it is isolated; then it takes it out again.
func newPort(b *testing.B, name, bridge string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(link, master); err != nil {
		return err
	}
	for {
		settings, err := netlink.LinkGetProtinfo(link)
		if err != nil {
			return err
		}
		if settings.Isolated {
			break
		}
	}
	b.StopTimer()
	defer b.StartTimer()
	return netlink.LinkSetNoMaster(link)
}
