package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

// What guests see after they have logged in, besides a page of the operator's.
const (
	AfterStatus   = "status"   // what is left
	AfterOriginal = "original" // where they wanted to go
)

const (
	minExtend        = time.Minute
	maxExtendTimes   = 100
	minPause         = time.Minute
	defaultWarn      = 5 * time.Minute
	maxAfterLoginURL = 1024 // octets
)

// parseAfter reads what guests may do, and see, once they are in.
func parseAfter(s *section, z *Zone) {
	by := s.span("extend", 0, 0)
	times, timed := s.number("extend_times", 1, maxExtendTimes)
	switch {
	case by == 0 && timed:
		s.wrong("extend_times", "has no time to give", `say how much in extend, as in extend = "30m"`)
	case by > 0 && by < minExtend:
		s.wrong("extend", by.String()+" is too short", fmt.Sprintf(`use %v or more, or "0s" to offer none`, minExtend))
	case by > 0:
		z.Prolong = sessions.Prolonging{By: by, Times: max(1, int(times))}
	}
	if z.MaxPause = s.span("max_pause", 0, 0); z.MaxPause > 0 && z.MaxPause < minPause {
		s.wrong("max_pause", z.MaxPause.String()+" is too short", fmt.Sprintf(`use %v or more, or "0s" to offer no pause`, minPause))
	}
	z.WarnBefore = s.span("warn_before", defaultWarn, 0)
	z.AfterLogin = parseAfterLogin(s)
}

func parseAfterLogin(s *section) string {
	v := s.text("after_login", AfterStatus)
	if v == AfterStatus || v == AfterOriginal {
		return v
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(v) > maxAfterLoginURL ||
		strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		s.wrong("after_login", strconv.Quote(v)+" is nowhere to go", `use "status", "original" or the address of a page, as in "https://www.example.com/welcome"`)
		return AfterStatus
	}
	return v
}
