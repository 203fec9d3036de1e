package sessions

import (
	"sync"
	"time"
)

// A guess is a login that was refused for its credentials. Each of these may happen burst times at once and then once
// per interval (GCRA). Right passwords cost nothing.
type guessRate struct {
	burst    int
	interval time.Duration
}

var (
	guessPerStation = guessRate{burst: 8, interval: 15 * time.Second}
	guessPerAccount = guessRate{burst: 20, interval: 15 * time.Second}
	guessPerZone    = guessRate{burst: 500, interval: 200 * time.Millisecond}
	// Codes of vouchers: 8,740 a day, which decision 0021 reckons with.
	guessCodesPerZone = guessRate{burst: 100, interval: 10 * time.Second}
	// Names of guests: a family name is no password. One station alone uses up neither its neighbour's room nor the zone.
	guessNamesPerStation = guessRate{burst: 5, interval: 2 * time.Minute}
	guessNamesPerRoom    = guessRate{burst: 10, interval: time.Minute}
	guessNamesPerZone    = guessCodesPerZone
	// Refusals that are written down: what they are for may cost nothing, and the disk does.
	toldPerStation = guessRate{burst: 16, interval: 15 * time.Second}
	toldPerZone    = guessPerZone
	// Proofs that are begun. The centre has limits of its own.
	proofsPerStation = guessRate{burst: 8, interval: 30 * time.Second}
	proofsPerZone    = guessRate{burst: 100, interval: time.Second}
)

const maxGuessKeys = 8192

type guessKey struct {
	name string
	rate guessRate
}

// guessMark remembers for how long a station counts among those that have guessed wrong.
var guessMark = guessRate{burst: 1 << 20, interval: 30 * time.Minute}

// keys are those of a station's own guesses, and of what it shares with others. Each of these has two halves: one for stations that
// have guessed wrong of late, and one for those that have not. So whoever guesses on from a few devices keeps no other guest out.
func (g *guessLimit) keys(now time.Duration, st Station, what string, own guessRate, shared ...guessKey) []guessKey {
	mark := guessKey{"late " + what + st.String(), guessMark}
	half := "first "
	if g.spent(now, mark) {
		half = "more "
	}
	keys := []guessKey{{what + st.String(), own}, mark}
	for _, k := range shared {
		keys = append(keys, guessKey{half + k.name, guessRate{k.rate.burst / 2, 2 * k.rate.interval}})
	}
	return keys
}

func (m *Manager) passwordGuess(st Station, username string) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "station ", guessPerStation, guessKey{"account " + username, guessPerAccount}, guessKey{"zone " + st.Zone, guessPerZone})
}

func (m *Manager) answerGuess(st Station) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "station ", guessPerStation, guessKey{"zone " + st.Zone, guessPerZone})
}

func (m *Manager) codeGuess(st Station) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "station ", guessPerStation, guessKey{"codes " + st.Zone, guessCodesPerZone})
}

func (m *Manager) roomGuess(st Station, room string) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "names ", guessNamesPerStation,
		guessKey{"room " + st.Zone + " " + room, guessNamesPerRoom}, guessKey{"rooms " + st.Zone, guessNamesPerZone})
}

// pairingGuess bounds guesses at the codes of waiting devices: 5,760 a day and station, of 148 million.
func (m *Manager) pairingGuess(st Station) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "device of ", guessPerStation, guessKey{"devices " + st.Zone, guessCodesPerZone})
}

// proofsBegun bounds what the centre is asked to begin.
func (m *Manager) proofsBegun(st Station) []guessKey {
	return m.guess.keys(m.cfg.Clock.Mono(), st, "proofs ", proofsPerStation, guessKey{"proofs " + st.Zone, proofsPerZone})
}

// guessLimit remembers per key the theoretical arrival time of GCRA, in Mono.
type guessLimit struct {
	mu  sync.Mutex
	tat map[string]time.Duration
}

func newGuessLimit() *guessLimit { return &guessLimit{tat: make(map[string]time.Duration)} }

// wait is how long from now until the next guess is allowed by all keys; zero: now.
func (g *guessLimit) wait(now time.Duration, keys []guessKey) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var longest time.Duration
	for _, k := range keys {
		ahead := g.tat[k.name] - now
		longest = max(longest, ahead-time.Duration(k.rate.burst-1)*k.rate.interval)
	}
	return longest
}

// spent tells whether a key was used up to now and has not come back yet.
func (g *guessLimit) spent(now time.Duration, k guessKey) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tat[k.name] > now
}

// spend counts one guess on all keys.
func (g *guessLimit) spend(now time.Duration, keys []guessKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tat) > maxGuessKeys {
		for name, tat := range g.tat {
			if tat <= now {
				delete(g.tat, name)
			}
		}
	}
	for _, k := range keys {
		g.tat[k.name] = max(g.tat[k.name], now) + k.rate.interval
	}
}
