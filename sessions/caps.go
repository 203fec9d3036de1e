package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"time"
)

// DataView is how a session stands with its data caps.
type DataView struct {
	Limited bool
	Left    Bytes // until the first of its bounds is reached; nothing once it goes on slowly
	Slow    bool  // a cap is used up, and the session goes on with the bandwidth for that
}

// standing is how a session stands with its caps, worked out.
type standing struct {
	DataView
	caps   []Cap  // for the kernel
	usedUp bool   // one of them is
	digest uint32 // differs whenever the kernel must be told something else
	own    uint32 // versions of the bounds that the session has now; zero: no bound
	shared [periods]uint32
	starts [periods]string
	least  [1 + periods]Bytes // what each of them leaves
}

// standing works out how a session stands. The caller holds mu and may give what it has added up already.
func (m *Manager) standing(r *live, tallies map[*book]tally) standing {
	var s standing
	if v := r.Limits.Caps.Session; v != (Volume{}) {
		used := r.Usage.octets()
		s.own = v.version()
		s.bound(0, v, used, r.CapFull == s.own)
		own := Cap{Name: r.AcctSessionID, Version: s.own}
		own.tighten(v, used)
		s.caps = append(s.caps, own)
	}
	if r.book != nil {
		s.ofAccount(r, m.tallyOf(r.book, tallies))
	}
	if s.Slow = s.usedUp && r.Limits.slows(); s.Slow {
		s.caps, s.Left = nil, 0
	}
	if len(s.caps) > 0 || s.Slow {
		s.digest = s.version()
	}
	return s
}

// ofAccount joins the caps of the periods into one, which leaves what the tightest of them leaves.
func (s *standing) ofAccount(r *live, t tally) {
	shared := Cap{}
	for p, v := range r.Limits.Caps.ofAccount() {
		if *v == (Volume{}) {
			continue
		}
		bounds := v.raise(t[p].extra)
		s.starts[p], s.shared[p] = t[p].start, versionOf(uint64(bounds.version()), uint64(nameVersion(t[p].start)))
		s.bound(1+p, bounds, t[p].used, t[p].full == s.shared[p])
		shared.tighten(bounds, t[p].used)
	}
	if shared == (Cap{}) {
		return
	}
	parts := []uint64{uint64(s.shared[Day]), uint64(s.shared[Week]), uint64(s.shared[Month])}
	if s.shared[Life] != 0 {
		parts = append(parts, uint64(s.shared[Life]))
	}
	shared.Name, shared.Version = r.nameOfShared(), versionOf(parts...)
	s.caps = append(s.caps, shared)
}

func (s *standing) bound(i int, v Volume, used octets, full bool) {
	left, _ := v.least(used)
	s.least[i] = left
	if !s.Limited || left < s.Left {
		s.Limited, s.Left = true, left
	}
	s.usedUp = s.usedUp || full || left == 0
}

// nameOfShared names the cap of the account in the kernel. Sessions of one account in zones with other caps have one of their
// own; the ledger is the same.
func (r *live) nameOfShared() string {
	caps := r.Limits.Caps
	caps.Session = Volume{}
	if r.sharedName == "" || r.sharedCaps != caps {
		sum := sha256.Sum256(fmt.Append(nil, r.account(), caps))
		r.sharedName, r.sharedCaps = "account-"+hex.EncodeToString(sum[:12]), caps
	}
	return r.sharedName
}

// version names what the kernel must know.
func (s *standing) version() uint32 {
	parts := []uint64{0}
	if s.Slow {
		parts[0] = 1
	}
	for _, c := range s.caps {
		parts = append(parts, uint64(nameVersion(c.Name)), uint64(c.Version))
	}
	return versionOf(parts...)
}

func (v Volume) version() uint32 { return versionOf(uint64(v.Up), uint64(v.Down), uint64(v.Total)) }

// versionOf names what it is given; never zero. The same bounds in the same period have the same version after a restart.
func versionOf(parts ...uint64) uint32 {
	h := fnv.New32a()
	var b [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(b[:], p)
		_, _ = h.Write(b[:]) // a hash takes everything
	}
	return max(1, h.Sum32())
}

func nameVersion(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return h.Sum32()
}

func (m *Manager) tallyOf(b *book, tallies map[*book]tally) tally {
	t, ok := tallies[b]
	if !ok {
		t = b.tally(m.period)
		if tallies != nil {
			tallies[b] = t
		}
	}
	return t
}

