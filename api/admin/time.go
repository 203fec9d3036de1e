package admin

import "time"

// TimeEntry is a line of a user's ledger of time. Lines are only ever added; the balance is their sum.
type TimeEntry struct {
	ID        int64      `json:"id"`
	Kind      string     `json:"kind"`    // grant, spend, expire, refund
	Seconds   int64      `json:"seconds"` // negative where they are taken
	At        time.Time  `json:"at"`
	Expires   *time.Time `json:"expires"`    // of a grant
	GrantID   *int64     `json:"grant_id"`   // of an expire: which grant
	SessionID *int64     `json:"session_id"` // of a spend: radacctid
	Reason    *string    `json:"reason"`
	Reference *string    `json:"reference"`
	Actor     string     `json:"actor"` // token 7, gateway 3, centre
}

// TimeLedger is a page of a ledger, the newest first. Balance is the sum of all of it, below zero where more was spent than there
// was.
type TimeLedger struct {
	Balance int64 `json:"balance"`
	Page[TimeEntry]
}
