package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoVoucher says that there is no such voucher, as far as is known here.
var ErrNoVoucher = errors.New("no such voucher")

// KnownVoucher is a voucher as the centre last told of it: Used is what sessions at other gateways have used.
type KnownVoucher struct {
	Voucher
	Hash VoucherHash `json:"-"`
	Here VoucherUse  `json:"here,omitzero"` // what those of this gateway have, as far as the centre knows
}

// Vouchers finds vouchers. Both return ErrNoVoucher where there is none.
type Vouchers interface {
	VoucherByCode(ctx context.Context, code VoucherCode) (KnownVoucher, error)
	VoucherByID(ctx context.Context, id int64) (KnownVoucher, error)
}

// AnyVoucher stands for all vouchers in AccountChanged: a plan has changed.
const AnyVoucher = voucherPrefix

// takeCode makes a code of user name and password that both are it, for a page without a field for codes. No log may have it as a
// user name.
func (m *Manager) takeCode(req *LoginRequest) {
	if req.Method != MethodPassword || m.cfg.Vouchers == nil {
		return
	}
	name, err := ParseVoucherCode(req.Credentials.Username)
	if err != nil {
		return
	}
	if same, err := ParseVoucherCode(string(req.Credentials.Password)); err == nil && same == name {
		req.Code, req.Credentials = Password(name), Credentials{}
	}
}

// redeem is the account of the voucher whose code was typed, within the guess limits.
func (m *Manager) redeem(ctx context.Context, req LoginRequest) (Account, error) {
	if m.cfg.Vouchers == nil {
		return Account{}, &Refusal{Reason: RefusedMethod}
	}
	code, err := ParseVoucherCode(string(req.Code))
	if err != nil { // no guess: it can be no voucher's
		return Account{}, &Refusal{Reason: RefusedMistyped}
	}
	keys := m.codeGuess(req.Station)
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return Account{}, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	k, err := m.cfg.Vouchers.VoucherByCode(ctx, code)
	if errors.Is(err, ErrNoVoucher) {
		m.guess.spend(m.cfg.Clock.Mono(), keys)
		return Account{}, &Refusal{Reason: RefusedCode}
	}
	if err != nil {
		return Account{}, fmt.Errorf("looking for a voucher: %w", err)
	}
	a, state, err := m.voucherAccount(ctx, k, 1)
	switch {
	case err != nil:
		return Account{}, err
	case state == VoucherRevoked:
		return Account{}, &Refusal{Reason: RefusedInactive}
	case state == VoucherExpired:
		return Account{}, &Refusal{Reason: RefusedExpired}
	case state == VoucherUsedUp:
		return Account{}, &Refusal{Reason: RefusedNothingLeft}
	}
	return a, nil
}

// voucherAccount is what sessions of a voucher may now, and how the voucher stands. joining is how many sessions are to begin
// beside those that run: all share the time that is left.
func (m *Manager) voucherAccount(ctx context.Context, k KnownVoucher, joining int) (Account, VoucherState, error) {
	a := Account{Source: SourceVoucher, Username: VoucherName(k.ID), Active: !k.Revoked, VoucherID: k.ID, Zones: k.Plan.Zones, Limits: k.Plan.Limits}
	b, closed, err := m.bookOf(ctx, voucherBook(a.Username))
	if err != nil {
		return a, "", err
	}
	defer closed()
	if err := m.believeCentre(ctx, b, k); err != nil {
		return a, "", err
	}
	now, mono := m.cfg.Clock.Now(), m.cfg.Clock.Mono()
	v, own, running := m.usedHere(b, k)
	a.FirstUse = k.FirstUsed.IsZero() && own.first == nil
	if v.FirstUsed.IsZero() && joining > 0 && m.believable(now) {
		v.FirstUsed = now
	}
	elsewhere := k.Used
	a.Expiration = v.Expires()
	if v.Plan.Time > 0 || !a.Expiration.IsZero() { // time of its own: the zone's default does not count
		a.Limits.SessionTimeout = new(time.Duration(0))
	}
	if left, ok := v.TimeLeft(); ok {
		a.TimeLeft = new(left / time.Duration(max(1, running+joining)))
	}
	if v.Plan.Elapsed && v.Plan.Time > 0 && !m.believable(now) {
		a.TimeLeft = new(v.Plan.Time + v.Extra.Time - m.sinceFirst(own.first, mono))
	}
	if v.Plan.Data > 0 { // what it may use here; the ledger has what it did
		most := v.Plan.Data + v.Extra.Data
		a.Limits.Caps.Life.Total = new(max(1, most-min(most, elsewhere.Data)))
	}
	if !m.believable(now) { // what it is worth until the date is known is effective's to bound
		now = time.Time{}
	}
	return a, v.State(now), nil
}

