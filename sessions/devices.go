package sessions

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Device is one of an account's, as its guest is told of it.
type Device struct {
	ID     string // names it in forms; tells nothing
	Name   string // what the guest calls it, or what it seems to be; empty: nobody knows
	Tail   string // the end of its MAC address
	Here   bool   // it asks
	Online bool
	Since  time.Duration // how long online
	Known  bool          // remembered or added: comes in by itself

	session string // Acct-Session-Id of what it is online by
}

// Slot is the right of a station to have one of its account's devices logged out: its guest has shown who he is, and the account is in
// use on as many devices as it may be.
type Slot struct {
	Ticket  Password
	Devices []Device // online
}

const (
	slotLife    = 5 * time.Minute
	maxSlots    = 256
	pairingLife = 10 * time.Minute
	maxPairings = 256
	pairingLen  = 6
	maxNameLen  = 40 // characters
)

type heldSlot struct {
	ticket  Password
	account Account
	req     LoginRequest
	until   time.Duration // Mono
}

// pairing is the code that a device shows which cannot type.
type pairing struct {
	code  string
	until time.Duration // Mono
}

func (m *Manager) deviceID(st Station) string {
	h := hmac.New(sha256.New, m.deviceKey[:])
	_, _ = h.Write([]byte(st.String())) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Devices are those of the account that a station is online as; its own alone where that is nobody's.
func (m *Manager) Devices(st Station) []Device {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.running[st]
	if !ok {
		return nil
	}
	all := m.devicesOf(r.Source, r.Username, st)
	out := make([]Device, 0, len(all))
	for _, d := range all {
		out = append(out, d)
	}
	sortFunc(out, func(a, b Device) int {
		order := func(d Device) int {
			return map[bool]int{d.Here: 0, !d.Here && d.Online: 1, !d.Here && !d.Online: 2}[true]
		}
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(b.Since, a.Since), strings.Compare(a.ID, b.ID))
	})
	return out
}

// devicesOf are an account's devices as the station here sees them. The caller holds mu.
func (m *Manager) devicesOf(source Source, username string, here Station) map[Station]Device {
	all := map[Station]Device{}
	add := func(st Station, change func(*Device)) {
		d, ok := all[st]
		if !ok {
			d = Device{ID: m.deviceID(st), Tail: fmt.Sprintf("%02x:%02x", st.MAC[4], st.MAC[5]), Here: st == here}
		}
		change(&d)
		all[st] = d
	}
	for st, r := range m.running {
		if st == here || source != SourceGuest && r.Source == source && r.Username == username {
			add(st, func(d *Device) { d.Online, d.Since, d.session = true, m.used(r), r.AcctSessionID })
		}
	}
	for _, r := range m.access.made {
		if st := (Station{r.Zone, r.MAC}); r.isOf(source, username) || r.Kind == AccessRemembered && st == here {
			add(st, func(d *Device) { d.Known, d.Name = true, r.Note })
		}
	}
	return all
}

// own finds a device of the account that a station is online as.
func (m *Manager) own(st Station, id string) (found Station, d Device, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.running[st]; ok {
		for found, d := range m.devicesOf(r.Source, r.Username, st) {
			if d.ID == id {
				return found, d, nil
			}
		}
	}
	return found, d, &Refusal{Reason: RefusedNotLoggedIn}
}

// LogoutDevice ends the session of a device of the account that a station is online as, and forgets it where the guest says so.
func (m *Manager) LogoutDevice(ctx context.Context, st Station, id string, forget bool) error {
	device, d, err := m.own(st, id)
	if err != nil {
		return err
	}
	if forget {
		m.mu.Lock()
		rule, ok := m.access.made[ruleKey{AccessRemembered, device.Zone, device.MAC}]
		m.mu.Unlock()
		if ok {
			if err := m.forgetRules(ctx, []AccessRule{rule}); err != nil {
				return err
			}
		}
	}
	if !d.Online { // or as somebody else: whom an account knows is not always online by it
		return nil
	}
	_, err = m.logout(ctx, device, d.session, UserRequest)
	return notARefusal(err) // it was not online any more: what was asked for is so
}

