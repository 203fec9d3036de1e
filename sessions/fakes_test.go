package sessions_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/sessions"
)

var (
	stationA = sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}
	stationB = sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 2}}
	addrA    = netip.MustParseAddr("192.0.2.77")
)

// bubbleClock reads the time of a synctest bubble: Mono flows with it, Now may be skewed, as NTP does.
type bubbleClock struct {
	mu     sync.Mutex
	zero   time.Time
	skew   time.Duration
	bootID string
}

func newClock() *bubbleClock {
	return &bubbleClock{zero: time.Now().Add(-time.Hour), bootID: "11111111-2222-3333-4444-555555555555"}
}

func (c *bubbleClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew)
}
func (c *bubbleClock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.zero)
}
func (c *bubbleClock) BootID() string       { c.mu.Lock(); defer c.mu.Unlock(); return c.bootID }
func (c *bubbleClock) jump(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.skew += d }
func (c *bubbleClock) reboot(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bootID, c.zero = id, time.Now().Add(-10*time.Second)
}

// kernel is the enforcer at the border: it holds grants with timeouts, counters and silence as the real one does.
type kernel struct {
	blocked []sessions.Station
	mu      sync.Mutex
	grants  map[sessions.Station]*held
	quotas  map[string]*quota
	reached func() // a cap refused its first packet
	late    func() // called once when readings are on their way
	fail    error  // next Admit
	gone    bool   // the rules were removed, and nobody is held back
	calls   []string
}

// quota is a cap in the kernel.
type quota struct {
	sessions.Cap
	up, down uint64 // passed since the version began
	refused  bool
}

// takes tells whether no bound is in the way of a packet.
func (q *quota) takes(up, down uint64) bool {
	over := func(bound, used, more uint64) bool { return more > 0 && bound > 0 && used+more > bound }
	if over(q.Up, q.up, up) || over(q.Down, q.down, down) || over(q.Total, q.up+q.down, up+down) {
		q.refused = true
		return false
	}
	return true
}

type held struct {
	sessions.Grant
	until, silent time.Time // zero: no end
	cut           bool
	usage         sessions.Usage
}

func newKernel() *kernel {
	return &kernel{grants: map[sessions.Station]*held{}, quotas: map[string]*quota{}}
}

func (k *kernel) Admit(_ context.Context, grants ...sessions.Grant) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, "admit")
	if err := k.fail; err != nil {
		k.fail = nil
		return err
	}
	for _, g := range grants {
		k.admit(g)
	}
	k.forgetQuotas()
	return nil
}

func (k *kernel) admit(g sessions.Grant) {
	h := k.grants[g.Station]
	if h == nil || h.AcctSessionID != g.AcctSessionID {
		h = &held{}
		k.grants[g.Station] = h
	}
	if len(g.Caps) > sessions.MaxCaps {
		panic("more caps than the kernel has room for")
	}
	for _, c := range g.Caps {
		if q := k.quotas[c.Name]; q == nil || q.Version != c.Version {
			k.quotas[c.Name] = &quota{Cap: c}
		}
	}
	h.Grant, h.cut, h.until, h.silent = g, false, time.Time{}, time.Time{}
	if g.Timeout > 0 {
		h.until = time.Now().Add(g.Timeout)
	}
	if g.IdleTimeout > 0 {
		h.silent = time.Now().Add(g.IdleTimeout)
	}
}

// read is the reading of a grant with what its caps did.
func (k *kernel) read(h *held) sessions.Reading {
	r := h.reading()
	for _, c := range h.Caps {
		r.Capped = r.Capped || k.quotas[c.Name].refused
	}
	return r
}

func (h *held) reading() sessions.Reading {
	now := time.Now()
	over := h.cut || !h.until.IsZero() && !now.Before(h.until)
	idled := !over && !h.silent.IsZero() && !now.Before(h.silent)
	r := sessions.Reading{Station: h.Station, AcctSessionID: h.AcctSessionID, Live: !over && !idled, Idled: idled,
		Usage: h.usage, IdleLeft: -1}
	if r.Live && !h.silent.IsZero() {
		r.IdleLeft = h.silent.Sub(now)
	}
	return r
}

