package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"gatehouse/admin"
)

func pauseVerb() verb {
	return verb{
		name: "pause", operands: "SESSION|ZONE/MAC|MAC", least: 1, most: 1, short: "pause a session, or go on with a paused one",
		detail: "What the session has left is kept for its device as long as max_pause of the zone says; the guest goes on with one tap.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			var req admin.PauseRequest
			f.BoolVar(&req.Resume, "resume", false, "go on with the paused session of ZONE/MAC or MAC")
			return func(ctx context.Context, s streams, operands []string) error {
				req.Which = operands[0]
				got, err := c.dial().Pause(ctx, req)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) {
					done := "is paused"
					if req.Resume {
						done = "goes on"
					}
					fmt.Fprintf(w, "%s/%s (%s) %s, time left %s\n", got.Zone, got.MAC, plain(got.Username), done, timeLeft(got))
				})
			}
		},
	}
}
