package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// AccessKind is what a rule says of a station. Where several rules name one, the first in this order counts.
type AccessKind string

// The kinds of rules.
const (
	AccessBlocked AccessKind = "blocked" // it reaches nothing
	// AccessSuspended is a pause: for a while its MAC address alone lets it in no more, whatever the two below say. The
	// portal does. A session from before a suspension by spoofing ends.
	AccessSuspended     AccessKind = "suspended"
	AccessTrusted       AccessKind = "trusted"       // online as soon as it is seen, without account and limits
	AccessPreauthorized AccessKind = "preauthorized" // logged in as soon as it is seen, as the account of the rule
	AccessRemembered    AccessKind = "remembered"    // the same, because a guest has asked for it
)

// AccessOrigin says who made a rule.
type AccessOrigin string

// The makers of rules.
const (
	ByConfiguration AccessOrigin = "configuration"
	ByOperator      AccessOrigin = "operator"
	BySpoofing      AccessOrigin = "spoofing" // the zone's answer to a suspicion
	ByGuest         AccessOrigin = "guest"    // who has a device remembered, or has logged a remembered one out
	ByLimit         AccessOrigin = "limit"    // a pre-authorized station has used up its session
)

// AccessRule is what was decided about the station of one MAC address.
type AccessRule struct {
	Kind    AccessKind    `json:"kind"`
	Zone    string        `json:"zone,omitempty"` // empty: every zone
	MAC     MAC           `json:"mac"`
	Account string        `json:"account,omitempty"` // user name, of AccessPreauthorized
	Note    string        `json:"note,omitempty"`    // why, or whose it is, for people
	By      AccessOrigin  `json:"by"`
	MadeAt  Stamp         `json:"made_at,omitzero"` // not of the configuration's
	For     time.Duration `json:"for,omitempty"`    // zero: no end
	Guest   *Remembered   `json:"guest,omitempty"`  // of AccessRemembered; never changed
}

// MaxAccessRules is how many rules can be made while the gateway runs.
const MaxAccessRules = 4096

// Errors of SetAccess and RemoveAccess.
var (
	ErrNoRule       = errors.New("no such rule")
	ErrConfigured   = errors.New("the rule is in the configuration")
	ErrTooManyRules = errors.New("there are too many rules")
	ErrBadRule      = errors.New("the rule makes no sense")
)

const (
	// afterLimit is counted from the start of a pre-authorized session that ended by its limit: so long its MAC address
	// does not begin another one, for then the limit would limit nothing.
	afterLimit   = 24 * time.Hour
	afterLogout  = 5 * time.Minute // for a guest who wants to come back as somebody else
	afterRefusal = time.Minute
	// afterGuestLogout keeps a remembered device out whose guest has logged out, perhaps to save his time: he can come back by
	// one tap, or his device does when it comes again another day.
	afterGuestLogout = 12 * time.Hour
)

type ruleKey struct {
	kind AccessKind
	zone string
	mac  MAC
}

func (r *AccessRule) key() ruleKey { return ruleKey{r.Kind, r.Zone, r.MAC} }

// access is what is decided about stations, and what became of it.
type access struct {
	configured, made map[ruleKey]AccessRule
	blocked          []Station       // as the enforcer has them
	tries            map[Station]try // of stations that their MAC address lets in
	unsettled        bool            // sessions or the enforcer may not agree with the rules yet
	accused          map[accused]accusation
	full             bool // more were accused than can be treated
}

// try is the last attempt to let a station in by its MAC address.
type try struct {
	next    time.Duration // Mono
	refused Reason
}

func newAccess(zones []Zone) access {
	a := access{configured: map[ruleKey]AccessRule{}, made: map[ruleKey]AccessRule{}, tries: map[Station]try{},
		accused: map[accused]accusation{}}
	for _, z := range zones {
		for _, r := range z.Access {
			r.Zone, r.By = z.Name, ByConfiguration
			a.configured[r.key()] = r
		}
	}
	return a
}

