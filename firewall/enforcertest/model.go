package enforcertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// model is what an enforcer should have, as far as it can be known from outside: when a session ends is known by the times
// before and after the call that said so.
type model struct {
	late   time.Duration
	grants map[sessions.Station][]*grant // the latest at the end
	caps   map[string]*capacity          // by name
	// blocked reach nothing, whatever they have.
	blocked map[sessions.Station]bool
}

type grant struct {
	sessions.Grant
	cut          bool
	ends, silent window
	least, most  sessions.Usage // they differ where a packet met the end
}

// window is when something becomes true: not before from, surely at to. The zero window is never.
type window struct{ from, to time.Time }

func (w window) isNever() bool             { return w.from.IsZero() }
func (w window) isOver(at time.Time) bool  { return !w.isNever() && !at.Before(w.to) }
func (w window) isAhead(at time.Time) bool { return w.isNever() || at.Before(w.from) }

func newModel(late time.Duration) *model {
	return &model{late: late, grants: map[sessions.Station][]*grant{}, caps: map[string]*capacity{}, blocked: map[sessions.Station]bool{}}
}

// tick is how much the kernel's clock for timeouts may be ahead of time.
const tick = 20 * time.Millisecond

// after is the window of what begins between begun and ended and takes d; zero takes for ever.
func (m *model) after(d time.Duration, begun, ended time.Time) window {
	if d == 0 {
		return window{}
	}
	return window{begun.Add(d - lab.Patience(tick)), ended.Add(d + lab.Patience(m.late))}
}

func (m *model) latest(s sessions.Station) *grant {
	if all := m.grants[s]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// isLive is for a moment at which it is certain.
func (g *grant) isLive(at time.Time) bool {
	return g != nil && !g.cut && g.ends.isAhead(at) && g.silent.isAhead(at)
}

// vagueUntil is the end of the last window that the time between two moments touches, or zero when none is.
func (g *grant) vagueUntil(from, to time.Time) (until time.Time) {
	for _, w := range []window{g.ends, g.silent} {
		if !g.cut && !w.isAhead(to) && !w.isOver(from) && w.to.After(until) {
			until = w.to
		}
	}
	return until
}

func (m *model) vagueUntil(from, to time.Time) (until time.Time) {
	for _, all := range m.grants {
		for _, g := range all {
			if u := g.vagueUntil(from, to); u.After(until) {
				until = u
			}
		}
	}
	return until
}

func (m *model) admit(wanted sessions.Grant, begun, ended time.Time) {
	g := m.latest(wanted.Station)
	if g == nil || g.AcctSessionID != wanted.AcctSessionID {
		if g != nil {
			g.cut = true
		}
		g = &grant{}
		m.grants[wanted.Station] = append(m.grants[wanted.Station], g)
	}
	g.Grant, g.cut = wanted, false
	m.cap(wanted.Caps)
	g.ends, g.silent = m.after(wanted.Timeout, begun, ended), m.after(wanted.IdleTimeout, begun, ended)
}

// cut takes down that the latest session of a station is over, and checks its final reading.
func (m *model) cut(s sessions.Station, r sessions.Reading) error {
	g := m.latest(s)
	if g == nil {
		if diff := cmp.Diff(sessions.Reading{}, r); diff != "" {
			return fmt.Errorf("the final reading of a station without a session: %s", diff)
		}
		return nil
	}
	g.cut = true
	if r.Station != s || r.AcctSessionID != g.AcctSessionID || r.Live || r.IdleLeft >= 0 {
		return fmt.Errorf("the final reading of %s is %+v", g.AcctSessionID, r)
	}
	return g.count(r.Usage)
}

// release forgets what has ended at a moment at which that is certain.
func (m *model) release(s sessions.Station, at time.Time) {
	m.grants[s] = slices.DeleteFunc(m.grants[s], func(g *grant) bool { return !g.isLive(at) })
}

func (m *model) forgetAll() { clear(m.grants); clear(m.caps) }

func (m *model) reconcile(want []sessions.Grant, begun, ended time.Time) {
	wanted := map[string]bool{}
	for _, g := range want {
		wanted[g.AcctSessionID] = true
	}
	for s, all := range m.grants {
		m.grants[s] = slices.DeleteFunc(all, func(g *grant) bool { return !wanted[g.AcctSessionID] })
	}
	for _, g := range want {
		// What ended before the end of the call was admitted again.
		if old := m.latest(g.Station); old == nil || old.AcctSessionID != g.AcctSessionID || !old.isLive(ended) {
			m.admit(g, begun, ended)
		}
	}
}

// count checks a counter; from now on it is certain.
func (g *grant) count(got sessions.Usage) error {
	within := func(least, got, most uint64) bool { return least <= got && got <= most }
	if !within(g.least.InputOctets, got.InputOctets, g.most.InputOctets) ||
		!within(g.least.InputPackets, got.InputPackets, g.most.InputPackets) ||
		!within(g.least.OutputOctets, got.OutputOctets, g.most.OutputOctets) ||
		!within(g.least.OutputPackets, got.OutputPackets, g.most.OutputPackets) {
		return fmt.Errorf("%s has counted %+v; %+v passed, %+v at most", g.AcctSessionID, got, g.least, g.most)
	}
	g.least, g.most = got, got
	return nil
}

// compare checks the readings that were taken between two moments without a window between them.
func (m *model) compare(readings []sessions.Reading, begun, ended time.Time) error {
	of := map[string]sessions.Reading{}
	for _, r := range readings {
		if _, twice := of[r.AcctSessionID]; twice {
			return fmt.Errorf("two readings of %s", r.AcctSessionID)
		}
		of[r.AcctSessionID] = r
	}
	for _, all := range m.grants {
		for _, g := range all {
			r, there := of[g.AcctSessionID]
			if !there {
				return fmt.Errorf("there is no reading of %s", g.AcctSessionID)
			}
			delete(of, g.AcctSessionID)
			if err := g.compare(r, begun, ended); err != nil {
				return err
			}
			if capped, sure := m.isCapped(g); sure && r.Live && r.Capped != capped {
				return fmt.Errorf("%s should be capped %v: %+v", g.AcctSessionID, capped, r)
			}
		}
	}
	for session := range of {
		return fmt.Errorf("there is a reading of %s, which should be forgotten", session)
	}
	return nil
}

func (g *grant) compare(r sessions.Reading, begun, ended time.Time) error {
	live := g.isLive(begun)
	idled := !g.cut && g.ends.isAhead(begun) && g.silent.isOver(begun)
	if r.Station != g.Station || r.Live != live || r.Idled != idled {
		return fmt.Errorf("%s should be live %v, idled %v: %+v", g.AcctSessionID, live, idled, r)
	}
	if hasLeft := live && g.IdleTimeout > 0; hasLeft != (r.IdleLeft >= 0) || r.IdleLeft > g.IdleTimeout ||
		hasLeft && r.IdleLeft < g.silent.from.Sub(ended) {
		return fmt.Errorf("%s may be silent for %v: %+v", g.AcctSessionID, g.silent.from.Sub(ended), r)
	}
	return g.count(r.Usage)
}
