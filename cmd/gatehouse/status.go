package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"gatehouse/admin"
)

func statusVerb() verb {
	return verb{
		name: "status", short: "show the gateway at a glance",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, _ []string) error {
				st, err := c.dial().Status(ctx)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, st, func(w io.Writer) { printStatus(w, st) })
			}
		},
	}
}

func printStatus(w io.Writer, st admin.Status) {
	fmt.Fprintf(w, "gatehouse %s on %s, up %s\n", st.Version, plain(st.NASID), span(st.Uptime))
	fmt.Fprintf(w, "%d sessions, %d stations seen\n\n", st.Sessions, st.Stations)
	rows := [][]string{{"ZONE", "INTERFACES", "METHODS", "SESSIONS"}}
	for _, z := range st.Zones {
		var interfaces, methods []string
		for _, f := range z.Interfaces {
			interfaces = append(interfaces, f.Name+" "+f.State)
		}
		for _, m := range z.Methods {
			methods = append(methods, string(m))
		}
		rows = append(rows, []string{z.Name, strings.Join(interfaces, ", "), strings.Join(methods, ", "), fmt.Sprint(z.Sessions)})
	}
	table(w, rows)
	fmt.Fprintf(w, "\nfirewall: %s (%s)\n", st.Firewall.Backend, plain(st.Firewall.Why))
	printPortal(w, &st.Portal)
	for _, z := range st.Zones {
		for _, b := range z.Bandwidth {
			fmt.Fprintf(w, "bandwidth %s in %s: %s (%s)\n", b.Way, z.Name, b.Mechanism, plain(b.Why))
		}
	}
	for _, z := range st.Zones {
		for _, i := range z.Isolation {
			fmt.Fprintf(w, "isolation in %s on %s: %s (%s)\n", z.Name, i.Interface, i.Mechanism, plain(i.Why))
		}
	}
	printCentre(w, st.Centre, st.Outbox)
}

func printPortal(w io.Writer, p *admin.Portal) {
	switch {
	case p.URL == "":
		fmt.Fprintf(w, "portal: plain HTTP, by address (%s)\n", plain(p.Why))
	case p.Announced:
		fmt.Fprintf(w, "portal: %s, certificate until %s, announced by DHCP\n", p.URL, p.Until.Format(time.DateOnly))
	default:
		fmt.Fprintf(w, "portal: %s, certificate until %s, not announced by DHCP\n", p.URL, p.Until.Format(time.DateOnly))
	}
}

func printCentre(w io.Writer, c *admin.Centre, outbox int) {
	if c == nil {
		fmt.Fprintln(w, "centre: none; the gateway stands alone")
		return
	}
	state := "cannot be reached"
	switch {
	case c.Refused:
		state = "refuses this gateway's token"
	case c.Reachable:
		state = "reachable"
	case c.LastError == "" && c.LastSuccess.IsZero():
		state = "not asked yet"
	}
	fmt.Fprintf(w, "centre: %s %s; records waiting: %d\n", plain(c.URL), state, outbox)
	if !c.LastSuccess.IsZero() {
		fmt.Fprintf(w, "  last success %s\n", c.LastSuccess.Format(time.RFC3339))
	}
	if c.LastError != "" {
		fmt.Fprintf(w, "  last error %s: %s\n", c.LastErrorAt.Format(time.RFC3339), plain(c.LastError))
	}
	if !c.ClockBelieved {
		fmt.Fprintln(w, "  the clock is before the build date: records without a date wait until it is set")
	}
}
