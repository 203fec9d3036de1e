package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Lease is the slice of an account's time balance that the centre has lent to this gateway (DESIGN D11). Sessions of the
// account spend it together, each its own seconds.
type Lease struct {
	ID    int64         `json:"id"`    // 0: there is a balance, and nothing of it is here
	Time  time.Duration `json:"time"`  // to be spent here in all, since the lease began; more of it comes with the same id
	Spent time.Duration `json:"spent"` // of it, as far as the centre has heard
	Grace time.Duration `json:"grace"` // beyond Time, for when the centre cannot be asked
	Ends  time.Time     `json:"ends"`  // from then on the centre is asked before another session begins

	Balance time.Duration `json:"balance,omitempty"` // all that the account has, what is lent included, as the centre knew at Told
	Behind  time.Duration `json:"behind,omitempty"`  // of it, lent to no gateway yet
	Told    time.Time     `json:"told,omitzero"`     // by the clock here; zero: it was not told
}

// LeaseMark says which lease a session spends, and from which of its seconds on.
type LeaseMark struct {
	ID   int64         `json:"id"`
	From time.Duration `json:"from,omitempty"`
	Own  time.Duration `json:"own,omitempty"` // the session's timeout but for the lease; zero: none
}

// Balance is the time that an account has at the centre, what is spent here since Told taken off.
type Balance struct {
	Left time.Duration
	Told time.Time // when the centre last said so
	Away bool      // it cannot be asked: more than what is lent does not come
}

// leastTime is what must be left for a session to begin.
const leastTime = time.Second

// maxLeased is of how many leases is remembered what ended sessions spent; the store knows of all.
const maxLeased = 4096

// leaseLeft is what may yet be spent of a lease, grace included, and how many running sessions do.
func (m *Manager) leaseLeft(ctx context.Context, l *Lease) (left time.Duration, running int, err error) {
	for {
		m.mu.Lock()
		ends := m.leaseEnds
		if _, known := m.leased[l.ID]; known {
			defer m.mu.Unlock()
			m.lent[l.ID] = *l
			used, running := m.leaseUsed(l)
			return l.Time + l.Grace - used, running, nil
		}
		m.mu.Unlock()
		used, err := m.cfg.Store.LeaseUsed(ctx, l.ID)
		if err != nil {
			return 0, 0, fmt.Errorf("reading what is spent of a lease: %w", err)
		}
		m.mu.Lock()
		if m.leaseEnds == ends { // else what was read may be old already
			if len(m.leased) >= maxLeased {
				clear(m.leased)
				clear(m.lent)
			}
			m.leased[l.ID] = used
		}
		m.mu.Unlock()
	}
}

// leaseUsed is what of a lease is spent whose ended sessions are known, and how many sessions go on spending. The caller holds mu.
func (m *Manager) leaseUsed(l *Lease) (used time.Duration, running int) {
	used = m.leased[l.ID]
	for _, r := range m.running {
		if r.Lease.ID == l.ID {
			s := m.now(r)
			used, running = used+s.leased(), running+1
		}
	}
	return max(used, l.Spent), running
}

// leased is what a session has spent of its lease.
func (s *Session) leased() time.Duration { return max(0, s.Used-s.Lease.From) }

// borrow bounds a session that begins by its share of the lease. A *Refusal says that there is nothing left.
func (m *Manager) borrow(ctx context.Context, l *Lease, s *Session) error {
	if l == nil {
		return nil
	}
	left, running, err := m.leaseLeft(ctx, l)
	if err != nil {
		return err
	}
	if l.ID == 0 || left < leastTime {
		return &Refusal{Reason: RefusedNothingLeft}
	}
	s.lend(l, LeaseMark{ID: l.ID}, share(left, running+1))
	return nil
}

// lend bounds a session by its share of a lease. It is accounted often enough for the centre to lend more in time.
func (s *Session) lend(l *Lease, mark LeaseMark, share time.Duration) {
	mark.Own = s.Limits.SessionTimeout
	s.Lease = mark
	s.Limits.SessionTimeout = clamp(mark.Own, s.Used+share)
	s.Limits.InterimInterval = clamp(s.Limits.InterimInterval, max(time.Minute, l.part()/2))
}

