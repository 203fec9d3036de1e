package sessions

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Plan is what is sold or given. Zero: no bound.
type Plan struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// Time is how long its holder may be online: all sessions together, or from the first use on when Elapsed.
	Time    time.Duration `json:"time,omitempty"`
	Elapsed bool          `json:"elapsed,omitempty"`
	Data    Bytes         `json:"data,omitempty"` // both directions, all sessions together
	// ValidFor is how long after the first use it may be used, ValidUntil until when at all.
	ValidFor   time.Duration `json:"valid_for,omitempty"`
	ValidUntil time.Time     `json:"valid_until,omitzero"`
	Zones      []string      `json:"zones,omitempty"` // where it counts; none: everywhere
	Extendable bool          `json:"extendable,omitempty"`
	Limits     Limits        `json:"limits"` // bandwidth, devices, idle timeout
}

// OfAccount are the limits of an account that has the plan. Its time is a balance, its end the account's expiration.
func (p *Plan) OfAccount() Limits {
	l := p.Limits
	if p.Data > 0 {
		l.Caps.Life.Total = new(p.Data)
	}
	return l
}

// VoucherBatch is a print run of a gateway that has no centre.
type VoucherBatch struct {
	ID     int64
	Plan   Plan // its ID is the batch's
	Note   string
	MadeAt time.Time // by the clock of then, right or wrong
	// Vouchers are how many there are, Revoked how many of them are revoked. Not for who makes a batch.
	Vouchers, Revoked int
}

// MaxOwnVouchers is how many vouchers that are not revoked a gateway may have of its own (decision 0033).
const MaxOwnVouchers = 10_000

// ErrManyVouchers says that there would be more.
var ErrManyVouchers = errors.New("a gateway has 10,000 vouchers of its own at most, without those that are revoked")

// VoucherUse is what sessions of a voucher have used.
type VoucherUse struct {
	Time time.Duration `json:"time,omitempty"`
	Data Bytes         `json:"data,omitempty"`
}

// Voucher is one code's right to be online, and what has become of it. The rules are the same at the centre and on a gateway.
type Voucher struct {
	ID         int64      `json:"id"`
	Plan       Plan       `json:"plan,omitzero"`
	Revoked    bool       `json:"revoked,omitempty"`
	ValidUntil time.Time  `json:"valid_until,omitzero"` // instead of both bounds of the plan
	Extra      Extension  `json:"extra,omitzero"`       // on top of the plan
	FirstUsed  time.Time  `json:"first_used,omitzero"`  // wall clock; zero: not yet
	Used       VoucherUse `json:"used,omitzero"`        // by all sessions, everywhere
}

// VoucherState says how a voucher stands.
type VoucherState string

// The states of a voucher.
const (
	VoucherUnused  VoucherState = "unused"
	VoucherActive  VoucherState = "active"  // used, and something is left
	VoucherUsedUp  VoucherState = "used_up" // no time or no data left
	VoucherExpired VoucherState = "expired"
	VoucherRevoked VoucherState = "revoked"
)

// VoucherStates are all of them.
func VoucherStates() []string {
	return []string{string(VoucherUnused), string(VoucherActive), string(VoucherUsedUp), string(VoucherExpired), string(VoucherRevoked)}
}

// Expires is when the voucher can be used no longer, whatever is left of it; zero: never.
func (v *Voucher) Expires() time.Time {
	ends := []time.Time{v.Plan.ValidUntil}
	if !v.ValidUntil.IsZero() {
		ends[0] = v.ValidUntil
	}
	if !v.FirstUsed.IsZero() {
		if v.Plan.ValidFor > 0 && v.ValidUntil.IsZero() {
			ends = append(ends, v.FirstUsed.Add(v.Plan.ValidFor))
		}
		if v.Plan.Elapsed && v.Plan.Time > 0 {
			ends = append(ends, v.FirstUsed.Add(v.Plan.Time+v.Extra.Time))
		}
	}
	var first time.Time
	for _, end := range ends {
		if !end.IsZero() && (first.IsZero() || end.Before(first)) {
			first = end
		}
	}
	return first
}

// TimeLeft is what is left to be online, until it expires; ok is false when it is not counted by sessions.
func (v *Voucher) TimeLeft() (left time.Duration, ok bool) {
	if v.Plan.Time == 0 || v.Plan.Elapsed {
		return 0, false
	}
	return max(0, v.Plan.Time+v.Extra.Time-v.Used.Time), true
}

// DataLeft is what is left of its data; ok is false when it has no bound.
func (v *Voucher) DataLeft() (left Bytes, ok bool) {
	if v.Plan.Data == 0 {
		return 0, false
	}
	most := v.Plan.Data + v.Extra.Data
	return most - min(most, v.Used.Data), true
}

// State is how the voucher stands at a time.
func (v *Voucher) State(now time.Time) VoucherState {
	end := v.Expires()
	timeLeft, timed := v.TimeLeft()
	dataLeft, metered := v.DataLeft()
	switch {
	case v.Revoked:
		return VoucherRevoked
	case !end.IsZero() && !now.Before(end):
		return VoucherExpired
	case timed && timeLeft == 0 || metered && dataLeft == 0:
		return VoucherUsedUp
	case !v.FirstUsed.IsZero():
		return VoucherActive
	}
	return VoucherUnused
}

// voucherPrefix is of names that no user can have.
const voucherPrefix = "voucher#"

// VoucherName is the User-Name that the sessions of a voucher are accounted under. It tells nobody the code.
func VoucherName(id int64) string { return voucherPrefix + strconv.FormatInt(id, 10) }

// VoucherID is the voucher that VoucherName names.
func VoucherID(username string) (id int64, ok bool) {
	text, ok := strings.CutPrefix(username, voucherPrefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0
}
