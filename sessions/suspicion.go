package sessions

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Treatment is what a zone does about a suspicion.
type Treatment string

// The treatments.
const (
	TreatLog     Treatment = "log"     // nothing: it is told
	TreatCaptive Treatment = "captive" // the session ends, and a MAC address alone lets the station in no more for a while
	TreatBlock   Treatment = "block"   // who can be told for the culprit reaches nothing for a while; else as TreatCaptive
)

// Spoofing is a zone's answer to suspicions. The zero value is TreatLog.
type Spoofing struct {
	Treatment Treatment
	For       time.Duration // how long a treatment lasts, above zero; no station is treated again before
}

// Suspicion is evidence that a station is not the only one, or not the right one, to use its addresses.
type Suspicion struct {
	Station Station
	What    string // the evidence in a word, for people
	// Shared: two devices use the MAC address, and the honest one cannot be told from the other.
	Shared bool
	// Rival and it use Addr by turns. Addr is not valid where the suspicion is another.
	Rival Station
	Addr  netip.Addr
}

// accused is a station and of what; what proves nothing must not hide what does.
type accused struct {
	station Station
	what    string
}

// accusation is a suspicion that waits for its judgement.
type accusation struct {
	Suspicion
	due time.Duration // Mono
}

const (
	// deliberation is how long a judgement waits: news of a MAC address that has moved to another port come beside the
	// evidence, and may be later.
	deliberation = time.Second
	// steadyFor is how long a station without a session must have stayed where it is to be held to what it says.
	steadyFor = 10 * time.Minute
	// maxTreated bounds the rules that suspicions make: random MACs must not fill disk and kernel.
	maxTreated = 256
)

// Suspect takes in evidence. Run acts by it, as the zone says.
func (m *Manager) Suspect(s Suspicion) {
	zone := m.zones[s.Station.Zone]
	if zone == nil || zone.Spoofing.Treatment != TreatCaptive && zone.Spoofing.Treatment != TreatBlock {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := accused{s.Station, s.What}
	if _, waits := m.access.accused[key]; waits || len(m.access.accused) >= maxTreated {
		return
	}
	m.access.accused[key] = accusation{s, m.cfg.Clock.Mono() + deliberation}
	m.wakeRun()
}

// judge writes down, in one commit, what is to be done about the accusations that are due; settle does it.
func (m *Manager) judge(ctx context.Context) {
	var b Batch
	for _, s := range m.dueAccusations() {
		kind, guilty := m.verdict(s)
		if !guilty {
			m.cfg.Logger.Debug("suspicion not acted on", "station", s.Station, "suspicion", s.What)
			continue
		}
		r := m.treatment(s, kind)
		twice := slices.ContainsFunc(b.Access, func(o AccessRule) bool { return o.MAC == r.MAC && o.Zone == r.Zone })
		if !twice && !m.treated(r, len(b.Access)) {
			m.cfg.Logger.Warn("treating a suspicious station", "station", s.Station, "suspicion", s.What, "treatment", string(kind), "for", r.For)
			b.Access = append(b.Access, r)
		}
	}
	if len(b.Access) == 0 {
		return
	}
	m.mu.Lock()
	for _, r := range b.Access {
		b.Transactions = append(b.Transactions, m.blockTransactions(r)...)
	}
	m.mu.Unlock()
	if err := m.commit(ctx, b); err != nil {
		m.cfg.Logger.Error("writing treatments of suspicious stations", "err", err)
	}
}

func (m *Manager) dueAccusations() []Suspicion {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Clock.Mono()
	var due []Suspicion
	for key, c := range m.access.accused {
		if c.due <= now {
			due = append(due, c.Suspicion)
			delete(m.access.accused, key)
		}
	}
	return due
}

// verdict decides whether a suspicion is enough to treat its station, and how.
//
// Any frame can be forged, so nobody may be cut on the word of another. Who is held to a frame is a station that has not
// moved between the ports of a bridge, for somebody behind another port who speaks in its name moves it; and of two that
// claim an address, the one that took it from a station which logged in from it. Two devices with one MAC address cannot
// be told apart: they are made to log in again, which one of them can, and not shut out.
func (m *Manager) verdict(s Suspicion) (AccessKind, bool) {
	kind := AccessSuspended
	if s.Shared {
		return kind, m.suspendable(s.Station)
	}
	if m.zones[s.Station.Zone].Spoofing.Treatment == TreatBlock {
		kind = AccessBlocked
	}
	switch {
	case !m.steady(s.Station):
		return kind, false
	case s.Addr.IsValid() && !(m.proved(s.Rival, s.Addr) && m.steady(s.Rival) && !m.proved(s.Station, s.Addr)):
		return kind, false
	}
	return kind, kind == AccessBlocked || m.suspendable(s.Station)
}

// suspendable tells whether there is something to suspend: a session, or a MAC address that makes one.
func (m *Manager) suspendable(st Station) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, running := m.running[st]
	return running || m.access.of(st).Kind.letsIn()
}

// steady tells whether a station is where it was when its session began, or for long.
func (m *Manager) steady(st Station) bool {
	moved := m.cfg.MovedAt(st)
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.running[st]; ok {
		// Of a session from before the daemon nobody knows where it began.
		return r.StartedAt.Mono >= m.born && moved <= r.StartedAt.Mono
	}
	return moved == 0 || m.cfg.Clock.Mono()-moved > steadyFor
}

// proved tells whether a station has a session that began at the portal, from that address: it had received what was
// sent there.
func (m *Manager) proved(st Station, addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.running[st]
	return ok && r.Addr == addr && r.Method.byForm()
}

func (m *Manager) treatment(s Suspicion, kind AccessKind) AccessRule {
	return AccessRule{Kind: kind, Zone: s.Station.Zone, MAC: s.Station.MAC, By: BySpoofing, Note: s.What, MadeAt: m.stamp(),
		For: m.zones[s.Station.Zone].Spoofing.For}
}

// treated tells whether a station is under treatment or blocked, or no more can be treated beside those that wait.
func (m *Manager) treated(r AccessRule, waiting int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.access.made {
		if old.By == BySpoofing {
			waiting++
			if old.MAC == r.MAC && old.Zone == r.Zone {
				return true
			}
		}
	}
	if full := waiting >= maxTreated; full != m.access.full {
		m.access.full = full
		if full {
			m.cfg.Logger.Warn("more suspicious stations than can be treated", "station", Station{r.Zone, r.MAC}, "treated", waiting)
		}
	}
	_, blocked := m.access.find(AccessBlocked, Station{r.Zone, r.MAC})
	return blocked || waiting >= maxTreated
}
