package sessions

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Remembered is what a rule of AccessRemembered knows of the guest who made it.
type Remembered struct {
	Source     Source `json:"source"`
	Credential string `json:"credential,omitempty"` // names the password that it was made with, of an account that has one
	Terms      string `json:"terms,omitempty"`      // version that was accepted; empty: none was asked for
	Secret     string `json:"secret,omitempty"`     // SHA-256 of what the guest's browser keeps, hexadecimal; empty: it keeps none
	Added      bool   `json:"added,omitempty"`      // from another device of the account
}

// Bounds of what guests have remembered: random MACs must not fill the disk, nor take the operator's rules their room. The oldest
// gives way.
const (
	maxRemembered           = 2048
	maxRememberedPerAccount = 12
	addedFor                = 365 * 24 * time.Hour // an added device, in a zone that remembers none otherwise
)

func secretHash(secret Password) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// credential names the password of an account without telling anything of it.
func credential(a Account) string {
	if a.PasswordHash == "" && a.CredentialVersion == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(a.PasswordHash + "/" + strconv.FormatInt(a.CredentialVersion, 10)))
	return hex.EncodeToString(sum[:8])
}

// isOf tells whether a rule was made by a guest of this account. Nobody's account is one of each station.
func (r *AccessRule) isOf(source Source, username string) bool {
	return r.Kind == AccessRemembered && source != SourceGuest && r.Guest.Source == source && r.Account == username
}

// remember makes a rule for the station of a session, as its guest asks, and puts it into a batch with those that give way to
// it. An account that would not be found again is not remembered.
func (m *Manager) remember(ctx context.Context, zone *Zone, req *LoginRequest, s *Session, b *Batch) error {
	if zone.Remember == 0 || !req.Remember || s.OnTrial || s.Method == MethodAdmin || s.Method == MethodPortal {
		return nil
	}
	r := AccessRule{Kind: AccessRemembered, Zone: zone.Name, MAC: s.Station.MAC, Note: req.Device, By: ByGuest, MadeAt: s.StartedAt, For: zone.Remember,
		Guest: &Remembered{Source: s.Source, Terms: s.TermsVersion}}
	if req.NewSecret != "" {
		r.Guest.Secret = secretHash(req.NewSecret)
	}
	if s.Source != SourceGuest {
		a, err := m.account(ctx, s.Username)
		if errors.Is(err, ErrNoAccount) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at the account: %w", err)
		}
		r.Account, r.Guest.Credential = s.Username, credential(a)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.access.of(s.Station); old.Kind != "" && old.Kind != AccessRemembered && old.By != ByGuest { // the operator has decided
		return nil
	}
	b.Access, b.Revoked = append(b.Access, r), append(b.Revoked, m.makeRoom(r)...)
	return nil
}

// makeRoom are the oldest rules of guests that a new one takes the place of. The caller holds mu.
func (m *Manager) makeRoom(r AccessRule) (out []AccessRule) {
	var all []AccessRule
	for _, old := range m.access.made {
		if old.Kind == AccessRemembered && old.key() != r.key() {
			all = append(all, old)
		}
	}
	sortFunc(all, func(a, b AccessRule) int {
		return cmp.Or(a.MadeAt.Wall.Compare(b.MadeAt.Wall), cmp.Compare(a.MadeAt.Mono, b.MadeAt.Mono))
	})
	own, given := 0, 0
	for _, old := range all {
		if old.isOf(r.Guest.Source, r.Account) {
			own++
		}
	}
	for _, old := range all {
		mine := old.isOf(r.Guest.Source, r.Account)
		if len(all)-given >= maxRemembered || mine && own >= maxRememberedPerAccount {
			out = append(append(out, old), m.goodbye(Station{old.Zone, old.MAC})...)
			given++
			if mine {
				own--
			}
		}
	}
	return out
}

// recall is the account as which a remembered device comes in now.
func (m *Manager) recall(ctx context.Context, zone *Zone, r AccessRule) (Account, error) {
	switch asked := r.Guest.Terms != "" || zone.TermsForAll; {
	case !r.Guest.Added && zone.Remember == 0 || r.Guest.Added && !zone.AddDevices:
		return Account{}, &Refusal{Reason: RefusedMethod}
	case asked && r.Guest.Terms != zone.TermsVersion:
		return Account{}, &Refusal{Reason: RefusedTerms}
	case r.Guest.Source == SourceGuest:
		return Account{Source: SourceGuest, Active: true}, nil
	}
	a, err := m.account(ctx, r.Account)
	switch {
	case errors.Is(err, ErrNoAccount) || err == nil && a.Source != r.Guest.Source:
		return a, &Refusal{Reason: RefusedNoAccount}
	case err != nil:
		return a, fmt.Errorf("looking at the account: %w", err)
	case credential(a) != r.Guest.Credential:
		return a, &Refusal{Reason: RefusedCredentials}
	}
	return a, m.usable(a)
}

// remembered are the rules that guests have made, as keep says. The caller holds mu.
func (m *Manager) remembered(keep func(*AccessRule) bool) (all []AccessRule) {
	for _, r := range m.access.made {
		if r.Kind == AccessRemembered && keep(&r) {
			all = append(all, r)
		}
	}
	return all
}