// find is the rule of a kind for a station.
func (a *access) find(kind AccessKind, st Station) (AccessRule, bool) {
	for _, zone := range []string{st.Zone, ""} {
		for _, rules := range []map[ruleKey]AccessRule{a.made, a.configured} {
			if r, ok := rules[ruleKey{kind, zone, st.MAC}]; ok {
				return r, true
			}
		}
	}
	return AccessRule{}, false
}

// of is the rule that counts for a station; without a Kind when there is none.
func (a *access) of(st Station) AccessRule {
	for _, kind := range []AccessKind{AccessBlocked, AccessSuspended, AccessTrusted, AccessPreauthorized, AccessRemembered} {
		if r, ok := a.find(kind, st); ok {
			return r
		}
	}
	return AccessRule{}
}

// take enters what a batch has made durable. Whatever changes is to be settled.
func (a *access) take(b Batch) {
	for _, r := range b.Access {
		a.made[r.key()] = r
	}
	for _, r := range b.Revoked {
		delete(a.made, r.key())
	}
	a.unsettled = a.unsettled || len(b.Access)+len(b.Revoked) > 0
}

// Access are all rules, those of the configuration first, by zone, MAC and kind.
func (m *Manager) Access() []AccessRule {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []AccessRule
	for _, rules := range []map[ruleKey]AccessRule{m.access.configured, m.access.made} {
		begin := len(all)
		for _, r := range rules {
			all = append(all, r)
		}
		sortFunc(all[begin:], func(a, b AccessRule) int {
			return cmp.Or(strings.Compare(a.Zone, b.Zone), slices.Compare(a.MAC[:], b.MAC[:]), strings.Compare(string(a.Kind), string(b.Kind)))
		})
	}
	return all
}

// AccessLeft is how much longer a rule holds; ok is false when it has no end. What was made in an earlier boot is
// measured by the wall clock where that can be believed, and from this boot on else: longer rather than shorter.
func (m *Manager) AccessLeft(r AccessRule) (left time.Duration, ok bool) {
	if r.For == 0 {
		return 0, false
	}
	spent := m.cfg.Clock.Mono()
	if r.MadeAt.BootID == m.cfg.Clock.BootID() {
		spent -= r.MadeAt.Mono
	} else if now := m.cfg.Clock.Now(); !r.MadeAt.Wall.IsZero() && m.believable(now) {
		spent = max(spent, now.Sub(r.MadeAt.Wall))
	}
	return max(0, r.For-spent), true
}

// SetAccess makes a rule of the operator's, durably, in the place of one for the same station of the same kind, and acts
// by it: blocked stations are cut off when it returns. Trusted and pre-authorized take each other's place and end a
// suspension. The error wraps ErrBadRule or is ErrTooManyRules.
func (m *Manager) SetAccess(ctx context.Context, r AccessRule) error {
	switch _, known := m.zones[r.Zone]; {
	case r.Zone != "" && !known:
		return &Refusal{Reason: RefusedUnknownZone}
	case r.MAC == MAC{} || r.MAC[0]&1 != 0:
		return fmt.Errorf("%w: %s is no device's MAC address", ErrBadRule, r.MAC)
	case r.Kind != AccessBlocked && r.Kind != AccessTrusted && r.Kind != AccessPreauthorized || r.For < 0:
		return fmt.Errorf("%w: %q for %v", ErrBadRule, r.Kind, r.For)
	case (r.Kind == AccessPreauthorized) != (r.Account != ""):
		return fmt.Errorf("%w: pre-authorized is who has an account, and nobody else", ErrBadRule)
	}
	r.By, r.MadeAt = ByOperator, m.stamp()
	b := Batch{Access: []AccessRule{r}}
	m.mu.Lock()
	_, there := m.access.made[r.key()]
	if full := len(m.access.made) >= MaxAccessRules; full && !there {
		m.mu.Unlock()
		return ErrTooManyRules
	}
	if r.Kind != AccessBlocked {
		for _, kind := range []AccessKind{AccessTrusted, AccessPreauthorized, AccessRemembered, AccessSuspended} {
			if old, ok := m.access.made[ruleKey{kind, r.Zone, r.MAC}]; ok && kind != r.Kind {
				b.Revoked = append(b.Revoked, old)
			}
		}
	}
	b.Transactions = m.blockTransactions(r)
	m.mu.Unlock()
	if err := m.commit(ctx, b); err != nil {
		return fmt.Errorf("writing a rule: %w", err)
	}
	m.forgetTries(r)
	return m.settle(context.WithoutCancel(ctx))
}

