package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/internal/clock"
)

// EventKind says what happened to a station.
type EventKind string

// What happens to stations. What and Why of an Event depend on it.
const (
	EventSeen       EventKind = "seen"       // for the first time, or again after its visit had ended
	EventRedirected EventKind = "redirected" // to the portal; What: whose question it was
	EventPage       EventKind = "page"       // shown or asked for; What: the page
	EventRefused    EventKind = "refused"    // What: the way in, Why: a Reason
	EventAdmitted   EventKind = "admitted"   // What: the way in
	EventExtended   EventKind = "extended"   // by the guest
	EventEnded      EventKind = "ended"      // What: a TerminateCause, Why: the note
)

// EventFault is why a login was refused where no Reason tells it: the fault is ours.
const EventFault = "fault"

// Event is one thing that happened to a station, or the same thing several times. No secret, name or address is in it.
type Event struct {
	Kind  EventKind `json:"kind"`
	What  string    `json:"what,omitempty"`
	Why   string    `json:"why,omitempty"`
	At    Stamp     `json:"at"`
	Times int       `json:"times"`
	Last  Stamp     `json:"last"` // of the times
}

// Visit is what happened to a station, from its first sign of life to a day without any.
type Visit struct {
	Code    string  `json:"code,omitempty"` // what the guest reads out; empty: no page was shown
	Station Station `json:"station"`
	Events  []Event `json:"events"` // the oldest first
	Dropped int     `json:"dropped,omitempty"`
}

// ErrNoVisit says that no visit has this code, or that the station has none.
var ErrNoVisit = errors.New("no such visit")

// VisitStore keeps the visits that have a code. Both searches return ErrNoVisit.
type VisitStore interface {
	VisitByCode(ctx context.Context, code string) (Visit, error)
	LastVisit(ctx context.Context, st Station) (Visit, error)
	SaveVisits(ctx context.Context, all []Visit) error
}

const (
	visitEnds    = 24 * time.Hour // without an event
	visitCodeLen = 5              // 6.4 million codes, of which the store keeps some thousand
	maxVisits    = 1024           // in memory; a station that was shown no page goes first
	maxEvents    = 24             // of a visit
	sameAgain    = 4              // an event that is among so many last ones is counted, not written again
	saveChunk    = 64             // visits of one transaction
	maxSaved     = 512            // in one round: page loads by made-up stations must not keep the disk busy
)

// Visits remembers what happened to stations, so that somebody to whom a guest reads out the support code of a page can tell
// why. Its methods are safe for concurrent use; those of a nil *Visits do nothing.
type Visits struct {
	cfg VisitsConfig

	mu     sync.Mutex
	of     map[Station]*visit
	byCode map[string]*visit
}

// VisitsConfig is what Visits need.
type VisitsConfig struct {
	Clock      clock.Clock
	Store      VisitStore
	Believable time.Time // as in Config
	SaveEvery  time.Duration
	Logger     *slog.Logger
}

type visit struct {
	Visit
	unsaved bool
}

// NewVisits makes Visits. It starts nothing.
func NewVisits(cfg VisitsConfig) *Visits {
	return &Visits{cfg: cfg, of: map[Station]*visit{}, byCode: map[string]*visit{}}
}

// Note remembers an event of a station that happens now. Only Kind, What and Why count.
func (v *Visits) Note(st Station, kind EventKind, what, why string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note(st, Event{Kind: kind, What: what, Why: why})
}

func (v *Visits) note(st Station, e Event) *visit {
	at := stampBy(v.cfg.Clock, v.cfg.Believable)
	of := v.of[st]
	if of != nil && !of.goesOn(at) {
		v.drop(of)
		of = nil
	}
	if of == nil {
		if len(v.of) >= maxVisits {
			v.makeRoom()
		}
		of = &visit{Visit: Visit{Station: st}}
		v.of[st] = of
	}
	of.unsaved = true
	for i := len(of.Events) - 1; i >= max(0, len(of.Events)-sameAgain); i-- {
		o := &of.Events[i]
		if o.Kind == EventAdmitted || o.Kind == EventExtended || o.Kind == EventEnded {
			break // what was before that is another matter
		}
		if o.Kind == e.Kind && o.What == e.What && o.Why == e.Why {
			o.Times, o.Last = o.Times+1, at
			return of
		}
	}
	e.At, e.Last, e.Times = at, at, 1
	of.Events = append(of.Events, e)
	of.trim()
	return of
}

// trim keeps the first event, which tells when it all began, and the last ones.
func (of *Visit) trim() {
	if over := len(of.Events) - maxEvents; over > 0 {
		of.Events = slices.Delete(of.Events, 1, 1+over)
		of.Dropped += over
	}
}

// latest is when something last happened.
func (of *Visit) latest() (last Stamp) {
	for _, e := range of.Events {
		if e.Last.BootID != last.BootID || e.Last.Mono > last.Mono {
			last = e.Last
		}
	}
	return last
}

