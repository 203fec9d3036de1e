package admin

import "time"

// The states of an Account.
const (
	AccountOnline   = "online"
	AccountOffline  = "offline"
	AccountInactive = "inactive" // switched off
	AccountExpired  = "expired"
)

// Account is a user of the GATE API as the front desk of a venue sees it.
type Account struct {
	ID           int64      `json:"id"`
	Organization int64      `json:"organization"`
	Username     string     `json:"username"`
	Email        *string    `json:"email"`
	FirstName    *string    `json:"first_name"`
	LastName     *string    `json:"last_name"`
	IsActive     bool       `json:"is_active"`
	Expiration   *time.Time `json:"expiration"`
	Plan         *int64     `json:"plan"`
	PlanName     *string    `json:"plan_name"`
	State        string     `json:"state"`
	Created      time.Time  `json:"created"`
	LastSeen     *time.Time `json:"last_seen"` // login or accounting, whichever was last
	Sessions     int64      `json:"sessions"`  // that are running
	// What its sessions of the last 30 days have used.
	UsedSeconds int64 `json:"used_seconds"`
	UsedOctets  int64 `json:"used_octets"`
	// Password is there in the answers to a creation and a reset for which the centre has made one. It is told this once.
	Password string `json:"password,omitempty"`
}
