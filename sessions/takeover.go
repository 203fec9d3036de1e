package sessions

import (
	"context"
	"errors"
	"fmt"
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

// handOver brings that about. The kernel comes first: who is let through stays so whatever happens, and one that does not take the
// new grant, or a journal that does not take the Start, leaves everything as it was. b is what the login writes.
func (m *Manager) handOver(ctx context.Context, s Session, book *book, stops, b Batch) (Session, error) {
	r := &live{Session: s, idleLeft: -1, interimDue: firstInterim(s), book: book}
	m.mu.Lock()
	g, digest := m.grant(r, nil)
	m.mu.Unlock()
	b = stops.and(b)
	err := m.cfg.Enforcer.Admit(ctx, g)
	if err == nil {
		m.cfg.Step("login.handed")
		err = m.cfg.Store.Commit(ctx, b)
	}
	if err != nil {
		return Session{}, errors.Join(fmt.Errorf("putting a session in the place of another: %w", err), m.admitAgain(ctx, s.Station))
	}
	m.cfg.Step("login.journaled")
	for _, ended := range stops.Sessions {
		m.hasEnded(ended)
	}
	m.mu.Lock()
	m.access.take(b)
	m.takeTrials(b.Trials)
	m.leave(s.Station)
	m.addSpent(b.Spent)
	m.begun(r, digest)
	m.leaseEnded(stops.Sessions)
	m.shareAnew(&stops.Sessions[0])
	m.mu.Unlock()
	m.cfg.Queued()
	return s, nil
}

// and is what both write, b after a.
func (a Batch) and(b Batch) Batch {
	b.Sessions, b.Records = slices.Concat(a.Sessions, b.Sessions), slices.Concat(a.Records, b.Records)
	b.Transactions, b.Spent, b.Trials = slices.Concat(a.Transactions, b.Transactions), slices.Concat(a.Spent, b.Spent), slices.Concat(a.Trials, b.Trials)
	return b
}
