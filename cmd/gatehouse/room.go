package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"gatehouse/admin"
)

func roomImportVerb() verb {
	return verb{
		name: "room import", operands: "FILE", least: 1, most: 1, short: "replace the list of who stays in which room",
		detail: "FILE is CSV with a head, - is standard input: room,name,from,until, and if you like devices, bandwidth_up and\n" +
			"bandwidth_down. Name is the family name; what stands after a comma in it is not used. Dates are as in 2027-01-31\n" +
			"or \"2027-01-31 11:00\". If one line is wrong nothing is changed. Who is on the list no more is logged out.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			var in admin.ImportRoomsRequest
			f.BoolVar(&in.Empty, "empty", false, "the list may be empty")
			return func(ctx context.Context, s streams, operands []string) error {
				text, err := readList(operands[0], s.in)
				if err != nil {
					return err
				}
				in.CSV = string(text)
				got, err := c.dial().ImportRooms(ctx, in)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) {
					fmt.Fprintf(w, "%d guests are on the list; %d of the one before are gone or have changed\n", got.Stays, got.Ended)
				})
			}
		},
	}
}

// maxList is the longest list that is sent, in octets.
const maxList = 512 << 10

func readList(name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxList+1))
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("the list is longer than %d octets", maxList)
	}
	return text, err
}

func roomListVerb() verb {
	return verb{
		name: "room list", short: "list who stays in which room, without names",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, _ []string) error {
				all, err := c.dial().Rooms(ctx)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) {
					rows := [][]string{{"ROOM", "USER", "FROM", "UNTIL", "ONLINE"}}
					for _, st := range all {
						from := moment(st.From, "-")
						if st.From.Unix() == 0 {
							from = "-"
						}
						rows = append(rows, []string{plain(st.Room), st.Username, from, moment(st.Until, "-"), strconv.Itoa(st.Online)})
					}
					table(w, rows)
				})
			}
		},
	}
}

// forgetAfter is how long after its check-out a stay is erased.
const forgetAfter = time.Hour

// forgetStays erases stays that are over, while the date can be believed.
func (g *gateway) forgetStays(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if now := g.clock.Now(); !now.Before(believable()) {
			if _, err := g.journal.ForgetStays(ctx, now.Add(-forgetAfter)); err != nil && ctx.Err() == nil {
				g.Logger.Error("guests who have left are not forgotten", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
