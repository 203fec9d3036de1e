package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoLimit says that there is nothing to extend. Time of a balance is the centre's to give.
var ErrNoLimit = errors.New("the session has no such limit of its own")

// Extension is what is given on top of limits.
type Extension struct {
	Time time.Duration `json:"time,omitempty"` // to the session timeout
	Data Bytes         `json:"data,omitempty"` // to every bound of a cap: so much may pass yet
	// RateUp and RateDown take the place of the bandwidth. Nil: as the limits say; zero: unlimited.
	RateUp   *BitRate `json:"rate_up,omitempty"`
	RateDown *BitRate `json:"rate_down,omitempty"`
}

// and is what is given by both, the later rates where both have some.
func (x Extension) and(y Extension) Extension {
	return Extension{x.Time + y.Time, x.Data + y.Data, cmp.Or(y.RateUp, x.RateUp), cmp.Or(y.RateDown, x.RateDown)}
}

// extended adds to the limits that there are. Rates stay within the zone's bounds.
func (e Effective) extended(x Extension, b Bounds) Effective {
	if e.SessionTimeout > 0 {
		e.SessionTimeout += x.Time
	}
	e.Caps.Session = e.Caps.Session.raise(x.Data)
	if x.RateUp != nil {
		e.BandwidthUp = clamp(*x.RateUp, b.MaxBandwidthUp)
	}
	if x.RateDown != nil {
		e.BandwidthDown = clamp(*x.RateDown, b.MaxBandwidthDown)
	}
	return e
}

// Extend gives a running session more time, more data by its own cap, or another bandwidth; it stays one session. A *Refusal
// with RefusedNotLoggedIn says that there is none, ErrNoLimit that it has no limit of that kind.
func (m *Manager) Extend(ctx context.Context, st Station, x Extension) (Session, error) {
	return m.extend(ctx, st, "", x)
}

