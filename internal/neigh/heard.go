package neigh

import (
	"bytes"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"gatehouse/sessions"
)

// Facts are what a station says of itself. Anybody can say anything: it is for people to read, not for decisions.
type Facts struct {
	Name   string // DHCP host name: letters, digits and few other signs, at most 63 octets
	Vendor string // DHCP vendor class, the same
	// Suspicions are the reasons to doubt that this is one station, of the last ten minutes, in the order of their kinds.
	Suspicions []Suspicion
	// MovedAt is when (Mono) a bridge last saw the station behind another port than before; 0: never. Who speaks in the
	// name of a station behind another port moves it.
	MovedAt time.Duration
}

// Suspicion is a kind of evidence that a station is not the one whose address it uses.
type Suspicion string

// The suspicions.
const (
	TwoPorts     Suspicion = "two-ports"      // its MAC address is behind two bridge ports by turns
	TwoClientIDs Suspicion = "two-client-ids" // its MAC address asks DHCP as two clients by turns
	TwoMACs      Suspicion = "two-macs"       // it and another MAC address use one IP address by turns
	AsRouter     Suspicion = "as-router"      // it says that an address of the router is its own
)

// Suspect is a station and the evidence against it.
type Suspect struct {
	MAC  [6]byte
	What Suspicion
	// Rival and it use Addr by turns, of TwoMACs.
	Rival [6]byte
	Addr  netip.Addr
}

// What came back to what it was within its window, so many times in a row, is two and not one that changed.
const (
	portWindow   = 5 * time.Second // a phone between two access points changes too, but slower
	portReturns  = 3
	idWindow     = 5 * time.Minute // starting one system after the other gives two ids, but does not take turns
	claimWindow  = time.Minute
	episode      = 10 * time.Minute // how long one suspicion lasts, and is logged once
	sightEvery   = time.Second      // how often the same sighting is told
	suspectEvery = 10 * time.Second // and the same suspicion
	settling     = 2 * time.Second  // a bridge learns a new station's port before it is heard, or as soon
	maxStation   = 4096
	strangerRate = 100 // stations per second that are taken in; a coach arrives with fewer
	strangerWave = 500
	logEvery     = 10 * time.Second
	logBurst     = 10
)

// rivals watches a value that two may be setting by turns.
type rivals[T comparable] struct {
	now, before T
	known, had  bool
	changed     time.Duration
	returns     int
}

// take tells how many times in a row the value has gone back to the one before within the window.
func (r *rivals[T]) take(v T, at, window time.Duration) int {
	switch {
	case !r.known:
		r.now, r.known = v, true
		return 0
	case v == r.now:
		return 0
	case r.had && v == r.before && at-r.changed <= window:
		r.returns++
	default:
		r.returns = 0
	}
	r.before, r.now, r.had, r.changed = r.now, v, true, at
	return r.returns
}

// station is what is kept of one that was heard.
type station struct {
	name, vendor string
	id4, id6     rivals[uint64]
	port         rivals[int]
	suspected    map[Suspicion]suspected
	first, moved time.Duration
	told         time.Duration
	addr         netip.Addr // told last
}

// suspected is when there was evidence last, and when somebody was told.
type suspected struct{ last, told time.Duration }

// heard is what one interface's stations have said.
type heard struct {
	iface string
	log   *slog.Logger
	seed  maphash.Seed

	mu        sync.Mutex
	stations  *recent[[6]byte, station]
	claims    *recent[netip.Addr, rivals[[6]byte]]
	own       []netip.Addr // of the router
	strangers *rate.Limiter
	logs      *rate.Limiter
	turned    uint64 // strangers that were not taken in, in this flood
	flooded   time.Duration
	episodes  uint64
	suspects  []Suspect // to be told
}

func newHeard(iface string, limit int, kept func(iface string, mac [6]byte) bool, log *slog.Logger) *heard {
	h := &heard{
		iface: iface, log: log, seed: maphash.MakeSeed(),
		claims:    newRecent[netip.Addr, rivals[[6]byte]](limit, nil),
		strangers: rate.NewLimiter(strangerRate, strangerWave),
		logs:      rate.NewLimiter(rate.Every(logEvery), logBurst),
	}
	var keep func([6]byte) bool
	if kept != nil {
		keep = func(mac [6]byte) bool { return kept(iface, mac) }
	}
	h.stations = newRecent[[6]byte, station](limit, keep)
	return h
}

