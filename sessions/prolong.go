package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Prolonging is by how much guests may extend their sessions themselves, and how often. Of a session: in all, and how often it was.
type Prolonging struct {
	By    time.Duration `json:"by"`
	Times int           `json:"times"`
}

// endShown is how long after its end a session is told of, and may still be extended.
const endShown = time.Hour

// more is by how much a session's guest may extend it now; zero: not at all. What a voucher, a trial or a balance gives is bounded
// by what it is worth, and nothing lasts beyond closing time. The caller holds mu.
func (m *Manager) more(s *Session) time.Duration {
	zone, has := m.zones[s.Station.Zone], s.Limits.SessionTimeout
	by := zone.Prolong.By
	if has == 0 || has != s.own() || s.Prolonged.Times >= zone.Prolong.Times || s.VoucherID != 0 || s.OnTrial {
		return 0
	}
	if most := zone.Bounds.MaxSessionTimeout; most > 0 {
		by = min(by, most-s.Earlier-has)
	}
	if s.Closing > 0 {
		by = min(by, s.Closing-has)
	}
	if l, ok := m.lent[s.Lease.ID]; ok && s.Running() {
		used, running := m.leaseUsed(&l)
		by = min(by, s.Used+share(l.Time+l.Grace-used, max(1, running))-has)
	}
	if by < leastTime {
		return 0
	}
	return by
}

