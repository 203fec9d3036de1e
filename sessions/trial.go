package sessions

import (
	"context"
	"fmt"
	"time"
)

// Trial is what a zone gives every device for free, once a day. A device is a MAC address: who changes it has another trial,
// and that is what the two bounds are for.
type Trial struct {
	Limits Limits // SessionTimeout is above zero
	AtOnce int    // sessions; 0: any number
	PerDay int    // devices; above zero
}

// TrialUse is what a device has used of its trial on the last day on which it had one.
type TrialUse struct {
	Station Station
	Day     string        // date; empty: the clock was not believable, and it counts for the day known next
	Time    time.Duration // of sessions that have ended
	Data    Bytes
}

// Trials remembers what is used of trials.
type Trials interface {
	// LoadTrials returns what was used on the last days.
	LoadTrials(ctx context.Context) ([]TrialUse, error)
}

// trialCrumb is a rest of time that is not worth a login.
const trialCrumb = 5 * time.Second

// trialDay is the day that runs for trials: while the clock cannot be believed, the last day known. The caller holds mu.
func (m *Manager) trialDay() string {
	day := m.period[Day]
	if day != "" {
		return day
	}
	for _, u := range m.trials {
		day = max(day, u.Day)
	}
	return day
}

// counts tells whether a trial was used on a day. One that is still to come was told by a clock that ran ahead, and is no reason
// for another trial.
func (u *TrialUse) counts(day string) bool { return u.Day == "" || u.Day >= day }

// trialUse is what a station has used today. The caller holds mu.
func (m *Manager) trialUse(st Station) (TrialUse, bool) {
	u, ok := m.trials[st]
	if ok && u.counts(m.trialDay()) {
		return u, true
	}
	return TrialUse{Station: st, Day: m.period[Day]}, false
}

// onTrial is the account of a station that wants its trial: nobody's, with what is left.
func (m *Manager) onTrial(zone *Zone, st Station) (Account, error) {
	a := Account{Source: SourceGuest, Active: true, Limits: zone.Trial.Limits}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, _ := m.trialUse(st)
	left := *a.Limits.SessionTimeout - u.Time
	if left < trialCrumb {
		return a, m.trialOver(RefusedTrialUsed)
	}
	a.Limits.SessionTimeout = &left
	if cap := a.Limits.Caps.Session.Total; cap != nil && *cap > 0 {
		if *cap <= u.Data {
			return a, m.trialOver(RefusedTrialUsed)
		}
		a.Limits.Caps.Session.Total = new(*cap - u.Data)
	}
	return a, nil
}

// trialOver is a refusal until the next day begins, if that can be told. The caller holds mu.
func (m *Manager) trialOver(why Reason) *Refusal {
	day, err := time.ParseInLocation(time.DateOnly, m.period[Day], m.cfg.TimeZone)
	if err != nil {
		return &Refusal{Reason: why}
	}
	return &Refusal{Reason: why, Until: day.AddDate(0, 0, 1)}
}

// reserveTrial counts a trial against the zone's bounds until the session itself is counted.
func (m *Manager) reserveTrial(zone *Zone, st Station) (func(), error) {
	key := "trial/" + zone.Name
	m.mu.Lock()
	defer m.mu.Unlock()
	online, today := m.pending[key], m.pending[key]
	for _, r := range m.running {
		if r.OnTrial && r.Station.Zone == zone.Name && !m.over(r) {
			online++
		}
	}
	day := m.trialDay()
	for _, u := range m.trials {
		if u.Station.Zone == zone.Name && u.counts(day) {
			today++
		}
	}
	_, again := m.trialUse(st)
	switch t := zone.Trial; {
	case !again && today >= t.PerDay:
		return nil, m.trialOver(RefusedTrialFull)
	case t.AtOnce > 0 && online >= t.AtOnce:
		return nil, &Refusal{Reason: RefusedTrialFull}
	}
	m.pending[key]++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.pending[key]--; m.pending[key] == 0 {
			delete(m.pending, key)
		}
	}, nil
}

// spentTrials are the lines of trials for sessions that have ended. The caller holds mu.
func (m *Manager) spentTrials(ended []Session) []TrialUse {
	var out []TrialUse
	for i := range ended {
		s := &ended[i]
		if !s.OnTrial {
			continue
		}
		u, ok := m.trials[s.Station]
		if !ok {
			u = TrialUse{Station: s.Station, Day: m.period[Day]}
		}
		octets := s.Usage.octets()
		u.Time, u.Data = u.Time+s.Used, u.Data+octets.up+octets.down
		out = append(out, u)
	}
	return out
}

// takeTrials takes in what a batch has made durable. The caller holds mu.
func (m *Manager) takeTrials(all []TrialUse) {
	for _, u := range all {
		m.trials[u.Station] = u
	}
}

// loadTrials takes in what was used in earlier runs.
func (m *Manager) loadTrials(ctx context.Context) error {
	if m.cfg.Trials == nil {
		return nil
	}
	all, err := m.cfg.Trials.LoadTrials(ctx)
	if err != nil {
		return fmt.Errorf("loading trials: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeTrials(all)
	return nil
}

// dateTrials brings trials without a date, or with one that is still to come, to the day that runs, and forgets those of days
// that are over.
func (m *Manager) dateTrials(ctx context.Context) {
	m.mu.Lock()
	var late []TrialUse
	today := m.period[Day]
	for st, u := range m.trials {
		switch r := m.running[st]; {
		case today == "" || u.Day == today:
		case u.Day == "" || u.Day > today:
			u.Day = today
			late = append(late, u)
		case r == nil || !r.OnTrial:
			delete(m.trials, st)
		}
	}
	m.takeTrials(late)
	m.mu.Unlock()
	if len(late) == 0 {
		return
	}
	if err := m.cfg.Store.Commit(context.WithoutCancel(ctx), Batch{Trials: late}); err != nil {
		m.cfg.Logger.Error("dating trials", "err", err) // they are found without a date again at the next start
	}
}
