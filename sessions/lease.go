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
}

// LeaseMark says which lease a session spends, and from which of its seconds on.
type LeaseMark struct {
	ID   int64         `json:"id"`
	From time.Duration `json:"from,omitempty"`
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
		if used, known := m.leased[l.ID]; known {
			defer m.mu.Unlock()
			for _, r := range m.running {
				if r.Lease.ID == l.ID {
					s := m.now(r)
					used, running = used+s.leased(), running+1
				}
			}
			return l.Time + l.Grace - max(used, l.Spent), running, nil
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
			}
			m.leased[l.ID] = used
		}
		m.mu.Unlock()
	}
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
	s.Lease = LeaseMark{ID: l.ID}
	s.Limits.SessionTimeout = clamp(s.Limits.SessionTimeout, share(left, running+1))
	return nil
}

// reborrow does so for a running session whose lease has changed, or that shares it with others than before.
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
	if s.Lease.ID != l.ID {
		s.Lease, running = LeaseMark{ID: l.ID, From: s.Used}, running+1
	}
	s.Limits.SessionTimeout = clamp(s.Limits.SessionTimeout, s.Used+max(leastTime, share(left, running)))
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