// Voucher is how a voucher stands, with what its sessions here have used up to now.
func (m *Manager) Voucher(ctx context.Context, k KnownVoucher) (Voucher, VoucherState, error) {
	b, closed, err := m.bookOf(ctx, voucherBook(VoucherName(k.ID)))
	if err != nil {
		return k.Voucher, "", err
	}
	defer closed()
	v, own, _ := m.usedHere(b, k)
	now := m.cfg.Clock.Now()
	if !m.believable(now) {
		now = time.Time{}
	}
	state := v.State(now)
	if state == VoucherUnused && own.first != nil { // by a clock that could not be believed
		state = VoucherActive
	}
	return v, state, nil
}

// usedHere is a voucher with what its sessions here have used too, that alone, and how many of them run.
func (m *Manager) usedHere(b *book, k KnownVoucher) (v Voucher, own ownUse, running int) {
	m.mu.Lock()
	own, running = m.ownUse(b), len(b.sessions)
	m.mu.Unlock()
	v = k.Voucher
	if at := m.dated(own.first); !at.IsZero() && (v.FirstUsed.IsZero() || at.Before(v.FirstUsed)) {
		v.FirstUsed = at
	}
	v.Used = VoucherUse{Time: v.Used.Time + own.time, Data: v.Used.Data + own.data}
	return v, own, running
}

// ownUse is what sessions of a voucher have used at this gateway.
type ownUse struct {
	time  time.Duration
	data  Bytes
	first *Stamp
}

// ownUse adds up the book of a voucher. The caller holds mu.
func (m *Manager) ownUse(b *book) (u ownUse) {
	for _, l := range b.lines {
		if l.Period == Life {
			u.time += time.Duration(l.Seconds) * time.Second
			u.data += Bytes(max(0, l.Up)) + Bytes(max(0, l.Down))
			u.first = l.First
		}
	}
	for _, r := range b.sessions {
		u.time += m.used(r)
		octets := r.Usage.octets()
		u.data += octets.up + octets.down
	}
	return u
}

// believeCentre takes over what the centre says that a voucher has used here where the journal knows nothing of it: another
// journal was lost.
func (m *Manager) believeCentre(ctx context.Context, b *book, k KnownVoucher) error {
	m.mu.Lock()
	known := len(b.lines) > 0 || len(b.sessions) > 0
	m.mu.Unlock()
	if known || k.Here == (VoucherUse{}) {
		return nil
	}
	lines := []Spent{{Account: b.account, Period: Life, Start: lifeStart, Up: int64(k.Here.Data), Seconds: int64(k.Here.Time / time.Second)}}
	if err := m.cfg.Store.Commit(ctx, Batch{Spent: lines}); err != nil {
		return fmt.Errorf("writing what a voucher has used: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addSpent(lines)
	return nil
}

// dated is the wall time of a stamp; zero when it cannot be told.
func (m *Manager) dated(s *Stamp) time.Time {
	switch now := m.cfg.Clock.Now(); {
	case s == nil:
		return time.Time{}
	case !s.Wall.IsZero():
		return s.Wall
	case s.BootID == m.cfg.Clock.BootID() && m.believable(now):
		return now.Add(s.Mono - m.cfg.Clock.Mono())
	}
	return time.Time{}
}

// sinceFirst is how long ago the first use was, as far as this boot can tell.
func (m *Manager) sinceFirst(first *Stamp, mono time.Duration) time.Duration {
	if first == nil || first.BootID != m.cfg.Clock.BootID() {
		return 0
	}
	return mono - first.Mono
}

// voucherBook is the ledger's name of a voucher.
func voucherBook(username string) string { return string(SourceVoucher) + "/" + username }

// voucherOf is the account that a voucher's name stands for now.
func (m *Manager) voucherOf(ctx context.Context, id int64) (Account, error) {
	k, err := m.cfg.Vouchers.VoucherByID(ctx, id)
	if errors.Is(err, ErrNoVoucher) {
		return Account{}, ErrNoAccount
	}
	if err != nil {
		return Account{}, err
	}
	a, _, err := m.voucherAccount(ctx, k, 0)
	return a, err
}

// firstUse is the line that says when a voucher was first used here; none where that is known.
func (m *Manager) firstUse(s *Session, b *book) []Spent {
	if s.VoucherID == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ownUse(b).first != nil {
		return nil
	}
	return []Spent{{Account: b.account, Period: Life, Start: lifeStart, First: &s.StartedAt}}
}

// shareAnew has Run divide what is left of a voucher among its sessions: one comes, or has gone. The caller holds mu.
func (m *Manager) shareAnew(s *Session) {
	if b := m.books[s.account()]; s.VoucherID != 0 && b != nil && len(b.sessions) > 0 {
		m.sharing[s.Username] = true
		m.wakeRun()
	}
}

// vouchersOnline are the vouchers that name means and that have a session; nothing is to be done for others.
func (m *Manager) vouchersOnline(name string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.books[voucherBook(name)]; b != nil && len(b.sessions) > 0 {
		return []string{name}
	}
	if name == AnyVoucher {
		for _, b := range m.books {
			for _, r := range b.sessions {
				if r.VoucherID != 0 {
					names = append(names, r.Username)
					break
				}
			}
		}
	}
	return names
}
