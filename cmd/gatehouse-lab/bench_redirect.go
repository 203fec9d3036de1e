package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

var webPort = netip.AddrPortFrom(netip.MustParseAddr(lab.WebAddr4), 80)

// benchRedirect keeps 50 probes of 50 stations in flight, each over a connection of its own, for three seconds.
func benchRedirect(ctx context.Context, p programs, r *report) error {
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Zone: clickZone})
	if err != nil {
		return err
	}
	defer v.Close()
	const inFlight = 50
	stations, err := v.AddStaticStations(ctx, inFlight)
	if err != nil {
		return err
	}
	all, err := phones(stations)
	defer closePhones(all)
	if err != nil {
		return err
	}
	var took []time.Duration
	begun := time.Now()
	calls := make([]*call, inFlight)
	for i := range calls {
		calls[i] = probe(all[i], func(t time.Duration) bool {
			took = append(took, t)
			return time.Since(begun) < 3*time.Second && ctx.Err() == nil
		})
	}
	if err := (crowd{}).run(calls); err != nil {
		return err
	}
	rate, p99 := float64(len(took))/time.Since(begun).Seconds(), quantile(took, 0.99)
	r.print(
		figure{"probe → redirect, 50 in flight, requests/s", fmt.Sprintf("%.0f/s", rate), "≥ 2000/s", rate >= 2000},
		figure{"probe → redirect, 50 in flight, p50 / p99", fmt.Sprintf("%s / %s", ms(quantile(took, 0.5)), ms(p99)), "p99 ≤ 10 ms", p99 <= 10*time.Millisecond},
	)
	return nil
}

// probe is a request as Android's, again and again as long as more says so.
func probe(from phone, more func(took time.Duration) bool) *call {
	one := &call{phone: from, to: webPort, request: "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n"}
	one.then = func(answer string, took time.Duration) (*call, error) {
		if !strings.HasPrefix(answer, "HTTP/1.1 302") {
			return nil, fmt.Errorf("the probe is answered %.200q", answer)
		}
		if !more(took) {
			return nil, nil
		}
		return probe(from, more), nil
	}
	return one
}
