package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/admin"
	"gatehouse/config"
)

func gardenVerb() verb {
	return verb{
		name: "garden", operands: "[ZONE]", most: 1, short: "show what guests reach before they log in",
		detail: "Entries are those of walled_garden; ADDRESS and LEFT are what was learned for its names from DNS answers, and for how\n" +
			"long it stays open.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				all, err := gardens(ctx, c, operands)
				if err != nil {
					return err
				}
				return c.show(s.out, all, func(w io.Writer) { printGardens(w, all) })
			}
		},
	}
}

// gardens are those of all zones, or of the one named.
func gardens(ctx context.Context, c *clientFlags, zone []string) ([]admin.Garden, error) {
	all, err := c.dial().Gardens(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	if len(zone) == 0 {
		return all, nil
	}
	all = slices.DeleteFunc(all, func(g admin.Garden) bool { return g.Zone != zone[0] })
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no zone %q; \"gatehouse status\" lists them", zone[0])
	}
	return all, nil
}

func printGardens(w io.Writer, all []admin.Garden) {
	rows := [][]string{{"ZONE", "ENTRY", "ADDRESS", "LEFT"}}
	for _, g := range all {
		for _, e := range g.Entries {
			rows = append(rows, []string{g.Zone, e, "-", "-"})
		}
		for _, o := range g.Learned {
			rows = append(rows, []string{g.Zone, "-", o.Address.String(), span(o.SecondsLeft)})
		}
	}
	table(w, rows)
}

// openness says whether guests of a zone reach a host, and why.
type openness struct {
	Zone        string   `json:"zone"`
	Open        bool     `json:"open"`
	Entries     []string `json:"entries,omitempty"`      // that cover it
	SecondsLeft int64    `json:"seconds_left,omitempty"` // of an address that was learned
}

func gardenTestVerb() verb {
	return verb{
		name: "garden test", operands: "NAME [ZONE]", least: 1, most: 2, short: "tell whether guests reach a host before they log in, and why",
		detail: "NAME is a host name or an address. A name is open on port 443, a network's address on the ports of its entry. Ends\n" +
			"with 1 if it is open in no zone.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				all, err := gardens(ctx, c, operands[1:])
				if err != nil {
					return err
				}
				found := make([]openness, len(all))
				for i := range all {
					found[i] = opens(&all[i], operands[0])
				}
				if err := c.show(s.out, found, func(w io.Writer) { printOpenness(w, found, operands[0]) }); err != nil {
					return err
				}
				if !slices.ContainsFunc(found, func(o openness) bool { return o.Open }) {
					return fmt.Errorf("%s is not open: no entry of walled_garden covers it, and it was not learned", plain(operands[0]))
				}
				return nil
			}
		},
	}
}

func opens(g *admin.Garden, what string) openness {
	o := openness{Zone: g.Zone}
	for _, text := range g.Entries {
		if e, err := config.ParseGarden(text); err == nil && e.Covers(what) {
			o.Entries, o.Open = append(o.Entries, text), true
		}
	}
	addr, err := netip.ParseAddr(what)
	for _, l := range g.Learned {
		if err == nil && l.Address == addr.Unmap() {
			o.SecondsLeft, o.Open = l.SecondsLeft, true
		}
	}
	return o
}

func printOpenness(w io.Writer, found []openness, what string) {
	for _, o := range found {
		if len(o.Entries) > 0 {
			fmt.Fprintf(w, "%s: %s is open by %s\n", o.Zone, plain(what), strings.Join(o.Entries, ", "))
		}
		if o.SecondsLeft > 0 {
			fmt.Fprintf(w, "%s: %s is open on port 443 for %s more: the answer for a name of the garden\n", o.Zone, plain(what), span(o.SecondsLeft))
		}
	}
}