// goesOn tells whether what happens now belongs to the visit. Over a reboot only dates can tell.
func (of *Visit) goesOn(now Stamp) bool {
	last := of.latest()
	if last.BootID == now.BootID {
		return now.Mono-last.Mono < visitEnds
	}
	return !last.Wall.IsZero() && !now.Wall.IsZero() && now.Wall.Sub(last.Wall) < visitEnds
}

func (v *Visits) drop(of *visit) {
	delete(v.of, of.Station)
	delete(v.byCode, of.Code)
}

// Forget forgets the visit of a station; what the store has of it is the store's to forget.
func (v *Visits) Forget(st Station) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if of := v.of[st]; of != nil {
		v.drop(of)
	}
}

// makeRoom drops the older half of the stations that were shown no page, or else the oldest eighth of all.
func (v *Visits) makeRoom() {
	var all, plain []*visit
	for _, of := range v.of {
		all = append(all, of)
		if of.Code == "" {
			plain = append(plain, of)
		}
	}
	out := len(plain) / 2
	if out == 0 {
		plain, out = all, len(all)/8
	}
	sortFunc(plain, func(a, b *visit) int { return cmp.Compare(a.latest().Mono, b.latest().Mono) })
	for _, of := range plain[:out] {
		v.drop(of)
	}
}

// Code is the support code of the station's visit, made when it is first asked for: a page shows it. Empty for nil Visits.
func (v *Visits) Code(ctx context.Context, st Station) string {
	if v == nil {
		return ""
	}
	v.mu.Lock()
	if of := v.of[st]; of != nil && of.Code != "" {
		defer v.mu.Unlock()
		return of.Code
	}
	v.mu.Unlock()
	earlier, err := v.cfg.Store.LastVisit(ctx, st) // of before a restart, or pushed out of memory
	if err != nil || !earlier.goesOn(stampBy(v.cfg.Clock, v.cfg.Believable)) {
		earlier = Visit{Code: v.freeCode(ctx)}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.of[st]
	if of == nil {
		of = v.note(st, Event{Kind: EventSeen})
	}
	if of.Code != "" { // somebody else was faster
		return of.Code
	}
	of.Code, of.Dropped, of.unsaved = earlier.Code, of.Dropped+earlier.Dropped, true
	of.Events = append(earlier.Events, of.Events...)
	of.trim()
	v.byCode[of.Code] = of
	return of.Code
}

// freeCode is a code that no visit has. A store that cannot be read must not keep a page from a guest.
func (v *Visits) freeCode(ctx context.Context) string {
	for {
		code := newVisitCode()
		v.mu.Lock()
		_, taken := v.byCode[code]
		v.mu.Unlock()
		if !taken {
			if _, err := v.cfg.Store.VisitByCode(ctx, code); err != nil {
				return code
			}
		}
	}
}

// newVisitCode is made of the characters of voucher codes: they are easily told apart, also over a telephone.
func newVisitCode() string {
	raw := make([]byte, visitCodeLen)
	_, _ = rand.Read(raw) // never fails
	for i := range raw {
		raw[i] = codeAlphabet[int(raw[i])%len(codeAlphabet)] // no secret: that some are a little likelier does not matter
	}
	return string(raw)
}

// Find is the visit of a code, read as forgivingly as a voucher's. The error is ErrNoVisit or the store's.
func (v *Visits) Find(ctx context.Context, code string) (Visit, error) {
	code = lookAlikes.Replace(strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.", r) {
			return -1
		}
		return r
	}, code)))
	v.mu.Lock()
	if of := v.byCode[code]; of != nil {
		defer v.mu.Unlock()
		return of.clone(), nil
	}
	v.mu.Unlock()
	return v.cfg.Store.VisitByCode(ctx, code)
}

// Of is the last visit of a station; ErrNoVisit where there is none.
func (v *Visits) Of(ctx context.Context, st Station) (Visit, error) {
	v.mu.Lock()
	if of := v.of[st]; of != nil {
		defer v.mu.Unlock()
		return of.clone(), nil
	}
	v.mu.Unlock()
	return v.cfg.Store.LastVisit(ctx, st)
}

func (of *visit) clone() Visit {
	c := of.Visit
	c.Events = slices.Clone(c.Events)
	return c
}

// Run saves what is new every SaveEvery until ctx ends, and then once more.
func (v *Visits) Run(ctx context.Context) error {
	tick := time.NewTicker(v.cfg.SaveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if err := v.save(context.WithoutCancel(ctx)); err != nil {
			v.cfg.Logger.Error("saving what happened to stations", "err", err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// save writes the visits that have a code and something new. What cannot be written is tried again.
func (v *Visits) save(ctx context.Context) error {
	v.mu.Lock()
	var due []Visit
	for _, of := range v.byCode {
		if of.unsaved && len(due) < maxSaved {
			due = append(due, of.clone())
			of.unsaved = false
		}
	}
	v.mu.Unlock()
	for chunk := range slices.Chunk(due, saveChunk) {
		if err := v.cfg.Store.SaveVisits(ctx, chunk); err != nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			for _, c := range due {
				if of := v.byCode[c.Code]; of != nil {
					of.unsaved = true
				}
			}
			return err
		}
	}
	return nil
}