// NameDevice gives a known device of the account the name that its guest has for it.
func (m *Manager) NameDevice(ctx context.Context, st Station, id, name string) error {
	device, d, err := m.own(st, id)
	if err != nil || !d.Known {
		return err
	}
	m.mu.Lock()
	rule := m.access.made[ruleKey{AccessRemembered, device.Zone, device.MAC}]
	m.mu.Unlock()
	rule.Note = deviceName(name)
	return m.commit(ctx, Batch{Access: []AccessRule{rule}})
}

// deviceName keeps what can be read of a name.
func deviceName(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, name))
	if runes := []rune(name); len(runes) > maxNameLen {
		name = string(runes[:maxNameLen])
	}
	return name
}

// offerSlot makes of a refusal for too many devices one by which a device can be logged out: the account is proven.
func (m *Manager) offerSlot(req LoginRequest, a Account, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason != RefusedTooMany || req.Method == MethodMAC || req.Method == MethodPreauthorized || req.Method == MethodPortal {
		return err
	}
	req.Code, req.Credentials.Password = "", ""
	held := heldSlot{ticket: newTicket(), account: a, req: req, until: m.cfg.Clock.Mono() + slotLife}
	m.mu.Lock()
	defer m.mu.Unlock()
	for st, other := range m.slots {
		if len(m.slots) >= maxSlots || other.until < m.cfg.Clock.Mono() {
			delete(m.slots, st)
		}
	}
	m.slots[req.Station] = held
	slot := &Slot{Ticket: held.ticket}
	for _, d := range m.devicesOf(a.Source, a.Username, req.Station) {
		if d.Online {
			slot.Devices = append(slot.Devices, d)
		}
	}
	sortFunc(slot.Devices, func(a, b Device) int { return cmp.Or(cmp.Compare(b.Since, a.Since), strings.Compare(a.ID, b.ID)) })
	return &Refusal{Reason: RefusedTooMany, Slot: slot}
}

// FreeSlot logs a device of the account out and the station in that holds the ticket, which is good once.
func (m *Manager) FreeSlot(ctx context.Context, st Station, ticket Password, id string) (Session, error) {
	m.mu.Lock()
	held, ok := m.slots[st]
	ok = ok && hmac.Equal([]byte(held.ticket), []byte(ticket)) && m.cfg.Clock.Mono() < held.until
	var device Station
	session := ""
	if ok {
		delete(m.slots, st)
		for found, d := range m.devicesOf(held.account.Source, held.account.Username, st) {
			if d.ID == id && d.Online {
				device, session = found, d.session
			}
		}
	}
	s := Session{}
	if r := m.running[st]; r != nil && !ok { // a double tap
		s = m.now(r)
	}
	m.mu.Unlock()
	if s.AcctSessionID != "" {
		return s, nil
	}
	if !ok {
		return s, &Refusal{Reason: RefusedTicket}
	}
	a, err := m.account(ctx, held.account.Username)
	if err == nil {
		err = m.usable(a)
	}
	if err != nil {
		return Session{}, err
	}
	if session != "" { // else it has gone meanwhile, and its place is free
		if _, err := m.logout(ctx, device, session, UserRequest); notARefusal(err) != nil {
			return Session{}, err
		}
	}
	held.req.proven = &a
	return m.Login(ctx, held.req)
}