// traffic moves octets of a station, when it is let through: a packet up and a packet down.
func (k *kernel) traffic(st sessions.Station, in, out uint64) {
	k.packet(st, in, 0)
	k.packet(st, 0, out)
}

// packet tells whether a packet went through.
func (k *kernel) packet(st sessions.Station, in, out uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.grants[st]
	if h == nil || !h.reading().Live || in+out == 0 {
		return false
	}
	for _, c := range h.Caps {
		q := k.quotas[c.Name]
		if was := q.refused; !q.takes(in, out) {
			if !was && k.reached != nil {
				k.reached()
			}
			return false
		}
	}
	for _, c := range h.Caps {
		k.quotas[c.Name].up += in
		k.quotas[c.Name].down += out
	}
	u := sessions.Usage{InputOctets: in, OutputOctets: out}
	if in > 0 {
		u.InputPackets = 1
	} else {
		u.OutputPackets = 1
	}
	h.usage = h.usage.Add(u)
	if h.IdleTimeout > 0 && in > 0 {
		h.silent = time.Now().Add(h.IdleTimeout)
	}
	return true
}

// hammer sends packets of a hundred octets up until one is refused, and returns how many octets passed.
func (k *kernel) hammer(st sessions.Station) (passed uint64) {
	for k.packet(st, 100, 0) {
		passed += 100
		if passed > 1e9 {
			panic("nothing stops it")
		}
	}
	return passed
}

func (k *kernel) grant(st sessions.Station) sessions.Grant {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.grants[st]; h != nil {
		return h.Grant
	}
	return sessions.Grant{}
}

// forgetQuotas drops those that no grant has.
func (k *kernel) forgetQuotas() {
	used := map[string]bool{}
	for _, h := range k.grants {
		for _, c := range h.Caps {
			used[c.Name] = true
		}
	}
	maps.DeleteFunc(k.quotas, func(name string, _ *quota) bool { return !used[name] })
}

func (k *kernel) live(st sessions.Station) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.grants[st]
	return h != nil && h.reading().Live && !slices.Contains(k.blocked, st)
}

func (k *kernel) blocks(st sessions.Station) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.blocked, st)
}

func (k *kernel) wipe() { k.mu.Lock(); defer k.mu.Unlock(); k.clear() }

func (k *kernel) clear() { clear(k.grants); clear(k.quotas) }

func (k *kernel) remove()       { k.mu.Lock(); defer k.mu.Unlock(); k.clear(); k.gone = true }
func (k *kernel) removed() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.gone }

func (k *kernel) Cut(_ context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, "cut")
	var out []sessions.Reading
	for _, st := range stations {
		h := k.grants[st]
		if h == nil {
			out = append(out, sessions.Reading{Station: st})
			continue
		}
		h.cut = true
		out = append(out, k.read(h))
	}
	return out, nil
}

func (k *kernel) SetBlocked(_ context.Context, stations []sessions.Station) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, "block")
	k.blocked = slices.Clone(stations)
	return nil
}

func (k *kernel) Release(_ context.Context, stations ...sessions.Station) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, st := range stations {
		if h := k.grants[st]; h != nil && !h.reading().Live {
			delete(k.grants, st)
		}
	}
	k.forgetQuotas()
	return nil
}

// beforeAnswer has the next reading of usage do something before it is answered.
func (k *kernel) beforeAnswer(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.late = do
}

func (k *kernel) Usage(context.Context) ([]sessions.Reading, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		return nil, sessions.ErrEnforcerLost
	}
	var out []sessions.Reading
	for _, h := range k.grants {
		out = append(out, k.read(h))
	}
	if late := k.late; late != nil {
		k.late = nil
		k.mu.Unlock()
		late()
		k.mu.Lock()
	}
	return out, nil
}

