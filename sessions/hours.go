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
	sortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
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

// bound is what ends a session by time: its own limit, or the calendar. Zero: nothing.
func (s *Session) bound() time.Duration { return clamp(s.Limits.SessionTimeout, s.Closing) }

// closing is when a session ends by the calendar, in time used: its zone closes, its account's hours end, or the account has, as
// one of so many sessions, no more time for now. Zero: it does not. The caller holds mu, and may give what is known of hours.
func (m *Manager) closing(s *Session, b *book, among int, known map[string]time.Duration) time.Duration {
	now := m.cfg.Clock.Now()
	left := func(name string, at func(time.Time) (bool, time.Time)) (left time.Duration) {
		left, ok := known[name]
		if ok {
			return left
		}
		if left = undatedGrant; m.believable(now) {
			switch open, until := at(now.In(m.cfg.TimeZone)); {
			case !open:
				left = 1
			case until.IsZero():
				left = 0
			default:
				left = until.Sub(now)
			}
		}
		if known != nil {
			known[name] = left
		}
		return left
	}
	ends, _ := m.allowance(s, b, among)
	if zone := m.zones[s.Station.Zone]; len(zone.Hours.Spans) > 0 && s.Method != MethodTrusted && s.Method != MethodAdmin {
		ends = clamp(ends, left("zone "+zone.Name, zone.Hours.At))
	}
	if text := s.Limits.LoginTime; text != "" {
		ends = clamp(ends, left(text, func(at time.Time) (bool, time.Time) { return loginHours(text, at) }))
	}
	if ends == 0 {
		return 0
	}
	return s.Used + ends
}

// openAt tells whether zone and account still have their hours as a session ends.
func (m *Manager) openAt(s *Session) bool {
	at, zone := s.StoppedAt.Wall.In(m.cfg.TimeZone), m.zones[s.Station.Zone]
	account, _ := loginHours(s.Limits.LoginTime, at)
	venue, _ := zone.Hours.At(at)
	return venue && account
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

// keepHours moves the ends of sessions to where the calendar has them now: the clock was put right, a period has begun, or another
// session spends the same time. While the clock cannot be believed it moves none away.
func (m *Manager) keepHours(ctx context.Context) {
	sure := m.believable(m.cfg.Clock.Now())
	known := map[string]time.Duration{}
	due := map[Station]time.Duration{}
	m.mu.Lock()
	for st, r := range m.running {
		if m.over(r) || r.Closing == 0 && r.Limits.LoginTime == "" && len(m.zones[st.Zone].Hours.Spans) == 0 {
			continue
		}
		s := m.now(r)
		if ends := m.closing(&s, r.book, r.book.among(), known); (ends-r.Closing).Abs() > clockSlack && (sure || ends < r.Closing) {
			due[st] = ends
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
	if !ok || m.over(r) {
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
