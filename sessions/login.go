package sessions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// undatedGrant bounds the session of an account with an end date while the wall clock is not believable (DESIGN D8).
const undatedGrant = 15 * time.Minute

// LoginRequest is one attempt to get in.
type LoginRequest struct {
	Station       Station
	Addr          netip.Addr
	Method        Method
	Code          Password    // what was typed for MethodVoucher; for MethodPassword the same in both fields does
	Credentials   Credentials // for MethodPassword; for MethodToken its two codes; for MethodAdmin only the user name to account under
	Proof         Password    // ticket of a Proof that Code answers, for the ways in that the centre proves
	Room          string      // for MethodRoom, as typed
	GuestName     Password    // for MethodRoom: nobody's business, so it never shows in a log
	AcceptedTerms string      // version of the terms that the guest accepted, where the zone demands it
	Terms         Shown       // what he accepted
	Secure        bool        // the request came over TLS
	PageURL       string
	UserAgent     string

	Secret    Password // what the browser keeps, for MethodMAC
	Remember  bool     // the guest wants this device to be remembered
	NewSecret Password // for the browser to keep from now on; empty: it shall keep none
	Device    string   // what it seems to be, as in iPhone

	// Instead has the session begin in the place of one that runs, of another account, which ends in the same moment: no packet is lost.
	Instead bool

	proven *Account // it was shown who this is
	// Of MethodPortal.
	userID int64
	given  Limits    // before the account's own
	why    []Outcome // of the order for it
}

// Login checks the request, makes the Start durable, admits the station, and returns its session. A station that already
// has a running session gets that one back. A *Refusal says why not; any other error is a fault, and the station stays
// captive.
func (m *Manager) Login(ctx context.Context, req LoginRequest) (Session, error) {
	zone, ok := m.zones[req.Station.Zone]
	if !ok {
		return Session{}, &Refusal{Reason: RefusedUnknownZone}
	}
	release, err := m.hold(ctx, req.Station)
	if err != nil {
		return Session{}, err
	}
	defer release()
	m.mu.Lock()
	m.sight(req.Station, req.Addr)
	m.mu.Unlock()
	return m.login(ctx, zone, req)
}

// login is Login for whoever holds the station.
func (m *Manager) login(ctx context.Context, zone *Zone, req LoginRequest) (Session, error) {
	s, err := m.tryLogin(ctx, zone, req)
	if err != nil {
		why := EventFault
		var refusal *Refusal
		if errors.As(err, &refusal) {
			why = string(refusal.Reason)
		}
		m.cfg.Visits.Note(req.Station, EventRefused, string(req.Method), why)
	}
	return s, err
}

func (m *Manager) tryLogin(ctx context.Context, zone *Zone, req LoginRequest) (Session, error) {
	m.takeCode(&req)
	if m.rule(req.Station).Kind == AccessBlocked {
		return Session{}, m.refused(context.WithoutCancel(ctx), zone, req, &Refusal{Reason: RefusedBlocked})
	}
	old, online, err := m.present(ctx, req.Station)
	if err != nil || online && !req.Instead {
		return old, err
	}
	req.Instead = online
	if req.Method == MethodMAC && req.Secret != "" {
		return m.comeBack(context.WithoutCancel(ctx), zone, req)
	}
	m.cfg.Step("login.begun")
	var account Account
	err = m.mayEnter(zone, req.Method)
	if err == nil {
		account, err = m.authorize(ctx, zone, req)
	}
	if err == nil && len(account.Zones) > 0 && !slices.Contains(account.Zones, zone.Name) {
		err = &Refusal{Reason: RefusedElsewhere}
	}
	// From here on the guest may leave; what was begun is brought to its end.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return Session{}, m.refused(ctx, zone, req, err)
	}
	if online && account.Source == old.Source && account.Username == old.Username { // a double tap
		return old, nil
	}
	s, err := m.newSession(ctx, zone, req, account)
	if err != nil {
		return Session{}, m.refused(ctx, zone, req, err)
	}
	done, err := m.reserve(zone, account, &s)
	if err != nil {
		err = m.refused(ctx, zone, req, err)
		if online { // the page that he is on has no list of devices
			return Session{}, err
		}
		return Session{}, m.offerSlot(req, account, err)
	}
	defer done()
	return m.begin(ctx, zone, req, account, s)
}

// present returns the running session of a station. One that is over but not yet written off is brought to its end first.
func (m *Manager) present(ctx context.Context, st Station) (Session, bool, error) {
	m.mu.Lock()
	r, ok := m.running[st]
	over := ok && m.over(r)
	var s Session
	if ok {
		s = m.now(r)
	}
	m.mu.Unlock()
	if !over {
		return s, ok, nil
	}
	_, err := m.end(context.WithoutCancel(ctx), SessionTimeout, st)
	return Session{}, false, err
}

