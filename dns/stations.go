package dns

import (
	"sync"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// What a station may ask. A phone that joins with fifty apps sends some 200 queries in a minute, 40 KB with their answers;
// a tunnel wants 50 queries and more than 10 KB in every second.
const (
	queriesPerSecond = 20
	queriesAtOnce    = 300
	octetsPerSecond  = 4 << 10 // of queries and answers
	octetsAtOnce     = 128 << 10
	refusalsAtOnce   = 50 // before nothing is said any more
)

// What is under way and remembered, at most.
const (
	maxPending           = 512
	maxPendingPerStation = 32
	maxConns             = 64
	maxConnsPerStation   = 8
	maxStations          = 4096
	sweepEvery           = time.Second
)

// verdict is what becomes of a query.
type verdict int

const (
	pass verdict = iota
	refuse
	drop
)

// stations remembers who asked how much.
type stations struct {
	clock clock.Clock

	mu             sync.Mutex
	of             map[sessions.Station]*station
	pending, conns int
	swept          time.Duration // Mono
}

type station struct {
	queries, octets float64 // what is left
	at              time.Duration
	pending, conns  int
	told            bool // the log knows
}

func newStations(c clock.Clock) *stations {
	return &stations{clock: c, of: map[sessions.Station]*station{}}
}

// query takes a query into account. first is true when it is the station's first that is refused. After pass, done must
// be called.
func (s *stations) query(who sessions.Station, octets, weight int) (st *station, v verdict, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.find(who)
	if st.pending >= maxPendingPerStation || s.pending >= maxPending {
		return st, drop, false
	}
	if st.queries < float64(weight) || st.octets <= 0 {
		first, st.told = !st.told, true
		if st.queries <= -refusalsAtOnce {
			return st, drop, first
		}
		st.queries--
		return st, refuse, first
	}
	st.queries -= float64(weight)
	st.octets -= float64(octets * weight)
	st.pending++
	s.pending++
	return st, pass, false
}

// done takes an answer into account.
func (s *stations) done(st *station, octets, weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.octets -= float64(octets * weight)
	st.pending--
	s.pending--
}

// connect counts a connection in; nil: the station has enough. Otherwise disconnect must be called.
func (s *stations) connect(who sessions.Station) *station {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(who)
	if st.conns >= maxConnsPerStation || s.conns >= maxConns {
		return nil
	}
	st.conns++
	s.conns++
	return st
}

func (s *stations) disconnect(st *station) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.conns--
	s.conns--
}

// find is the station's account as of now. When there are too many stations, those that are not known share one.
func (s *stations) find(who sessions.Station) *station {
	now := s.clock.Mono()
	st := s.of[who]
	if st == nil {
		s.sweep(now)
		if len(s.of) >= maxStations {
			who = sessions.Station{}
			st = s.of[who]
		}
	}
	if st == nil {
		st = &station{queries: queriesAtOnce, octets: octetsAtOnce, at: now}
		s.of[who] = st
	}
	st.refill(now)
	return st
}

func (st *station) refill(now time.Duration) {
	seconds := (now - st.at).Seconds()
	st.at = now
	st.queries = min(queriesAtOnce, st.queries+seconds*queriesPerSecond)
	st.octets = min(octetsAtOnce, st.octets+seconds*octetsPerSecond)
}

// sweep forgets stations that have everything left, when the table is full.
func (s *stations) sweep(now time.Duration) {
	if len(s.of) < maxStations || now-s.swept < sweepEvery {
		return
	}
	s.swept = now
	for who, st := range s.of {
		st.refill(now)
		if st.pending == 0 && st.conns == 0 && st.queries == queriesAtOnce && st.octets == octetsAtOnce {
			delete(s.of, who)
		}
	}
}
