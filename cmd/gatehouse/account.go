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

func accountAddVerb() verb {
	return verb{
		name: "account add", operands: "NAME", least: 1, most: 1, short: "make an account of this gateway's own",
		detail: "The password is asked for, or read as one line from standard input, or made up and printed once. Limits that\n" +
			"are not given are the zone's.",
		bind: func(f *flag.FlagSet) action {
			c, p := bindClient(f), bindPassword(f)
			var account admin.Account
			bindLimits(f, &account)
			return func(ctx context.Context, s streams, operands []string) error {
				password, err := p.read(s)
				if err != nil {
					return err
				}
				account.Username = operands[0]
				made, err := c.dial().AddAccount(ctx, account, password)
				if err != nil {
					return c.explain(err)
				}
				return p.tell(c, s, made)
			}
		},
	}
}

func accountPasswdVerb() verb {
	return verb{
		name: "account passwd", operands: "NAME", least: 1, most: 1, short: "change an account's password",
		detail: "Running sessions of the account go on.",
		bind: func(f *flag.FlagSet) action {
			c, p := bindClient(f), bindPassword(f)
			return func(ctx context.Context, s streams, operands []string) error {
				password, err := p.read(s)
				if err != nil {
					return err
				}
				if err := c.dial().SetPassword(ctx, operands[0], password); err != nil {
					return c.explain(err)
				}
				return p.tell(c, s, admin.Account{Username: operands[0], Active: true})
			}
		},
	}
}

func accountRemoveVerb() verb {
	return verb{
		name: "account remove", operands: "NAME", least: 1, most: 1, short: "remove an account and end its sessions",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				if err := c.dial().RemoveAccount(ctx, operands[0]); err != nil {
					return c.explain(err)
				}
				removed := struct {
					Username string `json:"username"`
				}{operands[0]}
				return c.show(s.out, removed, func(w io.Writer) { fmt.Fprintf(w, "account %s is gone\n", plain(operands[0])) })
			}
		},
	}
}

func accountListVerb() verb {
	return verb{
		name: "account list", short: "list the accounts of this gateway's own",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, _ []string) error {
				all, err := c.dial().Accounts(ctx)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) { printAccounts(w, all) })
			}
		},
	}
}

func printAccounts(w io.Writer, all []admin.Account) {
	limit := func(n *int64) string {
		switch {
		case n == nil:
			return "zone's"
		case *n == 0:
			return "unlimited"
		default:
			return span(*n)
		}
	}
	rows := [][]string{{"USER", "ACTIVE", "EXPIRES", "SESSION TIMEOUT", "IDLE TIMEOUT", "AT ONCE", "DOWN", "UP", "DATA"}}
	for _, a := range all {
		active, expires, use := "yes", "never", "zone's"
		if !a.Active {
			active = "no"
		}
		if !a.Expiration.IsZero() {
			expires = a.Expiration.Format(time.RFC3339)
		}
		if a.SimultaneousUse != nil {
			use = strconv.Itoa(*a.SimultaneousUse)
		}
		rows = append(rows, []string{plain(a.Username), active, expires, limit(a.SessionTimeout), limit(a.IdleTimeout), use,
			ownRate(a.BandwidthDown), ownRate(a.BandwidthUp), capsOf(a)})
	}
	table(w, rows)
}

func ownRate(r *sessions.BitRate) string {
	if r == nil {
		return "zone's"
	}
	return rate(*r)
}

// bindLimits adds the flags of an account's own limits.
func bindLimits(f *flag.FlagSet, a *admin.Account) {
	seconds := func(to **int64) func(string) error {
		return func(v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 || d%time.Second != 0 {
				return fmt.Errorf("write a time in whole seconds with its unit, as in 90s, 30m or 2h; 0 is unlimited")
			}
			n := int64(d / time.Second)
			*to = &n
			return nil
		}
	}
	f.Func("session-timeout", "Session-Timeout, a `time` as in 2h; 0 is unlimited", seconds(&a.SessionTimeout))
	f.Func("idle-timeout", "Idle-Timeout, a `time` as in 30m; 0 is unlimited", seconds(&a.IdleTimeout))
	f.Func("simultaneous-use", "Simultaneous-Use, the `number` of sessions at once; 0 is unlimited", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("write a number, 0 or above")
		}
		a.SimultaneousUse = &n
		return nil
	})
	f.Func("bandwidth-up", "the `rate` from the station, as in 5Mbit; 0 is unlimited", bitRate(&a.BandwidthUp))
	f.Func("bandwidth-down", "the `rate` to the station, as in 20Mbit; 0 is unlimited", bitRate(&a.BandwidthDown))
	bindCaps(f, a)
	f.Func("expires", "the `date` from which on the account is no good, as in 2027-01-31 or 2027-01-31T12:00:00Z", dateFlag(&a.Expiration))
}

func dateFlag(to *time.Time) func(string) error {
	return func(v string) error {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if at, err := time.ParseInLocation(layout, v, time.Local); err == nil {
				*to = at
				return nil
			}
		}
		return fmt.Errorf("write a date, as in 2027-01-31 or 2027-01-31T12:00:00Z")
	}
}

func bitRate(to **sessions.BitRate) func(string) error {
	return func(v string) error {
		r, err := sessions.ParseBitRate(v)
		if err == nil {
			*to = &r
		}
		return err
	}
}
