package main

import (
	"context"
	"flag"
	"io"
	"strings"
	"time"

	"gatehouse/admin"
)

func stationsVerb() verb {
	return verb{
		name: "stations", short: "list the stations seen since the start, and whether they are in",
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
	rows := [][]string{{"ZONE", "MAC", "STATE", "USER", "LEFT", "ADDRESSES"}}
	for _, st := range all {
		addrs := make([]string, len(st.Addresses))
		for i, a := range st.Addresses {
			addrs[i] = a.String()
		}
		user, left := "-", "-"
		if st.Session != nil {
			user, left = plain(st.Session.Username), timeLeft(*st.Session)
		}
		rows = append(rows, []string{st.Zone, st.MAC.String(), string(st.State), user, left, plain(strings.Join(addrs, " "))})
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
	rows := [][]string{{"SESSION", "ZONE", "MAC", "ADDRESS", "USER", "METHOD", "SINCE", "FOR", "LEFT", "DOWN", "UP"}}
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
			since, span(s.SessionTime), timeLeft(s), down, up})
	}
	table(w, rows)
}

func timeLeft(s admin.Session) string {
	if s.SessionTimeLeft == nil {
		return "unlimited"
	}
	return span(*s.SessionTimeLeft)
}
