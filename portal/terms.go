package portal

import (
	"cmp"
	"sync"
	"time"

	"gatehouse/sessions"
)

// accepted is which terms a station's guest has accepted with a form of ours, and whether he wants it to be remembered: a way in of more than one step asks in the first
// and is done with the last.
type accepted struct {
	mu sync.Mutex
	by map[sessions.Station]acceptance
}

type acceptance struct {
	version string
	shown   sessions.Shown
	at      time.Duration // Mono

	remember bool // the device, he said in the same form
}

const maxAccepted = 2048 // stations on their way; who is dropped is asked once more

func (a *accepted) of(st sessions.Station, now time.Duration) acceptance {
	a.mu.Lock()
	defer a.mu.Unlock()
	if got, ok := a.by[st]; ok && now-got.at <= tokenLife {
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
	version := cmp.Or(v.PostForm.Get("accept"), v.PostForm.Get("accept-trial"))
	if !v.PostForm.Has("method") || len(version) > maxUsername { // no first step of a way in
		return
	}
	if !v.PostForm.Has("filled") { // the form of a registration has no box of its own: the button that led there had
		v.accepted.remember = v.PostForm.Has("remember")
	}
	if version != "" {
		v.accepted.version, v.accepted.shown = version, sessions.Shown{Text: v.page.TermsText(), Locale: string(v.page.Locale)}
	}
	v.accepted.at = now
	p.accepted.note(v.station, v.accepted)
}
