package portal

import (
	"cmp"
	"sync"
	"time"

	"gatehouse/sessions"
)

// accepted is which terms a station's guest has accepted with a form of ours: a way in of more than one step asks in the first
// and is done with the last.
type accepted struct {
	mu sync.Mutex
	by map[sessions.Station]acceptance
}

type acceptance struct {
	version string
	shown   sessions.Shown
	at      time.Duration // Mono
}

const maxAccepted = 2048 // stations on their way; who is dropped is asked once more

func (a *accepted) of(st sessions.Station, now time.Duration) acceptance {
	a.mu.Lock()
	defer a.mu.Unlock()
	if got := a.by[st]; got.version != "" && now-got.at <= tokenLife {
		return got
	}
	return acceptance{}
}

func (a *accepted) note(st sessions.Station, got acceptance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		a.by = map[sessions.Station]acceptance{}
	}
	for other := range a.by {
		if len(a.by) < maxAccepted {
			break
		}
		delete(a.by, other)
	}
	a.by[st] = got
}

// accept takes over what a form says of the terms, or what an earlier one did.
func (p *Portal) accept(v *visit) {
	now := p.cfg.Clock.Mono()
	v.accepted = p.accepted.of(v.station, now)
	if version := cmp.Or(v.PostForm.Get("accept"), v.PostForm.Get("accept-trial")); version != "" && len(version) <= maxUsername {
		v.accepted = acceptance{version, sessions.Shown{Text: v.page.TermsText(), Locale: string(v.page.Locale)}, now}
		p.accepted.note(v.station, v.accepted)
	}
}
