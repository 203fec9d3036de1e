package central

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

const (
	noteEvery  = 5 * time.Second // what gateways said is written down, if it is news
	noteAtMost = time.Minute     // and this often if it is not
	maxStatus  = 4 << 10         // octets of a Status
	maxTold    = 255             // octets of a text in it
)

// heard gathers what gateways say until it is written down: a request of each every minute is too little to bother the
// database with one by one.
type heard struct {
	mu      sync.Mutex
	reports map[bootOf]store.Heard // not written down yet
	written map[int64]wrote
}

type bootOf struct {
	gateway int64
	boot    string // two machines under one name are both kept
}

type wrote struct {
	at   time.Time
	what string // what of it is news when it changes
}

func newHeard() *heard {
	return &heard{reports: make(map[bootOf]store.Heard), written: make(map[int64]wrote)}
}

func (h *heard) note(r store.Heard) {
	key := bootOf{gateway: r.Gateway}
	if r.Status != nil {
		key.boot = r.Status.BootID
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.reports[key]; ok {
		if r.MergedThrough = max(r.MergedThrough, old.MergedThrough); r.Status == nil {
			r.Status = old.Status
		}
		r.Synced = max(r.Synced, old.Synced)
	}
	h.reports[key] = r
}

// take returns what is to be written down now; with all whatever there is.
func (h *heard) take(now time.Time, all bool) (list []store.Heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, r := range h.reports {
		last, what := h.written[r.Gateway], newsOf(r)
		if !all && last.what == what && now.Sub(last.at) < noteAtMost {
			continue
		}
		list = append(list, r)
		delete(h.reports, key)
		h.written[r.Gateway] = wrote{now, what}
	}
	return list
}

// newsOf is what of a report cannot wait when it differs.
func newsOf(r store.Heard) string {
	if r.Status == nil {
		return r.Address
	}
	b, _ := json.Marshal([]any{r.Address, r.Status.BootID, r.Status.Version, r.Status.ConfigurationVersion, r.Status.ConfigurationError,
		r.Status.Backlog == 0})
	return string(b)
}

// gatewayStatus is what a gateway tells of itself; nil when it says nothing that can be read.
func (c *call) gatewayStatus() *edge.Status {
	text := c.Header.Get(edge.StatusHeader)
	var st edge.Status
	if text == "" || len(text) > maxStatus || json.Unmarshal([]byte(text), &st) != nil {
		return nil
	}
	cut(maxTold, &st.Version, &st.BootID)
	cut(maxStatus, &st.ConfigurationError)
	if min(st.UptimeSeconds, int64(st.Sessions), int64(st.Backlog), st.Clock, st.ConfigurationVersion) < 0 || st.UptimeSeconds > 1<<32 {
		return nil
	}
	return &st
}

// delivered notes that events are on their way.
func (s *Server) delivered(c *call, gw store.Gateway, changes []edge.Change) error {
	var keys []string
	for _, ch := range changes {
		if ch.Event != nil {
			keys = append(keys, ch.Event.ID)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return s.cfg.Store.Delivered(c.Context(), gw, keys)
}

// Tend writes down what gateways said and how many API calls there were, until ctx ends.
func (s *Server) Tend(ctx context.Context) error {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteEvery)
			defer cancel()
			s.WriteHeard(last, true)
			s.writeCalls(last)
			return nil
		case <-tick.C:
			s.WriteHeard(ctx, false)
			s.writeCalls(ctx)
		}
	}
}

// WriteHeard writes down what gateways said, if it is news or old; with all whatever there is. What cannot be written is
// said again.
func (s *Server) WriteHeard(ctx context.Context, all bool) {
	list := s.heard.take(s.cfg.Clock.Now(), all)
	if len(list) == 0 {
		return
	}
	if err := s.cfg.Store.Note(ctx, list); err != nil {
		s.cfg.Log.Warn("what gateways said of themselves is not written down", "gateways", len(list), "err", err)
	}
}

// closeLost gives up events whose time is over and closes sessions whose gateway has fallen silent.
func (s *Server) closeLost(ctx context.Context, _ *store.Lease) error {
	if err := s.cfg.Store.EndEvents(ctx); err != nil {
		return err
	}
	closed, err := s.cfg.Store.CloseLost(ctx, false)
	s.tellClosed(closed)
	return err
}

// closeForgotten closes sessions of which their gateway does not speak any more.
func (s *Server) closeForgotten(ctx context.Context, _ *store.Lease) error {
	closed, err := s.cfg.Store.CloseLost(ctx, true)
	s.tellClosed(closed)
	return err
}

func (s *Server) tellClosed(closed int64) {
	if closed > 0 {
		s.cfg.Log.Info("sessions of which nothing is heard any more are closed", "sessions", closed)
	}
}
