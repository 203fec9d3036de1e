package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// resume begins a new session with what the station's old one had left when a reboot ended it, linked to it by
// Acct-Multi-Session-Id (DESIGN D16). An account that is gone or may not be used any more gets nothing.
func (m *Manager) resume(ctx context.Context, st Station, addr netip.Addr) error {
	release, err := m.hold(ctx, st)
	if err != nil {
		return err
	}
	defer release()
	m.mu.Lock()
	old, ok := m.resumable[st]
	_, running := m.running[st]
	late := m.cfg.Clock.Mono() > m.cfg.ResumeWindow
	m.mu.Unlock()
	if !ok || running {
		return nil
	}
	a, err := m.resumeAs(ctx, old)
	var refusal *Refusal
	if late || errors.As(err, &refusal) {
		return m.giveUp(ctx, old)
	}
	if err != nil {
		return err
	}
	v := Evaluate(a.Profiles, old.asked())
	if v.Rejected {
		return m.giveUp(ctx, old)
	}
	next := old
	next.Limits = m.effective(m.zones[st.Zone], a, v, &old)
	done, err := m.reserve(m.zones[st.Zone], a, &next)
	if err != nil {
		return nil // too many at once now; perhaps later
	}
	defer done()
	return m.continueSession(ctx, old, addr)
}

// resumeAs is the account of an old session as it is now.
func (m *Manager) resumeAs(ctx context.Context, old Session) (Account, error) {
	if old.Source == SourceGuest {
		return Account{Source: SourceGuest, Username: old.Username, Active: true}, nil
	}
	a, err := m.account(ctx, old.Username)
	if errors.Is(err, ErrNoAccount) {
		return a, &Refusal{Reason: RefusedInactive}
	}
	if err != nil {
		return a, fmt.Errorf("looking at the account: %w", err)
	}
	return a, m.usable(a)
}

func (m *Manager) giveUp(ctx context.Context, old Session) error {
	old.Resumable = false
	if err := m.cfg.Store.Commit(ctx, Batch{Sessions: []Session{old}}); err != nil {
		return fmt.Errorf("writing off the rest of a session: %w", err)
	}
	m.mu.Lock()
	delete(m.resumable, old.Station)
	m.mu.Unlock()
	return nil
}

func (m *Manager) continueSession(ctx context.Context, old Session, addr netip.Addr) error {
	s := old
	s.AcctSessionID = m.newSessionID()
	s.Addr, s.Method, s.FirstUse = addr, MethodResume, false
	s.StartedAt = m.stamp()
	s.Used, s.Usage, s.Base, s.UsageAt = 0, Usage{}, Usage{}, s.StartedAt
	s.StoppedAt, s.TerminateCause, s.Resumable = nil, "", false
	s.Marks, s.Extension, s.Lease.From = m.newMarks(&s), Extension{}, 0
	if left, limited := old.Left(old.Used); limited {
		s.Limits.SessionTimeout = left
	}
	s.Limits.Caps.Session = old.Limits.Caps.Session.rest(old.Usage.octets())
	if s.CapFull = 0; old.usedUp() {
		if !old.Limits.slows() {
			return m.giveUp(ctx, old)
		}
		s.CapFull = s.Limits.Caps.Session.version()
	}
	book, closed, err := m.openBook(ctx, &s)
	if err != nil {
		return err
	}
	defer closed()
	if m.mayUseData(&s, book) != nil {
		return nil // none left now; perhaps later
	}
	old.Resumable = false
	err = m.cfg.Store.Commit(ctx, Batch{
		Sessions:     []Session{s, old},
		Records:      []AccountingRecord{{Kind: Start, Session: s, At: s.StartedAt}},
		Transactions: []Transaction{m.loginTransaction(s, LoginRequest{})},
	})
	if err != nil {
		return fmt.Errorf("writing the Start: %w", err)
	}
	if _, err := m.admit(ctx, s, book); err != nil {
		return err
	}
	m.cfg.Queued()
	return nil
}
