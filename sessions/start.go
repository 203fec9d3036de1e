package sessions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Start adopts what an earlier run left in the kernel and in the journal (DESIGN D16): a running session whose station
// the kernel still lets through goes on untouched; what ended meanwhile gets its Stop, with the time at which it ended;
// what another boot left is stopped and kept for its station. Call it once, before Run and before any request.
func (m *Manager) Start(ctx context.Context) error {
	readings, err := m.cfg.Enforcer.Usage(ctx)
	if err != nil {
		return fmt.Errorf("reading the kernel's sessions: %w", err)
	}
	stored, err := m.cfg.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("loading sessions: %w", err)
	}
	if err := m.loadAccess(ctx); err != nil {
		return err
	}
	if err := m.loadTrials(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	m.period = m.periodsNow()
	stops := m.adopt(stored, readings)
	m.mu.Unlock()
	if len(stops.Sessions) > 0 {
		if err := m.commit(ctx, stops); err != nil {
			return fmt.Errorf("writing what ended meanwhile: %w", err)
		}
	}
	for _, s := range stops.Sessions {
		m.hasEnded(s)
	}
	if err := m.block(ctx); err != nil {
		return err
	}
	if err := m.openBooks(ctx); err != nil {
		return err
	}
	if err := m.cfg.Enforcer.Reconcile(ctx, m.grants()); err != nil {
		return fmt.Errorf("reconciling the kernel: %w", err)
	}
	if err := m.recheckAccounts(ctx); err != nil {
		return err
	}
	m.rollOver(ctx)
	m.applyCaps(ctx)
	return m.settle(ctx)
}

// openBooks reads the ledgers of adopted sessions.
func (m *Manager) openBooks(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.running {
		if !r.counted() {
			continue
		}
		if r.book = m.books[r.account()]; r.book == nil {
			r.book = m.newBook(r.account())
		}
		m.enter(r)
	}
	lines, err := m.cfg.Store.Ledger(ctx, slices.Collect(maps.Keys(m.books))...)
	if err != nil {
		return fmt.Errorf("reading the ledgers: %w", err)
	}
	m.addSpent(lines)
	return nil
}

// recheckAccounts looks at the accounts of adopted sessions: the daemon may have died between learning that an account
// had changed and acting on it.
func (m *Manager) recheckAccounts(ctx context.Context) error {
	looked := map[string]bool{}
	for _, s := range m.Sessions() {
		if s.Source == SourceGuest || looked[s.Username] {
			continue
		}
		looked[s.Username] = true
		if err := m.AccountChanged(ctx, s.Username); err != nil {
			return err
		}
	}
	return nil
}

// adopt sorts stored sessions into running, resumable and ended, and returns the Stops to write. The caller holds mu.
func (m *Manager) adopt(stored []Session, readings []Reading) Batch {
	byID := make(map[string]Reading, len(readings))
	for _, r := range readings {
		byID[r.AcctSessionID] = r
	}
	var ended []Session
	for _, s := range stored {
		switch {
		case !s.Running():
			m.keepResumable(s)
		case m.zones[s.Station.Zone] == nil:
			ended = append(ended, m.stopped(s, m.stamp(), NASRequest))
		case s.StartedAt.BootID != m.cfg.Clock.BootID():
			s = m.stopped(s, s.UsageAt, NASReboot)
			s.Resumable = s.Limits.SessionTimeout == 0 || s.Used < s.Limits.SessionTimeout
			m.keepResumable(s)
			ended = append(ended, s)
		default:
			if stop, over := m.adoptOne(s, byID); over {
				ended = append(ended, stop)
			}
		}
	}
	return m.stopBatch(ended)
}

func (m *Manager) keepResumable(s Session) {
	if s.Resumable && m.zones[s.Station.Zone] != nil {
		m.resumable[s.Station] = s
	}
}

// resumesItself tells whether a station gets the rest of a session as soon as it is seen. The caller holds mu.
func (m *Manager) resumesItself(st Station) bool {
	s, ok := m.resumable[st]
	return ok && !s.Paused
}

// adoptOne puts a session of this boot among the running ones, or says how and when it ended.
func (m *Manager) adoptOne(s Session, byID map[string]Reading) (Session, bool) {
	r := &live{Session: s, idleLeft: -1}
	reading, inKernel := byID[s.held()]
	now := m.cfg.Clock.Mono()
	if inKernel {
		m.takeReading(r, reading)
	} else {
		r.rebase() // its counters are gone with the kernel's tables
	}
	if m.timedOut(r) {
		return m.stopped(r.Session, m.stampAt(s.StartedAt.Mono+s.bound()), SessionTimeout), true
	}
	if inKernel && reading.Idled {
		// Nobody saw the silence begin: it did after the last reading, and the station is not charged beyond the bound.
		end := min(now, s.UsageAt.Mono+s.Limits.IdleTimeout)
		return m.stopped(r.Session, m.stampAt(end), IdleTimeout), true
	}
	if inKernel && !reading.Live {
		// It was being ended when the daemon died, and the reason died with it.
		return m.stopped(r.Session, m.stampAt(now), NASError), true
	}
	if other, twice := m.running[s.Station]; twice {
		return m.stopped(other.Session, m.stampAt(now), NASError), true
	}
	r.UsageAt, r.idleLeft = m.stampAt(now), -1
	if inKernel {
		r.idleLeft = reading.IdleLeft
	}
	if reading.Capped { // nobody saw when: after the last reading, and the station is not charged beyond the bound
		r.refusedAt = min(now, s.UsageAt.Mono+m.cfg.PersistInterval)
	}
	if i := s.Limits.InterimInterval; i > 0 {
		r.interimDue = s.StartedAt.Mono + (now - s.StartedAt.Mono).Truncate(i) + i
	}
	m.running[s.Station] = r
	return Session{}, false
}

func (m *Manager) stopped(s Session, at Stamp, cause TerminateCause) Session {
	if at.BootID == s.StartedAt.BootID {
		s.Used = max(s.Used, at.Mono-s.StartedAt.Mono)
	}
	s.UsageAt, s.StoppedAt, s.TerminateCause = at, &at, cause
	return s
}

// grants are all grants that the kernel should hold now.
func (m *Manager) grants() []Grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Grant, 0, len(m.running))
	tallies := map[*book]tally{}
	for _, r := range m.running {
		if !m.over(r) {
			g, _ := m.grant(r, tallies)
			all = append(all, g)
		}
	}
	return all
}

// grant is what the kernel must know of a session from now on, and the digest of its caps. The caller holds mu.
func (m *Manager) grant(r *live, tallies map[*book]tally) (g Grant, digest uint32) {
	s := m.standing(r, tallies)
	g = Grant{Station: r.Station, AcctSessionID: r.held(), IdleTimeout: r.Limits.IdleTimeout, Caps: s.caps}
	g.RateUp, g.RateDown = r.Limits.Bandwidth(s.Slow)
	if r.Source != SourceGuest {
		g.Account = r.Username
	}
	if left, ok := r.Left(m.cfg.Clock.Mono() - r.StartedAt.Mono); ok {
		g.Timeout = max(left, 0) + kernelTick
	}
	return g, s.digest
}

// kernelTick is how much coarser than ours the kernel's clock may be: two ticks of the slowest, of 100 Hz. The kernel is given that
// much more, so that no station meets the portal before its session is over here. While the daemon runs it is the daemon that cuts.
const kernelTick = 20 * time.Millisecond
