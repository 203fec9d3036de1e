package central

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pace is how often something may be done: burst times at once, then once per interval (GCRA).
type pace struct {
	name     string
	burst    int
	interval time.Duration
}

func (p pace) window() time.Duration { return time.Duration(p.burst) * p.interval }

// allowance is one key that is counted, and how often it may be.
type allowance struct {
	key  string
	pace pace
}

const maxLimitKeys = 1 << 16

// limiter counts by key. It remembers GCRA's theoretical arrival time, on the clock that never jumps, for at most maxLimitKeys
// keys: when there are more it forgets those that limit nothing, and then any.
type limiter struct {
	mu  sync.Mutex
	tat map[string]time.Duration
}

func newLimiter() *limiter { return &limiter{tat: make(map[string]time.Duration)} }

// standing is how much is left of an allowance.
type standing struct {
	allowance
	remaining int
	reset     time.Duration // until all of it is there again
}

// take counts one against every allowance, or against none when one of them is used up; wait is how long until it is not. least is
// the allowance of which the smallest part is left.
func (l *limiter) take(now time.Duration, list ...allowance) (wait time.Duration, least standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range list {
		if w := l.tat[a.key] + a.pace.interval - now - a.pace.window(); w > wait {
			wait, least = w, standing{a, 0, l.tat[a.key] - now}
		}
	}
	if wait > 0 {
		return wait, least
	}
	l.forget(now)
	left := 2.0
	for _, a := range list {
		tat := max(l.tat[a.key], now) + a.pace.interval
		l.tat[a.key] = tat
		free := a.pace.window() - (tat - now)
		if part := float64(free) / float64(a.pace.window()); part < left {
			left, least = part, standing{a, int(free / a.pace.interval), tat - now}
		}
	}
	return 0, least
}

// giveBack undoes a take.
func (l *limiter) giveBack(list ...allowance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range list {
		if _, ok := l.tat[a.key]; ok {
			l.tat[a.key] -= a.pace.interval
		}
	}
}

func (l *limiter) forget(now time.Duration) {
	if len(l.tat) < maxLimitKeys {
		return
	}
	for key, tat := range l.tat {
		if tat <= now {
			delete(l.tat, key)
		}
	}
	for key := range l.tat { // somebody uses very many keys at once
		if len(l.tat) < maxLimitKeys*15/16 {
			return
		}
		delete(l.tat, key)
	}
}

// announce tells a caller how much is left: RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-10, and the
// three fields of its older versions, which most clients know.
func (s standing) announce(h http.Header) {
	p := s.pace
	window, reset := seconds(p.window()), strconv.Itoa(seconds(s.reset))
	h.Set("RateLimit-Policy", `"`+p.name+`";q=`+strconv.Itoa(p.burst)+";w="+strconv.Itoa(window))
	h.Set("RateLimit", `"`+p.name+`";r=`+strconv.Itoa(s.remaining)+";t="+reset)
	h.Set("RateLimit-Limit", strconv.Itoa(p.burst))
	h.Set("RateLimit-Remaining", strconv.Itoa(s.remaining))
	h.Set("RateLimit-Reset", reset)
}
