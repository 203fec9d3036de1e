package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// authenticate proves a user name and password: by the gateway's own accounts, then by the verifier of a centre account
// that has logged in here, then by the centre (DESIGN D9, D10).
func (m *Manager) authenticate(ctx context.Context, c Credentials, st Station) (Account, error) {
	if c.Username == "" || c.Password == "" {
		return Account{}, &Refusal{Reason: RefusedCredentials}
	}
	a, err := m.cfg.Local.Account(ctx, c.Username)
	if err == nil && a.PasswordHash == "" { // a stay, which nobody has a password for
		err = ErrNoAccount
	}
	if err == nil {
		ok, err := m.checkPassword(ctx, a.PasswordHash, c.Password)
		if err == nil && !ok {
			err = &Refusal{Reason: RefusedCredentials}
		}
		return a, err
	}
	if !errors.Is(err, ErrNoAccount) {
		return Account{}, fmt.Errorf("looking for a local account: %w", err)
	}
	if m.cfg.Authority == nil {
		return Account{}, m.refuseUnknown(ctx, c.Password)
	}
	return m.byCentre(ctx, c, st, c.Username)
}

// refuseUnknown takes as long as it took to refuse the last user who was known here.
func (m *Manager) refuseUnknown(ctx context.Context, p Password) error {
	last := m.lastHash.Load()
	if last == nil {
		hash, err := m.hashPassword(ctx, "")
		if err != nil {
			return err
		}
		last = &hash
	}
	if _, err := m.checkPassword(ctx, *last, p); err != nil {
		return err
	}
	return &Refusal{Reason: RefusedCredentials}
}

// tokenPrefix is of the names of verifiers of user tokens. No user can have such a name.
const tokenPrefix = "token#"

// byToken proves a user token, which only a centre has: its codes stand in the place of user name and password.
func (m *Manager) byToken(ctx context.Context, c Credentials, st Station) (Account, error) {
	if m.cfg.Authority == nil {
		return Account{}, &Refusal{Reason: RefusedMethod}
	}
	return m.byCentre(ctx, c, st, tokenPrefix+c.Username)
}

// byCentre proves what only the centre knows, or the verifier of that name does.
func (m *Manager) byCentre(ctx context.Context, c Credentials, st Station, verifier string) (Account, error) {
	a, known, err := m.verified(ctx, c, verifier)
	if err != nil {
		return a, err
	}
	if a.Username == "" {
		return m.askCentre(ctx, c, st, known)
	}
	if over, err := m.leaseIsOver(ctx, a.Lease); err != nil || !over {
		return a, err
	}
	fresh, err := m.askCentre(ctx, c, st, false)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == RefusedCentreAway { // there is the grace
		return a, nil
	}
	return fresh, err
}

// verified returns the account when its verifier proves the password. known tells that there was a verifier good enough
// to judge by.
func (m *Manager) verified(ctx context.Context, c Credentials, name string) (a Account, known bool, err error) {
	v, err := m.cfg.Verifiers.Verifier(ctx, name)
	if errors.Is(err, ErrNoAccount) {
		return Account{}, false, nil
	}
	if err != nil {
		return Account{}, false, fmt.Errorf("looking for a verifier: %w", err)
	}
	a, err = m.cfg.Mirror.Account(ctx, cmp.Or(v.Account, v.Username))
	if errors.Is(err, ErrNoAccount) || err == nil && (v.CredentialVersion != a.CredentialVersion || m.tooOld(v)) {
		return Account{}, false, nil
	}
	if err != nil {
		return Account{}, false, fmt.Errorf("looking for an account: %w", err)
	}
	ok, err := m.checkPassword(ctx, v.Hash, c.Password)
	if err != nil || !ok {
		return Account{}, true, err
	}
	return a, true, nil
}

// tooOld tells whether a verifier is past its offline age. Without two believable dates its age cannot be told, and it
// counts as fresh: a router whose clock is wrong must not lock everybody out.
func (m *Manager) tooOld(v Verifier) bool {
	now := m.cfg.Clock.Now()
	if v.MadeAt.Wall.IsZero() || !m.believable(now) {
		return v.MadeAt.BootID == m.cfg.Clock.BootID() && m.cfg.Clock.Mono()-v.MadeAt.Mono > m.cfg.VerifierMaxAge
	}
	return now.Sub(v.MadeAt.Wall) > m.cfg.VerifierMaxAge
}

func (m *Manager) askCentre(ctx context.Context, c Credentials, st Station, known bool) (Account, error) {
	a, err := m.cfg.Authority.Authenticate(ctx, c, st)
	switch {
	case err == nil:
		m.keepVerifier(ctx, c, a)
		return a, nil
	case (errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrNoAccount)) && !known:
		return Account{}, m.refuseUnknown(ctx, c.Password)
	case errors.Is(err, ErrWrongPassword), errors.Is(err, ErrNoAccount):
		return Account{}, &Refusal{Reason: RefusedCredentials}
	case errors.Is(err, ErrUnreachable) && known: // what was typed differs from what the centre last approved
		return Account{}, &Refusal{Reason: RefusedCredentials}
	case errors.Is(err, ErrUnreachable):
		return Account{}, &Refusal{Reason: RefusedCentreAway}
	}
	return Account{}, fmt.Errorf("asking the centre: %w", err)
}

