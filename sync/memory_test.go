package gwsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse/sessions"
)

// memOutbox is an Outbox in memory. Anchors are kept to the millisecond, as a store may.
type memOutbox struct {
	mu       sync.Mutex
	seq      int64
	entries  []sessions.OutboxEntry
	rejected map[int64]string
	anchors  map[string]sessions.Anchor
	broken   error
}

func newOutbox() *memOutbox {
	return &memOutbox{rejected: map[int64]string{}, anchors: map[string]sessions.Anchor{}}
}

func (o *memOutbox) next() int64 { o.mu.Lock(); defer o.mu.Unlock(); return o.seq + 1 }

func (o *memOutbox) add(e sessions.OutboxEntry) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	e.Seq = o.seq
	o.entries = append(o.entries, e)
	return e.Seq
}

func (o *memOutbox) Pending(_ context.Context, limit int) ([]sessions.OutboxEntry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.entries[:min(limit, len(o.entries))]), o.broken
}

func (o *memOutbox) SkipTo(_ context.Context, seq int64) (behind bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	behind, o.seq = o.seq < seq, max(o.seq, seq)
	return behind, o.broken
}

func (o *memOutbox) Merged(_ context.Context, seqs []int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken == nil {
		o.entries = slices.DeleteFunc(o.entries, func(e sessions.OutboxEntry) bool { return slices.Contains(seqs, e.Seq) })
	}
	return o.broken
}

func (o *memOutbox) Rejected(ctx context.Context, seq int64, code, message string) error {
	o.mu.Lock()
	o.rejected[seq] = code + ": " + message
	o.mu.Unlock()
	return o.Merged(ctx, []int64{seq})
}

func (o *memOutbox) Depth(context.Context) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.entries), o.broken
}

func (o *memOutbox) Anchor(_ context.Context, bootID string) (sessions.Anchor, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a, ok := o.anchors[bootID]
	return a, ok, o.broken
}

func (o *memOutbox) SaveAnchor(_ context.Context, a sessions.Anchor) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.anchors[a.BootID]; ok {
		return errors.New("anchor saved twice")
	}
	a.Zero = a.Zero.Truncate(time.Millisecond)
	o.anchors[a.BootID] = a
	return o.broken
}

func (o *memOutbox) depth() int { n, _ := o.Depth(context.Background()); return n }

// memMirror is a Mirror in memory.
type memMirror struct {
	mu       sync.Mutex
	accounts map[int64]memAccount
	profiles map[int64]memProfile
	vouchers map[int64]sessions.KnownVoucher
	plans    map[int64]sessions.Plan
	key      string
	cursor   string
	steps    []string // what was written, in order
	broken   error    // of PutAccount
}

type memAccount struct {
	sessions.Account
	names  []string
	marked bool
}

type memProfile struct {
	name    string
	profile sessions.Profile
	marked  bool
}

func newMirror() *memMirror {
	return &memMirror{accounts: map[int64]memAccount{}, profiles: map[int64]memProfile{}, vouchers: map[int64]sessions.KnownVoucher{},
		plans: map[int64]sessions.Plan{}}
}

func (m *memMirror) step(s string) { m.steps = append(m.steps, s) }

func (m *memMirror) Account(_ context.Context, username string) (sessions.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if a.Username != username {
			continue
		}
		for _, p := range m.profiles {
			if slices.Contains(a.names, p.name) {
				a.Profiles = append(a.Profiles, p.profile)
			}
		}
		return a.Account, nil
	}
	return sessions.Account{}, sessions.ErrNoAccount
}

func (m *memMirror) PutAccount(_ context.Context, a sessions.Account, profiles []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step("account " + a.Username)
	m.accounts[a.UserID] = memAccount{Account: a, names: profiles}
	return m.broken
}

func (m *memMirror) PutPlan(_ context.Context, p sessions.Plan) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plans[p.ID] = p
	return nil, nil
}

func (m *memMirror) DeletePlan(_ context.Context, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.plans, id)
	return nil
}

func (m *memMirror) PutVouchers(_ context.Context, key []byte, put []sessions.KnownVoucher, gone []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step(fmt.Sprintf("%d vouchers", len(put)+len(gone)))
	if len(key) > 0 {
		m.key = string(key)
	}
	for _, v := range put {
		m.vouchers[v.ID] = v
	}
	for _, id := range gone {
		delete(m.vouchers, id)
	}
	return nil
}

func (m *memMirror) PutProfile(_ context.Context, id int64, shortName string, p sessions.Profile) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step("profile " + shortName)
	m.profiles[id] = memProfile{name: shortName, profile: p}
	return nil
}

func (m *memMirror) DeleteAccount(_ context.Context, userID int64) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := m.accounts[userID].Username
	m.step("delete " + name)
	delete(m.accounts, userID)
	return name, nil
}

func (m *memMirror) DeleteProfile(_ context.Context, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.profiles, id)
	return nil
}

func (m *memMirror) UsersOfProfile(_ context.Context, shortName string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, a := range m.accounts {
		if slices.Contains(a.names, shortName) {
			names = append(names, a.Username)
		}
	}
	return names, nil
}

func (m *memMirror) Cursor(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor, nil
}

func (m *memMirror) SetCursor(_ context.Context, c string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c != m.cursor {
		m.step("cursor " + c)
	}
	m.cursor = c
	return nil
}

func (m *memMirror) Reset(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step("reset")
	for id, a := range m.accounts {
		a.marked = true
		m.accounts[id] = a
	}
	for id, p := range m.profiles {
		p.marked = true
		m.profiles[id] = p
	}
	return nil
}

func (m *memMirror) Sweep(context.Context) (removed []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, a := range m.accounts {
		if a.marked {
			removed = append(removed, a.Username)
			delete(m.accounts, id)
		}
	}
	for id, p := range m.profiles {
		if p.marked {
			delete(m.profiles, id)
		}
	}
	m.step("sweep")
	return removed, nil
}

func (m *memMirror) takeSteps() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.steps
	m.steps = nil
	return s
}
