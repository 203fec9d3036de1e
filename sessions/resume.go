package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
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
	old, ok := m.resumable[st], m.resumesItself(st)
	_, running := m.running[st]
	late := m.cfg.Clock.Mono() > m.cfg.ResumeWindow
	m.mu.Unlock()
	if !ok || running || m.mayEnter(m.zones[st.Zone], MethodResume) != nil {
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
	_, err = m.continueSession(ctx, old, a, v, addr)
	return notARefusal(err) // none left now; perhaps later
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

// continueSession begins a session of the account with what an old one has left. Where that is no data, or no time, it is a
// *Refusal.
func (m *Manager) continueSession(ctx context.Context, old Session, a Account, v Verdict, addr netip.Addr) (Session, error) {
	s := old
	s.AcctSessionID = m.newSessionID()
	s.Addr, s.Method, s.FirstUse = addr, MethodResume, false
	s.StartedAt = m.stamp()
	s.Used, s.Usage, s.Base, s.UsageAt, s.Held, s.Since = 0, Usage{}, Usage{}, s.StartedAt, "", Usage{}
	s.StoppedAt, s.TerminateCause, s.TerminateNote, s.Resumable, s.Paused = nil, "", "", false, false
	s.Marks, s.Lease, s.Closing = m.newMarks(&s), LeaseMark{}, 0 // the calendar's bound is reckoned anew
	s.Earlier, s.EarlierUsage = s.Earlier+old.Used, s.EarlierUsage.Add(old.Usage)
	rest := old.Limits.Caps.Session.rest(old.Usage.octets())
	if left, limited := s.Left(old.Used); a.Source != SourceGuest {
		if a.TimeLeft != nil { // the voucher has it in
			s.Extension.Time = 0
		}
		a.Limits = s.Given.Or(a.Limits)
		s.Limits = m.effective(m.zones[s.Station.Zone], a, v, &s)
	} else if s.Limits.Caps.Session = rest; limited {
		s.Limits.SessionTimeout = max(left, time.Millisecond) // zero would mean no end
	}
	if err := m.borrow(ctx, a.Lease, &s); err != nil {
		return s, err
	}
	if s.CapFull = 0; old.usedUp() && s.Limits.Caps.Session == rest {
		if !old.Limits.slows() {
			if err := m.giveUp(ctx, old); err != nil {
				return s, err
			}
			return s, &Refusal{Reason: RefusedCap}
		}
		s.CapFull = s.Limits.Caps.Session.version()
	}
	book, closed, err := m.openBook(ctx, &s)
	if err != nil {
		return s, err
	}
	defer closed()
	if err := m.mayUse(&s, &a, book); err != nil {
		return s, err
	}
	b := Batch{
		Sessions:     []Session{s},
		Records:      []AccountingRecord{{Kind: Start, Session: s, At: s.StartedAt}},
		Transactions: []Transaction{m.resumeTransaction(s, old)},
	}
	if old.Resumable {
		old.Resumable = false
		b.Sessions = append(b.Sessions, old)
	}
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		return s, fmt.Errorf("writing the Start: %w", err)
	}
	if s, err = m.admit(ctx, s, book); err != nil {
		return s, err
	}
	m.cfg.Queued()
	return s, nil
}
