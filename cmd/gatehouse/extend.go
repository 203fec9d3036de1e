package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
)

func extendVerb() verb {
	return verb{
		name: "extend", operands: "SESSION|ZONE/MAC|MAC|NAME", least: 1, most: 1, short: "give a session more time or data, or an account more data",
		detail: "A session goes on as the same one. --data adds to its own cap; with --account it adds to the account's running\n" +
			"day, week and month, for all its devices, whether they are in or not. A guest without an account is ZONE/MAC.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			var req admin.ExtendRequest
			f.BoolVar(&req.Account, "account", false, "extend the caps of an account, not of one session")
			f.Func("data", "the `amount` of data, as in 500MB or 2GiB", func(v string) (err error) {
				req.Data, err = sessions.ParseBytes(v)
				return err
			})
			f.Func("time", "the `time`, as in 30m or 2h", func(v string) error {
				d, err := time.ParseDuration(v)
				if err != nil || d < 0 || d%time.Second != 0 {
					return fmt.Errorf("write a time in whole seconds with its unit, as in 90s, 30m or 2h")
				}
				req.Time = int64(d / time.Second)
				return nil
			})
			return func(ctx context.Context, s streams, operands []string) error {
				if req.Time == 0 && req.Data == 0 {
					return &usageError{"it needs --time or --data"}
				}
				req.Which = operands[0]
				got, err := c.dial().Extend(ctx, req)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) {
					for _, x := range got {
						fmt.Fprintf(w, "%s/%s (%s) has left: time %s, data %s\n", x.Zone, x.MAC, plain(x.Username), timeLeft(x), dataLeft(x))
					}
					if len(got) == 0 {
						fmt.Fprintf(w, "%s is extended; no session is running\n", plain(operands[0]))
					}
				})
			}
		},
	}
}

// dataLeft is what a session has left until the first of its data caps.
func dataLeft(s admin.Session) string {
	switch {
	case s.Slow:
		return "none (slow)"
	case s.DataLeft == nil:
		return "unlimited"
	}
	return octets(uint64(*s.DataLeft))
}

// bindCaps adds the flags of an account's own data caps.
func bindCaps(f *flag.FlagSet, a *admin.Account) {
	for _, c := range []struct {
		name, of string
		to       *sessions.VolumeLimit
	}{
		{"cap-session", "one session", &a.Caps.Session}, {"cap-day", "a calendar day", &a.Caps.Day},
		{"cap-week", "a week from Monday", &a.Caps.Week}, {"cap-month", "a month", &a.Caps.Month},
	} {
		f.Func(c.name, "the `data` of "+c.of+", as in 2GB, or up=500MB,down=2GB,total=2GB; 0 is unlimited", func(v string) error {
			return parseVolume(v, c.to)
		})
	}
	f.Func("slow-up", "the `rate` from the station once a cap is used up, as in 256kbit; 0 for both: the session ends", bitRate(&a.SlowUp))
	f.Func("slow-down", "the `rate` to the station once a cap is used up", bitRate(&a.SlowDown))
}

func parseVolume(v string, to *sessions.VolumeLimit) error {
	for part := range strings.SplitSeq(v, ",") {
		way, amount, named := strings.Cut(part, "=")
		if !named {
			way, amount = "total", part
		}
		bound, ok := map[string]**sessions.Bytes{"up": &to.Up, "down": &to.Down, "total": &to.Total}[way]
		if !ok {
			return fmt.Errorf("write up=, down= or total= before an amount")
		}
		b, err := sessions.ParseBytes(amount)
		if err != nil {
			return err
		}
		*bound = &b
	}
	return nil
}

// capsOf spells an account's own data caps.
func capsOf(a admin.Account) string {
	var out []string
	for _, c := range []struct {
		name string
		of   sessions.VolumeLimit
	}{{"session", a.Caps.Session}, {"day", a.Caps.Day}, {"week", a.Caps.Week}, {"month", a.Caps.Month}} {
		for _, b := range []struct {
			way    string
			amount *sessions.Bytes
		}{{"up ", c.of.Up}, {"down ", c.of.Down}, {"", c.of.Total}} {
			if b.amount != nil {
				out = append(out, c.name+" "+b.way+b.amount.String())
			}
		}
	}
	if len(out) == 0 {
		return "zone's"
	}
	return strings.Join(out, ", ")
}