// take enters a message and tells whether the sighting is worth telling.
func (h *heard) take(m *message, at time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.station(m.mac, at)
	if s == nil {
		return false
	}
	if m.dhcp != 0 {
		h.takeDHCP(s, m, at)
	}
	if slices.Contains(h.own, m.addr) {
		if m.claims {
			h.suspect(Suspect{MAC: m.mac, What: AsRouter}, at)
		}
		m.addr, m.claims = netip.Addr{}, false
	}
	if m.claims {
		if by := h.claims.use(m.addr); by.take(m.mac, at, claimWindow) > 0 {
			h.suspect(Suspect{by.before, TwoMACs, m.mac, m.addr}, at)
			h.suspect(Suspect{m.mac, TwoMACs, by.before, m.addr}, at)
		}
	}
	if m.leaves || m.addr == s.addr && s.told > 0 && at-s.told < sightEvery {
		return false
	}
	s.told, s.addr = at, m.addr
	return true
}

// station is the record of a station; of a new one only while there is no flood of them.
func (h *heard) station(mac [6]byte, at time.Duration) *station {
	if s := h.stations.get(mac); s != nil || h.strangers.Allow() {
		known := s != nil
		if s = h.stations.use(mac); s != nil && !known {
			s.first = at
		}
		return s
	}
	h.turned++
	if h.flooded == 0 || at-h.flooded > episode {
		h.log.Warn("more new stations than can be real; names of some will be missing", "interface", h.iface, "turned_away_before", h.turned-1)
		h.turned = 1
	}
	h.flooded = at
	return nil
}

func (h *heard) takeDHCP(s *station, m *message, at time.Duration) {
	if len(m.name) > 0 {
		s.name = tidy(m.name)
	}
	if len(m.vendor) > 0 {
		s.vendor = tidy(m.vendor)
	}
	ids := &s.id4
	if m.dhcp == layerDHCPv6 {
		ids = &s.id6
	}
	if ids.take(maphash.Bytes(h.seed, m.id), at, idWindow) > 0 {
		h.suspect(Suspect{MAC: m.mac, What: TwoClientIDs}, at)
	}
}

// setOwn takes in the router's addresses.
func (h *heard) setOwn(own []netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own = own
}

// moved takes in that a bridge sees a station behind a port.
func (h *heard) moved(mac [6]byte, port int, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stations.get(mac)
	if s == nil {
		return
	}
	if s.port.known && s.port.now != port || !s.port.known && at-s.first > settling {
		s.moved = at
	}
	if s.port.take(port, at, portWindow) >= portReturns {
		h.suspect(Suspect{MAC: mac, What: TwoPorts}, at)
	}
}

func (h *heard) suspect(who Suspect, at time.Duration) {
	s := h.stations.get(who.MAC)
	if s == nil {
		return
	}
	was, before := s.suspected[who.What]
	if s.suspected == nil {
		s.suspected = map[Suspicion]suspected{}
	}
	told := was.told
	if !before || at-told >= suspectEvery {
		told = at
		h.suspects = append(h.suspects, who)
	}
	s.suspected[who.What] = suspected{at, told}
	if before && at-was.last <= episode {
		return
	}
	h.episodes++
	if h.logs.Allow() {
		h.log.Warn("a station may not be the one that it says", "interface", h.iface, "station", sessions.MAC(who.MAC),
			"suspicion", string(who.What), "episodes", h.episodes)
	}
}

// takeSuspects are those to be told since the last call.
func (h *heard) takeSuspects() []Suspect {
	h.mu.Lock()
	defer h.mu.Unlock()
	suspects := h.suspects
	h.suspects = nil
	return suspects
}

func (h *heard) facts(mac [6]byte, at time.Duration) (Facts, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stations.get(mac)
	if s == nil {
		return Facts{}, false
	}
	f := Facts{Name: s.name, Vendor: s.vendor, MovedAt: s.moved}
	for _, what := range []Suspicion{TwoPorts, TwoClientIDs, TwoMACs, AsRouter} {
		if was, ok := s.suspected[what]; ok && at-was.last <= episode {
			f.Suspicions = append(f.Suspicions, what)
		}
	}
	return f, true
}

// tidy makes of what a station sent a text that can do no harm in a terminal, a page or a file.
func tidy(b []byte) string {
	const limit = 63
	b, _, _ = bytes.Cut(b, []byte{0})
	if len(b) > 4*limit {
		b = b[:4*limit]
	}
	text := strings.Map(func(r rune) rune {
		if r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_. :/()+,", r)) {
			return r
		}
		return '_'
	}, string(b))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return strings.TrimSpace(text)
}
