package sessions

import (
	"cmp"
	"slices"
	"time"
)

// Period is a calendar span for which an account has caps.
type Period int

// The periods. A week begins on Monday (ISO 8601).
const (
	Day Period = iota
	Week
	Month
	Life // of a voucher: it never ends
	periods
)

// Start is the date on which the period began that at is in, by at's own time zone.
func (p Period) Start(at time.Time) string {
	y, m, d := at.Date()
	switch p {
	case Life:
		return lifeStart
	case Week:
		d -= (int(at.Weekday()) + 6) % 7
	case Month:
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// lifeStart stands where a date of other periods does.
const lifeStart = "life"

// Spent is a line of the ledger: what an account has used in one period, by sessions that have ended or have gone over
// into another period since, and what it was given on top of its caps. What a running session uses comes from its Usage
// and its Marks, so that the two can never be counted twice. In a Batch it is a difference, and may be negative.
type Spent struct {
	Account string
	Period  Period
	Start   string // date; empty: used while the clock was not believable, and counts for the period known next
	Up      int64  // octets, from the station
	Down    int64
	Extra   int64  // octets, added to every bound
	Seconds int64  // spent online
	First   *Stamp // when a voucher was first used here; the first one counts
	Full    uint32 // names the bounds that were found used up; zero: none. Not a difference: the last one counts
}

// Mark says to which period of its account a session's usage belongs, from Up and Down on, and its time from Used on.
type Mark struct {
	Start string        `json:"start,omitempty"` // as in Spent
	Up    Bytes         `json:"up,omitempty"`
	Down  Bytes         `json:"down,omitempty"`
	Used  time.Duration `json:"used,omitempty"`
}

// Marks are those of the day, the week and the month.
type Marks [periods]Mark

// book is the ledger of one account in memory, and the running sessions that count into it. The manager's mu guards it.
type book struct {
	account    string
	lines      []Spent
	sessions   map[Station]*live
	elsewhere  Marks         // what sessions at other gateways have lasted
	opened     int           // by logins on their way
	admittedAt time.Duration // Mono of the last Admit of one of the sessions
}

// add takes in differences that are in the store.
func (b *book) add(all []Spent) {
	for _, d := range all {
		i := slices.IndexFunc(b.lines, func(l Spent) bool { return l.Period == d.Period && l.Start == d.Start })
		if i < 0 {
			b.lines = append(b.lines, d)
			continue
		}
		l := &b.lines[i]
		l.Up, l.Down, l.Extra, l.Seconds = l.Up+d.Up, l.Down+d.Down, l.Extra+d.Extra, l.Seconds+d.Seconds
		l.First = cmp.Or(l.First, d.First)
		if d.Full != 0 {
			l.Full = d.Full
		}
	}
}

// current is the period that runs, now being what the clock says: while it says nothing the last one known goes on.
func (b *book) current(p Period, now string) string {
	if now != "" {
		return now
	}
	for _, l := range b.lines {
		if l.Period == p {
			now = max(now, l.Start)
		}
	}
	for _, r := range b.sessions {
		now = max(now, r.Marks[p].Start)
	}
	return now
}

// tally is what an account has used in the periods that run.
type tally [periods]struct {
	start string
	used  octets
	extra Bytes
	full  uint32
}

// tally adds up a book. What has no date, or one after the period that runs, counts into that one: the clock was not yet
// believable, or ran ahead, and neither is a reason to get the allowance twice.
func (b *book) tally(now [periods]string) tally {
	var t tally
	for p := range periods {
		s := &t[p]
		s.start = b.current(p, now[p])
		for _, l := range b.lines {
			if l.Period == p && (l.Start == "" || l.Start >= s.start) {
				s.used = s.used.plus(octets{Bytes(max(0, l.Up)), Bytes(max(0, l.Down))})
				s.extra += Bytes(max(0, l.Extra))
			}
			if l.Period == p && l.Start == s.start {
				s.full = l.Full
			}
		}
		for _, r := range b.sessions {
			if m := r.Marks[p]; m.Start == "" || m.Start >= s.start {
				s.used = s.used.plus(r.Usage.octets().minus(octets{m.Up, m.Down}))
			}
		}
	}
	return t
}

// late are the differences that bring lines without a date, or with one that is still to come, into the period that runs.
func (b *book) late(now [periods]string) []Spent {
	var out []Spent
	for _, l := range b.lines {
		cur := now[l.Period]
		empty := l.Up == 0 && l.Down == 0 && l.Extra == 0 && l.Seconds == 0
		if cur == "" || empty || l.Start != "" && l.Start <= cur {
			continue
		}
		l.Full = 0
		back := l
		back.Up, back.Down, back.Extra, back.Seconds = -l.Up, -l.Down, -l.Extra, -l.Seconds
		l.Start = cur
		out = append(out, l, back)
	}
	return out
}

// trim forgets what is over but for the last period before the one that runs: a clock that ran ahead may come back to it.
func (b *book) trim(now [periods]string) {
	b.lines = slices.DeleteFunc(b.lines, func(l Spent) bool {
		return slices.ContainsFunc(b.lines, func(n Spent) bool {
			return n.Period == l.Period && l.Start != "" && l.Start < n.Start && n.Start < now[l.Period]
		})
	})
}

// settled are the lines for what a session has used since its marks.
func settled(s *Session) []Spent {
	var out []Spent
	for p, m := range s.Marks {
		if d, ok := settledIn(s, Period(p), m); ok {
			out = append(out, d)
		}
	}
	return out
}

func settledIn(s *Session, p Period, m Mark) (Spent, bool) {
	used := s.Usage.octets().minus(octets{m.Up, m.Down})
	d := Spent{Account: s.account(), Period: p, Start: m.Start, Up: int64(used.up), Down: int64(used.down)}
	if timed := s.Limits.Online != (CapsOf[time.Duration]{}); timed || p == Life {
		d.Seconds = int64((s.Used - m.Used).Round(time.Second) / time.Second)
	}
	if p == Life {
		return d, s.VoucherID != 0 || s.Limits.Caps.Life != Volume{} || s.Limits.Online.Life != 0
	}
	return d, (used != octets{} || d.Seconds != 0) && s.counted()
}

// account is whose ledger a session counts into: that of its account, or of its station where it is nobody's.
func (s *Session) account() string {
	if s.Source == SourceGuest {
		return string(SourceGuest) + "/" + s.Station.String()
	}
	return string(s.Source) + "/" + s.Username
}

// counted tells whether the session counts into a ledger: whether its account has a cap, or is a voucher.
func (s *Session) counted() bool {
	return s.VoucherID != 0 || s.Limits.Online != CapsOf[time.Duration]{} || s.Limits.Caps.Life != Volume{} || s.Limits.Caps.Day != Volume{} || s.Limits.Caps.Week != Volume{} || s.Limits.Caps.Month != Volume{}
}
