package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/clock"
)

// Config is what a Manager needs. Fields must not be nil or zero unless said so.
type Config struct {
	Clock     clock.Clock
	Enforcer  Enforcer
	Store     Store
	Local     Accounts  // the gateway's own accounts
	Mirror    Accounts  // nil: no centre
	Authority Authority // nil: no centre
	Vouchers  Vouchers  // nil: no vouchers
	Stays     Stays     // nil: no list of rooms
	Provers   Provers   // nil: no centre
	Verifiers Verifiers
	Passwords Passwords // of Local
	Trials    Trials    // nil: none are remembered
	Orders    Orders    // nil: no centre
	Reaches   Reaches   // nil: captive stations have no way out
	Logger    *slog.Logger

	Zones []Zone
	NASID string // NAS-Identifier
	NASIP string // NAS-IP-Address

	Visits *Visits // hears what happens to stations; nil: nobody does

	// Believable is the earliest wall time that can be true, the build date (DESIGN D8).
	Believable time.Time
	// VerifierMaxAge is how long a centre account may log in here without the centre. Default 30 days.
	VerifierMaxAge time.Duration
	// ResumeWindow is how long after a reboot a station may still get the rest of its session. Default 24 hours.
	ResumeWindow time.Duration
	// PersistInterval is how often usage is written down. Default 60 s.
	PersistInterval time.Duration
	// PollInterval is how often the kernel is asked for idle ends and usage. Default 5 s. It bounds the error of the
	// recorded end of an idle session.
	PollInterval time.Duration

	// MovedAt tells when (Mono) a station was last seen to move to another bridge port; 0: never. Default: never.
	MovedAt func(Station) time.Duration
	// TimeZone is where the days, weeks and months of data caps begin and end. Default: the machine's.
	TimeZone *time.Location

	// PortOf names the bridge port behind which a station is; empty when unknown. Default: always unknown.
	PortOf func(Station) string
	// Ended is called after the Stop of a session is durable. It must not wait. Default: nothing.
	Ended func(Session)
	// Queued is called after something new is in the outbox. Default: nothing.
	Queued func()
	// InReach tells whether the centre answers, as far as is known. Default: never.
	InReach func() bool
	// Step is called at every named point of a login, a logout and an end, so that tests can stop there. Default: nothing.
	Step func(point string)
}

const (
	defaultVerifierMaxAge  = 30 * 24 * time.Hour
	defaultResumeWindow    = 24 * time.Hour
	defaultPersistInterval = time.Minute
	defaultPollInterval    = 5 * time.Second
	maxSightings           = 16384 // stations remembered without a session; random MACs must not fill the memory
	maxAddrs               = 16    // addresses remembered per station
)

// Manager is the one writer of session state. Its methods are safe for concurrent use.
type Manager struct {
	cfg      Config
	zones    map[string]*Zone
	guess    *guessLimit
	hasher   chan struct{}          // one password at a time: the router has other work too
	lastHash atomic.Pointer[string] // of a password, that was checked; nil: none was
	wake     chan struct{}          // tells Run that a deadline may be nearer than it thinks
	lost     atomic.Bool            // Restore was called, and Run has not done it yet
	capped   atomic.Bool            // CapReached was called, and Run has not looked yet
	born     time.Duration          // Mono at New

	settling sync.Mutex    // one settle at a time
	rolling  chan struct{} // one rollOver: what it brings to another period must not be brought twice

	mu        sync.Mutex
	running   map[Station]*live
	resumable map[Station]Session
	arrived   map[Station]netip.Addr // seen, resumable, not yet resumed
	seen      map[Station]*sighting
	busy      map[Station]chan struct{}
	reached   map[Station]reached
	pending   map[string]int // logins per account between decision and admission
	access    access
	trials    map[Station]TrialUse
	deviceKey [16]byte
	slots     map[Station]heldSlot
	pairings  map[Station]pairing
	leased    map[int64]time.Duration // by lease: what ended sessions spent of it
	lent      map[int64]Lease         // by id: as they were told last
	leaseEnds int                     // how often one ended
	sharing   map[string]bool         // accounts whose sessions share a lease in a new way
	books     map[string]*book
	swept     int             // how often books were taken out of memory
	period    [periods]string // that run; empty: the clock was never believable in this boot
	periodAt  int64           // Unix quarters of an hour: when period was last worked out
	bootedAt  time.Time       // wall time at Mono 0, as the believable clock last said
	rechecked time.Duration   // Mono of the last Recheck
	lastID    time.Duration
}