// keepVerifier remembers the proof, so that the account can log in while the centre is away. Without it the guest is
// still in, so a failure is for the log only.
func (m *Manager) keepVerifier(ctx context.Context, c Credentials, a Account) {
	v := Verifier{Username: a.Username, CredentialVersion: a.CredentialVersion, MadeAt: m.stamp()}
	if c.Username != a.Username { // a token's proof must not take the place of the password's
		v.Username, v.Account = tokenPrefix+c.Username, a.Username
	}
	hash, err := m.hashPassword(ctx, c.Password)
	if err == nil {
		v.Hash = hash
		err = m.cfg.Verifiers.SaveVerifier(context.WithoutCancel(ctx), v)
	}
	if err != nil {
		m.cfg.Logger.Warn("verifier not kept; this account cannot log in while the centre is away", "err", err)
	}
}

func (m *Manager) checkPassword(ctx context.Context, hash string, p Password) (bool, error) {
	if err := m.acquireHasher(ctx); err != nil {
		return false, err
	}
	defer func() { <-m.hasher }()
	ok, err := VerifyPassword(hash, p)
	if err == nil {
		m.lastHash.Store(&hash)
	}
	return ok, err
}

func (m *Manager) hashPassword(ctx context.Context, p Password) (string, error) {
	if err := m.acquireHasher(ctx); err != nil {
		return "", err
	}
	defer func() { <-m.hasher }()
	return HashPassword(p)
}

func (m *Manager) acquireHasher(ctx context.Context) error {
	select {
	case m.hasher <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AccountChanged looks at the account again: its sessions end when it is gone, inactive or expired, those by a user token also when its
// credentials are others, and get the limits that it has now otherwise.
func (m *Manager) AccountChanged(ctx context.Context, username string) error {
	if !strings.HasPrefix(username, voucherPrefix) {
		return m.accountChanged(ctx, username)
	}
	var failed error
	for _, name := range m.vouchersOnline(username) {
		failed = errors.Join(failed, m.accountChanged(ctx, name))
	}
	return failed
}

func (m *Manager) accountChanged(ctx context.Context, username string) error {
	a, err := m.account(ctx, username)
	gone := errors.Is(err, ErrNoAccount) || err == nil && m.usable(a) != nil
	if err != nil && !gone {
		return fmt.Errorf("looking at the changed account: %w", err)
	}
	failed := errors.Join(m.forgetStale(ctx, username), m.accountNews(ctx, username))
	if errors.Is(err, ErrNoAccount) { // a router keeps no proof of somebody who is no user any more
		failed = errors.Join(failed, m.cfg.Verifiers.DeleteVerifier(ctx, username))
	}
	for _, s := range m.Sessions() {
		switch {
		case s.Username != username || s.Source == SourceGuest:
		case gone || s.ByToken != 0 && s.ByToken != a.CredentialVersion:
			_, err := m.Logout(ctx, s.Station, AdminReset)
			failed = errors.Join(failed, notARefusal(err))
		default:
			failed = errors.Join(failed, m.applyLimits(ctx, s, a))
		}
	}
	return failed
}

// account finds an account without proving anything.
func (m *Manager) account(ctx context.Context, username string) (Account, error) {
	if id, ok := VoucherID(username); ok && m.cfg.Vouchers != nil {
		return m.voucherOf(ctx, id)
	}
	a, err := m.cfg.Local.Account(ctx, username)
	if errors.Is(err, ErrNoAccount) && m.cfg.Mirror != nil {
		return m.cfg.Mirror.Account(ctx, username)
	}
	return a, err
}

// applyLimits gives a running session the limits that its account has now, counted from its start.
func (m *Manager) applyLimits(ctx context.Context, s Session, a Account) error {
	release, err := m.hold(ctx, s.Station)
	if err != nil {
		return err
	}
	defer release()
	m.mu.Lock()
	r, ok := m.running[s.Station]
	if !ok || r.cutAt != nil || r.AcctSessionID != s.AcctSessionID {
		m.mu.Unlock()
		return nil
	}
	changed := m.now(r)
	if r.book != nil {
		r.book.elsewhere = a.Elsewhere
	}
	m.mu.Unlock()
	a.Limits = changed.Given.Or(a.Limits)
	v := Evaluate(a.Profiles, changed.asked())
	if v.Rejected {
		_, err := m.end(context.WithoutCancel(ctx), AdminReset, s.Station)
		return err
	}
	changed.Limits = m.effective(m.zones[s.Station.Zone], a, v, &changed)
	if a.TimeLeft != nil && (changed.Limits.SessionTimeout-r.Limits.SessionTimeout).Abs() < time.Second {
		changed.Limits.SessionTimeout = r.Limits.SessionTimeout // the moments between reading and reckoning
	}
	if err := m.reborrow(ctx, a.Lease, &changed); err != nil {
		return err
	}
	if changed.Limits == r.Limits && changed.Lease == r.Lease { // only who holds the station changes them
		return nil
	}
	return m.change(ctx, r, changed)
}

func notARefusal(err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}
