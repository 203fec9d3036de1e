package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var errBudget = errors.New("a budget is not met")

// figure is one line of the bench: what was measured beside its budget of DESIGN §6.
type figure struct {
	what, got, budget string
	pass              bool
}

// report prints figures as they come and remembers whether all are within their budgets.
type report struct{ failed int }

func (r *report) print(figures ...figure) {
	for _, f := range figures {
		verdict := "PASS"
		if f.budget == "" {
			verdict = "    "
		} else if !f.pass {
			verdict = "FAIL"
			r.failed++
		}
		fmt.Printf("%s  %-74s %-30s %s\n", verdict, f.what, f.got, f.budget)
	}
}

// bench runs all benches, or those whose name begins with only.
func bench(ctx context.Context, p programs, only string) error {
	r := &report{}
	fmt.Printf("      %-74s %-30s %s\n", "what", "measured", "budget (DESIGN section 6)")
	r.print(noise())
	for _, b := range []struct {
		name string
		run  func(context.Context, programs, *report) error
	}{
		{"login", benchLogin},
		{"ways", benchWays},
		{"redirect", benchRedirect},
		{"portal", benchPortal},
		{"rss", benchRSS},
		{"datapath-packets", benchPackets},
		{"datapath-tcp", benchTCP},
		{"datapath-control", benchControl},
		{"datapath-late", benchLate},
		{"datapath-octets", benchOctets},
		{"datapath-rates", benchRates},
		{"datapath-restart", benchRestart},
		{"size", benchSize},
		{"centre-ingest", benchCentre},
		{"centre-lists", benchLists},
	} {
		if !strings.HasPrefix(b.name, only) {
			continue
		}
		if err := b.run(ctx, p, r); err != nil {
			return fmt.Errorf("bench %s: %w", b.name, err)
		}
	}
	r.print(noise())
	if r.failed > 0 {
		return fmt.Errorf("%d: %w", r.failed, errBudget)
	}
	return nil
}

// noise tells how steady the machine is: the same work, over and over.
func noise() figure {
	var took []time.Duration
	for range 200 {
		begun := time.Now()
		x := uint64(1)
		for range 1_000_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if x == 0 {
			panic("unreachable")
		}
		took = append(took, time.Since(begun))
	}
	p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
	return figure{what: "noise of the machine: the same work 200 times, p50 / p99", got: fmt.Sprintf("%s / %s", ms(p50), ms(p99))}
}

func quantile(d []time.Duration, q float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, int(float64(len(d))*q))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
