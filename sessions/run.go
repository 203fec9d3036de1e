package sessions

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"
)

const retryInterval = 5 * time.Second // for a Stop that could not be written, a session that could not be resumed

// Run ends sessions on time, polls the kernel, writes interim records and usage, and resumes sessions of stations that
// were seen, until ctx ends; then it writes usage once more.
func (m *Manager) Run(ctx context.Context) error {
	next := schedule{poll: m.cfg.Clock.Mono() + m.cfg.PollInterval, persist: m.cfg.Clock.Mono() + m.cfg.PersistInterval}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			last := context.WithoutCancel(ctx)
			m.poll(last)
			m.persist(last)
			return nil
		case <-m.wake:
		case <-timer.C:
		}
		m.tick(ctx, &next)
		timer.Reset(m.untilNext(next))
	}
}

// schedule is when the periodic work is due, in Mono.
type schedule struct{ poll, persist, retry time.Duration }

func (m *Manager) tick(ctx context.Context, next *schedule) {
	now := m.cfg.Clock.Mono()
	if m.lost.Swap(false) {
		m.restoreNow(ctx)
	}
	m.keepRules(ctx)
	m.shareLeases(ctx)
	m.welcomeArrived(ctx)
	if capped := m.capped.Swap(false); capped || now >= next.poll || m.interimIsDue(now) {
		m.poll(ctx)
		m.interim(ctx)
		next.poll = now + m.cfg.PollInterval
	}
	m.endDue(ctx, now >= next.retry)
	if now >= next.retry {
		next.retry = now + retryInterval
	}
	if now >= next.persist {
		m.persist(ctx)
		m.endPauses(ctx)
		next.persist = now + m.cfg.PersistInterval
	}
}

// untilNext is how long Run may sleep.
func (m *Manager) untilNext(next schedule) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := min(next.poll, next.persist)
	for _, r := range m.running {
		if r.cutAt != nil {
			at = min(at, next.retry)
			continue
		}
		if t := r.bound(); t > 0 {
			at = min(at, r.StartedAt.Mono+t)
		}
	}
	if rule, ok := m.nextRule(); ok {
		at = min(at, rule)
	}
	if m.access.unsettled { // somebody works on a station, or the kernel could not be told
		at = min(at, m.cfg.Clock.Mono()+time.Second)
	}
	return max(at-m.cfg.Clock.Mono(), time.Millisecond)
}

// endDue brings to their end the sessions whose time is over, and those cut earlier whose Stop is not written.
func (m *Manager) endDue(ctx context.Context, retry bool) {
	m.mu.Lock()
	var due []Station
	for st, r := range m.running {
		if r.cutAt == nil && m.timedOut(r) || r.cutAt != nil && retry {
			due = append(due, st)
		}
	}
	m.mu.Unlock()
	m.endAll(ctx, SessionTimeout, due)
}

// endAll ends the sessions of these stations together. Stations that somebody else works on are left to the next round.
func (m *Manager) endAll(ctx context.Context, cause TerminateCause, stations []Station) {
	m.mu.Lock()
	var mine []Station
	for _, st := range stations {
		if _, taken := m.busy[st]; !taken {
			mine = append(mine, st)
			defer m.take(st)()
		}
	}
	m.mu.Unlock()
	if _, err := m.end(context.WithoutCancel(ctx), cause, mine...); err != nil {
		m.cfg.Logger.Error("ending sessions", "cause", string(cause), "sessions", len(mine), "err", err)
	}
}

// poll reads the kernel: usage, sessions that fell idle, sessions that it lost, and leftovers of sessions that are over.
func (m *Manager) poll(ctx context.Context) {
	asked := m.cfg.Clock.Mono()
	readings, err := m.cfg.Enforcer.Usage(ctx)
	if errors.Is(err, ErrEnforcerLost) {
		m.takeReadings(asked, nil)
		m.restore(ctx, err)
		return
	}
	if err != nil {
		m.cfg.Logger.Error("reading usage", "err", err)
		return
	}
	idle, strays, lost := m.takeReadings(asked, readings)
	m.endAll(ctx, IdleTimeout, idle)
	m.rollOver(ctx)
	m.keepHours(ctx)
	m.applyCaps(ctx)
	m.removeStrays(ctx, strays)
	if lost {
		m.restore(ctx, errLostSession)
	}
}

