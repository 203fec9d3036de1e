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

func guessKeys(st Station, username string) []guessKey {
	return []guessKey{
		{"station " + st.String(), guessPerStation},
		{"account " + username, guessPerAccount},
		{"zone " + st.Zone, guessPerZone},
	}
}

func codeGuessKeys(st Station) []guessKey {
	return []guessKey{{"station " + st.String(), guessPerStation}, {"codes " + st.Zone, guessCodesPerZone}}
}

func roomGuessKeys(st Station, room string) []guessKey {
	return []guessKey{{"names " + st.String(), guessNamesPerStation}, {"room " + st.Zone + " " + room, guessNamesPerRoom}, {"rooms " + st.Zone, guessNamesPerZone}}
}

// pairingGuessKeys bound guesses at the codes of waiting devices: 5,760 a day and station, of 148 million.
func pairingGuessKeys(st Station) []guessKey {
	return []guessKey{{"device of " + st.String(), guessPerStation}, {"devices " + st.Zone, guessCodesPerZone}}
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
