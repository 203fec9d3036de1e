package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"gatehouse/admin"
)

func loginVerb() verb {
	return verb{
		name: "login", operands: "ZONE/MAC", least: 1, most: 1, short: "let a station in without asking it",
		detail: "The zone may be left out where there is only one, or only one that has seen the station. The session has the\n" +
			"zone's limits. A station that is in already keeps its session.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			username := f.String("username", "", "`name` to account under; empty: the station's MAC")
			return func(ctx context.Context, s streams, operands []string) error {
				got, err := c.dial().Login(ctx, admin.LoginRequest{Station: operands[0], Username: *username})
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) {
					fmt.Fprintf(w, "%s/%s is in as %s, session %s, time left: %s\n", got.Zone, got.MAC, plain(got.Username), got.AcctSessionID, timeLeft(got))
				})
			}
		},
	}
}

func logoutVerb() verb {
	return verb{
		name: "logout", operands: "SESSION|ZONE/MAC|MAC", most: 1, short: "end a session and cut its station off",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			all := f.Bool("all", false, "end every session")
			return func(ctx context.Context, s streams, operands []string) error {
				if *all == (len(operands) == 1) {
					return &usageError{"it needs one session or station, or --all"}
				}
				req := admin.LogoutRequest{All: *all}
				if !*all {
					req.Which = operands[0]
				}
				stopped, err := c.dial().Logout(ctx, req)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, stopped, func(w io.Writer) {
					for _, got := range stopped {
						down, up := directions(got)
						fmt.Fprintf(w, "%s/%s (%s) is out after %s, %s down, %s up\n", got.Zone, got.MAC, plain(got.Username), span(got.SessionTime), down, up)
					}
					if len(stopped) == 0 {
						fmt.Fprintln(w, "no session was running")
					}
				})
			}
		},
	}
}
