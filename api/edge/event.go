package edge

import "encoding/json"

// Event is something that the centre wants one gateway to do once. It is told until its Outcome has come up, so it may come
// more than once: a gateway remembers the ids of those that it has dealt with, in the same transaction as what it did. Exactly one of the
// pointers is set; an event with none of them is a later centre's and has the outcome Refused.
type Event struct {
	ID string `json:"id"` // never used again
	// SecondsLeft is how much longer it makes sense to do it.
	SecondsLeft int64 `json:"seconds_left"`

	Disconnect *SessionRef `json:"disconnect,omitempty"` // end the session
	Extend     *Extend     `json:"extend,omitempty"`
	Rate       *Rate       `json:"rate,omitempty"`
	Admit      *Admit      `json:"admit,omitempty"`
	Erase      *Erase      `json:"erase,omitempty"`
}

// SessionRef names a running session.
type SessionRef struct {
	AcctSessionID string `json:"acctsessionid"`
	AcctUniqueID  string `json:"acctuniqueid"`
}

// Extend gives a session more time, more octets within its own data cap, or both.
type Extend struct {
	SessionRef
	Seconds int64 `json:"seconds,omitempty"`
	Octets  int64 `json:"octets,omitempty"`
}

// Rate changes the bandwidth of a session, in bit/s as seen by the guest. Nil: as it is; 0: unlimited. The zone's bounds hold.
type Rate struct {
	SessionRef
	Up   *int64 `json:"up,omitempty"`   // from the station
	Down *int64 `json:"down,omitempty"` // to the station
}

// Admit lets a station in: the verdict of a portal elsewhere that the centre trusts.
type Admit struct {
	MAC            string `json:"mac"`
	Username       string `json:"username"` // to account under
	UserID         int64  `json:"user_id,omitempty"`
	SessionTimeout *int64 `json:"session_timeout,omitempty"` // seconds; before the account's own
	IdleTimeout    *int64 `json:"idle_timeout,omitempty"`    // seconds
}

// Erase makes a gateway forget a person: his sessions end, and his name, addresses and devices go from all that the centre has had
// already.
type Erase struct {
	UserID   int64  `json:"user_id,omitempty"`
	Username string `json:"username"`
}

// The outcomes of an event.
const (
	Done     = "done"
	NotFound = "not_found" // no such session runs, or no such station was seen
	Refused  = "refused"   // by a rule of the gateway; Reason says which
)

// Outcome is what became of an event. It goes up as a record does.
type Outcome struct {
	Event  string `json:"event"`
	Status string `json:"status"` // Done, NotFound, Refused
	Reason string `json:"reason,omitempty"`
}

// Configuration is what the centre sets at this gateway, on top of its own file. Settings that the gateway cannot take
// as a whole are refused as a whole, and the last good ones stay; Status tells.
type Configuration struct {
	Version  int64           `json:"version"`  // grows with every change
	Settings json.RawMessage `json:"settings"` // an object; {} for nothing
}

// Status is what a gateway tells of itself.
type Status struct {
	Version       string `json:"version"`
	BootID        string `json:"boot_id"`
	UptimeSeconds int64  `json:"uptime_seconds"` // of the daemon
	Sessions      int    `json:"sessions"`
	Backlog       int    `json:"backlog"`         // records that the centre has not settled
	Clock         int64  `json:"clock,omitempty"` // microseconds since 1970; 0: it does not know the time

	ConfigurationVersion int64  `json:"configuration_version,omitempty"` // the last that it has looked at
	ConfigurationError   string `json:"configuration_error,omitempty"`   // why it does not use that one
}

// ClaimRequest is how a gateway gets its token. Without a Secret it asks for a code to be claimed by; with the Secret of that
// answer, or with a claim token that was made for it, for what became of it. It may be repeated until the token that it
// got is used first.
type ClaimRequest struct {
	NASIdentifier string `json:"nas_identifier"`
	Version       string `json:"version,omitempty"`
	Secret        string `json:"secret,omitempty"`
}

// The states of a claim.
const (
	ClaimPending = "pending"
	ClaimDone    = "claimed"
)

// ClaimAnswer is the state of a claim.
type ClaimAnswer struct {
	State string `json:"state"`
	// Code is what an operator types at the centre, Secret what the gateway asks on with. Both only in the first answer.
	Code   string `json:"code,omitempty"`
	Secret string `json:"secret,omitempty"`
	// ExpiresIn is how many seconds the code is good for, Interval how many the gateway waits between two questions.
	ExpiresIn int64 `json:"expires_in,omitempty"`
	Interval  int64 `json:"interval,omitempty"`
	// Token is the gateway's own, once it is claimed. It takes the place of one that was given out before.
	Token        string `json:"token,omitempty"`
	Organization string `json:"organization,omitempty"` // short name
}