// slows tells whether the plan says to slow down at a cap instead of cutting.
func (e Effective) slows() bool { return e.SlowUp > 0 || e.SlowDown > 0 }

// CapReached tells that the kernel has refused a packet because of a cap: Run looks at once.
func (m *Manager) CapReached() {
	m.capped.Store(true)
	m.wakeRun()
}

// applyCaps ends or slows down the sessions whose caps are used up, and tells the kernel where caps have changed: a new
// period, an extension, an adopted session.
func (m *Manager) applyCaps(ctx context.Context) {
	m.mu.Lock()
	tallies := map[*book]tally{}
	found := m.findUsedUp(tallies)
	var cut, changed []Station
	for st, r := range m.running {
		if r.cutAt != nil || m.busy[st] != nil || m.nearlyOver(r) || r.applied == 0 && r.Limits.Caps == (CapsOf[Volume]{}) {
			continue
		}
		switch s := m.standing(r, tallies); {
		case s.usedUp && !s.Slow:
			cut = append(cut, st)
		case s.digest != r.applied:
			changed = append(changed, st)
		}
	}
	m.mu.Unlock()
	if len(found) > 0 {
		if err := m.cfg.Store.Commit(ctx, Batch{Spent: found}); err != nil {
			// Where it is not known after a restart that a cap is used up, the kernel finds out once more.
			m.cfg.Logger.Warn("used up caps not written down", "err", err)
		}
	}
	m.endAll(ctx, NASRequest, cut)
	mine, release := m.takeFree(changed)
	defer release()
	if err := m.admitAgain(context.WithoutCancel(ctx), mine...); err != nil {
		m.cfg.Logger.Error("telling the kernel of changed caps", "sessions", len(mine), "err", err)
	}
}

// findUsedUp finds which cap refused a packet: the kernel says only that one did, so it is the one that leaves least.
func (m *Manager) findUsedUp(tallies map[*book]tally) (found []Spent) {
	for st, r := range m.running {
		if r.refusedAt == 0 || r.cutAt != nil || m.busy[st] != nil {
			continue
		}
		s := m.standing(r, tallies)
		if s.usedUp { // known already, or another session of the account told
			continue
		}
		if s.own != 0 && s.least[0] == s.Left {
			r.CapFull, r.unsaved = s.own, true
		}
		for p, version := range s.shared {
			if version != 0 && s.least[1+p] == s.Left {
				full := Spent{Account: r.account(), Period: Period(p), Start: s.starts[p], Full: version}
				r.book.add([]Spent{full})
				found = append(found, full)
				delete(tallies, r.book)
			}
		}
	}
	return found
}

// takeFree keeps others out of those of the stations that nobody works on.
func (m *Manager) takeFree(stations []Station) (mine []Station, release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var releases []func()
	for _, st := range stations {
		if m.busy[st] == nil {
			mine, releases = append(mine, st), append(releases, m.take(st))
		}
	}
	return mine, func() {
		for _, f := range releases {
			f()
		}
	}
}

// admitted notes what the kernel has from now on.
func (r *live) admitted(digest uint32, at time.Duration) {
	r.applied, r.refusedAt, r.admittedAt = digest, 0, at
	if r.book != nil {
		r.book.admittedAt = at
	}
}

// believes tells whether a reading that was asked for at that time is of the caps that the kernel has now.
func (r *live) believes(asked time.Duration) bool {
	return asked >= r.admittedAt && (r.book == nil || asked >= r.book.admittedAt)
}

// admitAgain gives the kernel the grants of running sessions as they are now. The caller holds the stations.
func (m *Manager) admitAgain(ctx context.Context, stations ...Station) error {
	m.mu.Lock()
	tallies := map[*book]tally{}
	var grants []Grant
	var changed []*live
	var digests []uint32
	for _, st := range stations {
		if r, ok := m.running[st]; ok && !m.over(r) {
			g, digest := m.grant(r, tallies)
			grants, changed, digests = append(grants, g), append(changed, r), append(digests, digest)
		}
	}
	m.mu.Unlock()
	if len(grants) == 0 {
		return nil
	}
	if err := m.cfg.Enforcer.Admit(ctx, grants...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range changed {
		r.admitted(digests[i], m.cfg.Clock.Mono())
	}
	return nil
}
