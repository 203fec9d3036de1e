package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// letsIn tells whether a rule is about letting a station in.
func (k AccessKind) letsIn() bool {
	return k == AccessTrusted || k == AccessPreauthorized || k == AccessRemembered
}

// entitled tells whether a station is to be let in by its MAC address now. The caller holds mu.
func (m *Manager) entitled(st Station) bool {
	if _, running := m.running[st]; running || m.cfg.Clock.Mono() < m.access.tries[st].next {
		return false
	}
	if _, paused := m.pausedOf(st); paused { // by a guest who wants to be offline
		return false
	}
	kind := m.access.of(st).Kind
	return kind.letsIn()
}

// arrive gives a station that was seen what it is entitled to: the rest of a session that a reboot ended, or a session
// by its MAC address.
func (m *Manager) arrive(ctx context.Context, st Station, addr netip.Addr) error {
	m.mu.Lock()
	rule := m.access.of(st)
	resumable := m.resumesItself(st)
	switch {
	case rule.Kind == AccessBlocked || rule.Kind == AccessSuspended || m.busy[st] != nil: // who is busy will be seen again
		m.mu.Unlock()
		return nil
	case resumable && rule.Kind != AccessTrusted:
		m.mu.Unlock()
		return m.resume(ctx, st, addr)
	case !m.entitled(st):
		m.mu.Unlock()
		return nil
	}
	release := m.take(st)
	m.mu.Unlock()
	defer release()
	req := LoginRequest{Station: st, Addr: addr, Method: MethodPreauthorized, Credentials: Credentials{Username: rule.Account}}
	switch rule.Kind {
	case AccessTrusted:
		req.Method = MethodTrusted
	case AccessRemembered:
		req.Method = MethodMAC
	}
	_, err := m.login(ctx, m.zones[st.Zone], req)
	m.tried(st, err)
	return notARefusal(err)
}

// tried remembers how an attempt to let a station in by its MAC address went.
func (m *Manager) tried(st Station, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.access.tries, st)
		return
	}
	t := try{next: m.cfg.Clock.Mono() + afterRefusal}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		t.refused = refusal.Reason
	}
	m.access.tries[st] = t
}

// byMAC is the account of a station that its MAC address lets in, as the rules are now.
func (m *Manager) byMAC(ctx context.Context, zone *Zone, req LoginRequest) (Account, error) {
	rule := m.rule(req.Station)
	switch {
	case req.Method == MethodTrusted && rule.Kind == AccessTrusted:
		return Account{Source: SourceGuest, Active: true}, nil
	case req.Method == MethodMAC && rule.Kind == AccessRemembered:
		return m.recall(ctx, zone, rule)
	case req.Method != MethodPreauthorized || rule.Kind != AccessPreauthorized:
		return Account{}, &Refusal{Reason: RefusedMethod}
	}
	a, err := m.account(ctx, rule.Account)
	if errors.Is(err, ErrNoAccount) {
		return a, &Refusal{Reason: RefusedNoAccount}
	}
	if err != nil {
		return a, fmt.Errorf("looking at the account: %w", err)
	}
	return a, m.usable(a)
}

// rule is the rule that counts for a station.
func (m *Manager) rule(st Station) AccessRule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.access.of(st)
}

// refusedBefore is why a station's MAC address did not let it in the last time.
func (m *Manager) refusedBefore(st Station) Reason {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.access.tries[st].refused
}

// loggedOut keeps a station that its MAC address lets in from coming back at once: who logs out, or is logged out, is meant to be.
// News of the account let it come.
func (m *Manager) loggedOut(st Station) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := map[AccessKind]time.Duration{AccessPreauthorized: afterLogout, AccessRemembered: afterGuestLogout}[m.access.of(st).Kind]
	if wait > 0 {
		m.access.tries[st] = try{next: m.cfg.Clock.Mono() + wait}
	}
}

// farewell is the rule that keeps a remembered device out whose guest logs out now, also after a restart and whatever becomes of his account.
func (m *Manager) farewell(st Station, cause TerminateCause) []AccessRule {
	if cause != UserRequest || m.rule(st).Kind != AccessRemembered {
		return nil
	}
	return []AccessRule{{Kind: AccessSuspended, Zone: st.Zone, MAC: st.MAC, By: ByGuest, MadeAt: m.stamp(), For: afterGuestLogout}}
}

// goodbye is that rule where there is one, for who lets the device in again. The caller holds mu.
func (m *Manager) goodbye(st Station) []AccessRule {
	if r, ok := m.access.made[ruleKey{AccessSuspended, st.Zone, st.MAC}]; ok && r.By == ByGuest {
		return []AccessRule{r}
	}
	return nil
}

// suspensions are the pauses of pre-authorized stations whose sessions ended by limits of their own; what is used up of
// the account's the account itself refuses. The caller holds mu.
func (m *Manager) suspensions(ended []Session) []AccessRule {
	var all []AccessRule
	for i := range ended {
		s := &ended[i]
		_, pre := m.access.find(AccessPreauthorized, s.Station)
		_, known := m.access.find(AccessRemembered, s.Station)
		pause := afterLimit - s.Used
		undated := s.StartedAt.Wall.IsZero() && s.Limits.SessionTimeout == undatedGrant
		limited := s.TerminateCause == SessionTimeout && !undated && s.bound() == s.Limits.SessionTimeout || s.TerminateCause == NASRequest && s.usedUp()
		if !pre && !known || !limited || pause <= 0 {
			continue
		}
		all = append(all, AccessRule{Kind: AccessSuspended, Zone: s.Station.Zone, MAC: s.Station.MAC, By: ByLimit,
			Note: cmp.Or(s.TerminateNote, stopTransactions[s.TerminateCause].message), MadeAt: *s.StoppedAt, For: pause})
	}
	return all
}

// usedUp tells whether the session's own data cap is.
func (s *Session) usedUp() bool {
	left, capped := s.Limits.Caps.Session.least(s.Usage.octets())
	return capped && (left == 0 || s.CapFull == s.Limits.Caps.Session.version())
}

// accountNews lets the pre-authorized stations of an account that has changed try again.
func (m *Manager) accountNews(ctx context.Context, username string) error {
	m.mu.Lock()
	var b Batch
	for _, rules := range []map[ruleKey]AccessRule{m.access.configured, m.access.made} {
		for _, r := range rules {
			if r.Kind != AccessPreauthorized && r.Kind != AccessRemembered || r.Account != username {
				continue
			}
			for zone := range m.zones {
				if r.Zone != "" && r.Zone != zone {
					continue
				}
				delete(m.access.tries, Station{zone, r.MAC})
				if s, ok := m.access.made[ruleKey{AccessSuspended, zone, r.MAC}]; ok && s.By == ByLimit {
					b.Revoked = append(b.Revoked, s)
				}
			}
		}
	}
	m.access.unsettled = true
	m.mu.Unlock()
	m.wakeRun()
	if len(b.Revoked) == 0 {
		return nil
	}
	if err := m.commit(ctx, b); err != nil {
		return fmt.Errorf("ending a pause: %w", err)
	}
	return nil
}
