package admin

import "time"

// The words of Plan.TimeMode.
const (
	TimeRunning = "running" // only while online, all sessions together
	TimeElapsed = "elapsed" // from the first use on
)

// Plan is what is sold or given to a guest. Null: no bound, or what the zone says for rates, devices and idle timeout, where 0 is
// unlimited.
type Plan struct {
	ID           int64   `json:"id"`
	Organization int64   `json:"organization"`
	Name         string  `json:"name"`
	Description  *string `json:"description"`
	TimeSeconds  *int64  `json:"time_seconds"`
	TimeMode     string  `json:"time_mode"`
	DataOctets   *int64  `json:"data_octets"` // both directions together
	RateUp       *int64  `json:"rate_up"`     // bit/s, from the device
	RateDown     *int64  `json:"rate_down"`
	Devices      *int64  `json:"devices"` // at once
	IdleTimeout  *int64  `json:"idle_timeout"`
	ValidSeconds *int64  `json:"valid_seconds"` // from the first use on
	// ValidUntil is when everything of this plan ends.
	ValidUntil *time.Time `json:"valid_until"`
	Price      *string    `json:"price"` // for display
	Zones      []string   `json:"zones"` // where it counts; empty: everywhere
	Extendable bool       `json:"extendable"`
	Created    time.Time  `json:"created"`
	Updated    time.Time  `json:"updated"`
	Version    int64      `json:"version"` // as in the ETag
}

// VoucherBatch is one print run.
type VoucherBatch struct {
	ID           int64     `json:"id"`
	Organization int64     `json:"organization"`
	Plan         int64     `json:"plan"`
	PlanName     string    `json:"plan_name"`
	Note         *string   `json:"note"`
	Quantity     int64     `json:"quantity"`
	Created      time.Time `json:"created"`
	// Codes are there in the answer to the creation only. Where the centre has no key for secrets they are nowhere else.
	Codes []string `json:"codes,omitempty"`
}

// MaxVoucherBatch is the most vouchers of one batch, MaxOpenVouchers the most of an organisation that can still be used: of so
// many, a guesser who uses up what a gateway allows him in a day hits one with a chance of less than one in a million.
const (
	MaxVoucherBatch = 10_000
	MaxOpenVouchers = 100_000
)

// Voucher is one code and what has become of it.
type Voucher struct {
	ID           int64      `json:"id"`
	Organization int64      `json:"organization"`
	Batch        int64      `json:"batch"`
	Plan         int64      `json:"plan"`
	PlanName     string     `json:"plan_name"`
	Code         *string    `json:"code"`  // null to a token that only reads, and where the centre has no key for secrets
	State        string     `json:"state"` // unused, active, used_up, expired, revoked
	Created      time.Time  `json:"created"`
	FirstUsed    *time.Time `json:"first_used"`
	LastUsed     *time.Time `json:"last_used"`
	Expires      *time.Time `json:"expires"`
	Revoked      *time.Time `json:"revoked"`
	ValidUntil   *time.Time `json:"valid_until"` // instead of the plan's bounds
	ExtraSeconds int64      `json:"extra_seconds"`
	ExtraOctets  int64      `json:"extra_octets"`
	UsedSeconds  int64      `json:"used_seconds"`
	UsedOctets   int64      `json:"used_octets"`
	SecondsLeft  *int64     `json:"seconds_left"` // null: not counted
	OctetsLeft   *int64     `json:"octets_left"`
	// DoubleRedeemed tells that two gateways, out of touch, both took it for unused. The earlier one counts as the first use.
	DoubleRedeemed bool `json:"double_redeemed"`
}

// VoucherDetail is a voucher with its sessions, the first one first.
type VoucherDetail struct {
	Voucher
	Sessions []VoucherSession `json:"sessions"`
}

// VoucherSession is one session of a voucher, as its gateway told it.
type VoucherSession struct {
	Gateway string     `json:"gateway"` // NAS-Identifier
	Station string     `json:"station"` // Calling-Station-Id
	Started time.Time  `json:"started"`
	Stopped *time.Time `json:"stopped"`
	Seconds int64      `json:"seconds"`
	Octets  int64      `json:"octets"`
	// FirstUse tells that the gateway knew of no use before. Of several the earliest is the first; the others are doubles.
	FirstUse bool `json:"first_use"`
}

// Revoked says how many vouchers of a batch were revoked; those that were so before do not count.
type Revoked struct {
	Revoked int64 `json:"revoked"`
}
