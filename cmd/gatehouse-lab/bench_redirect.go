package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// exchange sends a raw HTTP request over a new connection and reads the answer to its end. It opens its socket on the
// calling thread, so it works inside Host.Do.
func exchange(ctx context.Context, addr, request string) (string, error) {
	c, err := (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// benchRedirect keeps 50 probes in flight, each over a connection of its own, for three seconds.
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
	var mu sync.Mutex
	var took []time.Duration
	var stop atomic.Bool
	errs := make([]error, inFlight)
	var wg sync.WaitGroup
	begun := time.Now()
	for i, s := range stations {
		wg.Go(func() {
			errs[i] = s.Do(func() error {
				for !stop.Load() {
					t, err := probeOnce(ctx)
					if err != nil {
						return err
					}
					mu.Lock()
					took = append(took, t)
					mu.Unlock()
				}
				return nil
			})
		})
	}
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	stop.Store(true)
	wg.Wait()
	lasted := time.Since(begun)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	rate, p99 := float64(len(took))/lasted.Seconds(), quantile(took, 0.99)
	r.print(
		figure{"probe → redirect, 50 in flight, requests/s", fmt.Sprintf("%.0f/s", rate), "≥ 2000/s", rate >= 2000},
		figure{"probe → redirect, 50 in flight, p50 / p99", fmt.Sprintf("%s / %s", ms(quantile(took, 0.5)), ms(p99)), "p99 ≤ 10 ms", p99 <= 10*time.Millisecond},
	)
	return nil
}

func probeOnce(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	answer, err := exchange(ctx, lab.WebAddr4+":80", "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n")
	if err != nil {
		return 0, err
	}
	if !strings.HasPrefix(answer, "HTTP/1.1 302") {
		return 0, fmt.Errorf("the probe is answered %.200q", answer)
	}
	return time.Since(begun), nil
}