// Prolong gives a session more time because its guest asks, as much and as often as the zone says, within what the account
// has: it stays one session. One that has ended of its timeout within the last hour goes on as a new one, linked to it. nth says which time
// it is, from 1 on: when that was given already, as after a double tap, the session is returned as it is.
func (m *Manager) Prolong(ctx context.Context, st Station, addr netip.Addr, nth int) (Session, error) {
	release, err := m.hold(ctx, st)
	if err != nil {
		return Session{}, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	s, running, err := m.present(ctx, st)
	if err != nil {
		return Session{}, err
	}
	if !running {
		return m.prolongEnded(ctx, st, addr)
	}
	if s.Prolonged.Times >= nth {
		return s, nil
	}
	m.mu.Lock()
	before, by := s.Limits.SessionTimeout, m.more(&s)
	m.mu.Unlock()
	s.Prolonged.By, s.Prolonged.Times = s.Prolonged.By+by, s.Prolonged.Times+1
	s.Limits.SessionTimeout = s.own() + by
	a, err := m.resumeAs(ctx, s)
	if err != nil {
		return Session{}, err
	}
	s.Limits = m.atMost(s.Limits, a, s.Used)
	if err := m.reborrow(ctx, a.Lease, &s); err != nil {
		return Session{}, err
	}
	if s.Limits.SessionTimeout < before+leastTime {
		return Session{}, &Refusal{Reason: RefusedProlong}
	}
	m.mu.Lock()
	r := m.running[st]
	m.mu.Unlock()
	if err := m.change(ctx, r, s); err != nil {
		return Session{}, err
	}
	m.cfg.Visits.Note(st, EventExtended, "", "")
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now(r), nil
}

func (m *Manager) prolongEnded(ctx context.Context, st Station, addr netip.Addr) (Session, error) {
	m.mu.Lock()
	old, by := m.endedOf(st), time.Duration(0)
	if old != nil {
		by = m.more(old)
	}
	m.mu.Unlock()
	if old == nil {
		return Session{}, &Refusal{Reason: RefusedNotLoggedIn}
	}
	if old.TerminateCause != SessionTimeout || by == 0 {
		return Session{}, &Refusal{Reason: RefusedProlong}
	}
	longer := *old
	longer.Limits.SessionTimeout += by
	longer.Prolonged = Prolonging{longer.Prolonged.By + by, longer.Prolonged.Times + 1}
	return m.carryOn(ctx, longer, addr)
}

// endedOf is the session that a station had last, for a while after its end. It does not wait for the Stop: the page that comes
// back at the end is asked for while that is being written. The caller holds mu.
func (m *Manager) endedOf(st Station) *Session {
	if r, ok := m.running[st]; ok && m.over(r) {
		s := m.atEnd(r)
		return &s
	}
	seen := m.seen[st]
	if seen == nil || seen.ended == nil || m.cfg.Clock.Mono()-seen.ended.StoppedAt.Mono > endShown {
		return nil
	}
	return seen.ended
}

// atMost bounds the time of a session by what its account is worth, used being what it has had.
func (m *Manager) atMost(e Effective, a Account, used time.Duration) Effective {
	if a.TimeLeft != nil {
		e.SessionTimeout = clamp(e.SessionTimeout, used+max(*a.TimeLeft, time.Second))
	}
	if a.Expiration.IsZero() {
		return e
	}
	now, left := m.cfg.Clock.Now(), undatedGrant
	if m.believable(now) {
		left = a.Expiration.Sub(now)
	}
	e.SessionTimeout = clamp(e.SessionTimeout, used+max(left, time.Second))
	return e
}

// carryOn begins a session with what an old one has left, because its guest asks. The caller holds the station.
func (m *Manager) carryOn(ctx context.Context, old Session, addr netip.Addr) (Session, error) {
	if m.rule(old.Station).Kind == AccessBlocked {
		return Session{}, &Refusal{Reason: RefusedBlocked}
	}
	if err := m.mayEnter(m.zones[old.Station.Zone], MethodResume); err != nil {
		return Session{}, err
	}
	a, err := m.resumeAs(ctx, old)
	if err != nil {
		return Session{}, err
	}
	if len(a.Zones) > 0 && !slices.Contains(a.Zones, old.Station.Zone) {
		return Session{}, &Refusal{Reason: RefusedElsewhere}
	}
	v := Evaluate(a.Profiles, old.asked())
	if v.Rejected {
		return Session{}, &Refusal{Reason: RefusedInactive}
	}
	zone, next := m.zones[old.Station.Zone], old
	next.Limits = m.effective(zone, a, v, &old)
	done, err := m.reserve(zone, a, &next)
	if err != nil {
		return Session{}, err
	}
	defer done()
	return m.continueSession(ctx, old, a, v, addr)
}

// Pause ends a session and keeps what it has left for its station, until Resume, as long as the zone says. It is a *Refusal
// where the zone offers none, where there is no time to be kept, and where time runs whether the guest is online or not.
func (m *Manager) Pause(ctx context.Context, st Station) (Session, error) {
	release, err := m.hold(ctx, st)
	if err != nil {
		return Session{}, err
	}
	defer release()
	s, running, err := m.present(ctx, st)
	if err != nil {
		return Session{}, err
	}
	if !running {
		m.mu.Lock()
		defer m.mu.Unlock()
		if paused, ok := m.pausedOf(st); ok { // a double tap
			return paused, nil
		}
		return Session{}, &Refusal{Reason: RefusedNotLoggedIn}
	}
	if err := m.mayPause(ctx, &s); err != nil {
		return Session{}, err
	}
	m.mu.Lock()
	m.running[st].pausing = true
	m.mu.Unlock()
	ended, err := m.endBy(context.WithoutCancel(ctx), UserRequest, Batch{}, st)
	if err != nil {
		return Session{}, err
	}
	return ended[0], nil
}

func (m *Manager) mayPause(ctx context.Context, s *Session) error {
	m.mu.Lock()
	can := m.canPause(s)
	m.mu.Unlock()
	if !can {
		return &Refusal{Reason: RefusedPause}
	}
	if s.VoucherID == 0 {
		return nil
	}
	k, err := m.cfg.Vouchers.VoucherByID(ctx, s.VoucherID)
	if err != nil && !errors.Is(err, ErrNoVoucher) {
		return fmt.Errorf("looking at the voucher: %w", err)
	}
	if k.Plan.Elapsed {
		return &Refusal{Reason: RefusedElapsed}
	}
	return nil
}

// canPause tells whether to offer it: there is time to be kept, and the station is not one that the operator lets in by its MAC
// address. The caller holds mu.
func (m *Manager) canPause(s *Session) bool {
	kind := m.access.of(s.Station).Kind
	return m.zones[s.Station.Zone].MaxPause > 0 && s.Limits.SessionTimeout > 0 && !s.OnTrial &&
		kind != AccessTrusted && kind != AccessPreauthorized
}

// Resume goes on with a paused session, as a new one linked to it. A station that is online gets the session that it has.
func (m *Manager) Resume(ctx context.Context, st Station, addr netip.Addr) (Session, error) {
	release, err := m.hold(ctx, st)
	if err != nil {
		return Session{}, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	if s, running, err := m.present(ctx, st); running || err != nil {
		return s, err
	}
	m.mu.Lock()
	paused, ok := m.pausedOf(st)
	m.mu.Unlock()
	if !ok {
		return Session{}, &Refusal{Reason: RefusedNotPaused}
	}
	return m.carryOn(ctx, paused, addr)
}

// pausedOf is the paused session of a station. The caller holds mu.
func (m *Manager) pausedOf(st Station) (Session, bool) {
	s, ok := m.resumable[st]
	return s, ok && s.Paused && m.pauseLeft(&s) > 0
}

// pauseLeft is how much longer a pause may last.
func (m *Manager) pauseLeft(s *Session) time.Duration {
	left, _ := m.AccessLeft(AccessRule{MadeAt: *s.StoppedAt, For: max(time.Nanosecond, m.zones[s.Station.Zone].MaxPause)})
	return left
}

// endPauses writes off what nobody came back for.
func (m *Manager) endPauses(ctx context.Context) {
	m.mu.Lock()
	var over []Session
	for _, s := range m.resumable {
		if s.Paused && m.pauseLeft(&s) == 0 && m.busy[s.Station] == nil {
			over = append(over, s)
			defer m.take(s.Station)()
		}
	}
	m.mu.Unlock()
	for _, s := range over {
		if err := m.giveUp(ctx, s); err != nil {
			m.cfg.Logger.Error("ending a pause", "station", s.Station, "err", err)
		}
	}
}