// live is a running session and what is known of it in memory only.
type live struct {
	Session
	idleLeft   time.Duration // at UsageAt; negative: not known
	interimDue time.Duration // Mono; 0: no interim records
	cutCause   TerminateCause
	pausing    bool   // what ends it is a pause
	cutAt      *Stamp // set once the kernel has let go and the Stop is not yet durable

	readAt     time.Duration // Mono when its last reading was asked for; an older one is out of date
	unsaved    bool          // Base or CapFull is not what the journal has
	book       *book         // of the account; nil: it has no cap
	applied    uint32        // standing.digest of the grant that the kernel has; 0 after adoption: not known
	admittedAt time.Duration // Mono of the last Admit
	refusedAt  time.Duration // when the kernel was first seen to refuse by a cap; 0: not since the last Admit
	sharedName string        // see nameOfShared
	sharedCaps CapsOf[Volume]
}

type sighting struct {
	addrs []netip.Addr
	at    time.Duration
	ended *Session // the last one; never changed
}

// New makes a Manager. It starts nothing.
func New(cfg Config) *Manager {
	cfg.VerifierMaxAge = cmp.Or(cfg.VerifierMaxAge, defaultVerifierMaxAge)
	cfg.ResumeWindow = cmp.Or(cfg.ResumeWindow, defaultResumeWindow)
	cfg.PersistInterval = cmp.Or(cfg.PersistInterval, defaultPersistInterval)
	cfg.PollInterval = cmp.Or(cfg.PollInterval, defaultPollInterval)
	cfg.TimeZone = cmp.Or(cfg.TimeZone, time.Local)
	if cfg.PortOf == nil {
		cfg.PortOf = func(Station) string { return "" }
	}
	if cfg.MovedAt == nil {
		cfg.MovedAt = func(Station) time.Duration { return 0 }
	}
	if cfg.Ended == nil {
		cfg.Ended = func(Session) {}
	}
	if cfg.Queued == nil {
		cfg.Queued = func() {}
	}
	if cfg.InReach == nil {
		cfg.InReach = func() bool { return false }
	}
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	m := &Manager{
		cfg:       cfg,
		zones:     make(map[string]*Zone, len(cfg.Zones)),
		guess:     newGuessLimit(),
		hasher:    make(chan struct{}, 1),
		rolling:   make(chan struct{}, 1),
		wake:      make(chan struct{}, 1),
		running:   make(map[Station]*live),
		resumable: make(map[Station]Session),
		arrived:   make(map[Station]netip.Addr),
		seen:      make(map[Station]*sighting),
		busy:      make(map[Station]chan struct{}),
		reached:   make(map[Station]reached),
		pending:   make(map[string]int),
		access:    newAccess(cfg.Zones),
		trials:    make(map[Station]TrialUse),
		slots:     make(map[Station]heldSlot),
		pairings:  make(map[Station]pairing),
		born:      cfg.Clock.Mono(),
		leased:    make(map[int64]time.Duration),
		lent:      make(map[int64]Lease),
		sharing:   make(map[string]bool),
		books:     make(map[string]*book),
		period:    [periods]string{Life: lifeStart},
	}
	_, _ = rand.Read(m.deviceKey[:]) // never fails since Go 1.24
	for i := range m.cfg.Zones {
		m.zones[m.cfg.Zones[i].Name] = &m.cfg.Zones[i]
	}
	return m
}

// Zone returns the zone of that name.
func (m *Manager) Zone(name string) (Zone, bool) {
	z, ok := m.zones[name]
	if !ok {
		return Zone{}, false
	}
	return *z, true
}

