package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/nftables"
	"gatehouse/sessions"
)

// The packet bench follows datapath.md §3: one thread on one processor sends 60-byte UDP packets of random stations
// through a gateway of veth pairs, so that the time of the send is the time of the gateway's work. Three gateways take
// turns in slices of 8 ms: one that drops at once (the cost of sending), one with conntrack and masquerade only, and one
// with gatehouse's default zone.
const (
	packetSlice = 8 * time.Millisecond
	packetTurns = 300
)

type pathKind string

const (
	pathDrop       pathKind = "drop"
	pathMasquerade pathKind = "masq"
	pathGatehouse  pathKind = "gate"
)

func benchPackets(ctx context.Context, _ programs, r *report) error {
	for _, n := range []int{1, 1000} {
		up, down, err := packetCost(ctx, n)
		if err != nil {
			return fmt.Errorf("%d stations: %w", n, err)
		}
		for _, d := range []struct {
			name string
			cost map[pathKind]time.Duration
		}{{"up", up}, {"down", down}} {
			base := d.cost[pathMasquerade] - d.cost[pathDrop]
			ours := d.cost[pathGatehouse] - d.cost[pathDrop]
			ratio := float64(ours) / float64(base)
			r.print(figure{
				what:   fmt.Sprintf("packet cost against masquerade only, %s, %d stations", d.name, n),
				got:    fmt.Sprintf("%.2f (%d / %d ns)", ratio, ours.Nanoseconds(), base.Nanoseconds()),
				budget: "≤ 1.30", pass: ratio <= 1.3,
			})
		}
	}
	return nil
}

// packetCost measures the median cost of sending one packet over each path, both ways.
func packetCost(ctx context.Context, n int) (up, down map[pathKind]time.Duration, err error) {
	var paths []*packetPath
	defer func() {
		for _, p := range paths {
			p.close()
		}
	}()
	for _, kind := range []pathKind{pathDrop, pathMasquerade, pathGatehouse} {
		p, err := newPacketPath(ctx, kind, n)
		if err != nil {
			return nil, nil, fmt.Errorf("path %s: %w", kind, err)
		}
		paths = append(paths, p)
	}
	// Every station's flow is made first; a way down exists only then.
	for _, p := range paths {
		if err := p.flows(); err != nil {
			return nil, nil, err
		}
	}
	measure := func(pick func(*packetPath) *sender) (map[pathKind]time.Duration, error) {
		took := map[pathKind][]time.Duration{}
		err := onProcessor(0, func() error {
			for range packetTurns {
				for _, p := range paths {
					t, err := pick(p).slice()
					if err != nil {
						return err
					}
					took[p.kind] = append(took[p.kind], t)
				}
			}
			return nil
		})
		cost := map[pathKind]time.Duration{}
		for kind, t := range took {
			cost[kind] = quantile(t, 0.5)
		}
		return cost, err
	}
	if up, err = measure(func(p *packetPath) *sender { return p.up }); err != nil {
		return nil, nil, err
	}
	if down, err = measure(func(p *packetPath) *sender { return p.down }); err != nil {
		return nil, nil, err
	}
	for _, p := range paths {
		if err := p.check(ctx); err != nil {
			return nil, nil, fmt.Errorf("path %s: %w", p.kind, err)
		}
	}
	return up, down, nil
}

