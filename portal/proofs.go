package portal

import (
	"sync"
	"time"

	"gatehouse/sessions"
)

// proofs is what stations have begun to prove. A guest closes the sheet to read his mail and comes back without a cookie: the
// station is what he is known by. It is kept in memory alone: after a restart of the daemon he asks for another code.
type proofs struct {
	mu sync.Mutex
	by map[sessions.Station]*proof
}

// proof is one that waits for its guest.
type proof struct {
	request      sessions.ProofRequest // to be sent again
	ticket       sessions.Password
	accepted     acceptance // of terms, as it was begun with
	reach        time.Duration
	begun        time.Duration // Mono, as the rest
	resend, ends time.Duration
	ready        bool
	lookedAt     time.Duration
}

const (
	maxProofs = 2048 // that wait at once; random MAC addresses must not fill the memory
	lookAfter = 5 * time.Second
)

func (p *proofs) of(st sessions.Station, now time.Duration) (proof, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	got, ok := p.by[st]
	if !ok || now >= got.ends {
		delete(p.by, st)
		return proof{}, false
	}
	return *got, true
}

// put keeps what a station has begun, in the place of what it had. When there are too many the one that ends first is dropped.
func (p *proofs) put(st sessions.Station, what proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = make(map[sessions.Station]*proof)
	}
	if _, there := p.by[st]; !there && len(p.by) >= maxProofs {
		var first sessions.Station
		for other, b := range p.by {
			if f, ok := p.by[first]; !ok || b.ends < f.ends {
				first = other
			}
		}
		delete(p.by, first)
	}
	p.by[st] = &what
}

func (p *proofs) drop(st sessions.Station) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.by, st)
}

// look tells whether the centre is to be asked now how a proof stands: pages that look again by themselves must not ask it at every turn.
func (p *proofs) look(st sessions.Station, now time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.by[st]
	if !ok || b.ready || b.lookedAt > 0 && now-b.lookedAt < lookAfter {
		return false
	}
	b.lookedAt = now
	return true
}

func (p *proofs) agreed(st sessions.Station) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := p.by[st]; ok {
		b.ready = true
	}
}
