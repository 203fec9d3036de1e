package sessions

import "time"

// RecordKind is an Acct-Status-Type (RFC 2866 §5.1).
type RecordKind string

// The kinds of accounting records.
const (
	Start         RecordKind = "Start"
	InterimUpdate RecordKind = "Interim-Update"
	Stop          RecordKind = "Stop"
)

// TerminateCause is an Acct-Terminate-Cause, spelled as RFC 2866 §5.10 names it.
type TerminateCause string

// The causes that gatehouse uses.
const (
	UserRequest    TerminateCause = "User-Request"
	LostCarrier    TerminateCause = "Lost-Carrier"
	IdleTimeout    TerminateCause = "Idle-Timeout"
	SessionTimeout TerminateCause = "Session-Timeout"
	AdminReset     TerminateCause = "Admin-Reset"
	NASReboot      TerminateCause = "NAS-Reboot"
	NASError       TerminateCause = "NAS-Error"
	NASRequest     TerminateCause = "NAS-Request"
)

// TransactionType is GATE's two-letter type of a line in the transaction log (gate-api.md, TX_TYPE).
type TransactionType string

// The transaction types that gatehouse writes.
const (
	TxAuthenticate   TransactionType = "ua" // a login that was refused
	TxLogin          TransactionType = "ui"
	TxLogout         TransactionType = "uo"
	TxRegister       TransactionType = "ur"
	TxAutoLogin      TransactionType = "ai" // resumed after a reboot, or let in by the MAC address
	TxAutoAuth       TransactionType = "aa" // a MAC address that should let in, and was refused
	TxSessionTimeout TransactionType = "st"
	TxIdleTimeout    TransactionType = "si"
	TxDisconnect     TransactionType = "di"
)

// AccountingRecord is one report about a session: the state of the session at that moment, cumulative, so that any
// record repeats all before it and order does not matter to whoever merges them.
type AccountingRecord struct {
	Kind    RecordKind `json:"kind"`
	Session Session    `json:"session"`
	At      Stamp      `json:"at"` // when it happened, not when it is sent
}

// Transaction is one line of the transaction log.
type Transaction struct {
	ID            string          `json:"id"` // UUID, made here; the centre keeps one line per id
	Type          TransactionType `json:"type"`
	Status        string          `json:"status"` // GATE's: h200, u401, ...
	Message       string          `json:"message"`
	At            Stamp           `json:"at"`
	Station       Station         `json:"station"`
	Addr          string          `json:"addr,omitempty"`
	Username      string          `json:"username,omitempty"`
	UserID        int64           `json:"user_id,omitempty"`
	AcctSessionID string          `json:"acct_session_id,omitempty"`
	Action        string          `json:"action,omitempty"` // GATE's: li, rg
	PageURL       string          `json:"page_url,omitempty"`
	UserAgent     string          `json:"user_agent,omitempty"`
	Place         Place           `json:"place"`
	NASID         string          `json:"nas_id"`
}

// OutboxEntry is one thing that the centre must hear of. Exactly one of Accounting, Transaction and Outcome is set.
type OutboxEntry struct {
	Seq         int64             `json:"seq"` // the journal's; grows
	Accounting  *AccountingRecord `json:"accounting,omitempty"`
	Transaction *Transaction      `json:"transaction,omitempty"`
	Outcome     *Outcome          `json:"outcome,omitempty"`
}

// Anchor ties the time since one boot to the wall clock, once the wall clock was believable.
type Anchor struct {
	BootID string
	Zero   time.Time // wall time at Mono 0 of that boot
}
