package sessions

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A way out is for whoever must prove who he is, not for whoever wants to read the news. What a station had is forgotten at
// a restart; how much a reach carries the kernel bounds.
const (
	longestReach  = 10 * time.Minute
	reachPause    = 5 * time.Minute // until a station may have the next one
	anyReachPause = 24 * time.Hour  // the same, after one that led to any address
	maxReached    = 4096            // stations remembered; random MACs must not fill the memory
)

// Reaches opens ways out. The one that a station has is replaced, and ends by itself: on time with the daemon dead, and when the
// station is admitted or blocked.
type Reaches interface {
	OpenReach(ctx context.Context, r Reach) error
}

// ErrNoReach says that this gateway has no way out for captive stations.
var ErrNoReach = errors.New("captive stations have no way out here: that needs nftables")

// reached is the way out that a station had last. Times are Mono.
type reached struct {
	anywhere      bool
	ends          time.Duration
	next, nextAny time.Duration // from when on it may have another, or one to any address
}

// OpenReach opens a way out for a captive station and returns for how long. While one holds, another takes its place until the
// same end, so that who chose a wrong provider may choose the right one. A *Refusal says that the station had one lately.
func (m *Manager) OpenReach(ctx context.Context, r Reach) (time.Duration, error) {
	if m.cfg.Reaches == nil {
		return 0, ErrNoReach
	}
	release, err := m.hold(ctx, r.Station)
	if err != nil {
		return 0, err
	}
	defer release()
	m.mu.Lock()
	_, online := m.running[r.Station]
	rule, was, now := m.access.of(r.Station).Kind, m.reached[r.Station], m.cfg.Clock.Mono()
	m.mu.Unlock()
	next := reached{anywhere: len(r.Names) == 0, ends: now + min(r.For, longestReach), nextAny: was.nextAny}
	switch {
	case rule == AccessBlocked:
		return 0, &Refusal{Reason: RefusedBlocked}
	case online:
		return 0, nil
	case now < was.ends && (was.anywhere || !next.anywhere):
		next.ends = min(next.ends, was.ends)
	case next.anywhere && now < was.nextAny:
		return 0, &Refusal{Reason: RefusedTooOften, RetryAfter: was.nextAny - now}
	case now < was.next:
		return 0, &Refusal{Reason: RefusedTooOften, RetryAfter: was.next - now}
	}
	if next.next = next.ends + reachPause; next.anywhere {
		next.nextAny = next.ends + anyReachPause
	}
	r.For = next.ends - now
	if err := m.cfg.Reaches.OpenReach(ctx, r); errors.Is(err, ErrEnforcerFull) {
		return 0, &Refusal{Reason: RefusedTooManyOnline}
	} else if err != nil {
		return 0, err
	}
	m.cfg.Logger.Info("a captive station may reach what it signs in with", "station", r.Station, "names", r.Names, "ports", r.Ports, "for", r.For)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rememberReach(r.Station, next)
	return r.For, nil
}

// rememberReach takes down what a station had. When there are too many, those that may have the next soonest are forgotten. The
// caller holds mu.
func (m *Manager) rememberReach(st Station, what reached) {
	if len(m.reached) >= maxReached {
		all := make([]time.Duration, 0, len(m.reached))
		for _, r := range m.reached {
			all = append(all, r.next)
		}
		slices.Sort(all)
		for other, r := range m.reached {
			if r.next <= all[len(all)/8] {
				delete(m.reached, other)
			}
		}
	}
	m.reached[st] = what
}
