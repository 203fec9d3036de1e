package sessions

import "time"

// Limits are the bounds that a voucher, an account, an AAA profile or a zone may set on a session.
//
// A nil field is absent: the next source in the precedence of DESIGN D11 decides. A field that is zero means unlimited.
type Limits struct {
	SessionTimeout  *time.Duration `json:"session_timeout,omitempty"`  // RFC 2865 §5.27; wire unit: seconds
	IdleTimeout     *time.Duration `json:"idle_timeout,omitempty"`     // RFC 2865 §5.28; uplink silence
	InterimInterval *time.Duration `json:"interim_interval,omitempty"` // RFC 2869 §5.16; zero: no interim records
	SimultaneousUse *int           `json:"simultaneous_use,omitempty"` // running sessions of one account
	BandwidthUp     *BitRate       `json:"bandwidth_up,omitempty"`     // WISPr-Bandwidth-Max-Up: from the station
	BandwidthDown   *BitRate       `json:"bandwidth_down,omitempty"`   // WISPr-Bandwidth-Max-Down: to the station
}

// Bounds clamp what Resolve finds: the zone's max_* keys. Zero means no bound.
type Bounds struct {
	MaxSessionTimeout time.Duration
	MaxIdleTimeout    time.Duration
	MaxBandwidthUp    BitRate
	MaxBandwidthDown  BitRate
}

// Effective is the outcome of Resolve, the limits that a session really has. Zero means unlimited (InterimInterval: none).
type Effective struct {
	SessionTimeout  time.Duration `json:"session_timeout"`
	IdleTimeout     time.Duration `json:"idle_timeout"`
	InterimInterval time.Duration `json:"interim_interval"`
	SimultaneousUse int           `json:"simultaneous_use"`
	BandwidthUp     BitRate       `json:"bandwidth_up,omitempty"`
	BandwidthDown   BitRate       `json:"bandwidth_down,omitempty"`
}

// Resolve takes each limit from the first source that has it (DESIGN D11: account, then profile or RADIUS reply, then
// zone) and clamps it by the zone's bounds; an unlimited value is clamped too.
func Resolve(b Bounds, sources ...Limits) Effective {
	var e Effective
	for i := len(sources) - 1; i >= 0; i-- { // the first source is written last and so wins
		s := sources[i]
		set(&e.SessionTimeout, s.SessionTimeout)
		set(&e.IdleTimeout, s.IdleTimeout)
		set(&e.InterimInterval, s.InterimInterval)
		set(&e.SimultaneousUse, s.SimultaneousUse)
		set(&e.BandwidthUp, s.BandwidthUp)
		set(&e.BandwidthDown, s.BandwidthDown)
	}
	e.SessionTimeout = clamp(e.SessionTimeout, b.MaxSessionTimeout)
	e.IdleTimeout = clamp(e.IdleTimeout, b.MaxIdleTimeout)
	e.BandwidthUp = clamp(e.BandwidthUp, b.MaxBandwidthUp)
	e.BandwidthDown = clamp(e.BandwidthDown, b.MaxBandwidthDown)
	return e
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func clamp[T time.Duration | BitRate](v, most T) T {
	if most > 0 && (v == 0 || v > most) {
		return most
	}
	return v
}