func (k *kernel) Reconcile(_ context.Context, want []sessions.Grant) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, "reconcile")
	k.gone = false
	wanted := map[sessions.Station]bool{}
	for _, g := range want {
		wanted[g.Station] = true
		if h := k.grants[g.Station]; h == nil || h.AcctSessionID != g.AcctSessionID || !h.reading().Live {
			k.admit(g)
		}
	}
	maps.DeleteFunc(k.grants, func(st sessions.Station, _ *held) bool { return !wanted[st] })
	k.forgetQuotas()
	return nil
}

func (k *kernel) CleanUp(context.Context) error { panic("not expected") }

// disk is the store at the border.
type disk struct {
	mu       sync.Mutex
	sessions map[string]sessions.Session
	records  []sessions.AccountingRecord
	txs      []sessions.Transaction
	rules    []sessions.AccessRule
	ledger   []sessions.Spent
	outcomes []sessions.Outcome
	consents []sessions.Consent
	trials   map[sessions.Station]sessions.TrialUse
	erased   []string
	full     bool
	saved    int
}

func newDisk() *disk {
	return &disk{sessions: map[string]sessions.Session{}, trials: map[sessions.Station]sessions.TrialUse{}}
}

var errFull = errors.New("disk full")

func (d *disk) Load(context.Context) ([]sessions.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []sessions.Session
	for _, s := range d.sessions {
		if s.Running() || s.Resumable {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sessions.Session) int { return cmp.Compare(a.AcctSessionID, b.AcctSessionID) })
	return out, nil
}

func (d *disk) LoadAccess(context.Context) ([]sessions.AccessRule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.rules), nil
}

func (d *disk) Commit(_ context.Context, b sessions.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errFull
	}
	for _, s := range b.Sessions {
		d.sessions[s.AcctSessionID] = s
	}
	same := func(a, b sessions.AccessRule) bool { return a.Kind == b.Kind && a.Zone == b.Zone && a.MAC == b.MAC }
	for _, r := range slices.Concat(b.Access, b.Revoked) {
		d.rules = slices.DeleteFunc(d.rules, func(old sessions.AccessRule) bool { return same(old, r) })
	}
	d.rules = append(d.rules, b.Access...)
	d.records = append(d.records, b.Records...)
	d.txs = append(d.txs, b.Transactions...)
	for _, s := range b.Spent {
		d.spend(s)
	}
	d.outcomes = append(d.outcomes, b.Outcomes...)
	d.consents = append(d.consents, b.Consents...)
	for _, u := range b.Trials {
		d.trials[u.Station] = u
	}
	return nil
}

func (d *disk) LoadTrials(context.Context) ([]sessions.TrialUse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.trials)), nil
}

func (d *disk) Settled(_ context.Context, order string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.outcomes, func(o sessions.Outcome) bool { return o.Order == order }), nil
}

func (d *disk) Erase(_ context.Context, username string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erased = append(d.erased, username)
	return nil
}

// ends are the outcomes written, in order.
func (d *disk) ends() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outcomes {
		all = append(all, o.Order+" "+string(o.Status)+" "+o.Reason)
	}
	return all
}

func (d *disk) spend(s sessions.Spent) {
	for i := range d.ledger {
		l := &d.ledger[i]
		if l.Account == s.Account && l.Period == s.Period && l.Start == s.Start {
			l.Up, l.Down, l.Extra, l.Full = l.Up+s.Up, l.Down+s.Down, l.Extra+s.Extra, cmp.Or(s.Full, l.Full)
			l.Seconds, l.First = l.Seconds+s.Seconds, cmp.Or(l.First, s.First)
			return
		}
	}
	d.ledger = append(d.ledger, s)
}

func (d *disk) Ledger(_ context.Context, accounts ...string) ([]sessions.Spent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []sessions.Spent
	for _, l := range d.ledger {
		if slices.Contains(accounts, l.Account) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (d *disk) LeaseUsed(_ context.Context, id int64) (used time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if s.Lease.ID == id && !s.Running() {
			used += max(0, s.Used-s.Lease.From)
		}
	}
	return used, nil
}

func (d *disk) SaveUsage(_ context.Context, all []sessions.Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errFull
	}
	d.saved++
	for _, s := range all {
		if old, ok := d.sessions[s.AcctSessionID]; ok && old.Running() { // no more than the journal keeps
			old.Used, old.Usage, old.UsageAt = s.Used, s.Usage, s.UsageAt
			d.sessions[s.AcctSessionID] = old
		}
	}
	return nil
}

