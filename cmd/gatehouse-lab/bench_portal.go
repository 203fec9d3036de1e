package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// together is how many guests ask at once.
const together = 20

// answers are how long one guest alone waited for a kind of answer, and how many a second twenty at once got.
type answers struct {
	alone []time.Duration
	rate  float64
}

// benchPortal asks our portal and openNDS for the redirect and for the login page, one after the other on the same machine.
func benchPortal(ctx context.Context, p programs, r *report) error {
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Zone: clickZone})
	if err != nil {
		return err
	}
	ours, err := measurePortal(ctx, v.Lab)
	if err = errors.Join(err, v.Close()); err != nil {
		return err
	}
	theirs, err := measureOpenNDS(ctx)
	if err != nil {
		return fmt.Errorf("openNDS: %w", err)
	}
	for i, what := range []string{"probe → redirect", "login page"} {
		o, t := ours[i], theirs[i]
		r.print(figure{
			what:   what + ", one guest alone, p50 / p99 (openNDS)",
			got:    fmt.Sprintf("%s / %s (%s / %s)", ms(quantile(o.alone, 0.5)), ms(quantile(o.alone, 0.99)), ms(quantile(t.alone, 0.5)), ms(quantile(t.alone, 0.99))),
			budget: "p99 ≤ a tenth of its p50", pass: 10*quantile(o.alone, 0.99) <= quantile(t.alone, 0.5),
		}, figure{
			what:   fmt.Sprintf("%s, %d guests at once, requests/s (openNDS)", what, together),
			got:    fmt.Sprintf("%.0f (%.1f), %.0f ×", o.rate, t.rate, o.rate/t.rate),
			budget: "≥ 100 ×", pass: o.rate >= 100*t.rate,
		})
	}
	return nil
}

// measurePortal measures the redirect and the page behind it of whatever portal runs on the lab's gateway.
func measurePortal(ctx context.Context, l *lab.Lab) ([2]answers, error) {
	var measured [2]answers
	stations, err := l.AddStaticStations(ctx, together)
	if err != nil {
		return measured, err
	}
	return measureFrom(ctx, stations)
}

func measureFrom(ctx context.Context, stations []*lab.Station) (measured [2]answers, err error) {
	all, err := phones(stations)
	defer closePhones(all)
	if err != nil {
		return measured, err
	}
	pages := make([]*call, len(all)) // each guest's own page, which the redirect names
	for i := range all {
		probe := askPortal(all[i], webPort, "connectivitycheck.gstatic.com", "/generate_204", "HTTP/1.1 3")
		probe.then = func(answer string, _ time.Duration) (*call, error) {
			var err error
			pages[i], err = pageBehind(all[i], answer)
			return nil, err
		}
		if err := (crowd{}).run([]*call{probe}); err != nil {
			return measured, err
		}
	}
	for kind, first := range []func(i int) *call{
		func(i int) *call {
			return askPortal(all[i], webPort, "connectivitycheck.gstatic.com", "/generate_204", "HTTP/1.1 3")
		},
		func(i int) *call { return pages[i] },
	} {
		for range 40 {
			took, _, err := repeat(ctx, 0, first(0))
			if err != nil {
				return measured, err
			}
			measured[kind].alone = append(measured[kind].alone, took...)
		}
		calls := make([]*call, len(all))
		for i := range calls {
			calls[i] = first(i)
		}
		took, wall, err := repeat(ctx, 3*time.Second, calls...)
		if err != nil {
			return measured, err
		}
		measured[kind].rate = float64(len(took)) / wall.Seconds()
	}
	return measured, nil
}

// repeat makes each call once and then again until the time is over.
func repeat(ctx context.Context, during time.Duration, calls ...*call) (took []time.Duration, wall time.Duration, err error) {
	begun := time.Now()
	fresh := make([]*call, len(calls))
	for i, c := range calls {
		fresh[i] = again(ctx, c, func(t time.Duration) bool {
			took = append(took, t)
			return time.Since(begun) < during && ctx.Err() == nil
		})
	}
	err = crowd{}.run(fresh)
	return took, time.Since(begun), err
}

