package sessions

import (
	"context"
	"slices"
)

// takeOver ends the session that a station has in the moment in which s begins, and returns what is to be written of that with the
// Start. The enforcer's grant goes on under its name, with its connections; its counters are read now, and what they count
// from here on is the new session's. The caller holds the station.
func (m *Manager) takeOver(ctx context.Context, s *Session) (Batch, error) {
	if err := m.readNow(ctx, s.Station); err != nil {
		return Batch{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.running[s.Station]
	s.Held, s.Since = r.held(), r.Usage.minus(r.Base).Add(r.Since)
	old := r.Session
	old.Used = s.StartedAt.Mono - old.StartedAt.Mono
	old.UsageAt, old.StoppedAt, old.TerminateCause, old.TerminateNote = s.StartedAt, &s.StartedAt, UserRequest, noteOver
	return m.stopBatch([]Session{old}), nil
}

// and is what both write, b after a.
func (a Batch) and(b Batch) Batch {
	b.Sessions, b.Records = slices.Concat(a.Sessions, b.Sessions), slices.Concat(a.Records, b.Records)
	b.Transactions, b.Spent, b.Trials = slices.Concat(a.Transactions, b.Transactions), slices.Concat(a.Spent, b.Spent), slices.Concat(a.Trials, b.Trials)
	return b
}
