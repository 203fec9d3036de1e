package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
	"gatehouse/internal/clock"
)

const (
	drainTime       = 10 * time.Second // what running requests get at the end
	checkpointEvery = 5 * time.Second
	longest         = (edge.MaxWait + 30) * time.Second // a request for changes, held open
)

func serve(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("serve")
	listen := f.String("listen", "", "")
	cert, key := f.String("tls-cert", "", ""), f.String("tls-key", "", "")
	integerIDs, verbose := f.Bool("integer-ids", false, ""), f.Bool("verbose", false, "")
	if err := f.parse(args, "listen"); err != nil {
		return err
	}
	if (*cert == "") != (*key == "") {
		return fmt.Errorf("%w: --tls-cert and --tls-key go together", errUsage)
	}
	log := newLog(*verbose)
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	clk, err := clock.System()
	if err != nil {
		return err
	}
	centre, err := central.New(ctx, central.Config{Store: db, Log: log, Clock: clk, IntegerIDs: *integerIDs})
	if err != nil {
		return err
	}
	server := newServer(centre, log)
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return fmt.Errorf("reading certificate: %w", err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	log.Info("serving", "addr", ln.Addr().String(), "tls", *cert != "")
	return tasks(ctx, server, ln, centre, db, log)
}

// newLog writes to standard error, without the time where systemd adds its own.
func newLog(verbose bool) *slog.Logger {
	o := &slog.HandlerOptions{}
	if verbose {
		o.Level = slog.LevelDebug
	}
	if os.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

func newServer(centre *central.Server, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           centre.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       longest, // its end would cut off a request that is held open
		WriteTimeout:      2 * longest,
		IdleTimeout:       120 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers send is no error of ours
	}
}

// tasks runs the server until ctx ends, then lets the requests that are running come to their end.
func tasks(ctx context.Context, server *http.Server, ln net.Listener, centre *central.Server, db *store.Store, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(ln, "", "")
		} else {
			err = server.Serve(ln)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving: %w", err)
	})
	g.Go(func() error {
		<-ctx.Done()
		_ = notify("STOPPING=1")
		centre.Drain()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		return server.Shutdown(late)
	})
	g.Go(func() error { return db.Watch(ctx) })
	g.Go(func() error { return checkpoints(ctx, db, log) })
	if err := notify("READY=1"); err != nil {
		log.Warn("telling systemd", "err", err)
	}
	return g.Wait()
}

func checkpoints(ctx context.Context, db *store.Store, log *slog.Logger) error {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := db.Checkpoint(ctx); err != nil && ctx.Err() == nil {
				log.Error("checkpoint", "err", err)
			}
		}
	}
}
