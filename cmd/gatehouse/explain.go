package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
)

func explainVerb() verb {
	return verb{
		name: "explain", operands: "CODE|ZONE/MAC|MAC", least: 1, most: 1, short: "tell what happened to a guest's device",
		detail: "CODE is the support code at the foot of every page that the guest sees. Nothing that a guest typed is shown: there is\nonly which way in was tried, and why it did not work.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				v, err := c.dial().Explain(ctx, admin.ExplainRequest{Which: operands[0]})
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, v, func(w io.Writer) { printVisit(w, v) })
			}
		},
	}
}

func printVisit(w io.Writer, v sessions.Visit) {
	fmt.Fprintf(w, "%s, support code %s\n\n", v.Station, plain(v.Code))
	rows := [][]string{{"WHEN", "WHAT", "", "WHY", "TIMES"}}
	for _, e := range v.Events {
		rows = append(rows, []string{when(e.At), string(e.Kind), plain(e.What), plain(e.Why), strconv.Itoa(e.Times)})
	}
	table(w, rows)
	if v.Dropped > 0 {
		fmt.Fprintf(w, "\n%d events after the first are no longer there.\n", v.Dropped)
	}
}

// when is a moment for people; before the clock was right it is the time since the router's start.
func when(at sessions.Stamp) string {
	if at.Wall.IsZero() {
		return "start+" + at.Mono.Truncate(time.Second).String()
	}
	return at.Wall.Local().Format("2006-01-02 15:04:05")
}
