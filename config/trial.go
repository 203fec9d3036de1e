package config

import (
	"math"
	"slices"
	"time"

	"gatehouse/sessions"
)

const (
	defaultTrialTime    = 15 * time.Minute
	defaultTrialsPerDay = 500
	maxTrialsPerDay     = 5000 // the journal remembers the devices of some days
)

// parseTrial returns nil where the zone gives no trials.
func parseTrial(zone *section, methods []sessions.Method) *sessions.Trial {
	offered := slices.Contains(methods, sessions.MethodTrial)
	t := &sessions.Trial{PerDay: defaultTrialsPerDay, Limits: sessions.Limits{SessionTimeout: new(defaultTrialTime)}}
	if s := zone.table("trial"); s != nil {
		if !offered {
			zone.wrong("trial", `is there, and methods has no "trial"`, `add "trial" to methods, or remove the table`)
		}
		*t.Limits.SessionTimeout = s.span("time", defaultTrialTime, time.Minute)
		t.Limits.Caps.Session.Total = s.amount("data")
		t.Limits.BandwidthUp, t.Limits.BandwidthDown = s.bitRate("bandwidth_up"), s.bitRate("bandwidth_down")
		if n, ok := s.number("devices_at_once", 0, math.MaxInt32); ok {
			t.AtOnce = int(n)
		}
		if n, ok := s.number("devices_per_day", 1, maxTrialsPerDay); ok {
			t.PerDay = int(n)
		}
		s.finish()
	}
	if !offered {
		return nil
	}
	return t
}
