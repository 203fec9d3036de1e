package sessions

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// openBook finds the ledger of a session's account, if it is counted, and keeps it in memory until closed is called or,
// once the session runs, until it has ended.
func (m *Manager) openBook(ctx context.Context, s *Session) (b *book, closed func(), err error) {
	if !s.counted() {
		return nil, func() {}, nil
	}
	return m.bookOf(ctx, s.account())
}

func (m *Manager) bookOf(ctx context.Context, account string) (b *book, closed func(), err error) {
	for {
		m.mu.Lock()
		swept := m.swept
		if b = m.books[account]; b != nil {
			b.opened++
		}
		m.mu.Unlock()
		if b != nil {
			return b, func() { m.mu.Lock(); b.opened--; m.mu.Unlock() }, nil
		}
		lines, err := m.cfg.Store.Ledger(ctx, account)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the ledger: %w", err)
		}
		m.mu.Lock()
		if m.books[account] == nil && m.swept == swept { // else what was read may be old already
			m.newBook(account).lines = lines
		}
		m.mu.Unlock()
	}
}

// maxIdleBooks is how many ledgers of accounts without a session are kept in memory.
const maxIdleBooks = 1024

func (m *Manager) newBook(account string) *book {
	if len(m.books) > len(m.running)+maxIdleBooks {
		m.sweepBooks()
	}
	b := &book{account: account, sessions: map[Station]*live{}}
	m.books[account] = b
	return b
}

func (m *Manager) sweepBooks() {
	m.swept++
	for account, b := range m.books {
		if b.opened == 0 && len(b.sessions) == 0 {
			delete(m.books, account)
		}
	}
}

// grace is how far the wall clock may step back over the end of a period without the old one coming back.
const grace = time.Hour

// periodsNow are the starts of the periods that run. They stay as they were while the clock cannot be believed.
func (m *Manager) periodsNow() [periods]string {
	out := m.period
	now, mono := m.cfg.Clock.Now(), m.cfg.Clock.Mono()
	switch {
	case m.believable(now):
		m.bootedAt = now.Add(-mono)
	case m.bootedAt.IsZero():
		return out
	default:
		now = m.bootedAt.Add(mono)
	}
	quarter := now.Unix() / 900 // no time zone has a day begin within one
	if quarter == m.periodAt {
		return out
	}
	m.periodAt = quarter
	now = now.In(m.cfg.TimeZone)
	for p := range periods {
		if start := p.Start(now); start > out[p] || p.Start(now.Add(grace)) < out[p] {
			out[p] = start
		}
	}
	return out
}

const rollChunk = 100 // sessions of one commit, so that a login never waits long for it (DESIGN D7)

// rollOver brings sessions and ledgers into the periods that run now.
func (m *Manager) rollOver(ctx context.Context) {
	m.rolling <- struct{}{}
	defer func() { <-m.rolling }()
	m.mu.Lock()
	now := m.periodsNow()
	var late []Spent
	for _, b := range m.books {
		late = append(late, b.late(now)...)
	}
	if now != m.period { // after late, which dates what ended before the date was known
		m.sweepBooks()
	}
	m.period = now
	var due []Station
	for st, r := range m.running {
		if r.book != nil && r.cutAt == nil && r.Marks.starts() != now {
			due = append(due, st)
		}
	}
	m.mu.Unlock()
	if now[Day] == "" {
		return
	}
	m.dateTrials(ctx)
	for chunk := range slices.Chunk(late, 2*rollChunk) { // by twos: what is taken from one line goes to another
		m.commitSpent(ctx, Batch{Spent: chunk}, nil)
	}
	for chunk := range slices.Chunk(due, rollChunk) {
		m.rollSessions(ctx, chunk, now)
	}
}

func (m Marks) starts() (out [periods]string) {
	for p := range m {
		out[p] = m[p].Start
	}
	return out
}

// rollSessions writes what sessions used in the periods that are over, and begins counting anew.
func (m *Manager) rollSessions(ctx context.Context, stations []Station, now [periods]string) {
	mine, release := m.takeFree(stations)
	defer release()
	var b Batch
	marks := map[*live]Marks{}
	m.mu.Lock()
	for _, st := range mine {
		r, ok := m.running[st]
		if !ok || r.book == nil || r.cutAt != nil {
			continue
		}
		s := m.now(r)
		b.Spent = append(b.Spent, s.roll(now)...)
		b.Sessions = append(b.Sessions, s)
		marks[r] = s.Marks
	}
	m.mu.Unlock()
	if len(b.Sessions) > 0 {
		m.commitSpent(ctx, b, marks)
	}
}

// roll moves the marks of a session to the periods that run and returns what it used in those that are over. What belongs
// to no date yet, or to one after these periods, goes along.
func (s *Session) roll(now [periods]string) []Spent {
	var out []Spent
	for p := range s.Marks {
		m := &s.Marks[p]
		if m.Start != "" && m.Start < now[p] {
			if d, ok := settledIn(s, Period(p), *m); ok {
				out = append(out, d)
			}
			used := s.Usage.octets()
			m.Up, m.Down, m.Used = used.up, used.down, s.Used
		}
		m.Start = now[p]
	}
	return out
}

// commitSpent makes lines of the ledger durable and takes them into memory, with the marks of sessions. What fails is
// tried again with the next poll.
func (m *Manager) commitSpent(ctx context.Context, b Batch, marks map[*live]Marks) {
	if err := m.cfg.Store.Commit(context.WithoutCancel(ctx), b); err != nil {
		m.cfg.Logger.Error("bringing the ledger into a new period", "err", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for r, now := range marks {
		r.Marks = now
	}
	m.addSpent(b.Spent)
}

// addSpent takes durable lines into the ledgers that are in memory. The caller holds mu.
func (m *Manager) addSpent(lines []Spent) {
	for _, l := range lines {
		if b := m.books[l.Account]; b != nil {
			b.add([]Spent{l})
			b.trim(m.period)
		}
	}
}
