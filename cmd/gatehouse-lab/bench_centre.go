package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gatehouse/lab/postgres"
)

// How long a figure is taken. The one with a budget takes as long as DESIGN §6 says.
const (
	ingestTime = 60 * time.Second
	otherTime  = 10 * time.Second
	peerTime   = 30 * time.Second
)

// onDisk is a folder that is not in memory.
const onDisk = "/var/tmp"

// enoughPeer is what FreeRADIUS does at least on a machine that is not disturbed; a slower run does not count.
const enoughPeer = 3500

// settings of the database are the same for both: commits wait for the disk.
func settings() []string {
	return []string{"fsync=on", "synchronous_commit=on", "shared_buffers=2GB", "max_wal_size=8GB", "checkpoint_timeout=15min"}
}

// benchCentre compares how many records a second become rows, at the centre and at FreeRADIUS, each with PostgreSQL.
func benchCentre(ctx context.Context, p programs, r *report) error {
	peer, err := freeradiusRate(ctx)
	if err != nil {
		return err
	}
	r.print(figure{"FreeRADIUS + PostgreSQL, 128 clients: merged records/s", fmt.Sprintf("%.0f/s", peer),
		fmt.Sprintf("≥ %d/s, or the run does not count", enoughPeer), peer >= enoughPeer})
	own, err := listenerRate(ctx, p)
	if err != nil {
		return err
	}
	r.print(figure{what: "our RADIUS listener + PostgreSQL, 128 clients: merged records/s", got: fmt.Sprintf("%.0f/s, %.1f ×", own, own/peer)})
	for _, store := range []string{"PostgreSQL", "SQLite"} {
		if err := benchIngest(ctx, p, r, store, peer); err != nil {
			return err
		}
	}
	return nil
}

func benchIngest(ctx context.Context, p programs, r *report, name string, peer float64) error {
	for _, c := range []struct{ batch, edges int }{{1, 1}, {1, 8}, {100, 1}, {100, 8}, {1000, 1}, {1000, 8}} {
		url, done, err := database(name, settings()...)
		if err != nil {
			return err
		}
		took := otherTime
		judged := name == "PostgreSQL" && c.batch == 1000
		if judged {
			took = ingestTime
		}
		got, err := ingestRate(ctx, p, url, c.batch, c.edges, took)
		if err := errors.Join(err, done()); err != nil {
			return err
		}
		f := figure{what: fmt.Sprintf("%s, batches of %d, %d edges: merged records/s (%.0f s; last third / first)", name, c.batch, c.edges, took.Seconds()),
			got: fmt.Sprintf("%.0f/s, %.1f × (%.2f)", got.rate, got.rate/peer, got.steady)}
		if judged {
			f.budget, f.pass = "≥ 4 × FreeRADIUS, flat", got.rate >= 4*peer && got.steady >= 0.8
		}
		r.print(f, figure{what: "    one request, p50 / p99", got: ms(quantile(got.took, 0.5)) + " / " + ms(quantile(got.took, 0.99))})
	}
	return nil
}

// database makes an empty database of the kind named; done takes it away.
func database(kind string, settings ...string) (url string, done func() error, err error) {
	if kind == "SQLite" {
		dir, err := os.MkdirTemp(onDisk, "gatehouse-bench-")
		return "sqlite://" + filepath.Join(dir, "c.db"), func() error { return os.RemoveAll(dir) }, err
	}
	s, err := postgres.StartIn(onDisk, settings...)
	if err != nil {
		return "", nil, err
	}
	return s.URL("postgres"), s.Close, nil
}
