package gwsync

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// LimitsOf reads the limits out of an AAA profile: Session-Timeout, Idle-Timeout and Acct-Interim-Interval (seconds),
// WISPr-Bandwidth-Max-Up and -Down (bit/s) from the reply attributes, Simultaneous-Use from the check attributes. Other attributes are somebody else's and ignored.
//
// Operators mean what they mean to FreeRADIUS (standards.md §4.9) where the outcome is one value: ":=" replaces, "=" and
// "+=" count when there is none yet. "==" on Simultaneous-Use counts as "=": to FreeRADIUS it is a comparison that
// never holds, but who writes it (it is the default of the check table) means a limit, and none would be the wrong way to fail.
// What cannot be read is left out and yields one error each, which names the attribute.
func LimitsOf(reply, check []edge.Attribute) (sessions.Limits, []error) {
	var l sessions.Limits
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, a := range reply {
		switch strings.ToLower(a.Attribute) {
		case "session-timeout":
			note(assign(&l.SessionTimeout, a, inSeconds, "=", "+="))
		case "idle-timeout":
			note(assign(&l.IdleTimeout, a, inSeconds, "=", "+="))
		case "acct-interim-interval":
			note(assign(&l.InterimInterval, a, inSeconds, "=", "+="))
		case "wispr-bandwidth-max-up":
			note(assign(&l.BandwidthUp, a, inBits, "=", "+="))
		case "wispr-bandwidth-max-down":
			note(assign(&l.BandwidthDown, a, inBits, "=", "+="))
		}
	}
	for _, a := range check {
		if strings.EqualFold(a.Attribute, "Simultaneous-Use") {
			note(assign(&l.SimultaneousUse, a, func(n uint32) int { return int(min(n, 1<<31-1)) }, "=", "+=", "=="))
		}
	}
	return l, errs
}

func inSeconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

func inBits(n uint32) sessions.BitRate { return sessions.BitRate(n) }

// assign sets *to from the attribute; with one of the weak operators only if it is not set.
func assign[T any](to **T, a edge.Attribute, convert func(uint32) T, weak ...string) error {
	op := strings.TrimSpace(a.Op)
	isWeak := false
	for _, w := range weak {
		isWeak = isWeak || op == w
	}
	if op != ":=" && !isWeak {
		return fmt.Errorf("%s: operator %q gives it no value here", a.Attribute, a.Op)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(a.Value), 10, 32)
	if err != nil {
		return fmt.Errorf("%s: %q is not a whole number from 0 to 4294967295", a.Attribute, a.Value)
	}
	if isWeak && *to != nil {
		return nil
	}
	v := convert(uint32(n))
	*to = &v
	return nil
}
