package sessions

import (
	"cmp"
	"time"
)

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

	Caps CapsOf[VolumeLimit] `json:"caps,omitzero"` // of data
	// SlowUp and SlowDown are the bandwidth once a data cap is used up. Where both are zero the session ends instead;
	// where one is, that direction keeps what it has.
	SlowUp   *BitRate `json:"slow_up,omitempty"`
	SlowDown *BitRate `json:"slow_down,omitempty"`

	LoginTime *string                `json:"login_time,omitempty"` // when an account may be online, see LoginTimes; empty: always
	Online    CapsOf[*time.Duration] `json:"online,omitzero"`      // how long in a day and so on; a session's is SessionTimeout
}

// Or fills what is absent in l from m.
func (l Limits) Or(m Limits) Limits {
	l = Limits{
		SessionTimeout:  cmp.Or(l.SessionTimeout, m.SessionTimeout),
		IdleTimeout:     cmp.Or(l.IdleTimeout, m.IdleTimeout),
		InterimInterval: cmp.Or(l.InterimInterval, m.InterimInterval),
		SimultaneousUse: cmp.Or(l.SimultaneousUse, m.SimultaneousUse),
		BandwidthUp:     cmp.Or(l.BandwidthUp, m.BandwidthUp),
		BandwidthDown:   cmp.Or(l.BandwidthDown, m.BandwidthDown),
		Caps:            l.Caps,
		SlowUp:          cmp.Or(l.SlowUp, m.SlowUp),
		SlowDown:        cmp.Or(l.SlowDown, m.SlowDown),
		LoginTime:       cmp.Or(l.LoginTime, m.LoginTime),
		Online:          l.Online,
	}
	for i, v := range l.Online.all() {
		*v = cmp.Or(*v, *m.Online.all()[i])
	}
	other := m.Caps.all()
	for i, v := range l.Caps.all() {
		*v = VolumeLimit{cmp.Or(v.Up, other[i].Up), cmp.Or(v.Down, other[i].Down), cmp.Or(v.Total, other[i].Total)}
	}
	return l
}

// Bounds clamp what Resolve finds: the zone's max_* keys. Zero means no bound.
type Bounds struct {
	MaxSessionTimeout time.Duration
	MaxIdleTimeout    time.Duration
	MaxBandwidthUp    BitRate
	MaxBandwidthDown  BitRate
	MaxCaps           CapsOf[Volume]
}

// Effective is the outcome of Resolve, the limits that a session really has. Zero means unlimited (InterimInterval: none).
type Effective struct {
	SessionTimeout  time.Duration  `json:"session_timeout"`
	IdleTimeout     time.Duration  `json:"idle_timeout"`
	InterimInterval time.Duration  `json:"interim_interval"`
	SimultaneousUse int            `json:"simultaneous_use"`
	BandwidthUp     BitRate        `json:"bandwidth_up,omitempty"`
	BandwidthDown   BitRate        `json:"bandwidth_down,omitempty"`
	Caps            CapsOf[Volume] `json:"caps,omitzero"`
	SlowUp          BitRate        `json:"slow_up,omitempty"` // see Limits
	SlowDown        BitRate        `json:"slow_down,omitempty"`

	LoginTime string                `json:"login_time,omitempty"`
	Online    CapsOf[time.Duration] `json:"online,omitzero"`
}

// Resolve takes each limit from the first source that has it (DESIGN D11: account, then profile or RADIUS reply, then
// zone) and clamps it by the zone's bounds; an unlimited value is clamped too.
func Resolve(b Bounds, sources ...Limits) Effective {
	var l Limits
	for _, s := range sources {
		l = l.Or(s)
	}
	e := Effective{
		SessionTimeout:  clamp(valueOf(l.SessionTimeout), b.MaxSessionTimeout),
		IdleTimeout:     clamp(valueOf(l.IdleTimeout), b.MaxIdleTimeout),
		InterimInterval: valueOf(l.InterimInterval),
		SimultaneousUse: valueOf(l.SimultaneousUse),
		BandwidthUp:     clamp(valueOf(l.BandwidthUp), b.MaxBandwidthUp),
		BandwidthDown:   clamp(valueOf(l.BandwidthDown), b.MaxBandwidthDown),
		SlowUp:          valueOf(l.SlowUp),
		SlowDown:        valueOf(l.SlowDown),
		LoginTime:       valueOf(l.LoginTime),
	}
	for i, v := range e.Online.all() {
		*v = valueOf(*l.Online.all()[i])
	}
	wanted, most := l.Caps.all(), b.MaxCaps.all()
	for i, v := range e.Caps.all() {
		*v = Volume{clamp(valueOf(wanted[i].Up), most[i].Up), clamp(valueOf(wanted[i].Down), most[i].Down),
			clamp(valueOf(wanted[i].Total), most[i].Total)}
	}
	return e
}

// Bandwidth is what a session has, or once a data cap is used up and it goes on slowly; zero: unlimited.
func (e Effective) Bandwidth(slow bool) (up, down BitRate) {
	if !slow {
		return e.BandwidthUp, e.BandwidthDown
	}
	return clamp(e.BandwidthUp, e.SlowUp), clamp(e.BandwidthDown, e.SlowDown)
}

func valueOf[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

func clamp[T time.Duration | BitRate | Bytes](v, most T) T {
	if most > 0 && (v == 0 || v > most) {
		return most
	}
	return v
}
