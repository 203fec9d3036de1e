package sessions

import (
	"cmp"
	"net/netip"
	"time"
)

// Stamp is a moment, kept so that it stays true when the wall clock is wrong: the boot and the time since that boot,
// and the wall time only where it was believable (DESIGN D8).
type Stamp struct {
	BootID string        `json:"boot_id"`
	Mono   time.Duration `json:"mono"`
	Wall   time.Time     `json:"wall,omitzero"`
}

// Usage is a session's traffic as the kernel counted it, in octets of IP packets, headers included.
// Input is from the station (upload), Output to it (download): RFC 2866 §5.3, §5.4.
type Usage struct {
	InputOctets   uint64 `json:"input_octets"`
	OutputOctets  uint64 `json:"output_octets"`
	InputPackets  uint64 `json:"input_packets"`
	OutputPackets uint64 `json:"output_packets"`
}

// IsZero tells whether nothing was counted.
func (u Usage) IsZero() bool { return u == Usage{} }

// minus is what was counted since v, which comes before u.
func (u Usage) minus(v Usage) Usage {
	return Usage{u.InputOctets - v.InputOctets, u.OutputOctets - v.OutputOctets,
		u.InputPackets - v.InputPackets, u.OutputPackets - v.OutputPackets}
}

// Add is the sum of two usages.
func (u Usage) Add(v Usage) Usage {
	return Usage{u.InputOctets + v.InputOctets, u.OutputOctets + v.OutputOctets,
		u.InputPackets + v.InputPackets, u.OutputPackets + v.OutputPackets}
}

// Method is the way in that a guest took.
type Method string

// The ways in.
const (
	MethodClick    Method = "click"    // click-through with terms
	MethodPassword Method = "password" // user name and password
	MethodVoucher  Method = "voucher"  // a code
	MethodToken    Method = "token"    // a pair of userCode and passCode
	MethodRoom     Method = "room"     // room number and name
	MethodTrial    Method = "trial"    // free for a while, once a day for each device
	MethodMAC      Method = "mac"      // a device that its guest has asked to be remembered
	// By a Proof that the centre takes.
	MethodRegister Method = "register" // an account made on the spot
	MethodEmail    Method = "email"    // a code by mail
	MethodSMS      Method = "sms"      // a code by text message
	MethodOIDC     Method = "oidc"     // sign-in at an OpenID provider
	MethodSponsor  Method = "sponsor"  // somebody of the house says yes

	MethodAdmin  Method = "admin"  // gatehouse login, by the operator
	MethodPortal Method = "portal" // by the verdict of a portal elsewhere that is trusted
	MethodResume Method = "resume" // rest of a session that a reboot ended
	// By the MAC address alone, as an AccessRule says.
	MethodTrusted       Method = "trusted"
	MethodPreauthorized Method = "preauthorized"
)

// byForm tells whether a guest takes it by a form of the portal, from the address that his session begins with.
func (m Method) byForm() bool {
	switch m {
	case MethodAdmin, MethodPortal, MethodResume, MethodTrusted, MethodPreauthorized, MethodMAC:
		return false
	}
	return true
}

// Secret tells whether something is typed for it that nobody on the air must read (DESIGN D18).
func (m Method) Secret() bool { return m == MethodPassword || m == MethodToken || m == MethodRoom }

// Place is where a station was admitted, as accounting and the transaction log tell it (DESIGN D5).
type Place struct {
	CalledStationID string `json:"called_station_id,omitempty"` // RFC 3580 §3.20: AP MAC and SSID
	SSID            string `json:"ssid,omitempty"`
	NASPortID       string `json:"nas_port_id,omitempty"` // the zone's interface
	LocationID      int64  `json:"location_id,omitempty"`
	LocationName    string `json:"location_name,omitempty"`
	AccessPointID   int64  `json:"access_point_id,omitempty"`
	AccessPointName string `json:"access_point_name,omitempty"`
	AccessPointMAC  string `json:"access_point_mac,omitempty"`
}

