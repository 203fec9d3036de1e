package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
)

// What "block" and "trust" make, and "unblock" and "untrust" take back.
var (
	closing = []sessions.AccessKind{sessions.AccessBlocked, sessions.AccessSuspended}
	opening = []sessions.AccessKind{sessions.AccessTrusted, sessions.AccessPreauthorized, sessions.AccessRemembered}
)

func blockVerb() verb {
	return verb{
		name: "block", operands: "MAC|ZONE/MAC", least: 1, most: 1, short: "shut a station out: it reaches nothing, and sees no page",
		detail: "Its session ends at once. A MAC alone is blocked in every zone. The block is kept over restarts. Whoever changes the\n" +
			"MAC address of a device comes as a stranger.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			req := admin.SetAccessRequest{Kind: sessions.AccessBlocked}
			zone := bindRule(f, &req)
			f.StringVar(&req.Note, "reason", "", "`text` for those who ask, and for the transaction log")
			return setAccess(c, &req, zone)
		},
	}
}

func trustVerb() verb {
	return verb{
		name: "trust", operands: "MAC|ZONE/MAC", least: 1, most: 1, short: "let a station in by its MAC address, as soon as it is seen",
		detail: "Without an account the station has no limits; with one it is logged in as that account, with its limits, and sees\n" +
			"the portal where the account refuses. The zone may be left out where there is only one, or only one that has seen the\n" +
			"station. It is kept over restarts. A station that is online keeps its session if an account is given, and begins one\n" +
			"without limits if not. A MAC address is no secret: who copies it is let in.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			req := admin.SetAccessRequest{Kind: sessions.AccessTrusted}
			zone := bindRule(f, &req)
			f.StringVar(&req.Note, "note", "", "`text` for those who ask, as in \"printer in the lobby\"")
			f.Func("account", "`name` of the account as which the station is logged in", func(v string) error {
				req.Kind, req.Account = sessions.AccessPreauthorized, v
				return nil
			})
			return setAccess(c, &req, zone)
		},
	}
}

// bindRule adds the flags that all rules have.
func bindRule(f *flag.FlagSet, req *admin.SetAccessRequest) (zone *string) {
	f.Func("for", "a `time` as in 90s, 30m or 2h; without it there is no end", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < time.Second || d%time.Second != 0 {
			return fmt.Errorf("write a time in whole seconds with its unit, as in 90s, 30m or 2h")
		}
		req.Seconds = int64(d / time.Second)
		return nil
	})
	return f.String("zone", "", "`name` of the zone, for a MAC alone")
}

func setAccess(c *clientFlags, req *admin.SetAccessRequest, zone *string) action {
	return func(ctx context.Context, s streams, operands []string) error {
		req.Station = inZone(*zone, operands[0])
		made, err := c.dial().SetAccess(ctx, *req)
		if err != nil {
			return c.explain(err)
		}
		return c.show(s.out, made, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", whom(made), decision(made)) })
	}
}

func inZone(zone, mac string) string {
	if zone == "" {
		return mac
	}
	return zone + "/" + mac
}

func unblockVerb() verb {
	return removeVerb(verb{
		name: "unblock", short: "take back a block or a suspension",
		detail: "A MAC alone means all zones. What the configuration says stays.",
	}, closing)
}

func untrustVerb() verb {
	return removeVerb(verb{
		name: "untrust", short: "take back that a station is let in by its MAC address",
		detail: "Its session ends, and it sees the portal. A MAC alone means all zones. What the configuration says stays.",
	}, opening)
}

func removeVerb(v verb, kinds []sessions.AccessKind) verb {
	v.operands, v.least, v.most = "MAC|ZONE/MAC", 1, 1
	v.bind = func(f *flag.FlagSet) action {
		c := bindClient(f)
		zone := f.String("zone", "", "`name` of the zone, for a MAC alone")
		return func(ctx context.Context, s streams, operands []string) error {
			done, err := c.dial().RemoveAccess(ctx, admin.RemoveAccessRequest{Station: inZone(*zone, operands[0]), Kinds: kinds})
			if err != nil {
				return c.explain(err)
			}
			return c.show(s.out, done, func(w io.Writer) {
				for _, r := range done.Removed {
					fmt.Fprintf(w, "%s is no longer %s\n", whom(r), decision(r))
				}
				for _, r := range done.Remaining {
					fmt.Fprintf(w, "%s is still %s\n", whom(r), decision(r))
				}
			})
		}
	}
	return v
}

func blockListVerb() verb {
	return listVerb(verb{name: "block list", short: "list who is blocked or suspended, why, and for how long"}, closing)
}

func trustListVerb() verb {
	return listVerb(verb{name: "trust list", short: "list who is let in by his MAC address"}, opening)
}

func listVerb(v verb, kinds []sessions.AccessKind) verb {
	v.bind = func(f *flag.FlagSet) action {
		c := bindClient(f)
		return func(ctx context.Context, s streams, _ []string) error {
			all, err := c.dial().Access(ctx)
			if err != nil {
				return c.explain(err)
			}
			all = slices.DeleteFunc(all, func(r admin.AccessRule) bool { return !slices.Contains(kinds, r.Kind) })
			return c.show(s.out, all, func(w io.Writer) { printAccess(w, all) })
		}
	}
	return v
}

func printAccess(w io.Writer, all []admin.AccessRule) {
	rows := [][]string{{"ZONE", "MAC", "RULE", "ACCOUNT", "BY", "SINCE", "LEFT", "NOTE"}}
	for _, r := range all {
		zone, since, left := r.Zone, "-", "no end"
		if zone == "" {
			zone = "all"
		}
		if !r.MadeAt.IsZero() {
			since = r.MadeAt.Format(time.RFC3339)
		}
		if r.SecondsLeft != nil {
			left = span(*r.SecondsLeft)
		}
		rows = append(rows, []string{zone, r.MAC.String(), string(r.Kind), plain(r.Account), string(r.By), since, left, plain(r.Note)})
	}
	table(w, rows)
}

// whom is the station or stations of a rule.
func whom(r admin.AccessRule) string {
	if r.Zone == "" {
		return r.MAC.String() + " in every zone"
	}
	return r.Zone + "/" + r.MAC.String()
}

// decision is a rule in words.
func decision(r admin.AccessRule) string {
	text := string(r.Kind)
	if r.Account != "" {
		text += " as " + plain(r.Account)
	}
	text += " by " + string(r.By)
	if r.SecondsLeft != nil {
		text += " for " + span(*r.SecondsLeft)
	}
	if r.Note != "" {
		text += ": " + plain(r.Note)
	}
	return text
}

// ruleOf is the rule that counts for a station, in words.
func ruleOf(st *admin.Station) string {
	if st.Access == nil {
		return "-"
	}
	text := decision(*st.Access)
	if st.Refused != "" {
		text += "; not let in: " + string(st.Refused)
	}
	return text
}
