package leak_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// span is the time from one moment to another; a zero end is none.
type span struct{ from, to time.Time }

// touches tells whether a span has a moment in common with another.
func (s span) touches(from, to time.Time) bool {
	return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
}

// holds tells whether a moment is in the span, and not near its end.
func (s span) holds(at time.Time, margin time.Duration) bool {
	return !s.from.After(at) && (s.to.IsZero() || s.to.After(at.Add(margin)))
}

// until ends a span at a moment, if it does not end before.
func (s *span) until(at time.Time) {
	if s.to.IsZero() || s.to.After(at) {
		s.to = at
	}
}

// state is what a member has, by what the enforcer was told.
type state struct {
	may, sure []span // in which its packets may pass, and in which they must
	capped    []capped
	events    []event
	has       sessions.Grant // of the last Admit; without a session id: none
	ends      window         // of the grant; zero: never
	blocked   bool
	resumes   time.Time // it is silent until then; zero: it talks
	sessions  int
}

// capped is the time in which no more than so many octets could pass.
type capped struct {
	span
	octets uint64
}

// event is a change, from before the call to after it.
type event struct {
	name string
	span
}

// window is when something happens: at the earliest, and at the latest.
type window struct{ earliest, latest time.Time }

// isIdling tells whether silence ends the grant soon.
func (m *state) isIdling() bool { return m.has.IdleTimeout > 0 && m.has.IdleTimeout < time.Minute }

// close ends what the member may do when a change is over, and what it surely may when it begins.
func (m *state) close(s span) {
	if n := len(m.may); n > 0 {
		m.may[n-1].until(s.to)
	}
	if n := len(m.capped); n > 0 {
		m.capped[n-1].until(s.from)
	}
	m.unsure(s.from)
}

func (m *state) unsure(at time.Time) {
	if n := len(m.sure); n > 0 {
		m.sure[n-1].until(at)
	}
}

// open begins what the member's grant allows: perhaps when a change begins, surely when it is over.
func (m *state) open(s span) {
	if m.has.AcctSessionID == "" {
		return
	}
	may := span{from: s.from}
	if m.has.Timeout > 0 {
		may.to = m.ends.latest.Add(lab.Patience(late))
	}
	if !m.resumes.IsZero() && m.isIdling() { // also of who is blocked: the list may let go of him before he has idled out
		m.idlesFrom(&may, s.to)
	}
	if !m.blocked {
		m.may = append(m.may, may)
	}
}

// idlesFrom says that nothing is heard of the member from a moment on, until it surely has idled out.
func (m *state) idlesFrom(may *span, at time.Time) {
	at = at.Add(m.has.IdleTimeout + lab.Patience(idleLate))
	may.until(at)
	m.resumes = at.Add(50 * time.Millisecond)
}

// surely begins the time in which the member's packets must pass.
func (m *state) surely(from time.Time) {
	if m.blocked || m.has.AcctSessionID == "" || m.isIdling() || m.has.Caps != nil {
		return
	}
	s := span{from: from}
	if m.has.Timeout > 0 {
		s.to = m.ends.earliest.Add(-lab.Patience(late))
	}
	m.sure = append(m.sure, s)
}

// history is what happened to the member shortly before and after a moment.
func (m *state) history(at time.Time) string {
	var b strings.Builder
	for _, e := range m.events {
		if d := e.to.Sub(at); d > -5*time.Second && d < 5*time.Second {
			fmt.Fprintf(&b, "; %s from %s to %s", e.name, stampOf(e.from), stampOf(e.to))
		}
	}
	return "what happened" + b.String()
}

// chaos changes the states of a crowd.
type chaos struct {
	*rig
	crowd  []*member
	random *rand.Rand
	free   []span // in which the gateway had no rules
	counts map[string]int
}

func (c *chaos) stations() (all []*station) {
	for _, m := range c.crowd {
		all = append(all, m.station)
	}
	return all
}

// some are up to n members.
func (c *chaos) some(n int) (chosen []*member) {
	for _, i := range c.random.Perm(len(c.crowd))[:1+c.random.IntN(n)] {
		chosen = append(chosen, c.crowd[i])
	}
	return chosen
}

// step makes one change.
func (c *chaos) step() {
	c.resume()
	switch n := c.random.IntN(1000); {
	case n < 400:
		c.admit(c.some(6))
	case n < 700:
		c.cut(c.some(5))
	case n < 850:
		c.hush(c.some(20))
	case n < 900:
		c.block(c.some(4))
	case n < 910:
		c.reconcileAll("reconciled", func() {})
	case n < 920:
		c.reconcileAll("restarted", func() {
			c.restart()
			c.must(c.fw.SetBlocked(c.t.Context(), c.blocked()))
		})
	case n < 925:
		c.lose()
	case n < 927:
		c.flapping()
	}
	c.wait(time.Duration(c.random.IntN(8)) * time.Millisecond)
}

// during calls f and returns the time that it took; it becomes part of the members' history. The time is the wall clock's, as
// packets have it.
func (c *chaos) during(name string, members []*member, f func()) span {
	from := time.Now().Round(0)
	f()
	s := span{from, time.Now().Round(0)}
	c.counts[name]++
	for _, m := range members {
		m.events = append(m.events, event{name, s})
	}
	return s
}

