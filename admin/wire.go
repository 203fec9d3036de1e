package admin

import (
	"net/netip"
	"time"

	"gatehouse/sessions"
)

// The codes of Error besides the reasons of sessions.Refusal.
const (
	CodeForbidden = "forbidden" // this user may not use the socket
	CodeInvalid   = "invalid"   // the request makes no sense
	CodeNotFound  = "not_found" // no such station, session or account
	CodeExists    = "exists"    // the account is there already
	CodeInternal  = "internal"  // the daemon's fault; its log says more
	// CodeConfigured: it is in the configuration, and no verb changes that.
	CodeConfigured = "configured"
	CodeTooMany    = "too_many" // there is no room for more
)

// Error is the body of every answer that is not 2xx.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Status is the gateway at a glance. Times are in seconds.
type Status struct {
	Version  string `json:"version"`
	NASID    string `json:"nas_id"`
	Uptime   int64  `json:"uptime"`
	Stations int    `json:"stations"` // seen since the start
	Sessions int    `json:"sessions"` // running
	Outbox   int    `json:"outbox"`   // records that the centre has not merged yet
	Zones    []Zone `json:"zones"`
	// Firewall is what keeps guests out.
	Firewall Firewall `json:"firewall"`
	Portal   Portal   `json:"portal"`
	Centre   *Centre  `json:"centre"` // null: the gateway stands alone
}

// Firewall is the backend that the gateway uses, and why that one.
type Firewall struct {
	Backend string `json:"backend"` // nftables or iptables
	Why     string `json:"why"`
}

// Portal is where guests find the portal.
type Portal struct {
	// URL is its address by name; empty: it is plain HTTP at the gateway's address in each zone.
	URL       string    `json:"url"`
	Until     time.Time `json:"until,omitzero"` // the end of its certificate
	Announced bool      `json:"announced"`      // by DHCP
	Why       string    `json:"why,omitempty"`  // there is no address by name
}

// The states of an interface.
const (
	InterfaceUp      = "up"
	InterfaceDown    = "down"
	InterfaceMissing = "missing"
)

// Zone is a zone and what can be seen of it.
type Zone struct {
	Name       string            `json:"name"`
	Methods    []sessions.Method `json:"methods"`
	Interfaces []Interface       `json:"interfaces"`
	Sessions   int               `json:"sessions"`
	Bandwidth  []Bandwidth       `json:"bandwidth"`
	Isolation  []Isolation       `json:"isolation"`
}

// Bandwidth says how the rates of stations are held in one way of a zone, and why so.
type Bandwidth struct {
	Way       string `json:"way"`       // "up" or "down"
	Mechanism string `json:"mechanism"` // "htb", "limit", "none", or "idle" where nobody has a rate
	Why       string `json:"why"`
}

// Isolation says how the stations behind one interface are kept from one another, and why so.
type Isolation struct {
	Interface string `json:"interface"`
	Mechanism string `json:"mechanism"` // "ports", "table", "none", or "off" where the zone says so
	Why       string `json:"why"`
}

// Interface is one network interface of a zone.
type Interface struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// Centre is how the gateway stands with its centre.
type Centre struct {
	URL           string    `json:"url"`
	Reachable     bool      `json:"reachable"` // the last request was answered
	Refused       bool      `json:"refused"`   // and this gateway's token is not accepted
	LastSuccess   time.Time `json:"last_success,omitzero"`
	LastError     string    `json:"last_error,omitempty"` // also when it is over
	LastErrorAt   time.Time `json:"last_error_at,omitzero"`
	FeedCurrentAt time.Time `json:"feed_current_at,omitzero"` // when all that the centre had to tell was here last
	ClockBelieved bool      `json:"clock_believed"`           // false: records without a date wait for the clock
}

