package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/admin"
	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// benchRestart kills the daemon and starts it again while 5,000 stations talk: the same program, and as if an older one had
// made the sets.
func benchRestart(ctx context.Context, p programs, r *report) error {
	if err := restartBeside(ctx, p, r, "restart beside 5,000 sessions", nil); err != nil {
		return err
	}
	return restartBeside(ctx, p, r, "restart with other sets, beside 5,000 sessions", markOlder)
}

// markOlder has the firewall's table say that the version before made it, and have a set that is not known any more.
func markOlder(ctx context.Context, gateway *lab.Host) error {
	chains, err := gateway.Run(ctx, "nft", "list", "chains", "inet")
	if err != nil {
		return err
	}
	_, after, ok := strings.Cut(chains, "chain schema_")
	version, err := strconv.Atoi(strings.Fields(after + " -")[0])
	if !ok || err != nil {
		return fmt.Errorf("the firewall's table does not tell its version: %w", err)
	}
	return nft(ctx, gateway.Name, fmt.Sprintf("delete chain inet gatehouse schema_%d\nadd chain inet gatehouse schema_%d\nadd set inet gatehouse older { type mark; }",
		version, version-1))
}

// restartBeside measures one restart; between may change what the daemon finds.
func restartBeside(ctx context.Context, p programs, r *report, name string, between func(context.Context, *lab.Host) error) error {
	const n, limit = 5000, time.Second
	state, err := os.MkdirTemp("/var/tmp", "gatehouse-bench-") // on a real disk, as in loginRounds
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Zone: clickZone, StateDir: state})
	if err != nil {
		return err
	}
	defer v.Close()
	people, err := populate(ctx, v.Lab, n)
	if err != nil {
		return err
	}
	defer people.close()
	if err := loginAll(ctx, v, n); err != nil {
		return err
	}
	traffic, err := people.counted(ctx)
	if err != nil {
		return err
	}
	if err := people.up.all(); err != nil { // so that there is a way down
		return err
	}
	stopUp, stopDown := talk(3*time.Millisecond, people.up.some), talk(3*time.Millisecond, people.down.some)
	var took time.Duration
	err = errors.Join(pause(ctx, time.Second), func() error {
		v.Daemon.Kill()
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		if between != nil {
			if err := between(ctx, v.Gateway); err != nil {
				return err
			}
		}
		begun := time.Now()
		err := v.StartGateway(ctx)
		took = time.Since(begun)
		return err
	}(), pause(ctx, time.Second))
	if err := errors.Join(err, stopUp(), stopDown(), pause(ctx, 300*time.Millisecond)); err != nil {
		return err
	}
	lost, err := traffic.lost()
	if err != nil {
		return err
	}
	sent := people.up.sent + people.down.sent
	octets, err := countedByKernel(ctx, v.Gateway)
	if err != nil {
		return err
	}
	uncounted := int64(sent*frameOctets) - int64(octets)
	r.print(
		figure{name + ": serving after", ms(took), "≤ " + ms(limit), took <= limit},
		figure{"  packets lost meanwhile", fmt.Sprintf("%d of %d", lost, sent), "none", lost == 0},
		figure{"  octets not counted", fmt.Sprintf("%d of %d", uncounted, sent*frameOctets), "none", uncounted == 0},
	)
	return nil
}

// loginAll opens a session for every station of a population.
func loginAll(ctx context.Context, v *venue.Venue, n int) error {
	control := admin.NewClient(v.Socket())
	logins, ctx := errgroup.WithContext(ctx)
	logins.SetLimit(16)
	for i := range n {
		logins.Go(func() error {
			_, err := control.Login(ctx, admin.LoginRequest{Station: benchGrant(i).Station.String()})
			return err
		})
	}
	return logins.Wait()
}

// traffic counts what arrives of a population's packets.
type traffic struct {
	people          *population
	outside, inside *lab.Capture
}

// counted begins to count.
func (p *population) counted(ctx context.Context) (t traffic, err error) {
	t.people = p
	if t.outside, err = p.WAN.Count(ctx, lab.PeerInterface, func(q lab.Packet) bool { return benchFlow(q) && !q.Sent }); err != nil {
		return t, err
	}
	t.inside, err = p.port.Count(ctx, lab.PeerInterface, func(q lab.Packet) bool { return benchFlow(q) && !q.Sent })
	return t, err
}

// lost is how many packets did not arrive. It ends the count.
func (t *traffic) lost() (int64, error) {
	_, err := t.outside.Stop()
	_, err2 := t.inside.Stop()
	_, up := t.outside.Octets()
	_, down := t.inside.Octets()
	return int64(t.people.up.sent+t.people.down.sent) - int64((up+down)/frameOctets), errors.Join(err, err2)
}

// countedByKernel sums up the counters that gatehouse keeps in the kernel.
func countedByKernel(ctx context.Context, gateway *lab.Host) (octets uint64, err error) {
	var fw *nftables.Firewall
	if err := gateway.Do(func() error { fw, err = newFirewall(lab.GuestBridge); return err }); err != nil {
		return 0, err
	}
	defer fw.Close()
	readings, err := fw.Usage(ctx)
	for _, r := range readings {
		octets += r.Usage.InputOctets + r.Usage.OutputOctets
	}
	return octets, err
}