// Session runs from grant to stop.
type Session struct {
	AcctSessionID      string     `json:"acct_session_id"`       // unique over reboots
	AcctMultiSessionID string     `json:"acct_multi_session_id"` // the first session of a chain that a reboot or a pause cut
	Station            Station    `json:"station"`
	Addr               netip.Addr `json:"addr,omitzero"` // Framed-IP-Address at the start
	Username           string     `json:"username"`
	UserID             int64      `json:"user_id,omitempty"`
	Source             Source     `json:"source"`
	Class              string     `json:"class,omitempty"`
	VoucherID          int64      `json:"voucher_id,omitempty"`
	FirstUse           bool       `json:"first_use,omitempty"` // of the voucher, as far as was known here
	Method             Method     `json:"method"`
	ByToken            int64      `json:"by_token,omitempty"` // the credential version by which a user token was good; 0: not by one
	TermsVersion       string     `json:"terms_version,omitempty"`
	OnTrial            bool       `json:"on_trial,omitempty"` // also what a reboot left of it
	Place              Place      `json:"place"`
	NASID              string     `json:"nas_id"`
	NASIP              string     `json:"nas_ip"` // NAS-IP-Address; fixed for the life of the session
	Limits             Effective  `json:"limits"`
	StartedAt          Stamp      `json:"started_at"`

	// What was read last; the kernel may know more.
	Used    time.Duration `json:"used"` // time spent, never "expires at"
	Usage   Usage         `json:"usage"`
	UsageAt Stamp         `json:"usage_at"`
	// Base is the part of Usage from before the kernel's counters last began anew (a table deleted by others).
	Base Usage `json:"base,omitzero"`
	// Held is the name of the enforcer's grant where the session took it over from another, with its connections and its counters,
	// which stood at Since; empty: AcctSessionID.
	Held  string `json:"held,omitempty"`
	Since Usage  `json:"since,omitzero"`

	// Marks say which part of Usage belongs to the running periods of the account; see Spent.
	Marks Marks `json:"marks,omitzero"`
	// Given are limits that came with the order to let the station in; they come before the account's own.
	Given Limits `json:"given,omitzero"`
	// Lease says whose slice of a time balance the session spends.
	Lease LeaseMark `json:"lease,omitzero"`
	// Extension is what was given on top of the limits that the session's account and zone say; Limits has it in.
	Extension Extension `json:"extension,omitzero"`
	// Prolonged is what the guest has taken of Zone.Prolong; Limits has it in.
	Prolonged Prolonging `json:"prolonged,omitzero"`
	// Earlier and EarlierUsage are what sessions of the chain before this one have used.
	Earlier      time.Duration `json:"earlier,omitempty"`
	EarlierUsage Usage         `json:"earlier_usage,omitzero"`
	// CapFull names the session's own cap, by its version, when it was found used up.
	CapFull uint32 `json:"cap_full,omitempty"`
	// Closing is how long the session lasts until its zone closes, reckoned from its start; zero: it does not.
	Closing time.Duration `json:"closing,omitempty"`
	// Data is how the session stands with its caps, worked out for a view.
	Data DataView `json:"-"`

	StoppedAt      *Stamp         `json:"stopped_at,omitempty"`
	TerminateCause TerminateCause `json:"terminate_cause,omitempty"`
	TerminateNote  string         `json:"terminate_note,omitempty"` // why, for people, where the cause does not tell it
	// Resumable is true for a session that a reboot or a pause ended and that has something left for its station (DESIGN D16).
	Resumable bool `json:"resumable,omitempty"`
	Paused    bool `json:"paused,omitempty"` // by its guest, who alone resumes it
}

// held names the enforcer's grant of the session.
func (s *Session) held() string { return cmp.Or(s.Held, s.AcctSessionID) }

// Running tells whether the session has no Stop yet.
func (s *Session) Running() bool { return s.StoppedAt == nil }

// Left is what remains after used until the session timeout or the zone's closing time. ok is false when there is neither.
func (s *Session) Left(used time.Duration) (left time.Duration, ok bool) {
	most := s.bound()
	return max(0, most-used), most > 0
}