// forgetStale takes back what was remembered of an account that is gone or has another password.
func (m *Manager) forgetStale(ctx context.Context, username string) error {
	a, err := m.account(ctx, username)
	gone := errors.Is(err, ErrNoAccount)
	if err != nil && !gone {
		return fmt.Errorf("looking at the account: %w", err)
	}
	m.mu.Lock()
	stale := m.remembered(func(r *AccessRule) bool {
		return r.Account == username && (gone || a.Source != r.Guest.Source || credential(a) != r.Guest.Credential)
	})
	m.mu.Unlock()
	return m.forgetRules(ctx, stale)
}

// forgetRules takes back rules that guests have made; sessions that they made end with Run.
func (m *Manager) forgetRules(ctx context.Context, rules []AccessRule) error {
	if len(rules) == 0 {
		return nil
	}
	m.mu.Lock()
	for _, r := range rules {
		rules = append(rules, m.goodbye(Station{r.Zone, r.MAC})...)
	}
	m.mu.Unlock()
	if err := m.commit(ctx, Batch{Revoked: rules}); err != nil {
		return fmt.Errorf("forgetting devices: %w", err)
	}
	m.wakeRun()
	return nil
}

// bySecret finds the rule whose browser keeps a secret. The caller holds mu.
func (m *Manager) bySecret(zone string, secret Password) (AccessRule, bool) {
	if secret == "" {
		return AccessRule{}, false
	}
	hash := secretHash(secret) // of a value that nobody can choose, so comparing it tells nothing
	found := m.remembered(func(r *AccessRule) bool { return r.Zone == zone && r.Guest.Secret == hash })
	if len(found) == 0 {
		return AccessRule{}, false
	}
	return found[0], true
}

// Recognized tells whether a browser's secret would let its guest in to a zone by one tap, and as whom; a guest without an
// account has no name.
func (m *Manager) Recognized(zone string, secret Password) (username string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.bySecret(zone, secret)
	return r.Account, ok
}

// returning is the rule by which a station asks to be let in with a browser's secret.
func (m *Manager) returning(req LoginRequest) (AccessRule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.bySecret(req.Station.Zone, req.Secret)
	if !ok {
		return r, &Refusal{Reason: RefusedNotKnown}
	}
	switch paused := m.access.of(Station{r.Zone, r.MAC}); paused.Kind {
	case AccessBlocked:
		return r, &Refusal{Reason: RefusedBlocked}
	case AccessSuspended: // another MAC address is no reason to get it sooner
		if paused.By != ByGuest {
			return r, &Refusal{Reason: RefusedNothingLeft}
		}
	}
	return r, nil
}

// comeBack lets in a guest whose browser is known, whatever the MAC address of his device is today. What his session has left
// moves with him: it stops there and starts here (DESIGN D6). The caller holds the station.
func (m *Manager) comeBack(ctx context.Context, zone *Zone, req LoginRequest) (Session, error) {
	r, err := m.returning(req)
	if err != nil {
		return Session{}, err
	}
	a, err := m.recall(ctx, zone, r)
	if err != nil {
		return Session{}, err
	}
	here := r
	here.MAC, here.Guest = req.Station.MAC, new(*r.Guest)
	if req.NewSecret != "" {
		here.Guest.Secret = secretHash(req.NewSecret)
	}
	news := Batch{Access: []AccessRule{here}}
	if r.MAC != here.MAC {
		m.mu.Lock()
		news.Revoked = append(m.goodbye(Station{r.Zone, r.MAC}), r)
		m.mu.Unlock()
	}
	old, ok, err := m.takeAway(ctx, Station{r.Zone, r.MAC}, req.Station)
	if err != nil {
		return Session{}, err
	}
	var s Session
	if ok {
		old.Station, old.Place, old.Resumable = req.Station, m.place(zone, req.Station), false
		s, err = m.carryOn(ctx, old, req.Addr)
	} else {
		req.Secret, req.proven = "", &a
		s, err = m.tryLogin(ctx, zone, req)
	}
	if err != nil {
		return s, err
	}
	// Until this is written the old secret is good, and whoever comes with it finds the session.
	return s, m.commit(ctx, news)
}

// takeAway ends what the station of a guest has who is another station now, and returns it.
func (m *Manager) takeAway(ctx context.Context, from, to Station) (Session, bool, error) {
	if from == to {
		return Session{}, false, nil
	}
	mine, release := m.takeFree([]Station{from})
	defer release()
	if len(mine) == 0 { // it is being let in or out this moment
		return Session{}, false, &Refusal{Reason: RefusedTooOften, RetryAfter: time.Second}
	}
	m.mu.Lock()
	old, resumable := m.resumable[from]
	m.mu.Unlock()
	if resumable {
		return old, true, m.giveUp(ctx, old)
	}
	ended, err := m.end(ctx, UserRequest, from)
	if err != nil || len(ended) == 0 || ended[0].TerminateCause != UserRequest {
		return Session{}, false, err
	}
	return ended[0], true, nil
}
