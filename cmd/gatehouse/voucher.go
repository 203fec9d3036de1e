package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/sessions"
	"gatehouse/web"
)

func voucherCreateVerb() verb {
	return verb{
		name: "voucher create", short: "make vouchers of this gateway's own, and tell their codes once",
		detail: "The codes are kept as keyed hashes: what is printed now cannot be printed again. Redirect --sheet into a file and\n" +
			"print it with any browser. Limits that are not given are the zone's. For a gateway without a centre.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			in := admin.CreateVouchersRequest{}
			f.IntVar(&in.Count, "count", 1, "the `number` of vouchers, up to 1000")
			f.StringVar(&in.Note, "note", "", "a `text` for yourself, as in \"front desk\"")
			bindPlan(f, &in.Plan)
			asCSV, asSheet := f.Bool("csv", false, "print lines of CSV"), f.Bool("sheet", false, "print a page of HTML for the printer")
			page := web.VoucherSheet{}
			f.StringVar(&page.Venue.Name, "title", "", "the `name` of the place on the sheet")
			f.Func("language", "the `language` of the sheet, as in de; default: en", func(v string) error {
				page.Locale = web.Locale(v)
				if !slices.Contains(web.Locales(), page.Locale) {
					return fmt.Errorf("use one of %v", web.Locales())
				}
				return nil
			})
			return func(ctx context.Context, s streams, _ []string) error {
				if *asCSV && *asSheet || c.json && (*asCSV || *asSheet) {
					return &usageError{"--csv, --sheet and --json exclude one another"}
				}
				b, err := c.dial().CreateVouchers(ctx, in)
				if err != nil {
					return c.explain(err)
				}
				switch {
				case *asCSV:
					return slipsCSV(s.out, b)
				case *asSheet:
					return sheet(page, b).View().Render(ctx, s.out)
				}
				return c.show(s.out, b, func(w io.Writer) {
					fmt.Fprintf(w, "batch %d: %s. The codes are told this once.\n", b.ID, planText(b.Plan))
					rows := [][]string{{"NUMBER", "CODE"}}
					for _, v := range b.Codes {
						rows = append(rows, []string{strconv.FormatInt(v.ID, 10), v.Code})
					}
					table(w, rows)
				})
			}
		},
	}
}

// bindPlan adds the flags of what a voucher is good for.
func bindPlan(f *flag.FlagSet, p *admin.VoucherPlan) {
	f.Func("time", "how long, a `time` as in 90m, 2h or 7d, all sessions together", spanFlag(&p.Time))
	f.BoolVar(&p.Elapsed, "elapsed", false, "the time runs on from the first use, online or not")
	f.Func("valid", "how long after the first use it can be used, a `time` as in 7d", spanFlag(&p.ValidFor))
	f.Func("until", "the `date` from which on it is no good, as in 2027-01-31 or 2027-01-31T12:00:00Z", dateFlag(&p.ValidUntil))
	f.Func("data", "the `amount` of data, as in 500MB or 2GiB, both ways, all sessions together", func(v string) (err error) {
		p.Data, err = sessions.ParseBytes(v)
		return err
	})
	f.Func("devices", "the `number` of devices at once", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("write a number, 1 or above")
		}
		p.Devices = &n
		return nil
	})
	f.Func("idle-timeout", "Idle-Timeout, a `time` as in 30m", func(v string) error {
		p.IdleTimeout = new(int64)
		return spanFlag(p.IdleTimeout)(v)
	})
	f.Func("bandwidth-up", "the `rate` from each station, as in 5Mbit", bitRate(&p.BandwidthUp))
	f.Func("bandwidth-down", "the `rate` to each station, as in 20Mbit", bitRate(&p.BandwidthDown))
	f.Func("zone", "a `zone` where it counts; more than once for more; none: everywhere", func(v string) error {
		p.Zones = append(p.Zones, v)
		return nil
	})
}

// spanFlag reads a time in whole seconds, in days too.
func spanFlag(to *int64) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if days, ok := strings.CutSuffix(v, "d"); ok {
			var n uint64
			n, err = strconv.ParseUint(days, 10, 16)
			d = time.Duration(n) * 24 * time.Hour
		}
		if err != nil || d <= 0 || d%time.Second != 0 {
			return fmt.Errorf("write a time with its unit, as in 90m, 2h or 7d")
		}
		*to = int64(d / time.Second)
		return nil
	}
}

func voucherListVerb() verb {
	return verb{
		name: "voucher list", operands: "[BATCH]", most: 1, short: "list batches of vouchers, or the vouchers of one and how they stand",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) error {
				if len(operands) == 0 {
					all, err := c.dial().VoucherBatches(ctx)
					if err != nil {
						return c.explain(err)
					}
					return c.show(s.out, all, func(w io.Writer) { printBatches(w, all) })
				}
				batch, err := batchNumber(operands[0])
				if err != nil {
					return err
				}
				all, err := c.dial().Vouchers(ctx, batch)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) { printVouchers(w, all) })
			}
		},
	}
}

func batchNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, &usageError{fmt.Sprintf("%q is not the number of a batch", text)}
	}
	return n, nil
}

func voucherRevokeVerb() verb {
	return verb{
		name: "voucher revoke", operands: "VOUCHER...", most: 1000, short: "make vouchers worthless and end their sessions",
		detail: "A voucher is its number, or its code.",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			var in admin.RevokeVouchersRequest
			f.Int64Var(&in.Batch, "batch", 0, "all vouchers of the batch of this `number`")
			return func(ctx context.Context, s streams, operands []string) error {
				if (in.Batch == 0) == (len(operands) == 0) {
					return &usageError{"it needs vouchers, or --batch"}
				}
				in.Which = operands
				got, err := c.dial().RevokeVouchers(ctx, in)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, got, func(w io.Writer) { fmt.Fprintf(w, "%d vouchers revoked\n", len(got.Revoked)) })
			}
		},
	}
}

func voucherExportVerb() verb {
	return verb{
		name: "voucher export", operands: "[BATCH]", most: 1, short: "print how vouchers stand as CSV, without their codes",
		bind: func(f *flag.FlagSet) action {
			c := bindClient(f)
			return func(ctx context.Context, s streams, operands []string) (err error) {
				var batch int64
				if len(operands) == 1 {
					if batch, err = batchNumber(operands[0]); err != nil {
						return err
					}
				}
				all, err := c.dial().Vouchers(ctx, batch)
				if err != nil {
					return c.explain(err)
				}
				return c.show(s.out, all, func(w io.Writer) {
					rows := [][]string{{"number", "batch", "state", "first_used", "expires", "used_seconds", "used_octets"}}
					for _, v := range all {
						rows = append(rows, []string{strconv.FormatInt(v.ID, 10), strconv.FormatInt(v.Batch, 10), string(v.State), moment(v.FirstUsed, ""),
							moment(v.Expires, ""), strconv.FormatInt(v.UsedTime, 10), strconv.FormatUint(uint64(v.UsedData), 10)})
					}
					_ = csv.NewWriter(w).WriteAll(rows) // a reader that went away reads nothing
				})
			}
		},
	}
}

// slipsCSV writes what is handed out.
func slipsCSV(w io.Writer, b admin.VoucherBatch) error {
	rows := [][]string{{"number", "code", "batch", "plan"}}
	for _, v := range b.Codes {
		rows = append(rows, []string{strconv.FormatInt(v.ID, 10), v.Code, strconv.FormatInt(b.ID, 10), planText(b.Plan)})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

func sheet(page web.VoucherSheet, b admin.VoucherBatch) web.VoucherSheet {
	p := b.Plan
	page.Time, page.Data, page.Until = time.Duration(p.Time)*time.Second, uint64(p.Data), p.ValidUntil
	for _, v := range b.Codes {
		page.Slips = append(page.Slips, web.VoucherSlip{Number: v.ID, Code: v.Code})
	}
	return page
}

func printBatches(w io.Writer, all []admin.VoucherBatch) {
	rows := [][]string{{"BATCH", "MADE", "VOUCHERS", "REVOKED", "PLAN", "NOTE"}}
	for _, b := range all {
		rows = append(rows, []string{strconv.FormatInt(b.ID, 10), moment(b.MadeAt, "-"), strconv.Itoa(b.Vouchers), strconv.Itoa(b.Revoked),
			planText(b.Plan), plain(b.Note)})
	}
	table(w, rows)
}

func printVouchers(w io.Writer, all []admin.Voucher) {
	rows := [][]string{{"NUMBER", "STATE", "FIRST USED", "EXPIRES", "TIME USED", "DATA USED"}}
	for _, v := range all {
		rows = append(rows, []string{strconv.FormatInt(v.ID, 10), strings.ReplaceAll(string(v.State), "_", " "), moment(v.FirstUsed, "-"),
			moment(v.Expires, "-"), span(v.UsedTime), octets(uint64(v.UsedData))})
	}
	table(w, rows)
}

func moment(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return t.Local().Format(time.RFC3339)
}

// planText is a plan in a few words.
func planText(p admin.VoucherPlan) string {
	var parts []string
	add := func(there bool, text string) {
		if there {
			parts = append(parts, text)
		}
	}
	how := " online"
	if p.Elapsed {
		how = " from the first use"
	}
	add(p.Time > 0, span(p.Time)+how)
	add(p.Data > 0, p.Data.String())
	add(p.ValidFor > 0, "valid "+span(p.ValidFor))
	add(!p.ValidUntil.IsZero(), "until "+moment(p.ValidUntil, ""))
	if p.Devices != nil {
		add(true, fmt.Sprintf("%d at once", *p.Devices))
	}
	if p.BandwidthDown != nil {
		add(true, rate(*p.BandwidthDown)+" down")
	}
	if p.BandwidthUp != nil {
		add(true, rate(*p.BandwidthUp)+" up")
	}
	add(len(p.Zones) > 0, "in "+strings.Join(p.Zones, " and "))
	if len(parts) == 0 {
		return "as the zone says"
	}
	return strings.Join(parts, ", ")
}
