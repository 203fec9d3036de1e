package sessions

import (
	"cmp"
	"time"
)

// next is when the period after the one that at is in begins, by at's own time zone; zero: never.
func (p Period) next(at time.Time) time.Time {
	if p == Life {
		return time.Time{}
	}
	y, month, d := at.Date()
	switch p {
	case Day:
		d++
	case Week:
		d += 7 - (int(at.Weekday())+6)%7
	case Month:
		month, d = month+1, 1
	}
	next := time.Date(y, month, d, 0, 0, 0, 0, at.Location())
	for p.Start(next) == p.Start(at) { // where the clock is put on at midnight there is none
		next = next.Add(15 * time.Minute)
	}
	return next
}

// online is what sessions of an account have spent online in the periods that run, here and, as far as is known, elsewhere. The caller holds mu.
func (m *Manager) online(b *book) (spent [periods]time.Duration) {
	for p := range periods {
		start := b.current(p, m.period[p])
		for _, l := range b.lines {
			if l.Period == p && (l.Start == "" || l.Start >= start) {
				spent[p] += time.Duration(l.Seconds) * time.Second
			}
		}
		if e := b.elsewhere[p]; e.Start >= start {
			spent[p] += e.Used
		}
		for _, r := range b.sessions {
			if mark := r.Marks[p]; mark.Start == "" || mark.Start >= start {
				spent[p] += m.used(r) - mark.Used
			}
		}
	}
	return spent
}

// among is how many sessions share what an account may use; one where nothing is counted.
func (b *book) among() int {
	if b == nil {
		return 1
	}
	return max(1, len(b.sessions))
}

// allowance is how long one of so many sessions of an account may yet last by what the account may be online; zero: there is
// no such bound. What would last until a period ends lasts into the next, with a share of that: nobody is cut because a day
// is over. The caller holds mu.
func (m *Manager) allowance(s *Session, b *book, among int) (left time.Duration, over *Refusal) {
	if b == nil || s.Limits.Online == (CapsOf[time.Duration]{}) {
		return 0, nil
	}
	now, spent, share := m.cfg.Clock.Now(), m.online(b), time.Duration(among)
	for p, most := range s.Limits.Online.ofAccount() {
		if *most == 0 {
			continue
		}
		rest := *most - spent[p]
		next := Period(p).next(now.In(m.cfg.TimeZone))
		switch known := m.believable(now) && !next.IsZero(); {
		case rest < leastTime && Period(p) == Life:
			over = &Refusal{Reason: RefusedNothingLeft}
		case rest < leastTime && (over == nil || over.Reason == RefusedTimeUp):
			if over = cmp.Or(over, &Refusal{Reason: RefusedTimeUp}); known && next.After(over.Until) {
				over.Until = next
			}
		case known && rest/share >= next.Sub(now):
			rest = share*next.Sub(now) + *most
		}
		left = clamp(left, max(rest/share, 1))
	}
	return left, over
}

// mayUse bounds a session that is to begin by the calendar, and says with a *Refusal that it would be over at once: its account's
// hours are, or what the account may use of time or data is used up.
func (m *Manager) mayUse(s *Session, a *Account, b *book) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	among := 1
	if b != nil {
		among += len(b.sessions)
		b.elsewhere = a.Elsewhere
	}
	if now := m.cfg.Clock.Now(); m.believable(now) {
		open, until := loginHours(s.Limits.LoginTime, now.In(m.cfg.TimeZone))
		if open && !until.IsZero() && until.Sub(now) < leastTime {
			open, until = loginHours(s.Limits.LoginTime, until)
		}
		if !open {
			return &Refusal{Reason: RefusedHours, Until: until}
		}
	}
	if _, over := m.allowance(s, b, among); over != nil {
		return over
	}
	s.Closing = m.closing(s, b, among, nil)
	r := &live{Session: *s, book: b}
	if st := m.standing(r, nil); st.usedUp && !st.Slow {
		return &Refusal{Reason: RefusedCap}
	}
	return nil
}