// Recheck reads the kernel now, for a caller who met a station that the kernel holds back in spite of its session: it fell
// idle since the last poll. It does so once a second at most.
func (m *Manager) Recheck(ctx context.Context) {
	m.mu.Lock()
	now := m.cfg.Clock.Mono()
	soon := now-m.rechecked < time.Second
	if !soon {
		m.rechecked = now
	}
	m.mu.Unlock()
	if !soon {
		m.poll(context.WithoutCancel(ctx))
	}
}

// Look is View for who must not be told what the kernel grants no longer: where the station may have fallen idle since the
// last reading, the kernel is asked first.
func (m *Manager) Look(ctx context.Context, st Station) StationView {
	m.mu.Lock()
	r, ok := m.running[st]
	stale := ok && r.cutAt == nil && r.Limits.IdleTimeout > 0 && m.cfg.Clock.Mono() >= r.idleAt()
	m.mu.Unlock()
	if stale { // one that talks has all of its idle timeout left afterwards, so this is not often
		m.poll(context.WithoutCancel(ctx))
	}
	return m.View(st)
}

// idleAt is the earliest moment, Mono, at which the kernel may let go for idleness.
func (r *live) idleAt() time.Duration {
	if r.idleLeft < 0 {
		return r.StartedAt.Mono + r.Limits.IdleTimeout
	}
	return r.UsageAt.Mono + r.idleLeft
}

var (
	errLostSession = errors.New("the kernel does not know a running session")
	errLostRules   = errors.New("somebody removed rules")
)

// Restore tells that somebody removed the kernel's rules, or a part of them: Run puts them and all sessions back at once.
// The poll would find out only later, and not that rules alone are gone.
func (m *Manager) Restore() {
	m.lost.Store(true)
	m.wakeRun()
}

func (m *Manager) restoreNow(ctx context.Context) {
	asked := m.cfg.Clock.Mono()
	readings, err := m.cfg.Enforcer.Usage(ctx)
	if err == nil || errors.Is(err, ErrEnforcerLost) {
		m.takeReadings(asked, readings) // counters that are gone begin anew
	}
	m.restore(ctx, errLostRules)
}

// restore puts rules and sessions back into the kernel.
func (m *Manager) restore(ctx context.Context, why error) {
	m.cfg.Logger.Warn("restoring the kernel's rules and sessions", "why", why)
	if err := m.cfg.Enforcer.Reconcile(ctx, m.grants()); err != nil {
		m.cfg.Logger.Error("restoring the kernel's rules and sessions", "err", err)
	}
}

// removeStrays takes out of the kernel what belongs to no session.
func (m *Manager) removeStrays(ctx context.Context, strays []Station) {
	m.mu.Lock()
	var mine []Station
	for _, st := range strays {
		if _, running := m.running[st]; !running && m.busy[st] == nil {
			mine = append(mine, st)
			defer m.take(st)()
		}
	}
	m.mu.Unlock()
	if len(mine) == 0 {
		return
	}
	_, err := m.cfg.Enforcer.Cut(ctx, mine...)
	if err == nil {
		err = m.cfg.Enforcer.Release(ctx, mine...)
	}
	if err != nil {
		m.cfg.Logger.Error("removing strays from the kernel", "err", err)
	}
}

// takeReadings takes in what the kernel said at the time asked, and tells which stations fell idle, which have no
// session, and whether the kernel lost one. Stations that somebody works on are in between states and passed over.
func (m *Manager) takeReadings(asked time.Duration, readings []Reading) (idle, strays []Station, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.stamp()
	known := make(map[Station]bool, len(readings))
	for _, reading := range readings {
		st := reading.Station
		known[st] = true
		r, running := m.running[st]
		switch {
		case m.busy[st] != nil:
		case !running:
			strays = append(strays, st)
		case r.cutAt != nil || m.nearlyOver(r) || asked < r.readAt: // or somebody else has read it since
		case reading.Live && r.held() == reading.AcctSessionID:
			m.takeReading(r, reading)
			r.readAt = asked
			r.UsageAt, r.idleLeft = now, reading.IdleLeft
			if reading.Capped && r.refusedAt == 0 && r.believes(asked) { // else it may be of an earlier grant
				r.refusedAt = asked
			}
		case reading.Idled && r.held() == reading.AcctSessionID:
			idle = append(idle, st)
		default:
			lost = lost || r.StartedAt.Mono < asked
		}
	}
	for st, r := range m.running {
		if !known[st] && m.busy[st] == nil && r.cutAt == nil && !m.nearlyOver(r) && r.StartedAt.Mono < asked {
			lost = true
			r.rebase() // its counters will begin anew
		}
	}
	return idle, strays, lost
}

