package central

import (
	"strconv"
	"sync"
	"time"
)

// guessRate is how often a password may be wrong: burst times at once, then once per interval (GCRA).
type guessRate struct {
	burst    int
	interval time.Duration
}

var (
	guessPerUser   = guessRate{burst: 10, interval: 15 * time.Second} // and asker
	guessPerCaller = guessRate{burst: 300, interval: time.Second}     // a gateway, or a token
)

const maxGuessKeys = 1 << 16

// guessLimit remembers per key GCRA's theoretical arrival time, on the clock that never jumps.
type guessLimit struct {
	mu  sync.Mutex
	tat map[string]time.Duration
}

func newGuessLimit() *guessLimit { return &guessLimit{tat: make(map[string]time.Duration)} }

// guess is one attempt of a caller at a user's password.
type guess struct{ caller, user string }

func guessOf(kind string, id int64, username string) guess {
	caller := kind + strconv.FormatInt(id, 10)
	return guess{caller: caller, user: caller + " " + username}
}

// take counts a guess before its password is checked, so that many at once get no further than one after the other. wait
// is how long the caller has to; zero: go ahead.
func (g *guessLimit) take(now time.Duration, of guess) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait = max(g.ahead(now, of.user, guessPerUser), g.ahead(now, of.caller, guessPerCaller))
	if wait > 0 {
		return wait
	}
	g.forget(now)
	g.tat[of.user] = max(g.tat[of.user], now) + guessPerUser.interval
	g.tat[of.caller] = max(g.tat[of.caller], now) + guessPerCaller.interval
	return 0
}

// right takes a guess back: its password was right.
func (g *guessLimit) right(of guess) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tat[of.user] -= guessPerUser.interval
	g.tat[of.caller] -= guessPerCaller.interval
}

func (g *guessLimit) ahead(now time.Duration, key string, r guessRate) time.Duration {
	return max(0, g.tat[key]-now-time.Duration(r.burst-1)*r.interval)
}

// forget drops what no longer limits anything once there are many keys. A caller can keep only as many alive as
// guessPerCaller lets it make.
func (g *guessLimit) forget(now time.Duration) {
	if len(g.tat) < maxGuessKeys {
		return
	}
	for key, tat := range g.tat {
		if tat <= now {
			delete(g.tat, key)
		}
	}
}
