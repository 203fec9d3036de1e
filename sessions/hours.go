package sessions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Hours are when a zone is open, by the clock on the venue's wall. The zero value is always.
type Hours struct {
	Spans []Span
	// Closed are dates on which no span begins, as in 2026-12-24, or 12-25 for every year.
	Closed []string
}

// Span is a time of the week.
type Span struct {
	Day      time.Weekday // on which it begins
	From, To int          // minutes from that day's midnight; To may lie in the next day, beyond 1440
}

// horizon is how many days ahead openings are looked for.
const horizon = 60

// At tells whether it is open at a time, in the time's own zone, and when that changes; zero: not within the next weeks.
func (h *Hours) At(now time.Time) (open bool, until time.Time) {
	if len(h.Spans) == 0 {
		return true, time.Time{}
	}
	y, month, d := now.Date()
	day := func(n int) time.Time { return time.Date(y, month, d+n, 0, 0, 0, 0, time.UTC) }
	end := now
	for n := -2; n < horizon; n++ { // a span may reach two midnights
		for _, s := range h.on(day(n)) {
			// By the wall's clock: a day on which it is put on or back has the same hours, and another length.
			from, to := time.Date(y, month, d+n, 0, s.From, 0, 0, now.Location()), time.Date(y, month, d+n, 0, s.To, 0, 0, now.Location())
			switch {
			case !to.After(end):
			case !from.After(end):
				open, end = true, to
			case open:
				return true, end
			default:
				return false, from
			}
		}
	}
	if !open || end.After(now.AddDate(0, 0, horizon-2)) {
		return open, time.Time{}
	}
	return true, end
}

// on are the spans that begin on a date, the earliest first.
func (h *Hours) on(date time.Time) (all []Span) {
	if slices.Contains(h.Closed, date.Format(time.DateOnly)) || slices.Contains(h.Closed, date.Format("01-02")) {
		return nil
	}
	for _, s := range h.Spans {
		if s.Day == date.Weekday() {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return all
}

// Opening tells whether guests may log in to a zone now, and when that changes; zero: not known, or not within the next weeks.
// While the clock cannot be believed they may, for a short while each.
func (m *Manager) Opening(zone string) (open bool, until time.Time) {
	z := m.zones[zone]
	now := m.cfg.Clock.Now()
	if z == nil || !m.believable(now) {
		return true, time.Time{}
	}
	return z.Hours.At(now.In(m.cfg.TimeZone))
}

// bound is what ends a session by time: its own limit, or that the zone closes. Zero: nothing.
func (s *Session) bound() time.Duration { return clamp(s.Limits.SessionTimeout, s.Closing) }

// closing is when the session of a way in ends because the zone closes, in time used, now being used; zero: it does not.
func (m *Manager) closing(zone *Zone, how Method, used time.Duration) time.Duration {
	if len(zone.Hours.Spans) == 0 || how == MethodTrusted || how == MethodAdmin {
		return 0
	}
	now := m.cfg.Clock.Now()
	if !m.believable(now) {
		return used + undatedGrant
	}
	switch open, until := m.Opening(zone.Name); {
	case !open:
		return max(used, 1)
	case until.IsZero():
		return 0
	default:
		return used + until.Sub(now)
	}
}

// mayEnter says with a *Refusal that the zone is closed for who comes by this way.
func (m *Manager) mayEnter(zone *Zone, how Method) error {
	if open, until := m.Opening(zone.Name); !open && how != MethodTrusted && how != MethodAdmin {
		return &Refusal{Reason: RefusedClosed, Until: until}
	}
	return nil
}

// clockSlack is how far a clock may be put right before sessions are told.
const clockSlack = 2 * time.Second

// keepHours moves the ends of sessions to where their zones close now: the clock was put right.
func (m *Manager) keepHours(ctx context.Context) {
	if !m.believable(m.cfg.Clock.Now()) {
		return
	}
	closes := map[string]time.Duration{} // from now
	for name, zone := range m.zones {
		if len(zone.Hours.Spans) > 0 {
			closes[name] = m.closing(zone, MethodResume, 0)
		}
	}
	due := map[Station]time.Duration{}
	m.mu.Lock()
	for st, r := range m.running {
		from, ok := closes[st.Zone]
		if !ok || r.cutAt != nil || m.timedOut(r) || r.Method == MethodTrusted || r.Method == MethodAdmin {
			continue
		}
		if from > 0 {
			from += m.used(r)
		}
		if (from - r.Closing).Abs() > clockSlack {
			due[st] = from
		}
	}
	m.mu.Unlock()
	for st, closing := range due {
		if err := m.closeAt(ctx, st, closing); err != nil {
			m.cfg.Logger.Error("moving the end of a session to closing time", "station", st, "err", err)
		}
	}
}

func (m *Manager) closeAt(ctx context.Context, st Station, closing time.Duration) error {
	release, err := m.hold(ctx, st)
	if err != nil {
		return err
	}
	defer release()
	m.mu.Lock()
	r, ok := m.running[st]
	if !ok || r.cutAt != nil || m.timedOut(r) {
		m.mu.Unlock()
		return nil
	}
	s := m.now(r)
	m.mu.Unlock()
	s.Closing = closing
	if err := m.change(context.WithoutCancel(ctx), r, s); err != nil {
		return fmt.Errorf("changing a session: %w", err)
	}
	return nil
}
