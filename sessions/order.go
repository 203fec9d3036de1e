package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// OrderKind says what the centre wants.
type OrderKind string

// The kinds of orders.
const (
	OrderDisconnect OrderKind = "disconnect"
	OrderExtend     OrderKind = "extend" // time and data
	OrderRate       OrderKind = "rate"
	OrderAdmit      OrderKind = "admit"
	OrderErase      OrderKind = "erase"
)

// Order is something that the centre wants done once. It may come more than once.
type Order struct {
	ID            string // the centre's; never used again
	Kind          OrderKind
	AcctSessionID string    // of a running session: what is disconnected, extended or gets a rate
	Extension     Extension // of OrderExtend and OrderRate
	MAC           MAC       // who is admitted, in the one zone that there is or that has seen it
	Username      string    // as whom, or who is erased
	UserID        int64
	Limits        Limits // of OrderAdmit: before the account's own
}

// OutcomeStatus says how an order ended.
type OutcomeStatus string

// The ends of an order.
const (
	OutcomeDone     OutcomeStatus = "done"
	OutcomeNotFound OutcomeStatus = "not_found" // no such session runs, no such station was seen
	OutcomeRefused  OutcomeStatus = "refused"
)

// Outcome is what became of an order.
type Outcome struct {
	Order  string        `json:"order"`
	Status OutcomeStatus `json:"status"`
	Reason string        `json:"reason,omitempty"`
}

// Obey does what the centre wants, once: an order that was dealt with before is passed over. What became of it is written
// in the same commit as what was done, and goes up with the outbox. After an error nothing is settled, and the order
// may come again.
func (m *Manager) Obey(ctx context.Context, o Order) error {
	settled, err := m.cfg.Orders.Settled(ctx, o.ID)
	if err != nil || settled {
		return err
	}
	outcome := Outcome{Order: o.ID, Status: OutcomeDone}
	err = m.carryOut(ctx, o, outcome)
	var refusal *Refusal
	switch {
	case err == nil:
		m.cfg.Queued()
		return nil
	case errors.As(err, &refusal) && (refusal.Reason == RefusedNotLoggedIn || refusal.Reason == RefusedUnknownZone):
		outcome.Status = OutcomeNotFound
	case errors.As(err, &refusal):
		outcome.Status, outcome.Reason = OutcomeRefused, string(refusal.Reason)
	case errors.Is(err, ErrNoLimit), errors.Is(err, ErrUnknownOrder):
		outcome.Status, outcome.Reason = OutcomeRefused, err.Error()
	default:
		return fmt.Errorf("carrying out an order to %s: %w", o.Kind, err)
	}
	return m.settleOrder(ctx, outcome)
}

// ErrUnknownOrder says that this program is older than the order.
var ErrUnknownOrder = errors.New("this gateway does not know how")

// carryOut does it and commits the outcome with it.
func (m *Manager) carryOut(ctx context.Context, o Order, outcome Outcome) error {
	switch o.Kind {
	case OrderDisconnect, OrderExtend, OrderRate:
		s, ok := m.sessionOf(o.AcctSessionID)
		if !ok {
			return &Refusal{Reason: RefusedNotLoggedIn}
		}
		var err error
		if o.Kind == OrderDisconnect {
			_, err = m.logout(ctx, s.Station, o.AcctSessionID, AdminReset, outcome)
		} else {
			_, err = m.extend(ctx, s.Station, o.AcctSessionID, o.Extension, outcome)
		}
		return err
	case OrderAdmit:
		return m.letIn(ctx, o, outcome)
	case OrderErase:
		return m.erase(ctx, o.Username, outcome)
	}
	return ErrUnknownOrder
}

func (m *Manager) settleOrder(ctx context.Context, outcome Outcome) error {
	if err := m.cfg.Store.Commit(context.WithoutCancel(ctx), Batch{Outcomes: []Outcome{outcome}}); err != nil {
		return fmt.Errorf("writing what became of an order: %w", err)
	}
	m.cfg.Queued()
	return nil
}

// sessionOf is the running session of that Acct-Session-Id.
func (m *Manager) sessionOf(acctSessionID string) (Session, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.running {
		if r.AcctSessionID == acctSessionID {
			return r.Session, true
		}
	}
	return Session{}, false
}

// letIn admits the station of an order. One that has a session keeps it.
func (m *Manager) letIn(ctx context.Context, o Order, outcome Outcome) error {
	st, addr, ok := m.whereabouts(o.MAC)
	if !ok {
		return &Refusal{Reason: RefusedUnknownZone}
	}
	s, err := m.Login(ctx, LoginRequest{Station: st, Addr: addr, Method: MethodPortal, Secure: true,
		Credentials: Credentials{Username: o.Username}, userID: o.UserID, given: o.Limits, why: []Outcome{outcome}})
	if err != nil {
		return err
	}
	settled, err := m.cfg.Orders.Settled(ctx, o.ID)
	if err != nil || settled {
		return err
	}
	m.cfg.Logger.Info("an order to admit found the station online", "station", st, "session", s.AcctSessionID)
	return m.settleOrder(ctx, outcome)
}

// Admit lets a station in by the verdict of a portal elsewhere that is trusted, as whom that says; the limits come before the
// account's own. A station that has a session keeps it.
func (m *Manager) Admit(ctx context.Context, st Station, addr netip.Addr, username string, given Limits) (Session, error) {
	return m.Login(ctx, LoginRequest{Station: st, Addr: addr, Method: MethodPortal, Secure: true, Credentials: Credentials{Username: username}, given: given})
}

// whereabouts is the station of a MAC address in the zone that saw it last, with an address that it can use.
func (m *Manager) whereabouts(mac MAC) (st Station, addr netip.Addr, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := time.Duration(-1)
	for zone := range m.zones {
		s := m.seen[Station{zone, mac}]
		if s != nil && s.at > last {
			st, addr, last, ok = Station{zone, mac}, s.usable(), s.at, true
		}
	}
	return st, addr, ok
}

// byPortal is the account of a station that a portal elsewhere lets in: the one of that name where it is known here.
func (m *Manager) byPortal(ctx context.Context, req LoginRequest) (Account, error) {
	a, err := m.account(ctx, req.Credentials.Username)
	if errors.Is(err, ErrNoAccount) {
		a, err = Account{Source: SourceGuest, Username: req.Credentials.Username, UserID: req.userID, Active: true}, nil
	}
	if err != nil {
		return a, fmt.Errorf("looking at the account: %w", err)
	}
	a.Limits = req.given.Or(a.Limits)
	return a, m.usable(a)
}

// erase ends a person's sessions and forgets the person.
func (m *Manager) erase(ctx context.Context, username string, outcome Outcome) error {
	for _, s := range m.Sessions() {
		if s.Username != username || s.Source == SourceLocal {
			continue
		}
		if _, err := m.logout(ctx, s.Station, s.AcctSessionID, AdminReset); notARefusal(err) != nil {
			return err
		}
		m.cfg.Visits.Forget(s.Station)
	}
	m.mu.Lock()
	known := m.remembered(func(r *AccessRule) bool { return r.Account == username && r.Guest.Source != SourceLocal })
	m.mu.Unlock()
	if err := m.forgetRules(ctx, known); err != nil {
		return err
	}
	if err := m.cfg.Verifiers.DeleteVerifier(ctx, username); err != nil {
		return err
	}
	if err := m.cfg.Orders.Erase(ctx, username); err != nil {
		return err
	}
	return m.settleOrder(ctx, outcome)
}
