package central

import (
	"context"
	"sync"
	"time"
)

const noteUseEvery = time.Minute

// uses remembers when tokens were used, until that is written.
type uses struct {
	mu sync.Mutex
	at map[int64]time.Time
}

func (u *uses) note(token int64, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = make(map[int64]time.Time)
	}
	u.at[token] = at
}

func (u *uses) take() map[int64]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at
	u.at = nil
	return at
}

// Tidy writes down once a minute which tokens have been used, and forgets answers that are kept for repeated requests, and proofs,
// once they are old, until ctx ends.
func (s *Server) Tidy(ctx context.Context) error {
	tick := time.NewTicker(noteUseEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.tidy(late)
			return nil
		case <-tick.C:
			s.tidy(ctx)
		}
	}
}

func (s *Server) tidy(ctx context.Context) {
	used := s.used.take()
	if len(used) > 0 {
		if err := s.cfg.Store.NoteTokenUse(ctx, used); err != nil {
			s.cfg.Log.Warn("use of tokens not written down", "tokens", len(used), "err", err)
		}
	}
	if err := s.cfg.Store.ForgetProofs(ctx); err != nil {
		s.cfg.Log.Warn("proofs that are over not forgotten", "err", err)
	}
	if err := s.cfg.Store.ForgetAnswers(ctx, s.cfg.Clock.Now().Add(-keepAnswers)); err != nil {
		s.cfg.Log.Warn("old answers not forgotten", "err", err)
	}
}
