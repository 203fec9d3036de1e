package central

import (
	"context"
	"errors"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/central/store"
)

const (
	rollUpEvery      = time.Minute
	connectionsEvery = 10 * time.Second
	expireEvery      = time.Hour
	eraseEvery       = 10 * time.Second
	lostEvery        = time.Minute
	forgottenEvery   = 30 * time.Minute // looks at all running sessions
)

// Operate does, until ctx ends, what one of the processes of a database does in the background: figures of sessions, deletion
// of what has been kept for its time, and the erasure of persons. Errors go to the log; the work is tried again.
func (s *Server) Operate(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.turns(ctx, "rollup", rollUpEvery, s.cfg.Store.RollUp) })
	g.Go(func() error { return s.turns(ctx, "connections", connectionsEvery, s.rollUpConnections) })
	g.Go(func() error { return s.turns(ctx, "balances", balancesEvery, s.expireTime) })
	g.Go(func() error { return s.turns(ctx, "retention", expireEvery, s.expire) })
	g.Go(func() error { return s.turns(ctx, store.EraseJob, eraseEvery, s.erase) })
	g.Go(func() error { return s.turns(ctx, "webhooks", expireEvery, s.forgetDeliveries) })
	g.Go(func() error { return s.turns(ctx, "lost sessions", lostEvery, s.closeLost) })
	g.Go(func() error { return s.turns(ctx, "forgotten sessions", forgottenEvery, s.closeForgotten) })
	return g.Wait()
}

// turns does some work at once and then every so often, while it is this process's turn; never for more than a tenth of the
// time.
func (s *Server) turns(ctx context.Context, job string, every time.Duration, work func(context.Context, *store.Lease) error) error {
	lease := s.cfg.Store.Lease(job)
	for {
		begun := time.Now()
		err := lease.Hold(ctx)
		if err == nil {
			err = work(ctx, lease)
		}
		if err != nil && !errors.Is(err, store.ErrNotOurs) && ctx.Err() == nil {
			s.cfg.Log.Error("in the background", "job", job, "err", err)
		}
		if !pause(ctx, max(every, 9*time.Since(begun))) {
			break
		}
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := lease.Release(late); err != nil { // it ends by itself
		s.cfg.Log.Debug("in the background", "job", job, "err", err)
	}
	return nil
}

// pause waits; it is false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) rollUpConnections(ctx context.Context, _ *store.Lease) error {
	_, err := s.cfg.Store.RollUpConnections(ctx, math.MaxInt)
	return err
}

// expire leaves as much time to others as it takes.
func (s *Server) expire(ctx context.Context, lease *store.Lease) error {
	begun := time.Now()
	return s.cfg.Store.Expire(ctx, lease, func(table string, rows int64) error {
		s.metrics.expire(table, rows)
		if rows < 0 {
			s.cfg.Log.Info("a month was dropped", "table", table)
		}
		took := time.Since(begun)
		if !pause(ctx, took) {
			return ctx.Err()
		}
		begun = time.Now()
		return nil
	})
}

// erase leaves nine times as long to others as it takes: nobody waits for it.
func (s *Server) erase(ctx context.Context, lease *store.Lease) error {
	for {
		begun := time.Now()
		more, err := s.cfg.Store.EraseMore(ctx, lease)
		if err != nil || !more || !pause(ctx, 9*time.Since(begun)) {
			return err
		}
	}
}

func (s *Server) forgetDeliveries(ctx context.Context, lease *store.Lease) error {
	for {
		more, err := s.cfg.Store.ForgetDeliveries(ctx, lease)
		if err != nil || !more {
			return err
		}
	}
}