// nearlyOver leaves room for the kernel's clock, which counts in ticks and may be ahead of ours.
func (m *Manager) nearlyOver(r *live) bool {
	t := r.bound()
	return t > 0 && m.cfg.Clock.Mono()-r.StartedAt.Mono >= t-time.Second
}

func (m *Manager) interimIsDue(now time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.running {
		if r.interimDue > 0 && r.interimDue <= now {
			return true
		}
	}
	return false
}

// interim writes the Interim-Update of every session that is due.
func (m *Manager) interim(ctx context.Context) {
	m.mu.Lock()
	var b Batch
	at := m.stamp()
	for _, r := range m.running {
		if r.interimDue == 0 || r.interimDue > at.Mono || r.cutAt != nil {
			continue
		}
		for r.interimDue <= at.Mono {
			r.interimDue += r.Limits.InterimInterval
		}
		b.Records = append(b.Records, AccountingRecord{Kind: InterimUpdate, Session: m.now(r), At: at})
	}
	m.mu.Unlock()
	if len(b.Records) == 0 {
		return
	}
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		m.cfg.Logger.Error("writing interim records", "err", err)
		return
	}
	m.cfg.Queued()
}

// persist writes down what running sessions have used, so that a power cut costs at most PersistInterval.
func (m *Manager) persist(ctx context.Context) {
	err := m.saveChanged(ctx)
	if all := m.Sessions(); err == nil && len(all) > 0 {
		err = m.cfg.Store.SaveUsage(ctx, all)
	}
	if err != nil {
		m.cfg.Logger.Error("writing usage", "err", err)
	}
}

// saveChanged writes the sessions that have more to tell than their usage. Where the kernel's counters began anew, usage
// written without that would be counted once more by whoever finds the new counters after a crash.
func (m *Manager) saveChanged(ctx context.Context) error {
	m.mu.Lock()
	var changed []Station
	for st, r := range m.running {
		if r.unsaved && r.cutAt == nil {
			changed = append(changed, st)
		}
	}
	m.mu.Unlock()
	sortFunc(changed, compareStations) // as all do who hold more than one
	for chunk := range slices.Chunk(changed, rollChunk) {
		if err := m.saveSessions(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// saveSessions writes running sessions as they stand. It holds them, so that no Stop comes between.
func (m *Manager) saveSessions(ctx context.Context, stations []Station) error {
	for _, st := range stations {
		release, err := m.hold(ctx, st)
		if err != nil {
			return err
		}
		defer release()
	}
	var b Batch
	m.mu.Lock()
	for _, st := range stations {
		if r := m.running[st]; r != nil && r.cutAt == nil {
			b.Sessions = append(b.Sessions, m.now(r))
		}
	}
	m.mu.Unlock()
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range b.Sessions {
		m.running[s.Station].unsaved = false
	}
	return nil
}

// keepRules ends rules on time, judges suspicions, and makes all agree with the rules.
func (m *Manager) keepRules(ctx context.Context) {
	m.expireRules(ctx)
	m.judge(ctx)
	m.mu.Lock()
	unsettled := m.access.unsettled
	m.mu.Unlock()
	if !unsettled {
		return
	}
	if err := m.settle(context.WithoutCancel(ctx)); err != nil {
		m.cfg.Logger.Error("acting by the rules for stations", "err", err)
	}
}

// welcomeArrived gives stations that were seen what they are entitled to.
func (m *Manager) welcomeArrived(ctx context.Context) {
	m.mu.Lock()
	arrived := m.arrived
	m.arrived = make(map[Station]netip.Addr)
	m.mu.Unlock()
	for _, st := range slices.Collect(maps.Keys(arrived)) {
		if err := m.arrive(ctx, st, arrived[st]); err != nil {
			m.cfg.Logger.Error("letting a station in that has come", "station", st, "err", err)
		}
	}
}
