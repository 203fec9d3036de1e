package sessions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/uuid"
)

// block tells the enforcer who is blocked, if that is news.
func (m *Manager) block(ctx context.Context) error {
	m.mu.Lock()
	m.access.unsettled = false
	blocked := m.blockedStations()
	same := m.access.blocked != nil && slices.Equal(blocked, m.access.blocked)
	m.mu.Unlock()
	if same {
		return nil
	}
	err := m.cfg.Enforcer.SetBlocked(ctx, blocked)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.access.unsettled = true
		return fmt.Errorf("blocking stations: %w", err)
	}
	m.access.blocked = blocked
	return nil
}

// settle makes the enforcer and the sessions agree with the rules. Sessions of stations that somebody works on are left
// to the next round.
func (m *Manager) settle(ctx context.Context) error {
	m.settling.Lock()
	defer m.settling.Unlock()
	if err := m.block(ctx); err != nil {
		return err
	}
	over := m.objectionable()
	m.endAll(ctx, AdminReset, slices.Collect(maps.Keys(over)))
	m.mu.Lock()
	defer m.mu.Unlock()
	for st, s := range m.seen {
		if addr := s.usable(); addr.IsValid() || !over[st].IsValid() {
			over[st] = addr
		}
	}
	for st, addr := range over {
		if addr.IsValid() && m.entitled(st) {
			m.arrived[st] = addr
		}
	}
	m.wakeRun()
	return nil
}

// usable is the last address that a station showed and can use beyond its link; not valid when it has shown none.
func (s *sighting) usable() netip.Addr {
	for _, addr := range slices.Backward(s.addrs) {
		if !addr.IsLinkLocalUnicast() {
			return addr
		}
	}
	return netip.Addr{}
}

// blockedStations are all that are blocked, in order. The caller holds mu.
func (m *Manager) blockedStations() []Station {
	all := []Station{}
	for _, rules := range []map[ruleKey]AccessRule{m.access.configured, m.access.made} {
		for _, r := range rules {
			if r.Kind != AccessBlocked {
				continue
			}
			for zone := range m.zones {
				if r.Zone == "" || r.Zone == zone {
					all = append(all, Station{zone, r.MAC})
				}
			}
		}
	}
	slices.SortFunc(all, compareStations)
	return slices.Compact(all)
}

// objectionable are the stations whose sessions no longer agree with the rules, and where they were.
func (m *Manager) objectionable() map[Station]netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[Station]netip.Addr{}
	for st, r := range m.running {
		if r.cutAt == nil && m.objection(&r.Session) != "" {
			all[st] = r.Addr
			m.access.unsettled = m.access.unsettled || m.busy[st] != nil
		}
	}
	return all
}

// objection says why the rules do not let a session go on, for people; empty: they do. The caller holds mu.
func (m *Manager) objection(s *Session) string {
	rule := m.access.of(s.Station)
	trusted, isTrusted := m.access.find(AccessTrusted, s.Station)
	pre, isPre := m.access.find(AccessPreauthorized, s.Station)
	switch {
	case rule.Kind == AccessBlocked:
		return rule.reason()
	case rule.Kind == AccessSuspended && rule.By == BySpoofing && s.StartedAt.BootID == rule.MadeAt.BootID && s.StartedAt.Mono < rule.MadeAt.Mono:
		return rule.reason()
	case s.Method == MethodTrusted && !isTrusted:
		return "No longer trusted"
	case s.Method != MethodTrusted && isTrusted && rule.Kind == AccessTrusted:
		return trusted.reason()
	case s.Method == MethodPreauthorized && !isTrusted && (!isPre || pre.Account != s.Username):
		return "No longer pre-authorized"
	}
	return ""
}

// reason is what a rule does and why, for the transaction log.
func (r *AccessRule) reason() string {
	text := map[AccessKind]string{AccessBlocked: "Blocked", AccessSuspended: "To log in again", AccessTrusted: "Trusted",
		AccessPreauthorized: "Pre-authorized"}[r.Kind]
	text += map[AccessOrigin]string{ByConfiguration: " by the configuration", ByOperator: " by the operator",
		BySpoofing: " for a suspicion", ByLimit: " after its limit"}[r.By]
	if r.Note != "" {
		text += ": " + r.Note
	}
	return text
}

// blockTransactions tells of a block that ends no session, for then nothing else does. The caller holds mu.
func (m *Manager) blockTransactions(r AccessRule) []Transaction {
	if r.Kind != AccessBlocked {
		return nil
	}
	var all []Transaction
	for name, zone := range m.zones {
		st := Station{name, r.MAC}
		_, online := m.running[st]
		_, seen := m.seen[st]
		if r.Zone == name || r.Zone == "" && seen {
			if !online {
				all = append(all, Transaction{ID: uuid.NewString(), Type: TxDisconnect, Status: statusOK, Message: r.reason(),
					At: m.stamp(), Station: st, Place: zone.Place, NASID: m.cfg.NASID})
			}
		}
	}
	return all
}

// entitled tells whether a station is to be let in by its MAC address now. The caller holds mu.
func (m *Manager) entitled(st Station) bool {
	if _, running := m.running[st]; running || m.cfg.Clock.Mono() < m.access.tries[st].next {
		return false
	}
	kind := m.access.of(st).Kind
	return kind == AccessTrusted || kind == AccessPreauthorized
}

// arrive gives a station that was seen what it is entitled to: the rest of a session that a reboot ended, or a session
// by its MAC address.
func (m *Manager) arrive(ctx context.Context, st Station, addr netip.Addr) error {
	m.mu.Lock()
	rule := m.access.of(st)
	_, resumable := m.resumable[st]
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
	if rule.Kind == AccessTrusted {
		req.Method = MethodTrusted
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
func (m *Manager) byMAC(ctx context.Context, req LoginRequest) (Account, error) {
	rule := m.rule(req.Station)
	switch {
	case req.Method == MethodTrusted && rule.Kind == AccessTrusted:
		return Account{Source: SourceGuest, Active: true}, nil
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

// loggedOut keeps a pre-authorized station from coming back at once: who logs out means it.
func (m *Manager) loggedOut(st Station) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.access.of(st).Kind == AccessPreauthorized {
		m.access.tries[st] = try{next: m.cfg.Clock.Mono() + afterLogout}
	}
}

// suspensions are the pauses of pre-authorized stations whose sessions ended by their limits. The caller holds mu.
func (m *Manager) suspensions(ended []Session) []AccessRule {
	var all []AccessRule
	for _, s := range ended {
		_, pre := m.access.find(AccessPreauthorized, s.Station)
		pause := afterLimit - s.Used
		undated := s.StartedAt.Wall.IsZero() && s.Limits.SessionTimeout == undatedGrant
		if !pre || s.TerminateCause != SessionTimeout || pause <= 0 || undated {
			continue
		}
		all = append(all, AccessRule{Kind: AccessSuspended, Zone: s.Station.Zone, MAC: s.Station.MAC, By: ByLimit,
			Note: string(s.TerminateCause), MadeAt: *s.StoppedAt, For: pause})
	}
	return all
}

// accountNews lets the pre-authorized stations of an account that has changed try again.
func (m *Manager) accountNews(ctx context.Context, username string) error {
	m.mu.Lock()
	var b Batch
	for _, rules := range []map[ruleKey]AccessRule{m.access.configured, m.access.made} {
		for _, r := range rules {
			if r.Kind != AccessPreauthorized || r.Account != username {
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
