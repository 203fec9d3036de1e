package sessions

import (
	"context"
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
	sortFunc(all, compareStations)
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
	_, isKnown := m.access.find(AccessRemembered, s.Station)
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
	case s.Method == MethodMAC && !isTrusted && !isPre && !isKnown:
		return "Forgotten"
	}
	return ""
}

// reason is what a rule does and why, for the transaction log.
func (r *AccessRule) reason() string {
	text := map[AccessKind]string{AccessBlocked: "Blocked", AccessSuspended: "To log in again", AccessTrusted: "Trusted",
		AccessPreauthorized: "Pre-authorized", AccessRemembered: "Remembered"}[r.Kind]
	text += map[AccessOrigin]string{ByConfiguration: " by the configuration", ByOperator: " by the operator",
		BySpoofing: " for a suspicion", ByGuest: " for its guest", ByLimit: " after its limit"}[r.By]
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
