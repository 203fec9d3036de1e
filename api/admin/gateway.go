package admin

import (
	"encoding/json"
	"time"
)

// Gateway is a router that speaks to the centre, as it was heard last.
type Gateway struct {
	ID            int64      `json:"id"`
	Organization  int64      `json:"organization"`
	NASIdentifier string     `json:"nas_identifier"` // unique in its organisation
	Name          string     `json:"name"`           // for people; may be empty
	Location      *int64     `json:"location"`
	Created       time.Time  `json:"created"`
	Claimed       *time.Time `json:"claimed"` // since when it has a token of its own; null: it speaks with one of its organisation's
	Revoked       *time.Time `json:"revoked"` // since when it is refused

	LastSeen      *time.Time `json:"last_seen"` // to the minute
	Silent        bool       `json:"silent"`    // it should have been heard since
	Address       *string    `json:"address"`   // where its requests come from
	Version       *string    `json:"version"`
	Started       *time.Time `json:"started"` // of its program
	Sessions      *int64     `json:"sessions"`
	Backlog       *int64     `json:"backlog"`         // records that it still has to send
	ClockOffsetMS *int64     `json:"clock_offset_ms"` // how far its clock is ahead; null: it does not know the time
	Conflict      *time.Time `json:"conflict"`        // when two machines were last seen under this name

	Synced        Synced        `json:"synced"`
	Configuration Configuration `json:"configuration"`
	// Certificate is that of its portal; null: it never asked for one.
	Certificate *GatewayCertificate `json:"certificate"`
}

// The states of a gateway's certificate.
const (
	CertificatePending = "pending"
	CertificateIssued  = "issued"
)

// GatewayCertificate is the certificate that a gateway asked for last.
type GatewayCertificate struct {
	Name    string     `json:"name"`
	State   string     `json:"state"`
	Expires *time.Time `json:"expires"` // of the last that was issued
	Error   *string    `json:"error"`   // of the last attempt
}

// Synced is how far a gateway and the centre have told each other everything.
type Synced struct {
	FeedPosition  int64 `json:"feed_position"`  // of the last change that it was told
	MergedThrough int64 `json:"merged_through"` // its last record that was settled
	Accounts      int64 `json:"accounts"`       // that it has seen, and hears changes of
}

// The states of a gateway's configuration.
const (
	ConfigurationNone    = "none"    // nothing is set here
	ConfigurationPending = "pending" // it has not looked at it yet
	ConfigurationApplied = "applied"
	ConfigurationRefused = "refused" // Error says why; it goes on with the last good one
)

// Configuration is what is set at a gateway on top of its own file.
type Configuration struct {
	Version int64   `json:"version"`
	State   string  `json:"state"`
	Error   *string `json:"error"`
}

// GatewaySettings is the configuration with what it says.
type GatewaySettings struct {
	Configuration
	Settings json.RawMessage `json:"settings"`
}

// ClaimToken is what a gateway is given to claim itself with: "gatehouse claim --token". It is shown once.
type ClaimToken struct {
	Gateway    Gateway   `json:"gateway"`
	ClaimToken string    `json:"claim_token"`
	Expires    time.Time `json:"expires"`
}

// SeenAccount is an account that a gateway has seen. A revoked gateway may have its name and a proof of its password.
type SeenAccount struct {
	UserID       int64     `json:"user_id"`
	Username     string    `json:"username"`
	Organization int64     `json:"organization"`
	DateJoined   time.Time `json:"date_joined"`
}

// LiveSession is a session as its gateway said last.
type LiveSession struct {
	ID              int64      `json:"id"` // radacctid
	AcctSessionID   string     `json:"acctsessionid"`
	AcctUniqueID    string     `json:"acctuniqueid"`
	Organization    int64      `json:"organization"`
	Username        string     `json:"username"`
	User            *int64     `json:"user"`
	MAC             *string    `json:"mac"`
	Address         *string    `json:"address"`
	Gateway         *int64     `json:"gateway"` // null: its NAS takes no orders from here
	NASIdentifier   *string    `json:"nas_identifier"`
	Location        *int64     `json:"location"`
	LocationName    *string    `json:"location_name"`
	AccessPoint     *int64     `json:"access_point"`
	AccessPointName *string    `json:"access_point_name"`
	SSID            *string    `json:"ssid"`
	Started         time.Time  `json:"started"`
	Updated         time.Time  `json:"updated"` // when its gateway last said something of it
	SessionTime     int64      `json:"session_time"`
	InputOctets     int64      `json:"input_octets"`  // from the station
	OutputOctets    int64      `json:"output_octets"` // to the station
	Stale           bool       `json:"stale"`         // more should have been heard since; it may be over
	Stopped         *time.Time `json:"stopped"`
	TerminateCause  *string    `json:"terminate_cause"`
	StopInferred    bool       `json:"stop_inferred"` // nobody said so: its gateway fell silent
}

// What can be done to a session.
const (
	ActionDisconnect = "disconnect"
	ActionExtend     = "extend"
	ActionRate       = "rate"
	ActionAdmit      = "admit" // a station, by /api/v1/portal_login/
	ActionErase      = "erase" // a person
)

// The states of an Action.
const (
	ActionPending   = "pending"   // not told yet
	ActionDelivered = "delivered" // told; what became of it is not known yet
	ActionDone      = "done"
	ActionFailed    = "failed" // Reason says why
)

// Reasons of an Action that failed, besides those of the gateway's own rules.
const (
	ReasonExpired  = "expired"   // the gateway was not heard in time
	ReasonNotFound = "not_found" // it has no such session any more
)

// Action is something that a gateway was asked to do once.
type Action struct {
	ID           int64      `json:"id"`
	Organization int64      `json:"organization"`
	Gateway      int64      `json:"gateway"`
	Session      *int64     `json:"session"`
	Action       string     `json:"action"`
	State        string     `json:"state"`
	Reason       *string    `json:"reason"`
	Created      time.Time  `json:"created"`
	Expires      time.Time  `json:"expires"`
	Delivered    *time.Time `json:"delivered"`
	Ended        *time.Time `json:"ended"`
}