// onProcessor runs f on a thread that stays on one processor.
func onProcessor(cpu int, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with its affinity
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

// packetPath is one gateway between two hosts: lan (stations), gw, and wan.
type packetPath struct {
	kind     pathKind
	n        int
	prefix   string
	up, down *sender
	firewall *nftables.Firewall
}

func newPacketPath(ctx context.Context, kind pathKind, n int) (*packetPath, error) {
	p := &packetPath{kind: kind, n: n, prefix: fmt.Sprintf("pkt%04x-%s", rand.N(1<<16), kind)}
	steps := []func(context.Context) error{p.topology, p.rules, p.senders}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *packetPath) ns(host string) string { return p.prefix + "-" + host }

// topology makes the namespaces, the veth pairs and every neighbour that the way down asks for. What arrives at the far
// ends is dropped on ingress, so that nothing but the gateway works.
func (p *packetPath) topology(ctx context.Context) error {
	for _, h := range []string{"lan", "gw", "wan"} {
		if err := ip(ctx, "", "netns add "+p.ns(h)); err != nil {
			return err
		}
	}
	err := ip(ctx, "", fmt.Sprintf(`link add eth0 address 02:00:00:00:01:01 netns %[1]s type veth peer name lan0 address 02:00:00:00:01:02 netns %[2]s
link add eth0 address 02:00:00:00:02:01 netns %[3]s type veth peer name wan0 address 02:00:00:00:02:02 netns %[2]s`, p.ns("lan"), p.ns("gw"), p.ns("wan")))
	if err != nil {
		return err
	}
	for _, h := range []string{"lan", "wan"} {
		if err := ip(ctx, p.ns(h), "link set eth0 up"); err != nil {
			return err
		}
		if err := nft(ctx, p.ns(h), "table netdev sink { chain in { type filter hook ingress device eth0 priority 0; drop; }; }"); err != nil {
			return err
		}
	}
	var gw strings.Builder
	gw.WriteString("link set lo up\nlink set lan0 up\nlink set wan0 up\naddr add 10.0.0.1/16 dev lan0\naddr add 203.0.113.2/24 dev wan0\n" +
		"neigh add 203.0.113.10 lladdr 02:00:00:00:02:01 dev wan0\n")
	for i := range p.n {
		s := station(i)
		fmt.Fprintf(&gw, "neigh add %s lladdr %s dev lan0\n", s.addr, s.mac)
	}
	if err := p.inGateway(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	}); err != nil {
		return err
	}
	return ip(ctx, p.ns("gw"), gw.String())
}

func (p *packetPath) rules(ctx context.Context) error {
	switch p.kind {
	case pathDrop:
		return nft(ctx, p.ns("gw"), `table netdev sink {
 chain a { type filter hook ingress device lan0 priority 0; drop; }
 chain b { type filter hook ingress device wan0 priority 0; drop; }
}`)
	case pathMasquerade:
		return nft(ctx, p.ns("gw"), `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`)
	}
	return p.inGateway(func() error {
		zone := nftables.Zone{Name: "guests", Interfaces: []string{"lan0"}, Masquerade: true}
		f, err := nftables.New(nftables.Config{Zones: []nftables.Zone{zone}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		p.firewall = f
		grants := make([]sessions.Grant, p.n)
		for i := range grants {
			grants[i] = sessions.Grant{Station: sessions.Station{Zone: zone.Name, MAC: station(i).mac},
				AcctSessionID: fmt.Sprintf("bench%d", i), Timeout: 8 * time.Hour, IdleTimeout: 30 * time.Minute}
		}
		return f.Reconcile(ctx, grants)
	})
}

// inGateway runs f on a thread in the gateway's namespace.
func (p *packetPath) inGateway(f func() error) error { return inNamespace(p.ns("gw"), f) }

func inNamespace(name string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		h, err := netns.GetFromName(name)
		if err == nil {
			err = netns.Set(h)
		}
		if err == nil {
			err = f()
		}
		result <- errors.Join(err, h.Close())
	}()
	return <-result
}

// check tells whether the packets really took the path: with gatehouse every packet up and down is counted.
func (p *packetPath) check(ctx context.Context) error {
	if p.firewall == nil {
		return nil
	}
	readings, err := p.firewall.Usage(ctx)
	if err != nil {
		return err
	}
	var up, down uint64
	for _, r := range readings {
		up, down = up+r.Usage.InputPackets, down+r.Usage.OutputPackets
	}
	if up != p.up.sent || down != p.down.sent {
		return fmt.Errorf("%d packets up and %d down were sent, %d and %d counted", p.up.sent, p.down.sent, up, down)
	}
	return nil
}

func (p *packetPath) close() {
	for _, s := range []*sender{p.up, p.down} {
		if s != nil {
			_ = unix.Close(s.fd)
		}
	}
	if p.firewall != nil {
		_ = p.firewall.Close()
	}
	for _, h := range []string{"lan", "gw", "wan"} {
		_ = exec.Command("ip", "netns", "del", p.ns(h)).Run()
	}
}

func ip(ctx context.Context, namespace, batch string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	return feed(exec.CommandContext(ctx, "ip", args...), batch+"\n")
}

func nft(ctx context.Context, namespace, text string) error {
	return feed(exec.CommandContext(ctx, "ip", "netns", "exec", namespace, "nft", "-f", "-"), text+"\n")
}

func feed(cmd *exec.Cmd, input string) error {
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