// View is what is known of a station now; its session's Usage is that of the last poll, Used is brought up to now.
func (m *Manager) View(st Station) StationView {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view(st)
}

func (m *Manager) view(st Station) StationView {
	v := StationView{Station: st, State: Captive}
	if s, ok := m.seen[st]; ok {
		v.Addrs, v.SeenAt = slices.Clone(s.addrs), s.at
	}
	if r, ok := m.running[st]; ok && !m.over(r) {
		s := m.now(r)
		s.Data = m.standing(r, nil).DataView
		v.State, v.Session, v.More, v.CanPause = Authorized, &s, m.more(&s), m.canPause(&s)
		v.Left, v.Limited, v.Balance = m.left(&s)
	} else if ended := m.endedOf(st); ended != nil {
		v.Ended = ended
		if ended.TerminateCause == SessionTimeout {
			v.More = m.more(ended)
		}
	}
	if s, ok := m.pausedOf(st); ok && v.Session == nil {
		v.Paused, v.PauseLeft = &s, m.pauseLeft(&s)
	}
	if rule := m.access.of(st); rule.Kind != "" {
		v.Access, v.Refused = &rule, m.access.tries[st].refused
		if rule.Kind == AccessBlocked {
			v.State = Blocked
		}
	}
	return v
}

// Stations are all stations seen since the start and all that have a session, by zone and MAC.
func (m *Manager) Stations() []StationView {
	m.mu.Lock()
	defer m.mu.Unlock()
	views := make([]StationView, 0, len(m.seen))
	for st := range m.seen {
		views = append(views, m.view(st))
	}
	for st := range m.running {
		if _, ok := m.seen[st]; !ok {
			views = append(views, m.view(st))
		}
	}
	sortFunc(views, func(a, b StationView) int { return compareStations(a.Station, b.Station) })
	return views
}

// Sessions are the running sessions, the oldest first, Used brought up to now.
func (m *Manager) Sessions() []Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Session, 0, len(m.running))
	tallies := map[*book]tally{}
	for _, r := range m.running {
		s := m.now(r)
		s.Data = m.standing(r, tallies).DataView
		all = append(all, s)
	}
	sortFunc(all, func(a, b Session) int { return strings.Compare(a.AcctSessionID, b.AcctSessionID) })
	return all
}

// FindSession returns the running session with that Acct-Session-Id, or of the station given as zone/MAC or as a MAC
// that has only one.
func (m *Manager) FindSession(which string) (Session, bool) {
	zone, rest, inZone := strings.Cut(which, "/")
	if !inZone {
		zone, rest = "", which
	}
	mac, macErr := ParseMAC(rest)
	var found []Session
	for _, s := range m.Sessions() {
		if s.AcctSessionID == which || macErr == nil && s.Station.MAC == mac && (!inZone || s.Station.Zone == zone) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return Session{}, false
	}
	return found[0], true
}

// Seen tells that a station showed itself with this address (neighbour table, portal request). A station whose session a
// reboot ended gets the rest of it, and one that its MAC address lets in gets a session, by Run.
func (m *Manager) Seen(st Station, addr netip.Addr) {
	if _, ok := m.zones[st.Zone]; !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sight(st, addr)
	ok := m.resumesItself(st)
	// Before it has an address a session is of no use to the station, and would be accounted without one.
	if usable := m.seen[st].usable(); !ok && usable.IsValid() && m.entitled(st) {
		addr, ok = usable, true
	}
	if ok {
		m.arrived[st] = addr
		m.wakeRun()
	}
}

func (m *Manager) sight(st Station, addr netip.Addr) {
	s := m.seen[st]
	if s == nil {
		if len(m.seen) >= maxSightings {
			m.forgetOldest()
		}
		s = &sighting{}
		m.seen[st] = s
		m.cfg.Visits.Note(st, EventSeen, "", "")
	}
	s.at = m.cfg.Clock.Mono()
	if !addr.IsValid() || slices.Contains(s.addrs, addr) {
		return
	}
	if len(s.addrs) >= maxAddrs {
		s.addrs = slices.Delete(s.addrs, 0, 1)
	}
	s.addrs = append(s.addrs, addr)
}

