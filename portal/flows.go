package portal

import (
	"net/netip"
	"sync"
	"time"

	"gatehouse/sessions"
)

const (
	// flowLife is how long the kernel may remember a closed connection (nf_conntrack_tcp_timeout_time_wait is 120 s), and
	// with it that its ports lead here.
	flowLife    = 150 * time.Second
	maxFlows    = 16   // per station
	maxStations = 2048 // with such flows
)

// flows are the redirected connections, open or closed of late, by station. When there are too many, old ones are
// dropped: a forgotten one costs a guest one more redirect at worst.
type flows struct {
	mu sync.Mutex
	by map[sessions.Station][]flow // each the oldest first
}

type flow struct {
	Flow
	at time.Duration // Mono
}

func (f *flows) add(st sessions.Station, fl Flow, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[sessions.Station][]flow{}
	}
	own, ok := f.by[st]
	if !ok && len(f.by) >= maxStations {
		f.makeRoom(now)
	}
	if len(own) == maxFlows {
		copy(own, own[1:])
		own = own[:maxFlows-1]
	}
	f.by[st] = append(own, flow{fl, now})
}

// makeRoom drops some stations that were not here of late, or any.
func (f *flows) makeRoom(now time.Duration) {
	looked := 0
	for st, own := range f.by {
		if now-own[len(own)-1].at > flowLife || looked == 16 {
			delete(f.by, st)
		}
		if looked++; looked > 16 {
			return
		}
	}
}

// take removes and returns a station's flows, but for those from except.
func (f *flows) take(st sessions.Station, except netip.AddrPort, now time.Duration) []Flow {
	f.mu.Lock()
	own := f.by[st]
	delete(f.by, st)
	f.mu.Unlock()
	var out []Flow
	for _, fl := range own {
		if now-fl.at <= flowLife && fl.Client != except {
			out = append(out, fl.Flow)
		}
	}
	return out
}