// again is a call as c, repeated as long as more says so.
func again(ctx context.Context, c *call, more func(took time.Duration) bool) *call {
	fresh := &call{phone: c.phone, to: c.to, request: c.request}
	fresh.then = func(answer string, took time.Duration) (*call, error) {
		if answer == "" { // openNDS resets some; its guests load the page again
			return again(ctx, c, more), ctx.Err()
		}
		if _, err := c.then(answer, took); err != nil {
			return nil, err
		}
		if !more(took) {
			return nil, nil
		}
		return again(ctx, c, more), nil
	}
	return fresh
}

// askPortal is one request, whose answer begins with want.
func askPortal(from phone, to netip.AddrPort, host, target, want string) *call {
	return &call{phone: from, to: to, request: "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		then: func(answer string, _ time.Duration) (*call, error) {
			if !strings.HasPrefix(answer, want) {
				return nil, fmt.Errorf("%s%s is answered %.200q", host, target, answer)
			}
			return nil, nil
		}}
}

// pageBehind asks for the page to which a redirect leads.
func pageBehind(from phone, answer string) (*call, error) {
	_, location, _ := strings.Cut(answer, "\r\nLocation: ")
	location, _, _ = strings.Cut(location, "\r\n")
	u, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return nil, fmt.Errorf("the probe is answered %.300q: %w", answer, err)
	}
	return askPortal(from, to, u.Host, u.RequestURI(), "HTTP/1.1 200"), nil
}

// measureOpenNDS runs openNDS as Debian packs it on the gateway of a new lab (opennds.md says what it needs beside that).
func measureOpenNDS(ctx context.Context) (measured [2]answers, err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return measured, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	stations, err := l.AddStaticStations(ctx, together)
	if err != nil {
		return measured, err
	}
	var leases strings.Builder
	for i, s := range stations {
		fmt.Fprintf(&leases, "%d %s %s phone%d *\n", time.Now().Add(time.Hour).Unix(), s.MAC, s.Addr4, i)
	}
	for name, text := range map[string]string{
		"opennds.conf": "GatewayInterface " + lab.GuestBridge + "\nGatewayPort 2050\ndebuglevel 0\n" +
			"FirewallRuleSet authenticated-users {\n}\nFirewallRuleSet preauthenticated-users {\n}\n" +
			"FirewallRuleSet users-to-router {\n  FirewallRule allow udp port 53\n  FirewallRule allow tcp port 53\n}\n",
		"leases": leases.String(),
	} {
		if err := os.WriteFile(filepath.Join(l.Dir, name), []byte(text), 0o644); err != nil {
			return measured, err
		}
	}
	// iptables 1.8.8 and later refuse the base chains that openNDS makes itself, so it finds some, and names taken to which it would
	// move them; it looks for leases in /tmp, and writes to /etc.
	const script = `nft "add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; }
add chain ip filter FORWARD { type filter hook forward priority 0; }
add chain ip filter INPUT_LEGACY
add chain ip filter FORWARD_LEGACY" &&
mount -t tmpfs tmpfs /tmp && cp "$0/leases" /tmp/dhcp.leases && cp "$0/opennds.conf" /tmp/ &&
cp -a /etc /tmp/etc && mount --bind /tmp/etc /etc && exec opennds -f -c /tmp/opennds.conf`
	process, err := l.Gateway.Start(ctx, []string{"unshare", "-m", "sh", "-c", script, l.Dir}, nil, nil)
	if err != nil {
		return measured, err
	}
	defer process.Kill()
	err = lab.WaitFor(ctx, 30*time.Second, func() error {
		c, err := stations[0].Dial(ctx, "tcp", net.JoinHostPort(lab.GuestGateway4, "2050"))
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err != nil {
		return measured, fmt.Errorf("%w\n%s", err, process.Log())
	}
	measured, err = measureFrom(ctx, stations)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, process.Log())
	}
	return measured, err
}