func (d *disk) setFull(full bool) { d.mu.Lock(); defer d.mu.Unlock(); d.full = full }

// log is the record kinds and transaction types written, in order.
func (d *disk) log() (kinds []string, types []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.records {
		k := string(r.Kind)
		if r.Kind == sessions.Stop {
			k += " " + string(r.Session.TerminateCause)
		}
		kinds = append(kinds, k)
	}
	for _, t := range d.txs {
		types = append(types, string(t.Type)+" "+t.Status)
	}
	return kinds, types
}

// message is that of a transaction; a negative n counts from the last.
func (d *disk) message(n int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.txs[(n+len(d.txs))%len(d.txs)].Message
}

// ruleCount is how many rules are kept.
func (d *disk) ruleCount() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.rules) }

func (d *disk) last() sessions.AccountingRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.records[len(d.records)-1]
}

// accounts knows users by name.
type accounts map[string]sessions.Account

func (a accounts) Account(_ context.Context, username string) (sessions.Account, error) {
	if acct, ok := a[username]; ok {
		return acct, nil
	}
	return sessions.Account{}, sessions.ErrNoAccount
}

type verifiers map[string]sessions.Verifier

func (v verifiers) Verifier(_ context.Context, username string) (sessions.Verifier, error) {
	if got, ok := v[username]; ok {
		return got, nil
	}
	return sessions.Verifier{}, sessions.ErrNoAccount
}

func (v verifiers) DeleteVerifier(_ context.Context, username string) error {
	delete(v, username)
	return nil
}

func (v verifiers) SaveVerifier(_ context.Context, got sessions.Verifier) error {
	v[got.Username] = got
	return nil
}

// rig is a Manager with everything around it.
type rig struct {
	*sessions.Manager
	clock     *bubbleClock
	kernel    *kernel
	disk      *disk
	local     accounts
	mirror    accounts
	verifiers verifiers
	cfg       sessions.Config
	stop      func()
}

func zone(limits sessions.Limits) sessions.Zone {
	return sessions.Zone{Name: "guests", Methods: []sessions.Method{sessions.MethodClick, sessions.MethodPassword},
		TermsVersion: "1", AllowCleartext: true, Limits: limits}
}

func newRig(t *testing.T, z sessions.Zone, change ...func(*sessions.Config)) *rig {
	t.Helper()
	r := &rig{clock: newClock(), kernel: newKernel(), disk: newDisk(), local: accounts{}, mirror: accounts{}, verifiers: verifiers{}}
	r.cfg = sessions.Config{Clock: r.clock, Enforcer: r.kernel, Store: r.disk, Local: r.local, Mirror: r.mirror,
		Verifiers: r.verifiers, Orders: r.disk, Trials: r.disk, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Zones: []sessions.Zone{z},
		NASID: "lobby", NASIP: "192.0.2.1"}
	for _, c := range change {
		c(&r.cfg)
	}
	r.start(t)
	return r
}

// seldom asks the kernel once a minute, for tests of weeks.
func seldom(c *sessions.Config) { c.PollInterval = time.Minute }

// start begins a daemon's life over the kernel and disk that are there.
func (r *rig) start(t *testing.T) {
	t.Helper()
	r.Manager = sessions.New(r.cfg)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (r *rig) click(t *testing.T, st sessions.Station) sessions.Session {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodClick, AcceptedTerms: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) password(t *testing.T, st sessions.Station, user string, p sessions.Password) (sessions.Session, sessions.Reason) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodPassword,
		Credentials: sessions.Credentials{Username: user, Password: p}})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, refusal.Reason
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, ""
}

func ptr[T any](v T) *T { return &v }

// kernelTick is how much later than the daemon the kernel ends a session.
const kernelTick = 20 * time.Millisecond