// authorize decides by method whether the station may in, and as whom.
func (m *Manager) authorize(ctx context.Context, zone *Zone, req LoginRequest) (Account, error) {
	switch {
	case req.Method == MethodAdmin:
		return Account{Source: SourceGuest, Username: req.Credentials.Username, Active: true}, nil
	case req.Method == MethodPortal:
		return m.byPortal(ctx, req)
	case req.proven != nil:
		return *req.proven, nil
	case req.Method == MethodTrusted || req.Method == MethodPreauthorized || req.Method == MethodMAC:
		return m.byMAC(ctx, zone, req)
	case !zone.Offers(req.Method):
		return Account{}, &Refusal{Reason: RefusedMethod}
	case zone.DemandsTerms(req.Method) && req.AcceptedTerms != zone.TermsVersion:
		return Account{}, &Refusal{Reason: RefusedTerms}
	case req.Method == MethodClick:
		return Account{Source: SourceGuest, Active: true}, nil
	case req.Method == MethodTrial:
		return m.onTrial(zone, req.Station)
	case req.Method.Secret() && !req.Secure && !zone.AllowCleartext:
		return Account{}, &Refusal{Reason: RefusedCleartext}
	case req.Method == MethodPassword && req.Code != "":
		return m.redeem(ctx, req)
	case req.Method == MethodPassword:
		return m.proven(ctx, req, m.authenticate)
	case req.Method == MethodToken:
		return m.proven(ctx, req, m.byToken)
	case req.Method == MethodRoom:
		return m.byRoom(ctx, req)
	case req.Method == MethodVoucher:
		return m.redeem(ctx, req)
	case byCentre[req.Method]:
		return m.byProof(ctx, req)
	}
	return Account{}, &Refusal{Reason: RefusedMethod}
}

// proven checks user name and password, or what stands in their place, within the guess limits, then the account itself.
func (m *Manager) proven(ctx context.Context, req LoginRequest, prove func(context.Context, Credentials, Station) (Account, error)) (Account, error) {
	keys := m.passwordGuess(req.Station, req.Credentials.Username)
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return Account{}, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	a, err := prove(ctx, req.Credentials, req.Station)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == RefusedCredentials {
		m.guess.spend(m.cfg.Clock.Mono(), keys)
	}
	if err != nil {
		return Account{}, err
	}
	return a, m.usable(a)
}

// usable is Account.Usable by the wall clock, where that can be believed.
func (m *Manager) usable(a Account) error {
	now := m.cfg.Clock.Now()
	if !m.believable(now) {
		now = time.Time{}
	}
	return a.Usable(now)
}

// reserve counts the login of a session against Simultaneous-Use, or the zone's trials, until the session itself is counted.
func (m *Manager) reserve(zone *Zone, a Account, s *Session) (func(), error) {
	most := s.Limits.SimultaneousUse
	switch {
	case s.Method == MethodTrial:
		return m.reserveTrial(zone, s.Station)
	case a.Source == SourceGuest:
		return func() {}, nil
	}
	key := string(a.Source) + "/" + a.Username
	m.mu.Lock()
	defer m.mu.Unlock()
	if most > 0 && m.pending[key]+m.runningOf(a.Source, a.Username) >= most {
		return nil, &Refusal{Reason: RefusedTooMany}
	}
	m.pending[key]++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.pending[key]--; m.pending[key] == 0 {
			delete(m.pending, key)
		}
	}, nil
}

func (m *Manager) runningOf(source Source, username string) int {
	n := 0
	for _, r := range m.running {
		if r.Source == source && r.Username == username && !m.over(r) {
			n++
		}
	}
	return n
}

// effective are the limits of a session of this account as its profiles see it, as it stands now (DESIGN D11).
func (m *Manager) effective(zone *Zone, a Account, v Verdict, s *Session) Effective {
	profile, _ := v.Limits() // the feed has told of faults
	e := Resolve(zone.Bounds, a.Limits, profile, zone.Limits)
	if e.SessionTimeout > 0 {
		e.SessionTimeout = clamp(e.SessionTimeout+s.Prolonged.By, zone.Bounds.MaxSessionTimeout)
	}
	if a.TimeLeft != nil { // what the operator gave comes on top of it
		e.SessionTimeout = clamp(e.SessionTimeout, s.Earlier+s.Used+max(*a.TimeLeft, time.Second))
		a.TimeLeft = nil
	}
	e = e.extended(s.Extension, zone.Bounds)
	if e.SessionTimeout > 0 {
		e.SessionTimeout = max(e.SessionTimeout-s.Earlier, leastTime)
	}
	e.Caps.Session = e.Caps.Session.rest(s.EarlierUsage.octets())
	return m.atMost(e, a, s.Used)
}