// extend is Extend for the session of that Acct-Session-Id; empty: whichever it is.
func (m *Manager) extend(ctx context.Context, st Station, acctSessionID string, x Extension, why ...Outcome) (Session, error) {
	release, err := m.hold(ctx, st)
	if err != nil {
		return Session{}, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	if err := m.readNow(ctx, st); err != nil {
		return Session{}, err
	}
	m.mu.Lock()
	r, ok := m.running[st]
	if !ok || m.over(r) || acctSessionID != "" && r.AcctSessionID != acctSessionID {
		m.mu.Unlock()
		return Session{}, &Refusal{Reason: RefusedNotLoggedIn}
	}
	s := m.now(r)
	m.mu.Unlock()
	s.Limits.SessionTimeout = s.own()
	if x.Time > 0 && s.Limits.SessionTimeout == 0 || x.Data > 0 && s.Limits.Caps.Session == (Volume{}) {
		return Session{}, ErrNoLimit
	}
	s.Limits = s.Limits.extended(x, m.zones[st.Zone].Bounds)
	s.Extension = s.Extension.and(x)
	if s.Lease.ID != 0 { // no more than the balance has
		a, err := m.account(ctx, s.Username)
		if err == nil {
			err = m.reborrow(ctx, a.Lease, &s)
		}
		if err != nil {
			return Session{}, fmt.Errorf("looking at the balance: %w", err)
		}
	}
	if err := m.change(ctx, r, s, why...); err != nil {
		return Session{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.now(r)
	s.Data = m.standing(r, nil).DataView
	return s, nil
}

// ExtendAccount gives an account more data in each of its running periods, all its stations together. It returns
// ErrNoAccount when nobody here knows the account.
func (m *Manager) ExtendAccount(ctx context.Context, username string, data Bytes) error {
	a, err := m.account(ctx, username)
	if err != nil {
		return err
	}
	return m.extendLedger(ctx, &Session{Source: a.Source, Username: username}, data)
}

// ExtendGuest does so for a station whose sessions are nobody's.
func (m *Manager) ExtendGuest(ctx context.Context, st Station, data Bytes) error {
	if m.zones[st.Zone] == nil {
		return &Refusal{Reason: RefusedUnknownZone}
	}
	return m.extendLedger(ctx, &Session{Source: SourceGuest, Station: st}, data)
}

// extendLedger gives more data to the account that s would count into.
func (m *Manager) extendLedger(ctx context.Context, s *Session, data Bytes) error {
	b, closed, err := m.bookOf(ctx, s.account())
	if err != nil {
		return err
	}
	defer closed()
	m.mu.Lock()
	online := make([]Station, 0, len(b.sessions))
	for st := range b.sessions {
		online = append(online, st)
	}
	m.mu.Unlock()
	sortFunc(online, compareStations) // as all do who hold more than one
	for _, st := range online {
		release, err := m.hold(ctx, st)
		if err != nil {
			return err
		}
		defer release()
	}
	ctx = context.WithoutCancel(ctx)
	if err := m.readNow(ctx, online...); err != nil {
		return err
	}
	var lines []Spent
	m.mu.Lock()
	for p := range periods {
		lines = append(lines, Spent{Account: b.account, Period: p, Start: b.current(p, m.period[p]), Extra: int64(data)})
	}
	m.mu.Unlock()
	if err := m.cfg.Store.Commit(ctx, Batch{Spent: lines}); err != nil {
		return fmt.Errorf("writing an extension: %w", err)
	}
	m.mu.Lock()
	m.addSpent(lines)
	m.mu.Unlock()
	return m.admitAgain(ctx, online...)
}

// readNow reads what these stations have used up to now, so that a new bound begins at the octet. The caller holds them.
func (m *Manager) readNow(ctx context.Context, stations ...Station) error {
	if len(stations) == 0 {
		return nil
	}
	asked := m.cfg.Clock.Mono()
	readings, err := m.cfg.Enforcer.Usage(ctx)
	if err != nil {
		return fmt.Errorf("reading usage: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, reading := range readings {
		if r := m.running[reading.Station]; r != nil && r.cutAt == nil && slices.Contains(stations, reading.Station) {
			m.takeReading(r, reading)
			r.readAt = asked
		}
	}
	return nil
}

// change makes new limits of a running session, and the outcome of the order for them, durable and then tells the kernel.
// The caller holds the station.
func (m *Manager) change(ctx context.Context, r *live, s Session, why ...Outcome) error {
	b, closed, err := m.openBook(ctx, &s)
	if err != nil {
		return err
	}
	defer closed()
	if s.Limits.LoginTime != r.Limits.LoginTime || s.Limits.Online != r.Limits.Online {
		m.mu.Lock()
		s.Closing = m.closing(&s, b, b.among(), nil)
		m.mu.Unlock()
	}
	batch := Batch{Sessions: []Session{s}, Outcomes: why}
	if (b == nil) != (r.book == nil) { // the account's data begins to be counted, or is not counted any more
		before := r.Session
		before.Used = s.Used
		batch.Spent = settled(&before)
		s.Marks = m.newMarks(&s)
		for p := range s.Marks {
			used := s.Usage.octets()
			s.Marks[p].Up, s.Marks[p].Down, s.Marks[p].Used = used.up, used.down, s.Used
		}
		batch.Sessions[0] = s
	}
	if err := m.cfg.Store.Commit(ctx, batch); err != nil {
		return fmt.Errorf("writing changed limits: %w", err)
	}
	m.mu.Lock()
	if s.Limits.InterimInterval != r.Limits.InterimInterval {
		r.interimDue = firstInterim(s)
	}
	m.leave(s.Station)
	r.Limits, r.Closing, r.Extension, r.Prolonged, r.Lease, r.Marks, r.book = s.Limits, s.Closing, s.Extension, s.Prolonged, s.Lease, s.Marks, b
	m.enter(r)
	m.addSpent(batch.Spent)
	m.mu.Unlock()
	if err := m.admitAgain(ctx, s.Station); err != nil {
		return fmt.Errorf("applying changed limits: %w", err)
	}
	m.wakeRun()
	return nil
}
