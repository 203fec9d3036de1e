package sessions

import (
	"context"
	"fmt"
)

// Logout ends the station's session with the cause given and returns it as it was stopped. A *Refusal with
// RefusedNotLoggedIn says that there was none.
func (m *Manager) Logout(ctx context.Context, st Station, cause TerminateCause) (Session, error) {
	return m.logout(ctx, st, "", cause)
}

// logout is Logout for the session of that Acct-Session-Id; empty: whichever it is.
func (m *Manager) logout(ctx context.Context, st Station, acctSessionID string, cause TerminateCause, why ...Outcome) (Session, error) {
	release, err := m.hold(ctx, st)
	if err != nil {
		return Session{}, err
	}
	defer release()
	if acctSessionID != "" {
		m.mu.Lock()
		r, ok := m.running[st]
		other := !ok || r.AcctSessionID != acctSessionID
		m.mu.Unlock()
		if other {
			return Session{}, &Refusal{Reason: RefusedNotLoggedIn}
		}
	}
	m.cfg.Step("logout.begun")
	ended, err := m.endBy(context.WithoutCancel(ctx), cause, Batch{Outcomes: why, Access: m.farewell(st, cause)}, st)
	if err != nil {
		return Session{}, err
	}
	if len(ended) == 0 {
		return Session{}, &Refusal{Reason: RefusedNotLoggedIn}
	}
	m.loggedOut(st)
	return ended[0], nil
}

// end brings sessions to their end: kernel first, journal second, counters last (DESIGN D16). The caller holds the
// stations. Stations without a session are passed over. A session whose timeout has passed ended by that, whatever
// cause is given.
func (m *Manager) end(ctx context.Context, cause TerminateCause, stations ...Station) ([]Session, error) {
	return m.endBy(ctx, cause, Batch{}, stations...)
}

// endBy is end with more to write beside the Stops: the outcome of an order, rules.
func (m *Manager) endBy(ctx context.Context, cause TerminateCause, with Batch, stations ...Station) ([]Session, error) {
	ending := m.withSession(stations)
	if len(ending) == 0 {
		return nil, nil
	}
	readings, err := m.cfg.Enforcer.Cut(ctx, ending...)
	if err != nil {
		return nil, fmt.Errorf("cutting stations: %w", err)
	}
	m.cfg.Step("logout.cut")
	ended := m.markCut(cause, ending, readings)
	m.mu.Lock()
	stops := m.stopBatch(ended)
	stops.Outcomes, stops.Access = with.Outcomes, append(stops.Access, with.Access...)
	m.mu.Unlock()
	if err := m.commit(ctx, stops); err != nil {
		// The stations are off and their counters kept; Run tries again.
		return nil, fmt.Errorf("writing the Stop: %w", err)
	}
	m.cfg.Step("logout.journaled")
	m.mu.Lock()
	for _, st := range ending {
		m.leave(st)
	}
	m.addSpent(stops.Spent)
	m.leaseEnded(ended)
	for i := range ended {
		m.shareAnew(&ended[i])
		m.keepResumable(ended[i])
		if seen := m.seen[ended[i].Station]; seen != nil {
			seen.ended = &ended[i]
		}
	}
	m.mu.Unlock()
	if err := m.cfg.Enforcer.Release(ctx, ending...); err != nil {
		// The Stop is written; what is left in the kernel is found and released by the next poll or start.
		m.cfg.Logger.Warn("counters not released", "err", err)
	}
	m.cfg.Step("logout.released")
	for _, s := range ended {
		m.hasEnded(s)
	}
	return ended, nil
}

// hasEnded tells of a session whose Stop is durable.
func (m *Manager) hasEnded(s Session) {
	m.cfg.Visits.Note(s.Station, EventEnded, string(s.TerminateCause), s.TerminateNote)
	m.cfg.Ended(s)
}

func (m *Manager) withSession(stations []Station) []Station {
	m.mu.Lock()
	defer m.mu.Unlock()
	var have []Station
	for _, st := range stations {
		if _, ok := m.running[st]; ok {
			have = append(have, st)
		}
	}
	return have
}

// markCut notes when and why each station was cut, once: a second try keeps what the first found.
func (m *Manager) markCut(cause TerminateCause, stations []Station, readings []Reading) []Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := make([]Session, len(stations))
	for i, st := range stations {
		r := m.running[st]
		if r.cutAt == nil {
			m.takeReading(r, readings[i])
			at, why := m.endOf(r, cause)
			r.cutAt, r.cutCause = &at, why
			switch why {
			case UserRequest:
				if r.pausing {
					r.TerminateNote = notePaused
				}
			case AdminReset:
				r.TerminateNote = m.objection(&r.Session)
			case NASRequest:
				r.TerminateNote = noteCapped
			}
		}
		ended[i] = m.atEnd(r)
	}
	return ended
}

// atEnd is a session that is over as its Stop tells of it. The caller holds mu.
func (m *Manager) atEnd(r *live) Session {
	at, why := r.cutAt, r.cutCause
	if at == nil {
		due, cause := m.endOf(r, SessionTimeout)
		at, why = &due, cause
	}
	s := m.now(r)
	s.UsageAt, s.StoppedAt, s.TerminateCause = *at, at, why
	s.Paused = r.pausing && why == UserRequest
	s.Resumable = s.Paused
	return s
}

// endOf is when and why a session ends that is being cut now for cause.
func (m *Manager) endOf(r *live, cause TerminateCause) (Stamp, TerminateCause) {
	now := m.cfg.Clock.Mono()
	if t := r.bound(); t > 0 && now-r.StartedAt.Mono >= t {
		return m.stampAt(r.StartedAt.Mono + t), SessionTimeout
	}
	if cause == IdleTimeout && r.idleLeft >= 0 {
		// The silence was already running at the last reading, unless the idle timeout is shorter than the poll
		// interval; then the end is late by at most that interval.
		return m.stampAt(min(now, r.UsageAt.Mono+r.idleLeft)), IdleTimeout
	}
	if cause == NASRequest && r.refusedAt > 0 {
		now = r.refusedAt
	}
	return m.stampAt(now), cause
}

// takeReading takes one reading of the kernel into the session. The kernel's counters begin anew when its tables were
// deleted; what was counted before is kept in Base, and should nobody have noticed, less than before tells.
func (m *Manager) takeReading(r *live, reading Reading) {
	if reading.AcctSessionID != r.held() {
		return
	}
	if behind(reading.Usage.Add(r.Base), r.Usage.Add(r.Since)) {
		r.rebase()
	}
	r.Usage = r.Base.Add(reading.Usage.minus(r.Since))
}

// rebase begins counting anew on top of what was counted.
func (r *live) rebase() { r.Base, r.Since, r.unsaved = r.Usage, Usage{}, true }

// behind tells whether the kernel's reading is less than what was already taken from it.
func behind(read, taken Usage) bool {
	return read.InputOctets < taken.InputOctets || read.OutputOctets < taken.OutputOctets
}

// stopBatch is what is written of sessions that ended. The caller holds mu.
func (m *Manager) stopBatch(ended []Session) Batch {
	b := Batch{Sessions: ended, Access: m.suspensions(ended), Trials: m.spentTrials(ended)}
	for _, s := range ended {
		b.Records = append(b.Records, AccountingRecord{Kind: Stop, Session: s, At: *s.StoppedAt})
		b.Transactions = append(b.Transactions, m.stopTransaction(s))
		b.Spent = append(b.Spent, settled(&s)...)
	}
	return b
}