// asked is what a session says of itself to the checks of profiles.
func (s *Session) asked() Asked {
	a := Asked{"user-name": s.Username, "calling-station-id": s.Station.MAC.CallingStationID(),
		"called-station-id": s.Place.CalledStationID, "called-station-ssid": s.Place.SSID, "nas-identifier": s.NASID,
		"nas-ip-address": s.NASIP, "nas-port-id": s.Place.NASPortID, "nas-port-type": "Wireless-802.11",
		"service-type": "Login-User", "wispr-location-name": s.Place.LocationName}
	if s.Addr.Is4() {
		a["framed-ip-address"] = s.Addr.String()
	}
	if s.Method == MethodPassword {
		a["user-password"] = hiddenPassword
	}
	maps.DeleteFunc(a, func(_, v string) bool { return v == "" })
	return a
}

// begin makes the Start durable, then admits: journal first, kernel second (DESIGN D16).
func (m *Manager) begin(ctx context.Context, zone *Zone, req LoginRequest, a Account, s Session) (Session, error) {
	book, closed, err := m.openBook(ctx, &s)
	if err != nil {
		return Session{}, err
	}
	defer closed()
	if err := m.mayUse(&s, &a, book); err != nil {
		return Session{}, m.refused(ctx, zone, req, err)
	}
	var stops Batch
	if req.Instead {
		if stops, err = m.takeOver(ctx, &s); err != nil {
			return Session{}, err
		}
	}
	b := Batch{
		Sessions:     []Session{s},
		Records:      []AccountingRecord{{Kind: Start, Session: s, At: s.StartedAt}},
		Transactions: []Transaction{m.loginTransaction(s, req)},
		Consents:     zone.consents(&s, &req),
		Outcomes:     req.why,
	}
	if len(b.Consents) > 0 {
		b.Transactions[0].Message += b.Consents[0].said()
	}
	if s.OnTrial { // spent, for what of it this session will have used
		m.mu.Lock()
		u, _ := m.trialUse(s.Station)
		m.mu.Unlock()
		b.Trials = []TrialUse{u}
	}
	if req.Method == MethodRegister {
		b.Transactions = append(b.Transactions, m.registration(s, req))
	}
	if err := m.remember(ctx, zone, &req, &s, &b); err != nil {
		return Session{}, err
	}
	b.Spent = m.firstUse(&s, book)
	m.mu.Lock()
	old, resumable := m.resumable[req.Station]
	b.Revoked = append(b.Revoked, m.goodbye(req.Station)...)
	m.mu.Unlock()
	if resumable { // whoever logs in anew does not also get the rest of an old session
		old.Resumable = false
		b.Sessions = append(b.Sessions, old)
	}
	m.cfg.Step("login.decided")
	if req.Instead {
		return m.handOver(ctx, s, book, stops, b)
	}
	if err := m.cfg.Store.Commit(ctx, b); err != nil {
		return Session{}, fmt.Errorf("writing the Start: %w", err)
	}
	m.cfg.Step("login.journaled")
	m.mu.Lock()
	m.access.take(b)
	m.addSpent(b.Spent)
	m.takeTrials(b.Trials)
	m.mu.Unlock()
	if s, err = m.admit(ctx, s, book); err != nil {
		return Session{}, err
	}
	m.cfg.Step("login.admitted")
	m.cfg.Queued()
	return s, nil
}

