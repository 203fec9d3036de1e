package radius

import (
	"net/netip"
	"sync"
	"time"
)

const (
	answersFor = 15 * time.Second // at least, and at most twice as long
	mostKept   = 1 << 16          // answers in memory, twice
)

// packetKey tells two packets apart. A NAS that sends one again sends it unchanged, from the same port (RFC 5080 §2.2.2).
type packetKey struct {
	from          netip.AddrPort
	identifier    byte
	authenticator [authenticatorLen]byte
}

// answers remembers what was answered, so that a packet that is sent again is answered again without work. Beyond its size
// it forgets early, which costs the work.
type answers struct {
	mu          sync.Mutex
	now, before map[packetKey][]byte // empty: not answered yet
	turned      time.Time
}

// begin says what is known of a packet. One that is not known counts from now on as being worked on.
func (a *answers) begin(k packetKey, now time.Time) (answer []byte, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if age := now.Sub(a.turned); a.now == nil || age < 0 || age > answersFor || len(a.now) >= mostKept {
		if age > 2*answersFor {
			a.now = nil
		}
		a.now, a.before, a.turned = make(map[packetKey][]byte), a.now, now
	}
	if answer, known = a.now[k]; !known {
		answer, known = a.before[k]
	}
	if !known {
		a.now[k] = nil
	}
	return answer, known
}

// end keeps the answer to a packet. No answer means that the packet is new when it comes again.
func (a *answers) end(k packetKey, answer []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer != nil {
		a.now[k] = answer
		return
	}
	delete(a.now, k)
	delete(a.before, k)
}
