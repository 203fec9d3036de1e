package sessions

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// limitsOf reads the limits out of attributes; of several of one name the first counts. From the reply: Session-Timeout,
// Idle-Timeout and Acct-Interim-Interval (seconds), WISPr-Bandwidth-Max-Up and -Down (bit/s), the data caps of a session (see
// capWords), and Gatehouse-Bandwidth-Slow-Up and -Down (bit/s) for when a cap is used up: nobody else has attributes for
// that. From the control attributes: Simultaneous-Use, Login-Time, and what an account may use, as FreeRADIUS names its counters:
// Max-Daily-Session (seconds) and Max-Daily-Octets, -Weekly-, -Monthly-, -All-, and with Input- or Output- before Octets for one
// direction. Other attributes are somebody else's and ignored. What cannot be read is left out and yields one error each, which names the attribute.
func limitsOf(reply, control []Attribute) (Limits, []error) {
	var l Limits
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var words capWords
	for _, a := range reply {
		if word := words.of(a.Name); word != nil {
			note(assign(word, a, uint64(MaxBytes), func(n uint64) uint64 { return n }))
			continue
		}
		switch strings.ToLower(a.Name) {
		case "session-timeout":
			note(assign(&l.SessionTimeout, a, word32, inSeconds))
		case "idle-timeout":
			note(assign(&l.IdleTimeout, a, word32, inSeconds))
		case "acct-interim-interval":
			note(assign(&l.InterimInterval, a, word32, inSeconds))
		case "wispr-bandwidth-max-up":
			note(assign(&l.BandwidthUp, a, word32, inBits))
		case "wispr-bandwidth-max-down":
			note(assign(&l.BandwidthDown, a, word32, inBits))
		case "gatehouse-bandwidth-slow-up":
			note(assign(&l.SlowUp, a, word32, inBits))
		case "gatehouse-bandwidth-slow-down":
			note(assign(&l.SlowDown, a, word32, inBits))
		}
	}
	l.Caps.Session = VolumeLimit{Up: words.up.octets(), Down: words.down.octets(), Total: words.total.octets()}
	for _, a := range control {
		if strings.EqualFold(a.Name, "Simultaneous-Use") {
			note(assign(&l.SimultaneousUse, a, word32, func(n uint64) int { return int(min(n, 1<<31-1)) }))
		}
		if strings.EqualFold(a.Name, "Login-Time") && l.LoginTime == nil {
			_, err := LoginTimes(a.Value)
			note(err)
			l.LoginTime = new(a.Value)
		}
		if data, online := counterOf(&l, a.Name); data != nil {
			note(assign(data, a, uint64(MaxBytes), func(n uint64) Bytes { return Bytes(n) }))
		} else if online != nil {
			note(assign(online, a, word32, inSeconds))
		}
	}
	return l, errs
}

// word32 is the largest value of a RADIUS integer.
const word32 = 1<<32 - 1

func inSeconds(n uint64) time.Duration { return time.Duration(n) * time.Second }

func inBits(n uint64) BitRate { return BitRate(n) }

// capWords gather the data caps of a session: ChilliSpot-Max-Input-, -Output- and -Total-Octets, also as CoovaChilli-, or
// Mikrotik-Recv-, -Xmit- and -Total-Limit, and their -Gigawords (standards.md §4.4). Input and Recv are from the station. Who
// writes more octets into the first than a RADIUS integer holds means them.
type capWords struct{ up, down, total words }

type words struct{ low, high *uint64 }

func (w *capWords) of(attribute string) **uint64 {
	switch strings.Replace(strings.ToLower(attribute), "coovachilli-", "chillispot-", 1) {
	case "chillispot-max-input-octets", "mikrotik-recv-limit":
		return &w.up.low
	case "chillispot-max-input-gigawords", "mikrotik-recv-limit-gigawords":
		return &w.up.high
	case "chillispot-max-output-octets", "mikrotik-xmit-limit":
		return &w.down.low
	case "chillispot-max-output-gigawords", "mikrotik-xmit-limit-gigawords":
		return &w.down.high
	case "chillispot-max-total-octets", "mikrotik-total-limit":
		return &w.total.low
	case "chillispot-max-total-gigawords", "mikrotik-total-limit-gigawords":
		return &w.total.high
	}
	return nil
}

// octets are nil where neither word was there.
func (w words) octets() *Bytes {
	if w.low == nil && w.high == nil {
		return nil
	}
	var n uint64
	if w.high != nil {
		n = min(*w.high, uint64(MaxBytes)>>32) << 32
	}
	if w.low != nil {
		n += *w.low
	}
	b := min(Bytes(n), MaxBytes)
	return &b
}

// counterOf is where the cap goes that a check attribute names, of data or of time.
func counterOf(l *Limits, attribute string) (data **Bytes, online **time.Duration) {
	for p, name := range [periods]string{"Daily", "Weekly", "Monthly", "All"} {
		if strings.EqualFold(attribute, "Max-"+name+"-Session") {
			return nil, l.Online.ofAccount()[p]
		}
		v := l.Caps.ofAccount()[p]
		for direction, to := range map[string]**Bytes{"Input-": &v.Up, "Output-": &v.Down, "": &v.Total} {
			if strings.EqualFold(attribute, "Max-"+name+"-"+direction+"Octets") {
				return to, nil
			}
		}
	}
	return nil, nil
}

// assign sets *to, if it is not set, from the attribute, a number up to most.
func assign[T any](to **T, a Attribute, most uint64, convert func(uint64) T) error {
	n, err := strconv.ParseUint(strings.TrimSpace(a.Value), 10, 64)
	if err != nil || n > most {
		return fmt.Errorf("%s: %q is not a whole number from 0 to %d", a.Name, a.Value, most)
	}
	if *to == nil {
		*to = new(convert(n))
	}
	return nil
}