// admit lets the station of a journaled session through and counts it as running. If the kernel refuses, the session is
// stopped in the journal too.
func (m *Manager) admit(ctx context.Context, s Session, b *book) (Session, error) {
	r := &live{Session: s, idleLeft: -1, interimDue: firstInterim(s), book: b}
	m.mu.Lock()
	g, digest := m.grant(r, nil)
	m.mu.Unlock()
	if err := m.cfg.Enforcer.Admit(ctx, g); err != nil {
		at := m.stamp()
		s.StoppedAt, s.TerminateCause = &at, NASError
		stop := Batch{Sessions: []Session{s}, Records: []AccountingRecord{{Kind: Stop, Session: s, At: at}},
			Transactions: []Transaction{m.stopTransaction(s)}}
		written := m.cfg.Store.Commit(ctx, stop)
		if errors.Is(err, ErrEnforcerFull) && written == nil {
			m.cfg.Logger.Warn("a guest is kept out", "station", s.Station, "err", err)
			return Session{}, &Refusal{Reason: RefusedTooManyOnline}
		}
		return Session{}, errors.Join(fmt.Errorf("admitting station: %w", err), written)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun(r, digest)
	return s, nil
}

// begun counts a session as running that the kernel has. The caller holds mu.
func (m *Manager) begun(r *live, digest uint32) {
	s := &r.Session
	r.admitted(digest, m.cfg.Clock.Mono())
	m.cfg.Visits.Note(s.Station, EventAdmitted, string(s.Method), "")
	m.shareAnew(s)
	m.enter(r)
	m.leaseShared(s)
	if m.objection(s) != "" { // a rule came meanwhile
		m.access.unsettled = true
		m.wakeRun()
	}
	delete(m.resumable, s.Station)
	delete(m.arrived, s.Station)
	if t := s.bound(); t > 0 && t < m.cfg.PollInterval { // Run looks again at every poll anyway
		m.wakeRun()
	}
}

// newSession is the session that a login of this account would be. A *Refusal says that its profiles or its time balance do
// not allow one.
func (m *Manager) newSession(ctx context.Context, zone *Zone, req LoginRequest, a Account) (Session, error) {
	s := Session{
		AcctSessionID: m.newSessionID(),
		Station:       req.Station,
		Addr:          req.Addr,
		Username:      a.Username,
		UserID:        a.UserID,
		Source:        a.Source,
		Class:         a.Class,
		VoucherID:     a.VoucherID,
		FirstUse:      a.FirstUse,
		Method:        req.Method,
		Place:         m.place(zone, req.Station),
		NASID:         m.cfg.NASID,
		NASIP:         m.cfg.NASIP,
		Given:         req.given,
		OnTrial:       req.Method == MethodTrial,
		StartedAt:     m.stamp(),
	}
	if req.Method == MethodToken {
		s.ByToken = a.CredentialVersion
	}
	v := Evaluate(a.Profiles, s.asked())
	if v.Rejected {
		return s, &Refusal{Reason: RefusedInactive}
	}
	s.Limits = m.effective(zone, a, v, &s)
	if err := m.borrow(ctx, a.Lease, &s); err != nil {
		return s, err
	}
	if req.Method == MethodTrusted {
		s.Limits = Effective{InterimInterval: s.Limits.InterimInterval}
	}
	if s.Username == "" { // RFC 2865 wants a User-Name; nobody's is the device's
		s.Username = req.Station.MAC.CallingStationID()
	}
	if zone.DemandsTerms(req.Method) {
		s.TermsVersion = zone.TermsVersion
	}
	s.AcctMultiSessionID = s.AcctSessionID
	s.UsageAt = s.StartedAt
	s.Marks = m.newMarks(&s)
	return s, nil
}

// newMarks are those of a session that begins now; none where it does not count into a ledger.
func (m *Manager) newMarks(s *Session) (marks Marks) {
	if !s.counted() {
		return marks
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range marks {
		marks[p].Start = m.period[p]
	}
	return marks
}

// place asks for the bridge port only where the zone tells access points apart: it costs a question to the kernel.
func (m *Manager) place(zone *Zone, st Station) Place {
	if len(zone.AccessPoints) == 0 {
		return zone.Place
	}
	return zone.At(m.cfg.PortOf(st))
}

func firstInterim(s Session) time.Duration {
	if s.Limits.InterimInterval == 0 {
		return 0
	}
	return s.StartedAt.Mono + s.Limits.InterimInterval
}

// refused writes the refusal into the transaction log and returns it. An error that is no refusal is returned as it is. What costs
// whoever repeats it nothing is not written, nor are more refusals than somebody who tries makes: the disk is not his to fill.
func (m *Manager) refused(ctx context.Context, zone *Zone, req LoginRequest, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason == RefusedTooOften || refusal.Reason == RefusedTerms || refusal.Reason == RefusedMistyped ||
		refusal.Reason == RefusedClosed || req.Method == MethodTrial {
		return err
	}
	if (req.Method == MethodPreauthorized || req.Method == MethodMAC) && m.refusedBefore(req.Station) == refusal.Reason {
		return err // told already
	}
	keys := []guessKey{{"told " + req.Station.String(), toldPerStation}, {"told " + zone.Name, toldPerZone}}
	if m.guess.wait(m.cfg.Clock.Mono(), keys) > 0 {
		return err
	}
	m.guess.spend(m.cfg.Clock.Mono(), keys)
	tx := m.refusalTransaction(zone, req, refusal)
	if cErr := m.cfg.Store.Commit(ctx, Batch{Transactions: []Transaction{tx}}); cErr != nil {
		m.cfg.Logger.Error("refusal not logged", "station", req.Station, "err", cErr)
	}
	m.cfg.Queued()
	return err
}
