package main

import (
	"context"
	"flag"
	"io"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
)

func stationsVerb() verb {
	return verb{
		name: "stations", short: "list the stations seen since the start, and whether they are in",
		detail: "SEEN is how long ago a station showed itself. NAME is what it called itself by DHCP; anybody can say anything.\n" +
			"SUSPICIONS of the last ten minutes say why it may be more than one: two-ports, two-client-ids, two-macs. as-router\n" +
			"is one that uses an address of the router. RULE is what counts for the station, who made it, and why: blocked and\n" +
			"trusted by MAC address, pre-authorized as an account and, if so, why not let in, or suspended: for so long it has to\n" +
			"log in at the portal.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, _ []string) error {
				all, err := c.dial().Stations(ctx)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) { printStations(w, all) })
			}
		},
	}
}

func printStations(w io.Writer, all []admin.Station) {
	rows := [][]string{{"ZONE", "MAC", "STATE", "USER", "LEFT", "SEEN", "NAME", "SUSPICIONS", "RULE", "ADDRESSES"}}
	for _, st := range all {
		addrs := make([]string, len(st.Addresses))
		for i, a := range st.Addresses {
			addrs[i] = a.String()
		}
		user, left, seen := "-", "-", "-"
		if st.Session != nil {
			user, left = plain(st.Session.Username), timeLeft(*st.Session)
		}
		if st.LastSeen != nil {
			seen = span(*st.LastSeen) + " ago"
		}
		rows = append(rows, []string{st.Zone, st.MAC.String(), string(st.State), user, left, seen, plain(st.Name),
			plain(strings.Join(st.Suspicions, " ")), ruleOf(&st), plain(strings.Join(addrs, " "))})
	}
	table(w, rows)
}

func sessionsVerb() verb {
	return verb{
		name: "sessions", short: "list the running sessions, the oldest first",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, _ []string) error {
				all, err := c.dial().Sessions(ctx)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) { printSessions(w, all) })
			}
		},
	}
}

func printSessions(w io.Writer, all []admin.Session) {
	rows := [][]string{{"SESSION", "ZONE", "MAC", "ADDRESS", "USER", "METHOD", "SINCE", "FOR", "LEFT", "DOWN", "UP", "DATA LEFT", "RATE DOWN", "RATE UP"}}
	for _, s := range all {
		down, up := directions(s)
		addr, since := "-", "-"
		if s.Address.IsValid() {
			addr = s.Address.String()
		}
		if !s.StartedAt.IsZero() {
			since = s.StartedAt.Format(time.RFC3339)
		}
		rows = append(rows, []string{s.AcctSessionID, s.Zone, s.MAC.String(), addr, plain(s.Username), string(s.Method),
			since, span(s.SessionTime), timeLeft(s), down, up, dataLeft(s), rate(s.BandwidthDown), rate(s.BandwidthUp)})
	}
	table(w, rows)
}

func rate(r sessions.BitRate) string {
	if r == 0 {
		return "unlimited"
	}
	return r.String()
}

func timeLeft(s admin.Session) string {
	if s.SessionTimeLeft == nil {
		return "unlimited"
	}
	return span(*s.SessionTimeLeft)
}