// forgetOldest drops the oldest eighth of the sightings of stations without a session, so that the cost of a full table is paid once in a while only.
func (m *Manager) forgetOldest() {
	all := make([]time.Duration, 0, len(m.seen))
	for st, s := range m.seen {
		if _, running := m.running[st]; !running {
			all = append(all, s.at)
		}
	}
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	limit := all[len(all)/8]
	for st, s := range m.seen {
		if _, running := m.running[st]; !running && s.at <= limit {
			delete(m.seen, st)
		}
	}
}

// now is the session with Used brought up to this moment. The caller holds mu.
func (m *Manager) now(r *live) Session {
	s := r.Session
	s.Used = m.used(r)
	return s
}

// enter makes a session a running one. The caller holds mu.
func (m *Manager) enter(r *live) {
	m.running[r.Station] = r
	if r.book != nil {
		r.book.sessions[r.Station] = r
	}
}

// leave is its opposite.
func (m *Manager) leave(st Station) {
	if r := m.running[st]; r != nil && r.book != nil {
		delete(r.book.sessions, st)
	}
	delete(m.running, st)
}

// used is the time that the session has lasted. Sessions never outlive a boot, so two readings of one clock are enough.
func (m *Manager) used(r *live) time.Duration {
	used := m.cfg.Clock.Mono() - r.StartedAt.Mono
	if r.cutAt != nil {
		used = r.cutAt.Mono - r.StartedAt.Mono
	}
	if t := r.bound(); t > 0 {
		used = min(used, t)
	}
	return used
}

func (m *Manager) timedOut(r *live) bool {
	t := r.bound()
	return t > 0 && m.cfg.Clock.Mono()-r.StartedAt.Mono >= t
}

// over says that a running session has come to its end and only its Stop is not written yet. The caller holds mu.
func (m *Manager) over(r *live) bool { return r.cutAt != nil || m.timedOut(r) }

// stamp is this moment.
func (m *Manager) stamp() Stamp { return stampBy(m.cfg.Clock, m.cfg.Believable) }

// stampAt is the moment of this boot at which Mono read mono.
func (m *Manager) stampAt(mono time.Duration) Stamp {
	s := Stamp{BootID: m.cfg.Clock.BootID(), Mono: mono}
	if now := m.cfg.Clock.Now(); m.believable(now) {
		s.Wall = now.Add(mono - m.cfg.Clock.Mono()).UTC()
	}
	return s
}

// stampBy is this moment by a clock whose wall time is true from believable on.
func stampBy(c clock.Clock, believable time.Time) Stamp {
	s := Stamp{BootID: c.BootID(), Mono: c.Mono()}
	if now := c.Now(); !now.Before(believable) {
		s.Wall = now.UTC()
	}
	return s
}

func (m *Manager) believable(wall time.Time) bool { return !wall.Before(m.cfg.Believable) }

// newSessionID is the boot, then the microseconds since it, which never repeat inside a boot.
func (m *Manager) newSessionID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID = max(m.cfg.Clock.Mono().Truncate(time.Microsecond), m.lastID+time.Microsecond)
	boot := strings.ReplaceAll(m.cfg.Clock.BootID(), "-", "")
	return fmt.Sprintf("%.8s%012x", boot, m.lastID.Microseconds())
}

// hold waits until nobody else works on the station and keeps others out until the function returned is called.
func (m *Manager) hold(ctx context.Context, st Station) (func(), error) {
	for {
		m.mu.Lock()
		other, taken := m.busy[st]
		if !taken {
			release := m.take(st)
			m.mu.Unlock()
			return release, nil
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take keeps others out of a station that is not busy. The caller holds mu.
func (m *Manager) take(st Station) func() {
	mine := make(chan struct{})
	m.busy[st] = mine
	return func() {
		m.mu.Lock()
		delete(m.busy, st)
		m.mu.Unlock()
		close(mine)
	}
}

func (m *Manager) wakeRun() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