// part is a quarter of what was lent. More comes when the centre hears that two are spent; where the last is begun it has not come.
func (l *Lease) part() time.Duration { return (l.Time - l.Spent) / 4 }

// own is the session's timeout but for its lease; zero: none.
func (s *Session) own() time.Duration {
	if s.Lease.ID != 0 {
		return s.Lease.Own
	}
	return s.Limits.SessionTimeout
}

// left is what remains of a running session, as far as can be told: of a time balance what is lent, and what the centre will lend
// for as long as it is there to do so. It is also what the account has; nil: nothing is known of a balance. The caller holds mu.
func (m *Manager) left(s *Session) (left time.Duration, limited bool, b *Balance) {
	left, limited = s.Left(s.Used)
	l, ok := m.lent[s.Lease.ID]
	if !ok || l.Told.IsZero() {
		return left, limited, nil
	}
	used, running := m.leaseUsed(&l)
	b = &Balance{Left: max(0, l.Balance+l.Spent-used), Told: l.Told, Away: !m.cfg.InReach()}
	more := l.Behind - l.Grace // the grace is part of what is behind
	if b.Away || l.Time-used <= l.part() || more <= 0 {
		return left, limited, b
	}
	longer := *s
	longer.Limits.SessionTimeout = clamp(s.Lease.Own, s.Limits.SessionTimeout+share(more, max(1, running)))
	left, limited = longer.Left(s.Used)
	return left, limited, b
}

// reborrow does so for a running session whose lease has changed, or that shares it with others than before. Its timeout is its own.
func (m *Manager) reborrow(ctx context.Context, l *Lease, s *Session) error {
	if l == nil {
		s.Lease = LeaseMark{}
		return nil
	}
	if l.ID == 0 { // a balance that is new: the centre lends when it hears of this session
		return nil
	}
	left, running, err := m.leaseLeft(ctx, l)
	if err != nil {
		return err
	}
	mark := s.Lease
	if mark.ID != l.ID {
		mark, running = LeaseMark{ID: l.ID, From: s.Used}, running+1
	}
	s.lend(l, mark, max(leastTime, share(left, running)))
	return nil
}

// share is the part of each; whole milliseconds, so that working it out again gives the same.
func share(left time.Duration, running int) time.Duration {
	return (left / time.Duration(running)).Truncate(time.Millisecond)
}

// leaseIsOver tells whether the centre should be asked before the account begins another session.
func (m *Manager) leaseIsOver(ctx context.Context, l *Lease) (bool, error) {
	if l == nil {
		return false, nil
	}
	now := m.cfg.Clock.Now()
	if l.ID == 0 || m.believable(now) && !now.Before(l.Ends) {
		return true, nil
	}
	left, _, err := m.leaseLeft(ctx, l)
	return left-l.Grace < leastTime, err
}

// leaseShared has the shares of a lease worked out again: one more session spends it, or one less. The caller holds mu.
func (m *Manager) leaseShared(s *Session) {
	if s.Lease.ID == 0 {
		return
	}
	for _, r := range m.running {
		if r.Lease.ID == s.Lease.ID && r.AcctSessionID != s.AcctSessionID {
			m.sharing[s.Username] = true
			m.wakeRun()
		}
	}
}

// leaseEnded takes notice of sessions whose Stop is durable. The caller holds mu.
func (m *Manager) leaseEnded(ended []Session) {
	for i := range ended {
		if id := ended[i].Lease.ID; id != 0 {
			m.leaseEnds++
			delete(m.leased, id)
			m.leaseShared(&ended[i])
		}
	}
}

// shareLeases gives running sessions their new shares of leases and vouchers.
func (m *Manager) shareLeases(ctx context.Context) {
	m.mu.Lock()
	names := m.sharing
	m.sharing = make(map[string]bool)
	m.mu.Unlock()
	for name := range names {
		a, err := m.account(ctx, name)
		if errors.Is(err, ErrNoAccount) {
			continue
		}
		for _, s := range m.Sessions() {
			if err == nil && s.Username == name && (s.Lease.ID != 0 || s.VoucherID != 0) {
				err = m.applyLimits(ctx, s, a)
			}
		}
		if err != nil {
			m.cfg.Logger.Error("sharing what is left of a lease or a voucher", "err", err)
		}
	}
}
