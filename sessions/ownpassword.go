package sessions

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Passwords keep the passwords of the gateway's own accounts. SetPassword returns ErrNoAccount where the hash is not old any more.
type Passwords interface {
	SetPassword(ctx context.Context, username, old, hash string) error
}

// PasswordAuthority is an Authority that lets users change their passwords. ErrWrongPassword is about the present one; a *Refusal
// with RefusedWeak about the new one.
type PasswordAuthority interface {
	ChangePassword(ctx context.Context, c Credentials, changed Password, at Station) (Account, error)
}

// OwnsAccount tells whether a session is that of an account with a password.
func (s *Session) OwnsAccount() bool {
	return (s.Source == SourceLocal || s.Source == SourceCentre) && s.VoucherID == 0 && !strings.HasPrefix(s.Username, voucherPrefix)
}

// ChangePassword gives the account of a station's session another password, if present is the one that it has. It counts as a
// guess where that is wrong.
func (m *Manager) ChangePassword(ctx context.Context, st Station, secure bool, present, changed Password) error {
	zone, ok := m.zones[st.Zone]
	if !ok {
		return &Refusal{Reason: RefusedUnknownZone}
	}
	if !secure && !zone.AllowCleartext {
		return &Refusal{Reason: RefusedCleartext}
	}
	s := m.View(st).Session
	if s == nil {
		return &Refusal{Reason: RefusedNotLoggedIn}
	}
	if !s.OwnsAccount() {
		return &Refusal{Reason: RefusedMethod}
	}
	if WeakPassword(s.Username, changed) {
		return &Refusal{Reason: RefusedWeak}
	}
	keys := m.passwordGuess(st, s.Username)
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	change := m.changeCentre
	if s.Source == SourceLocal {
		change = m.changeLocal
	}
	err := change(ctx, st, Credentials{Username: s.Username, Password: present}, changed)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == RefusedCredentials {
		m.guess.spend(m.cfg.Clock.Mono(), keys)
	}
	return err
}

func (m *Manager) changeLocal(ctx context.Context, _ Station, c Credentials, changed Password) error {
	a, err := m.cfg.Local.Account(ctx, c.Username)
	if errors.Is(err, ErrNoAccount) {
		return &Refusal{Reason: RefusedInactive}
	}
	if err != nil {
		return fmt.Errorf("looking for a local account: %w", err)
	}
	ok, err := m.checkPassword(ctx, a.PasswordHash, c.Password)
	if err != nil {
		return err
	}
	if !ok {
		return &Refusal{Reason: RefusedCredentials}
	}
	hash, err := m.hashPassword(ctx, changed)
	if err != nil {
		return err
	}
	err = m.cfg.Passwords.SetPassword(context.WithoutCancel(ctx), c.Username, a.PasswordHash, hash)
	if errors.Is(err, ErrNoAccount) { // somebody else has just changed it
		return &Refusal{Reason: RefusedCredentials}
	}
	return err
}

func (m *Manager) changeCentre(ctx context.Context, st Station, c Credentials, changed Password) error {
	authority, ok := m.cfg.Authority.(PasswordAuthority)
	if !ok {
		return &Refusal{Reason: RefusedCentreAway}
	}
	a, err := authority.ChangePassword(ctx, c, changed, st)
	switch {
	case errors.Is(err, ErrWrongPassword):
		return &Refusal{Reason: RefusedCredentials}
	case errors.Is(err, ErrUnreachable):
		return &Refusal{Reason: RefusedCentreAway}
	case err != nil:
		return err
	}
	c.Password = changed
	m.keepVerifier(context.WithoutCancel(ctx), c, a)
	return nil
}