// Session is a session as the verbs show it: spans in seconds, traffic in octets seen from the gateway (RFC 2866).
type Session struct {
	AcctSessionID      string                  `json:"acct_session_id"`
	AcctMultiSessionID string                  `json:"acct_multi_session_id"`
	Zone               string                  `json:"zone"`
	MAC                sessions.MAC            `json:"mac"`
	Address            netip.Addr              `json:"address,omitzero"`
	Username           string                  `json:"username"`
	Source             sessions.Source         `json:"source"`
	Method             sessions.Method         `json:"method"`
	StartedAt          time.Time               `json:"started_at,omitzero"` // absent when the clock was wrong then
	SessionTime        int64                   `json:"session_time"`
	SessionTimeout     int64                   `json:"session_timeout"` // 0: unlimited
	SessionTimeLeft    *int64                  `json:"session_time_left"`
	IdleTimeout        int64                   `json:"idle_timeout"` // 0: unlimited
	DataLeft           *sessions.Bytes         `json:"data_left"`    // octets until the first cap is reached; null: unlimited
	Slow               bool                    `json:"slow"`         // a data cap is used up, and these are the bandwidths for that
	BandwidthUp        sessions.BitRate        `json:"bandwidth_up"` // bit/s; 0: unlimited
	BandwidthDown      sessions.BitRate        `json:"bandwidth_down"`
	InputOctets        uint64                  `json:"input_octets"` // from the station
	OutputOctets       uint64                  `json:"output_octets"`
	InputPackets       uint64                  `json:"input_packets"`
	OutputPackets      uint64                  `json:"output_packets"`
	TerminateCause     sessions.TerminateCause `json:"terminate_cause,omitempty"` // only of a session that was stopped
}

// Station is a station as the verbs show it.
type Station struct {
	Zone      string                `json:"zone"`
	MAC       sessions.MAC          `json:"mac"`
	State     sessions.StationState `json:"state"`
	Addresses []netip.Addr          `json:"addresses"`
	LastSeen  *int64                `json:"last_seen"` // seconds ago; null: not since the start
	Facts
	Session *Session    `json:"session"`
	Access  *AccessRule `json:"access"` // the rule that counts for it; null: none
	// Refused says why its MAC address did not let it in, although the rule says so.
	Refused sessions.Reason `json:"refused,omitempty"`
}

// AccessRule is what was decided about the stations of a MAC address.
type AccessRule struct {
	Kind        sessions.AccessKind   `json:"kind"`
	Zone        string                `json:"zone"` // empty: every zone
	MAC         sessions.MAC          `json:"mac"`
	Account     string                `json:"account,omitempty"`
	Note        string                `json:"note"`
	By          sessions.AccessOrigin `json:"by"`
	MadeAt      time.Time             `json:"made_at,omitzero"` // absent when the clock was wrong then, and for the configuration's
	SecondsLeft *int64                `json:"seconds_left"`     // null: no end
}

// SetAccessRequest asks for a rule.
type SetAccessRequest struct {
	Kind sessions.AccessKind `json:"kind"`
	// Station is zone/MAC or a MAC: to be blocked in every zone, or else where there is one zone or it was seen in one.
	Station string `json:"station"`
	Account string `json:"account,omitempty"`
	Note    string `json:"note,omitempty"`
	Seconds int64  `json:"seconds,omitempty"` // 0: no end
}

// RemoveAccessRequest asks to take back the rules of some kinds for zone/MAC, or for a MAC in all zones.
type RemoveAccessRequest struct {
	Station string                `json:"station"`
	Kinds   []sessions.AccessKind `json:"kinds"`
}

// RemovedAccess is what was taken back, and what still says the same.
type RemovedAccess struct {
	Removed   []AccessRule `json:"removed"`
	Remaining []AccessRule `json:"remaining"`
}

// Facts are what a station said of itself. It may have lied.
type Facts struct {
	Name       string   `json:"name"`       // DHCP host name
	Vendor     string   `json:"vendor"`     // DHCP vendor class
	Suspicions []string `json:"suspicions"` // why it may be more than one station, of the last ten minutes
}

