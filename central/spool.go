package central

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

const (
	drainEvery = time.Second
	mostKnown  = 1 << 17 // tokens of gateways
)

// absence remembers what a process must know to take records while its database is away.
type absence struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]store.Token // of gateways that asked while it was there
	until  time.Duration                     // before then it is not worth asking the database
}

// remember keeps a gateway's token. When there are very many, any of the others goes.
func (a *absence) remember(secret string, t store.Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens == nil {
		a.tokens = make(map[[sha256.Size]byte]store.Token)
	}
	if len(a.tokens) >= mostKnown {
		for key := range a.tokens {
			delete(a.tokens, key)
			break
		}
	}
	a.tokens[sha256.Sum256([]byte(secret))] = t
}

func (a *absence) token(secret string) (store.Token, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.tokens[sha256.Sum256([]byte(secret))]
	return t, ok
}

func (a *absence) began(now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until = now + drainEvery
}

func (a *absence) lasts(now time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now < a.until
}

// forget is for a token that is no longer good.
func (a *absence) forget(secret string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, sha256.Sum256([]byte(secret)))
}

// edgeToken finds whose token a gateway brings. While the database is away, and there is a local log to write to, the token
// is as good as it was when it was last seen.
func (s *Server) edgeToken(ctx context.Context, secret string) (store.Token, error) {
	if s.cfg.Spool == nil {
		return s.cfg.Store.Token(ctx, secret)
	}
	if s.absence.lasts(s.cfg.Clock.Mono()) {
		if t, ok := s.absence.token(secret); ok {
			return t, nil
		}
	}
	t, err := s.cfg.Store.Token(ctx, secret)
	switch {
	case err == nil:
		s.absence.remember(secret, t)
	case errors.Is(err, store.ErrNotFound):
		s.absence.forget(secret)
	case errors.Is(err, store.ErrUnavailable):
		s.absence.began(s.cfg.Clock.Mono())
		if known, ok := s.absence.token(secret); ok {
			return known, nil
		}
	}
	return t, err
}

// Accept merges valid records of the organisation at the top of scope and says of each what became of it: edge.Merged or
// edge.Duplicate once the database has it, edge.Stored when it is in the local log because the database is away. Without a
// local log it fails with store.ErrUnavailable then.
func (s *Server) Accept(ctx context.Context, scope store.Scope, records []edge.Record) ([]string, error) {
	outcome := make([]string, len(records))
	if s.cfg.Spool == nil || !s.absence.lasts(s.cfg.Clock.Mono()) {
		news, err := s.cfg.Store.Ingest(ctx, scope, records)
		for i, isNew := range news {
			outcome[i] = edge.Duplicate
			if isNew {
				outcome[i] = edge.Merged
			}
		}
		if s.cfg.Spool == nil || !errors.Is(err, store.ErrUnavailable) {
			return outcome, err
		}
		s.cfg.Log.Warn("database away, records go to the local log", "err", err)
		s.absence.began(s.cfg.Clock.Mono())
	}
	for i := range outcome {
		outcome[i] = edge.Stored
	}
	return outcome, s.cfg.Spool.Add(ctx, scope, records)
}

// DrainSpool moves what the local log holds into the database whenever that is there, until ctx ends. Without a local log it
// returns at once.
func (s *Server) DrainSpool(ctx context.Context) error {
	if s.cfg.Spool == nil {
		return nil
	}
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		moved, err := s.cfg.Spool.Drain(ctx, s.cfg.Store)
		if moved > 0 {
			s.cfg.Log.Info("records of the local log are in the database", "records", moved)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrUnavailable):
			s.absence.began(s.cfg.Clock.Mono())
		case err != nil:
			s.cfg.Log.Error("emptying the local log", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
