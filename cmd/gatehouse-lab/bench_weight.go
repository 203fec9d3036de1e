package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// benchRSS reads the daemon's resident memory at rest and with 1,000 sessions.
func benchRSS(ctx context.Context, p programs, r *report) error {
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Zone: clickZone})
	if err != nil {
		return err
	}
	defer v.Close()
	measure := func(sessions int, budget float64) error {
		rss, err := settled(ctx, v.Daemon)
		if err != nil {
			return err
		}
		r.print(figure{fmt.Sprintf("RSS of the daemon with %d sessions", sessions), fmt.Sprintf("%.1f MB", rss), fmt.Sprintf("≤ %.0f MB", budget), rss <= budget})
		return nil
	}
	if err := measure(0, 28); err != nil {
		return err
	}
	control := admin.NewClient(v.Socket())
	for i := range 1000 {
		station := fmt.Sprintf("guests/02:00:5e:aa:%02x:%02x", i>>8, i&0xff)
		if _, err := control.Login(ctx, admin.LoginRequest{Station: station}); err != nil {
			return err
		}
	}
	return measure(1000, 40)
}

// settled is the RSS in MB once two readings a second apart agree within 2 %.
func settled(ctx context.Context, d *lab.Process) (float64, error) {
	var last float64
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 20 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		now, err := rss(d.PID())
		if err != nil {
			return 0, err
		}
		if last > 0 && now > last*0.98 && now < last*1.02 {
			return now, nil
		}
		last = now
	}
	return last, nil
}

func rss(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("reading VmRSS: %w", err)
	}
	return kib * 1024 / 1e6, nil
}

// benchSize builds the router's program for its architectures, as the Makefile does.
func benchSize(ctx context.Context, _ programs, r *report) error {
	dir, err := os.MkdirTemp("", "size-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, target := range []struct {
		name   string
		env    []string
		budget float64
	}{
		{"arm64", []string{"GOARCH=arm64"}, 14},
		{"armv7", []string{"GOARCH=arm", "GOARM=7"}, 14},
		{"mips", []string{"GOARCH=mips", "GOMIPS=softfloat"}, 19},
		{"mipsle", []string{"GOARCH=mipsle", "GOMIPS=softfloat"}, 19},
	} {
		cmd := exec.CommandContext(ctx, "make", "-s", "gateway", "BIN="+dir)
		cmd.Env = append(os.Environ(), target.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			r.print(figure{"size of gatehouse, stripped, " + target.name, "does not build", fmt.Sprintf("≤ %.0f MB", target.budget), false})
			fmt.Fprintf(os.Stderr, "%s\n", firstLines(string(out), 4))
			continue
		}
		raw, packed, err := sizes(ctx, filepath.Join(dir, "gatehouse"))
		if err != nil {
			return err
		}
		r.print(figure{"size of gatehouse, stripped / gzip -9, " + target.name, fmt.Sprintf("%.1f MB / %.2f MB", raw, packed),
			fmt.Sprintf("≤ %.0f MB / 6 MB", target.budget), raw <= target.budget && packed <= 6})
	}
	return nil
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(s, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

// sizes are in MB, packed by the program that makes packages; Go's own gzip packs less.
func sizes(ctx context.Context, path string) (raw, packed float64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(ctx, "gzip", "-9", "-c", path).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("packing %s: %w", path, err)
	}
	return float64(info.Size()) / 1e6, float64(len(out)) / 1e6, nil
}
