package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

const clickZone = `
methods = ["click"]
terms = "Be kind."
terms_version = "1"
session_timeout = "8h"
idle_timeout = "30m"
`

// benchLogin measures from the POST of the click-through form to the first packet through, at 1, 50 and 200 guests at once.
func benchLogin(ctx context.Context, p programs, r *report) error {
	for _, slow := range []bool{false, true} {
		if err := loginRounds(ctx, p, r, slow); err != nil {
			return err
		}
	}
	return nil
}

// loginRounds does the rounds, once with the disk as it is, once with a journal whose fsync takes 10 ms longer.
func loginRounds(ctx context.Context, p programs, r *report, slow bool) error {
	// On a real disk: the lab's own folder is memory, where fsync costs nothing.
	state, err := os.MkdirTemp("/var/tmp", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	options := venue.Options{Gatehouse: p.gatehouse, Zone: clickZone, StateDir: state}
	disk, budget := "", 100*time.Millisecond
	if slow {
		disk, budget = ", fsync + 10 ms", 250*time.Millisecond
		options.Daemon = []string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
			"-e", "inject=fsync,fdatasync:delay_exit=10000", p.gatehouse, "run"}
	}
	v, err := venue.New(ctx, options)
	if err != nil {
		return err
	}
	defer v.Close()
	stations, err := v.AddStaticStations(ctx, 200)
	if err != nil {
		return err
	}
	guests := make([]*venue.Guest, len(stations))
	for i, s := range stations {
		guests[i] = v.GuestAt(s)
	}
	for _, atOnce := range []int{1, 50, 200} {
		rounds := max(200/atOnce, 2)
		var took []time.Duration
		var wall time.Duration
		for round := range rounds {
			from := round * atOnce % len(guests)
			t, all, err := loginAtOnce(ctx, guests[from:from+atOnce])
			if err != nil {
				return fmt.Errorf("%d at once: %w", atOnce, err)
			}
			took, wall = append(took, t...), wall+all
			if _, err := v.CLI(ctx, "", "logout", "--all"); err != nil {
				return err
			}
		}
		p99 := quantile(took, 0.99)
		r.print(figure{
			what:   fmt.Sprintf("login POST → first packet through, %d at once%s", atOnce, disk),
			got:    fmt.Sprintf("p50 %s p99 %s, %.0f/s", ms(quantile(took, 0.5)), ms(p99), float64(len(took))/wall.Seconds()),
			budget: "all succeed, p99 ≤ " + ms(budget),
			pass:   p99 <= budget,
		})
	}
	return nil
}

// loginAtOnce opens the page with every guest, then lets all submit at the same moment.
func loginAtOnce(ctx context.Context, guests []*venue.Guest) ([]time.Duration, time.Duration, error) {
	sheets := make([]venue.Page, len(guests))
	for i, g := range guests {
		var err error
		if sheets[i], err = g.Sheet(ctx); err != nil {
			return nil, 0, err
		}
	}
	took, errs := make([]time.Duration, len(guests)), make([]error, len(guests))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, g := range guests {
		wg.Go(func() {
			// One thread per guest from before the start, as each phone has a processor of its own.
			errs[i] = g.Do(func() error {
				<-start
				begun := time.Now()
				err := submitAndPass(ctx, sheets[i])
				took[i] = time.Since(begun)
				return err
			})
		})
	}
	begun := time.Now()
	close(start)
	wg.Wait()
	return took, time.Since(begun), errors.Join(errs...)
}

// submitAndPass posts the click-through form and connects to the internet. It runs on a thread inside the station.
func submitAndPass(ctx context.Context, sheet venue.Page) error {
	fields, err := venue.Fields(sheet.Body, "click")
	if err != nil {
		return err
	}
	body := fields.Encode()
	answer, err := exchange(ctx, sheet.URL.Host, fmt.Sprintf("POST /login HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		sheet.URL.Host, sheet.URL.Host, len(body), body))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "HTTP/1.1 303") {
		return fmt.Errorf("the form is answered %.200q", answer)
	}
	answer, err = exchange(ctx, lab.WebAddr4+":80", "GET /generate_204 HTTP/1.1\r\nHost: "+lab.WebAddr4+"\r\nConnection: close\r\n\r\n")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d", http.StatusNoContent)) {
		return fmt.Errorf("the first request after the login is answered %.200q", answer)
	}
	return nil
}
