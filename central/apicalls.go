package central

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// codeCallsSpent says that an organisation has made all the calls that it may make in a month.
const codeCallsSpent = "api_calls_exceeded"

// calls counts the API calls of organisations, and writes them down together: a row for each call would cost more than the call.
type calls struct {
	mu     sync.Mutex
	counts map[store.CallMonth]*callCount
}

type callCount struct {
	known   bool  // written is what the database had not long ago
	written int64 // by all processes
	pending int64 // by this one, not written down yet
}

func newCalls() *calls { return &calls{counts: make(map[store.CallMonth]*callCount)} }

// add counts a call. With a bound it must be known how many were made before: else asked is false, and the call is not counted.
func (c *calls) add(m store.CallMonth, most *int64) (allowed, asked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.at(m)
	switch {
	case most == nil:
	case !n.known:
		return false, false
	case n.written+n.pending >= *most:
		return false, true
	}
	n.pending++
	return true, true
}

func (c *calls) at(m store.CallMonth) *callCount {
	n := c.counts[m]
	if n == nil {
		n = new(callCount)
		c.counts[m] = n
	}
	return n
}

// learn takes over how many calls the database has.
func (c *calls) learn(m store.CallMonth, written int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.at(m)
	n.known, n.written = true, max(n.written, written)
}

func (c *calls) unwritten(m store.CallMonth) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(m).pending
}

// take returns what is to be written down.
func (c *calls) take() map[store.CallMonth]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make(map[store.CallMonth]int64)
	for m, n := range c.counts {
		if n.pending > 0 {
			list[m] = n.pending
		}
	}
	return list
}

// wrote notes that calls have been written down, and forgets months that are over.
func (c *calls) wrote(list, now map[store.CallMonth]int64, current int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for m, n := range list {
		count := c.at(m)
		count.known, count.written, count.pending = true, now[m], count.pending-n
	}
	for m, n := range c.counts {
		if m.Month != current && n.pending == 0 {
			delete(c.counts, m)
		}
	}
}

// countCall counts a call against what the organisation of who asks may make in a month. What lets guests in is neither counted nor
// refused: gateways, portals, and guests with their own access tokens.
func (s *Server) countCall(ctx context.Context, a api, t store.Token, most *int64) error {
	if !a.counted || t.Role == store.RoleEdge || t.Role == store.RolePortal || t.Role == store.RoleUser {
		return nil
	}
	now := s.cfg.Clock.Now()
	m := store.CallMonthOf(t.Scope.Own(), now)
	allowed, asked := s.calls.add(m, most)
	if !asked {
		written, err := s.cfg.Store.APICalls(ctx, m)
		if err != nil {
			return err
		}
		s.calls.learn(m, written)
		allowed, _ = s.calls.add(m, most)
	}
	if allowed {
		return nil
	}
	year, month, _ := now.UTC().Date()
	next := time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
	return &problem{status: http.StatusTooManyRequests, retryAfter: next.Sub(now), gate: gate.Error{Code: codeCallsSpent,
		Detail: fmt.Sprintf("The organisation has made the %d API calls that it may make in a month. It may make more from %s.", *most, next.Format(time.RFC3339))}}
}

// apiCalls is how many calls an organisation has made in this month: all that are written down, and those that this process will.
func (s *Server) apiCalls(ctx context.Context, organization int64) (int64, error) {
	m := store.CallMonthOf(organization, s.cfg.Clock.Now())
	pending := s.calls.unwritten(m)
	written, err := s.cfg.Store.APICalls(ctx, m)
	return written + pending, err
}

// writeCalls writes down what was counted; what cannot be written is kept.
func (s *Server) writeCalls(ctx context.Context) {
	list := s.calls.take()
	if len(list) == 0 {
		return
	}
	now, err := s.cfg.Store.AddAPICalls(ctx, list)
	if err != nil {
		s.cfg.Log.Warn("API calls not written down", "organizations", len(list), "err", err)
		return
	}
	s.calls.wrote(list, now, store.CallMonthOf(0, s.cfg.Clock.Now()).Month)
}
