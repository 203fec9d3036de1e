package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
)

func consentListVerb() verb {
	return verb{
		name: "consent list", operands: "[USER]", most: 1, short: "list who has accepted which terms of use, and when",
		detail: "The newest first. USER is a name as accounted; a guest without an account is there under his MAC address, as in\n" +
			"02-00-5E-10-00-01. TEXT is the SHA-256 of what was shown; \"gatehouse consent text\" prints it.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			limit := f.Int("limit", 100, "how `many` at most")
			return func(ctx context.Context, s streams, operands []string) error {
				req := admin.ConsentsRequest{Limit: *limit}
				if len(operands) > 0 {
					req.Username = operands[0]
				}
				all, err := c.dial().Consents(ctx, req)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) { printConsents(w, all) })
			}
		},
	}
}

func printConsents(w io.Writer, all []sessions.Consent) {
	rows := [][]string{{"AT", "STATION", "USER", "WAY", "VERSION", "LANGUAGE", "SESSION", "TEXT"}}
	for _, r := range all {
		at := "-" // the clock was not believable
		if !r.At.Wall.IsZero() {
			at = r.At.Wall.Format(time.RFC3339)
		}
		rows = append(rows, []string{at, r.Station.String(), plain(r.Username), string(r.Method), plain(r.TermsVersion), plain(r.Locale), r.AcctSessionID, r.TextHash})
	}
	table(w, rows)
}

func consentTextVerb() verb {
	return verb{
		name: "consent text", operands: "SHA-256", least: 1, most: 1, short: "print terms of use that somebody has accepted",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				got, err := c.dial().Terms(ctx, operands[0])
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) { fmt.Fprintln(w, got.Text) })
			}
		},
	}
}