// RemoveAccess takes back the rules of these kinds that were made for a MAC address while the gateway ran, in one zone
// or, without one, wherever they hold, and returns them. The error is ErrConfigured where only the configuration has
// such a rule, and ErrNoRule where there is none.
func (m *Manager) RemoveAccess(ctx context.Context, zone string, mac MAC, kinds ...AccessKind) ([]AccessRule, error) {
	var b Batch
	configured := false
	for _, r := range m.Access() {
		switch {
		case r.MAC != mac || zone != "" && r.Zone != zone || !slices.Contains(kinds, r.Kind):
		case r.By == ByConfiguration:
			configured = true
		default:
			b.Revoked = append(b.Revoked, r)
		}
	}
	if len(b.Revoked) == 0 {
		if configured {
			return nil, ErrConfigured
		}
		return nil, ErrNoRule
	}
	if err := m.commit(ctx, b); err != nil {
		return nil, fmt.Errorf("taking back a rule: %w", err)
	}
	for _, r := range b.Revoked {
		m.forgetTries(r)
	}
	return b.Revoked, m.settle(context.WithoutCancel(ctx))
}

// commit makes a batch durable and then takes in what it says of rules.
func (m *Manager) commit(ctx context.Context, b Batch) error {
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	m.mu.Lock()
	m.access.take(b)
	m.takeTrials(b.Trials)
	m.mu.Unlock()
	if len(b.Transactions) > 0 {
		m.cfg.Queued()
	}
	return nil
}

// forgetTries lets the stations of a rule try again at once.
func (m *Manager) forgetTries(r AccessRule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for st := range m.access.tries {
		if st.MAC == r.MAC {
			delete(m.access.tries, st)
		}
	}
}

// loadAccess takes in the rules of earlier runs.
func (m *Manager) loadAccess(ctx context.Context) error {
	rules, err := m.cfg.Store.LoadAccess(ctx)
	if err != nil {
		return fmt.Errorf("loading rules: %w", err)
	}
	m.mu.Lock()
	m.access.take(Batch{Access: rules})
	m.mu.Unlock()
	m.expireRules(ctx)
	return nil
}

// expireRules ends the rules whose time is over. One that cannot be taken off the disk is found again at the next start.
func (m *Manager) expireRules(ctx context.Context) {
	m.mu.Lock()
	var b Batch
	for _, r := range m.access.made {
		if left, ends := m.AccessLeft(r); ends && left == 0 {
			b.Revoked = append(b.Revoked, r)
		}
	}
	m.access.take(b)
	m.mu.Unlock()
	if len(b.Revoked) == 0 {
		return
	}
	for _, r := range b.Revoked {
		m.cfg.Logger.Info("a rule for a station is over", "kind", string(r.Kind), "station", Station{r.Zone, r.MAC}, "by", string(r.By))
	}
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		m.cfg.Logger.Error("taking back rules", "err", err)
	}
}

// nextRule is when the first rule or the first accusation is due, in Mono; ok is false when none is. The caller holds mu.
func (m *Manager) nextRule() (at time.Duration, ok bool) {
	now := m.cfg.Clock.Mono()
	for _, r := range m.access.made {
		if left, ends := m.AccessLeft(r); ends && (!ok || now+left < at) {
			at, ok = now+left, true
		}
	}
	for _, c := range m.access.accused {
		if !ok || c.due < at {
			at, ok = c.due, true
		}
	}
	return at, ok
}
