package admin

import "time"

// SessionFigure is how many sessions began in the hour or day that begins at Time.
type SessionFigure struct {
	Time     time.Time `json:"time"`
	Sessions int64     `json:"sessions"`
}

// TrafficFigure is what the sessions that began on a day, or those of one location in the whole span, have carried. Octets are
// seen from the gateway: input comes from stations.
type TrafficFigure struct {
	Time         *time.Time `json:"time"`        // null where the figure is of the whole span
	LocationID   *int64     `json:"location_id"` // null where the figure is of all, or of sessions without a location
	Sessions     int64      `json:"sessions"`
	InputOctets  int64      `json:"input_octets"`
	OutputOctets int64      `json:"output_octets"`
}

// UserFigure is how many different users began a session on a day.
type UserFigure struct {
	Time  time.Time `json:"time"`
	Users int64     `json:"users"`
}

// Statistics are figures of a span of whole days, UTC. What is zero is left out.
type Statistics[T any] struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"` // not inclusive
	Stale   bool      `json:"stale"`
	Results []T       `json:"results"`
}

// Retention is for how many days rows of a class are kept; 0: for ever.
type Retention struct {
	Days      int64 `json:"days"`
	Inherited bool  `json:"inherited"` // from the organisation above, or by default
}
