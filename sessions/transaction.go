package sessions

import (
	"time"

	"github.com/google/uuid"
)

// The mapping between terminate causes and GATE's transaction log (DESIGN D15): one line per cause.
//
// RFC 2866 §5.10 has no cause for a data cap, and GATE no type. CoovaChilli says Session-Timeout (standards.md §4.5); here
// it is NAS-Request, "ended for a non-error reason not otherwise listed": a Session-Timeout before Session-Time has reached
// it would be false, and would mislead whoever settles time by it. The note tells it from other disconnects.
var stopTransactions = map[TerminateCause]struct {
	kind    TransactionType
	message string
}{
	UserRequest:    {TxLogout, "User logged out"},
	LostCarrier:    {TxDisconnect, "Station left"},
	IdleTimeout:    {TxIdleTimeout, "Idle timeout"},
	SessionTimeout: {TxSessionTimeout, "Session timeout"},
	AdminReset:     {TxDisconnect, "Disconnected by an administrator"},
	NASReboot:      {TxDisconnect, "Gateway restarted"},
	NASError:       {TxDisconnect, "Gateway error"},
	NASRequest:     {TxDisconnect, "Disconnected by the gateway"},
}

const (
	noteCapped = "Data cap used up"
	notePaused = "Paused by the guest"
	noteOver   = "Went on with a voucher"
	noteClosed = "Closing time"
	noteTimeUp = "Time of the account used up"
)

var refusalMessages = map[Reason]string{
	RefusedCredentials: "Wrong user name or password",
	RefusedInactive:    "Account is not active",
	RefusedExpired:     "Account has expired",
	RefusedTooMany:     "Too many sessions of this account",
	RefusedMethod:      "Way in not offered",
	RefusedCleartext:   "Password over clear HTTP refused",
	RefusedCap:         noteCapped,
	RefusedTimeUp:      noteTimeUp,
	RefusedHours:       "Outside of the account's hours",
	RefusedCentreAway:  "Centre unreachable, account not known here",
	RefusedBlocked:     "Station is blocked",
	RefusedCode:        "Wrong voucher code",
	RefusedElsewhere:   "Account or voucher is not for this zone",
	RefusedNothingLeft: "Voucher is used up",
	RefusedAnswer:      "Wrong code",
	RefusedProofOver:   "Code no longer valid",
	RefusedDenied:      "Denied by the sponsor",
	RefusedNoAccount:   "Account not known here",
}

// What began without the guest's doing.
var autoLogins = map[Method]string{
	MethodResume:        "Session resumed after a restart of the gateway",
	MethodTrusted:       "Trusted station let in",
	MethodPreauthorized: "Pre-authorized station let in",
	MethodMAC:           "Remembered device let in",
	MethodPortal:        "Let in by a portal elsewhere",
}

const (
	statusOK      = "h200"
	statusRefused = "u401"
	actionLogin   = "li"

	actionRegister = "rg"
)

func (m *Manager) loginTransaction(s Session, req LoginRequest) Transaction {
	t := m.sessionTransaction(s, s.StartedAt)
	t.Type, t.Message, t.Action = TxLogin, "User login successful", actionLogin
	if message, auto := autoLogins[s.Method]; auto {
		t.Type, t.Message = TxAutoLogin, message
	}
	t.PageURL, t.UserAgent = req.PageURL, req.UserAgent
	return t
}

// registration is the line of an account that its guest has made himself.
func (m *Manager) registration(s Session, req LoginRequest) Transaction {
	t := m.loginTransaction(s, req)
	t.ID, t.Type, t.Message, t.Action = uuid.NewString(), TxRegister, "User registered", actionRegister
	return t
}

// resumeTransaction tells of a session that goes on with what an old one has left.
func (m *Manager) resumeTransaction(s, old Session) Transaction {
	t := m.loginTransaction(s, LoginRequest{})
	switch {
	case old.Paused:
		t.Type, t.Message = TxLogin, "Session resumed after a pause"
	case old.TerminateCause == SessionTimeout:
		t.Type, t.Message = TxLogin, "Session extended by the guest"
	}
	return t
}

func (m *Manager) stopTransaction(s Session) Transaction {
	t := m.sessionTransaction(s, *s.StoppedAt)
	kind := stopTransactions[s.TerminateCause]
	t.Type, t.Message = kind.kind, kind.message
	if s.TerminateCause == SessionTimeout && s.Closing > 0 && s.bound() == s.Closing {
		if t.Message = noteClosed; s.Limits.Online != (CapsOf[time.Duration]{}) && m.openAt(&s) {
			t.Message = noteTimeUp
		}
	}
	if s.TerminateNote != "" {
		t.Message = s.TerminateNote
	}
	return t
}

func (m *Manager) sessionTransaction(s Session, at Stamp) Transaction {
	t := Transaction{
		ID: uuid.NewString(), Status: statusOK, At: at, Station: s.Station, Username: s.Username, UserID: s.UserID,
		AcctSessionID: s.AcctSessionID, Place: s.Place, NASID: s.NASID,
	}
	if s.Addr.IsValid() {
		t.Addr = s.Addr.String()
	}
	return t
}

func (m *Manager) refusalTransaction(zone *Zone, req LoginRequest, r *Refusal) Transaction {
	t := Transaction{
		ID: uuid.NewString(), Type: TxAuthenticate, Status: statusRefused, Message: refusalMessages[r.Reason],
		At: m.stamp(), Station: req.Station, Username: req.Credentials.Username, Action: actionLogin,
		PageURL: req.PageURL, UserAgent: req.UserAgent, Place: m.place(zone, req.Station), NASID: m.cfg.NASID,
	}
	if req.Method == MethodPreauthorized || req.Method == MethodMAC {
		t.Type = TxAutoAuth
	}
	if req.Addr.IsValid() {
		t.Addr = req.Addr.String()
	}
	return t
}