// admit gives grants of all sorts, also to those that have one.
func (c *chaos) admit(members []*member) {
	name := [...]string{"admitted", "admitted", "admitted for a time", "admitted until idle", "admitted with a cap", "admitted with a long idle timeout"}[c.random.IntN(6)]
	grants := make([]sessions.Grant, len(members))
	for i, m := range members {
		if m.has.AcctSessionID == "" || c.random.IntN(4) == 0 {
			m.sessions++
		}
		g := &grants[i]
		*g = sessions.Grant{Station: m.id(), AcctSessionID: fmt.Sprintf("station-%d-session-%d", m.mac[5], m.sessions)}
		switch name {
		case "admitted for a time":
			g.Timeout = time.Duration(50+c.random.IntN(1000)) * time.Millisecond
		case "admitted until idle":
			g.IdleTimeout = 300 * time.Millisecond
		case "admitted with a long idle timeout":
			g.IdleTimeout = time.Hour
		case "admitted with a cap":
			g.Caps = []sessions.Cap{{Name: g.AcctSessionID, Version: c.random.Uint32(), Up: uint64(100 + c.random.IntN(2000))}}
		}
	}
	s := c.during(name, members, func() { c.must(c.fw.Admit(c.t.Context(), grants...)) })
	for i, m := range members {
		m.has, m.ends = grants[i], window{s.from.Add(grants[i].Timeout), s.to.Add(grants[i].Timeout)}
		m.close(s)
		m.open(s)
		m.surely(s.to)
		if m.has.Caps != nil {
			m.capped = append(m.capped, capped{span{from: s.to}, m.has.Caps[0].Up})
		}
	}
}

func (c *chaos) cut(members []*member) {
	ids := make([]sessions.Station, len(members))
	for i, m := range members {
		ids[i] = m.id()
	}
	s := c.during("cut", members, func() {
		_, err := c.fw.Cut(c.t.Context(), ids...)
		c.must(err)
	})
	for _, m := range members {
		m.close(s)
		m.has = sessions.Grant{}
	}
	if c.random.IntN(2) == 0 {
		c.must(c.fw.Release(c.t.Context(), ids...))
	}
}

// hush makes members with a short idle timeout silent until it surely is over.
func (c *chaos) hush(members []*member) {
	for _, m := range members {
		if m.has.AcctSessionID == "" || !m.isIdling() || !m.resumes.IsZero() || len(m.may) == 0 {
			continue
		}
		s := c.during("silent", []*member{m}, func() { m.setSilent(true) })
		m.idlesFrom(&m.may[len(m.may)-1], s.to)
	}
}

func (c *chaos) resume() {
	for _, m := range c.crowd {
		if m.resumes.IsZero() || time.Now().Before(m.resumes) {
			continue
		}
		c.during("talking again", []*member{m}, func() { m.setSilent(false) })
		m.resumes = time.Time{}
		if m.isIdling() {
			m.has = sessions.Grant{}
		}
	}
}

// block puts members on the list, or takes them off it. Who gets on it is cut, but may be admitted again, which must not help.
func (c *chaos) block(members []*member) {
	var cut []sessions.Station
	for _, m := range members {
		if m.blocked = !m.blocked; m.blocked {
			cut = append(cut, m.id())
		}
	}
	s := c.during("blocked or no more", members, func() {
		c.must(c.fw.SetBlocked(c.t.Context(), c.blocked()))
		_, err := c.fw.Cut(c.t.Context(), cut...)
		c.must(err)
	})
	for _, m := range members {
		m.close(s)
		if m.blocked {
			m.has = sessions.Grant{}
		}
		m.open(s)
		m.surely(s.to)
	}
}

func (c *chaos) blocked() (all []sessions.Station) {
	for _, m := range c.crowd {
		if m.blocked {
			all = append(all, m.id())
		}
	}
	return all
}

// reconcileAll makes the firewall hold what the members should have now, after something happened.
func (c *chaos) reconcileAll(name string, happens func()) span {
	s := c.during(name, c.crowd, func() {
		happens()
		var want []sessions.Grant
		now := time.Now()
		for _, m := range c.crowd {
			if m.has.Timeout > 0 {
				m.has.Timeout = m.ends.earliest.Sub(now).Truncate(time.Millisecond)
				if m.has.Timeout <= 0 {
					m.has = sessions.Grant{}
				}
			}
			if m.has.AcctSessionID != "" {
				want = append(want, m.has)
			}
		}
		c.reconcile(want...)
	})
	for _, m := range c.crowd {
		if n := len(m.may); n > 0 {
			m.may[n-1].until(s.to)
		}
		if again := s.to.Add(m.has.Timeout); m.has.Timeout > 0 && again.After(m.ends.latest) { // if its end came meanwhile
			m.ends.latest = again
		}
		m.open(s)
	}
	return s
}

// lose takes the rules away, as another program does, and brings them back.
func (c *chaos) lose() {
	lost := time.Now().Round(0)
	for _, m := range c.crowd {
		m.unsure(lost)
		if n := len(m.capped); n > 0 {
			m.capped[n-1].until(lost) // what it has used is lost with the rules
		}
	}
	back := c.reconcileAll("rules lost", func() {
		c.run("nft", "delete table inet gatehouse")
		c.wait(time.Duration(c.random.IntN(20)) * time.Millisecond)
	})
	c.free = append(c.free, span{lost, back.to})
	for _, m := range c.crowd {
		m.surely(back.to)
	}
}

// flapping takes the zone's interface down and up.
func (c *chaos) flapping() {
	s := c.during("interface down and up", c.crowd, func() {
		c.flap()
		c.know(c.stations())
	})
	for _, m := range c.crowd {
		m.unsure(s.from)
		m.surely(s.to)
	}
}