// PairingCode is what a captive station shows that cannot type, for a guest to type into another device of his; and how long
// it is good. It is empty where the zone has none.
func (m *Manager) PairingCode(st Station) (code string, left time.Duration) {
	zone := m.zones[st.Zone]
	if zone == nil || !zone.AddDevices {
		return "", 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Clock.Mono()
	if p, ok := m.pairings[st]; ok && p.until-now > pairingLife/5 {
		return p.code, p.until - now
	}
	for other, p := range m.pairings {
		if len(m.pairings) >= maxPairings || p.until < now {
			delete(m.pairings, other)
		}
	}
	p := pairing{code: string(NewVoucherCode())[:pairingLen], until: now + pairingLife}
	m.pairings[st] = p
	return p.code, pairingLife
}

// AddDevice lets in another device of the account that a station is online as: the one that shows a code, or that has a MAC
// address. It comes in by itself from then on. One that was not seen yet is let in when it comes; there is no session then.
func (m *Manager) AddDevice(ctx context.Context, st Station, which, name string) (Session, error) {
	zone := m.zones[st.Zone]
	m.mu.Lock()
	r, ok := m.running[st]
	var s Session
	if ok {
		s = r.Session
	}
	m.mu.Unlock()
	switch {
	case !ok:
		return s, &Refusal{Reason: RefusedNotLoggedIn}
	case !zone.AddDevices || s.Source == SourceGuest:
		return s, &Refusal{Reason: RefusedMethod}
	}
	a, err := m.account(ctx, s.Username)
	if err != nil {
		return s, fmt.Errorf("looking at the account: %w", err)
	}
	device, addr, err := m.deviceMeant(st, which)
	if err != nil {
		return s, err
	}
	rule := AccessRule{Kind: AccessRemembered, Zone: st.Zone, MAC: device.MAC, Account: s.Username, Note: deviceName(name), By: ByGuest, MadeAt: m.stamp(),
		For:   cmp.Or(zone.Remember, addedFor),
		Guest: &Remembered{Source: s.Source, Credential: credential(a), Added: true}}
	if zone.TermsForAll { // whoever is online has accepted them, for his devices too
		rule.Guest.Terms = zone.TermsVersion
	}
	m.mu.Lock()
	b := Batch{Access: []AccessRule{rule}, Revoked: m.makeRoom(rule)}
	m.mu.Unlock()
	if err := m.commit(ctx, b); err != nil {
		return s, fmt.Errorf("adding a device: %w", err)
	}
	if !addr.IsValid() {
		return Session{}, nil
	}
	s, err = m.Login(ctx, LoginRequest{Station: device, Addr: addr, Method: MethodMAC})
	if err != nil {
		err = errors.Join(err, m.forgetRules(context.WithoutCancel(ctx), []AccessRule{rule}))
	}
	return s, err
}

// deviceMeant is the station that a guest names, and an address of it if it was seen. Nobody adds what is online or what
// somebody has decided about.
func (m *Manager) deviceMeant(st Station, which string) (device Station, addr netip.Addr, err error) {
	keys := m.pairingGuess(st)
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return device, addr, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mac, err := ParseMAC(strings.TrimSpace(which))
	if device = (Station{st.Zone, mac}); err != nil {
		var ok bool
		if device, ok = m.paired(st.Zone, which); !ok {
			m.guess.spend(m.cfg.Clock.Mono(), keys)
			return device, addr, &Refusal{Reason: RefusedPairing}
		}
	}
	_, online := m.running[device]
	if online || device.MAC == (MAC{}) || device.MAC[0]&1 != 0 || m.access.of(device).Kind != "" {
		m.guess.spend(m.cfg.Clock.Mono(), keys) // or else one could ask after others
		return device, addr, &Refusal{Reason: RefusedDevice}
	}
	delete(m.pairings, device)
	if seen := m.seen[device]; seen != nil {
		addr = seen.usable()
	}
	return device, addr, nil
}

// paired is the station that shows a code, typed in any case and with any separators. The caller holds mu.
func (m *Manager) paired(zone, typed string) (Station, bool) {
	code := strings.Map(func(r rune) rune {
		if r = unicode.ToUpper(r); strings.ContainsRune(codeAlphabet, r) {
			return r
		}
		return -1
	}, typed)
	for st, p := range m.pairings {
		if st.Zone == zone && len(code) == pairingLen && hmac.Equal([]byte(p.code), []byte(code)) && m.cfg.Clock.Mono() < p.until {
			return st, true
		}
	}
	return Station{}, false
}

// newTicket is one that nobody guesses.
func newTicket() Password { return Password(rand.Text()) }