// Account is an account of the gateway's own. Its password is never told. An absent limit is the zone's; 0 is unlimited.
type Account struct {
	Username        string            `json:"username"`
	Active          bool              `json:"active"`
	Expiration      time.Time         `json:"expiration,omitzero"`
	SessionTimeout  *int64            `json:"session_timeout,omitempty"` // seconds
	IdleTimeout     *int64            `json:"idle_timeout,omitempty"`    // seconds
	SimultaneousUse *int              `json:"simultaneous_use,omitempty"`
	BandwidthUp     *sessions.BitRate `json:"bandwidth_up,omitempty"` // bit/s
	BandwidthDown   *sessions.BitRate `json:"bandwidth_down,omitempty"`

	Caps     sessions.CapsOf[sessions.VolumeLimit] `json:"caps,omitzero"`     // octets
	SlowUp   *sessions.BitRate                     `json:"slow_up,omitempty"` // bit/s, once a cap is used up; both 0: the session ends
	SlowDown *sessions.BitRate                     `json:"slow_down,omitempty"`
}

// LoginRequest asks to let a station in as the operator's guest.
type LoginRequest struct {
	Station  string `json:"station"`  // zone/MAC, or the MAC alone where there is one zone or it was seen in one
	Username string `json:"username"` // to account under; empty: the MAC
}

// LogoutRequest asks to end one session or all.
type LogoutRequest struct {
	Which string `json:"which,omitempty"` // Acct-Session-Id, zone/MAC or MAC
	All   bool   `json:"all,omitempty"`
}

// AddAccountRequest is a new account and its password; Active is not looked at.
type AddAccountRequest struct {
	Account
	Password sessions.Password `json:"password"`
}

// PasswordRequest is an account's new password.
type PasswordRequest struct {
	Username string            `json:"username"`
	Password sessions.Password `json:"password"`
}

// RemoveAccountRequest names the account to remove.
type RemoveAccountRequest struct {
	Username string `json:"username"`
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func sessionOf(s sessions.Session) Session {
	w := Session{
		AcctSessionID: s.AcctSessionID, AcctMultiSessionID: s.AcctMultiSessionID,
		Zone: s.Station.Zone, MAC: s.Station.MAC, Address: s.Addr,
		Username: s.Username, Source: s.Source, Method: s.Method,
		StartedAt:   s.StartedAt.Wall,
		SessionTime: seconds(s.Used), SessionTimeout: seconds(s.Limits.SessionTimeout), IdleTimeout: seconds(s.Limits.IdleTimeout),
		InputOctets: s.Usage.InputOctets, OutputOctets: s.Usage.OutputOctets,
		InputPackets: s.Usage.InputPackets, OutputPackets: s.Usage.OutputPackets,
		TerminateCause: s.TerminateCause,
	}
	if left, limited := s.Left(s.Used); limited {
		n := seconds(left)
		w.SessionTimeLeft = &n
	}
	w.BandwidthUp, w.BandwidthDown = s.Limits.Bandwidth(s.Data.Slow)
	if w.Slow = s.Data.Slow; s.Data.Limited {
		w.DataLeft = &s.Data.Left
	}
	return w
}

func sessionsOf(all []sessions.Session) []Session {
	out := make([]Session, len(all))
	for i, s := range all {
		out[i] = sessionOf(s)
	}
	return out
}

func stationOf(v sessions.StationView, facts Facts, now time.Duration) Station {
	w := Station{Zone: v.Zone, MAC: v.MAC, State: v.State, Addresses: v.Addrs, Facts: facts}
	if w.Suspicions == nil {
		w.Suspicions = []string{}
	}
	if v.SeenAt > 0 {
		ago := seconds(now - v.SeenAt)
		w.LastSeen = &ago
	}
	if w.Addresses == nil {
		w.Addresses = []netip.Addr{}
	}
	if v.Session != nil {
		s := sessionOf(*v.Session)
		w.Session = &s
	}
	return w
}
