package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/nftables"
)

// path is one gateway between two hosts: lan (stations), gw, and wan.
type path struct {
	kind     pathKind
	n        int // of stations
	prefix   string
	up, down *sender
	streams  []*stream // for TCP: up and down
	firewall *nftables.Firewall
}

// newPath makes a gateway of a kind with the ends that the bench needs.
func newPath(ctx context.Context, kind pathKind, n int, ends func(*path, context.Context) error) (*path, error) {
	p := &path{kind: kind, n: n, prefix: fmt.Sprintf("p%04x-%s", rand.N(1<<16), kind)}
	for _, step := range []func(context.Context) error{p.topology, p.rules} {
		if err := step(ctx); err != nil {
			p.close()
			return nil, fmt.Errorf("path %s: %w", kind, err)
		}
	}
	if err := ends(p, ctx); err != nil {
		p.close()
		return nil, fmt.Errorf("ends of path %s: %w", kind, err)
	}
	return p, nil
}

func (p *path) ns(host string) string { return p.prefix + "-" + host }

// topology makes the namespaces, the veth pairs and every neighbour that the way down asks for.
func (p *path) topology(ctx context.Context) error {
	for _, h := range []string{"lan", "gw", "wan"} {
		if err := ip(ctx, "", "netns add "+p.ns(h)); err != nil {
			return err
		}
		// Nobody speaks but the bench.
		if err := p.sysctl(h, "net/ipv6/conf/all/disable_ipv6", "1"); err != nil {
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
	}
	var gw strings.Builder
	gw.WriteString("link set lo up\nlink set lan0 up\nlink set wan0 up\naddr add 10.0.0.1/16 dev lan0\naddr add 203.0.113.2/24 dev wan0\n" +
		"neigh add 203.0.113.10 lladdr 02:00:00:00:02:01 dev wan0\n")
	writeNeighbours(&gw, p.n, "lan0")
	for name, value := range map[string]string{
		"net/ipv4/ip_forward": "1",
		// Every flow lasts for the whole bench, however slow the machine.
		"net/netfilter/nf_conntrack_udp_timeout": "3600", "net/netfilter/nf_conntrack_udp_timeout_stream": "3600",
	} {
		if err := p.sysctl("gw", name, value); err != nil {
			return err
		}
	}
	return ip(ctx, p.ns("gw"), gw.String())
}

// writeNeighbours enters the stations for good.
func writeNeighbours(b *strings.Builder, n int, dev string) {
	for i := range n {
		s := station(i)
		fmt.Fprintf(b, "neigh add %s lladdr %s dev %s\n", s.addr, s.mac, dev)
	}
}

// inGateway runs f on a thread in the gateway's namespace.
func (p *path) inGateway(f func() error) error { return inNamespace(p.ns("gw"), f) }

func (p *path) sysctl(host, name, value string) error {
	return inNamespace(p.ns(host), func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) })
}

// received is how many packets have arrived at the far end.
func (p *path) received(host string) (n uint64, err error) {
	err = inNamespace(p.ns(host), func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			n = link.Attrs().Statistics.RxPackets
		}
		return err
	})
	return n, err
}

func (p *path) close() {
	for _, s := range []*sender{p.up, p.down} {
		if s != nil {
			_ = unix.Close(s.fd)
		}
	}
	for _, s := range p.streams {
		s.close()
	}
	if p.firewall != nil {
		_ = p.firewall.Close()
	}
	for _, h := range []string{"lan", "gw", "wan"} {
		_ = exec.Command("ip", "netns", "del", p.ns(h)).Run()
	}
}

func closePaths(paths []*path) {
	for _, p := range paths {
		p.close()
	}
}

func inNamespace(name string, f func() error) error {
	return onThread(func() error {
		h, err := netns.GetFromName(name)
		if err != nil {
			return err
		}
		defer h.Close()
		if err := netns.Set(h); err != nil {
			return err
		}
		return f()
	})
}

// onProcessor runs f on a thread that stays on one processor.
func onProcessor(cpu int, f func() error) error {
	return onThread(func() error {
		var set unix.CPUSet
		set.Set(cpu)
		return errors.Join(unix.SchedSetaffinity(0, &set), f())
	})
}

// onThread runs f on a thread that ends with it, whatever f did to the thread.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		result <- f()
	}()
	return <-result
}

func ip(ctx context.Context, namespace, batch string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	return feed(exec.CommandContext(ctx, "ip", args...), batch+"\n")
}

func nft(ctx context.Context, namespace, text string) error {
	return load(ctx, namespace, text, "nft", "-f", "-")
}

// load feeds a ruleset to a program in a namespace.
func load(ctx context.Context, namespace, text string, program ...string) error {
	return feed(exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", namespace}, program...)...), text+"\n")
}

func feed(cmd *exec.Cmd, input string) error {
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.300s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
