package admin

import (
	"encoding/json"
	"time"
)

// WebhooksPath is where webhooks are, below BasePath.
const WebhooksPath = "/webhooks/"

// The kinds of events.
const (
	UserCreated     = "user.created"     // Data: the user as the GATE API shows it
	UserChanged     = "user.changed"     // the same
	UserDeleted     = "user.deleted"     // Data: {id}
	SessionStarted  = "session.started"  // Data: Session
	SessionStopped  = "session.stopped"  // Data: Session
	VoucherRedeemed = "voucher.redeemed" // Data: Redeemed
	WebhookTest     = "test"             // Data: {}; only by the test button
)

// WebhookEvents are the kinds that a webhook can ask for.
func WebhookEvents() []string {
	return []string{UserCreated, UserChanged, UserDeleted, SessionStarted, SessionStopped, VoucherRedeemed}
}

// The headers of a delivery.
const (
	// WebhookSignature is "v1=" and, in hexadecimal digits, the HMAC-SHA256 of the timestamp, a full stop and the body.
	WebhookSignature = "Gatehouse-Signature"
	WebhookTimestamp = "Gatehouse-Timestamp" // seconds since 1970, of the sending
	WebhookEventID   = "Gatehouse-Event-Id"  // the same whenever one event comes
	WebhookKind      = "Gatehouse-Event"
	WebhookAttempt   = "Gatehouse-Attempt" // 1, 2, …
)

// Webhook is somebody who is told of events by HTTP.
type Webhook struct {
	ID           int64     `json:"id"`
	Organization int64     `json:"organization"`
	Name         string    `json:"name"`
	URL          string    `json:"url"`
	Events       []string  `json:"events"`
	IsActive     bool      `json:"is_active"`
	Created      time.Time `json:"created"`
	Updated      time.Time `json:"updated"`
	Secret       string    `json:"secret,omitempty"` // only where it was just made
}

// Event is the body of a delivery.
type Event struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Created      time.Time       `json:"created"`
	Organization int64           `json:"organization"`
	Data         json.RawMessage `json:"data"`
}

// Session is what events tell of a session.
type Session struct {
	AcctSessionID      string     `json:"acctsessionid"`
	AcctUniqueID       string     `json:"acctuniqueid"`
	Username           string     `json:"username"`
	UserID             int64      `json:"user_id,omitempty"`
	NASIdentifier      string     `json:"nasidentifier,omitempty"`
	NASIPAddress       string     `json:"nasipaddress"`
	CallingStationID   string     `json:"callingstationid,omitempty"`
	FramedIPAddress    string     `json:"framedipaddress,omitempty"`
	LocationID         int64      `json:"location_id,omitempty"`
	AccessPointID      int64      `json:"access_point_id,omitempty"`
	SSID               string     `json:"ssid,omitempty"`
	AcctStartTime      time.Time  `json:"acctstarttime"`
	AcctStopTime       *time.Time `json:"acctstoptime,omitempty"`
	AcctSessionTime    int64      `json:"acctsessiontime"`
	AcctInputOctets    uint64     `json:"acctinputoctets"`
	AcctOutputOctets   uint64     `json:"acctoutputoctets"`
	AcctTerminateCause string     `json:"acctterminatecause,omitempty"`
}

// Redeemed is what an event tells of a voucher that is used for the first time.
type Redeemed struct {
	ID      int64   `json:"id"`
	Session Session `json:"session"`
}

// The states of a delivery.
const (
	DeliveryWaiting = "waiting"   // for its next attempt, or in it
	Delivered       = "delivered" // answered with 2xx
	DeliveryDead    = "dead"      // given up after 24 h; replay tries again
)

// WebhookDelivery is one event on its way to one webhook.
type WebhookDelivery struct {
	ID         int64      `json:"id"`
	EventID    string     `json:"event_id"`
	Event      string     `json:"event"`
	State      string     `json:"state"`
	Attempts   int64      `json:"attempts"`
	Created    time.Time  `json:"created"`
	NextAt     *time.Time `json:"next_at"` // null once it is over
	LastAt     *time.Time `json:"last_at"`
	LastStatus *int64     `json:"last_status"`
	LastError  *string    `json:"last_error"`
}
