package enforcertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// Rig is an enforcer under test and the lab that it guards.
type Rig struct {
	Lab  *lab.Lab
	Zone string // of lab.GuestBridge; IPv4 that leaves it is translated
	// Restart returns an enforcer that knows nothing of what the one before it did, as after a restart of the daemon.
	Restart func() sessions.Enforcer
	Losses  []Loss
	// Unit is what timeouts are whole multiples of; Late is by how much a session may outlast its time or its silence.
	Unit, Late time.Duration
	Caps       bool // grants may have caps
	Rates      bool // grants may have rates, more than a walk's packets use
	NoIdle     bool // grants have no idle timeouts: silence ends no session before it is looked for
}

// Loss is what another program does to the rules.
type Loss struct {
	Name string
	Take func() error
	// Keeps: grants outlast it, with their counters and running timeouts; what is left of the rules may even let Usage succeed.
	Keeps bool
}

const (
	crowd      = 4                      // stations
	shortWalk  = 60                     // steps
	walkMargin = 100 * time.Millisecond // what a step may take without another look at the clock
)

// Walk does at random whatever may happen to an enforcer, and after each step compares what it says of every session, and
// which packets pass, with a model. GATEHOUSE_SEED repeats a walk; with GATEHOUSE_SOAK it lasts as
// long as lab.Soak says.
func Walk(t *testing.T, rig Rig) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GATEHOUSE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("GATEHOUSE_SEED: %v", err)
		}
	}
	end := time.Now().Add(lab.Soak(0))
	talkers, err := newTalkers(t, rig.Lab, rig.Zone, crowd)
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{Rig: rig, ctx: t.Context(), talkers: talkers, model: newModel(rig.Late), e: rig.Restart()}
	t.Logf("GATEHOUSE_SEED=%d repeats this walk", seed)
	if err := w.e.Reconcile(w.ctx, nil); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < shortWalk || time.Now().Before(end); n++ {
		w.random = rand.New(rand.NewPCG(seed, uint64(n))) // a step does not depend on how much chance those before it used
		if err := w.step(); err != nil {
			t.Fatalf("GATEHOUSE_SEED=%d, step %d: %v\nthe last steps: %s", seed, n, err, strings.Join(w.path[max(0, len(w.path)-20):], ", "))
		}
	}
}

// walk is one under way.
type walk struct {
	Rig
	ctx     context.Context
	e       sessions.Enforcer
	model   *model
	talkers *talkers
	random  *rand.Rand
	session int           // number of the last one
	version uint32        // of the last cap
	shared  *sessions.Cap // of this step: there cannot be two versions of it at once
	path    []string
}

// step does one thing and compares.
func (w *walk) step() error {
	steps := []struct {
		weight int
		name   string
		do     func() error
	}{
		{4, "admit", w.admit},
		{3, "extend", w.extend},
		{2, "cut", w.cut},
		{2, "cut and release", w.cutAndRelease},
		{1, "release", w.release},
		{2, "reconcile", w.reconcile},
		{1, "restart", w.restart},
		{1, "lose", w.lose},
		{2, "wait", w.wait},
		{1, "block", w.block},
	}
	w.shared = nil
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := w.random.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n >= 0 {
			continue
		}
		w.path = append(w.path, s.name)
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		break
	}
	if err := w.talkers.talk(w.model, w.random, w.settle); err != nil {
		return err
	}
	return w.compare()
}

// note says more of the step under way.
func (w *walk) note(format string, args ...any) {
	w.path[len(w.path)-1] += fmt.Sprintf(" "+format, args...)
}

// settle waits until it is certain, and will be for a moment, who is live.
func (w *walk) settle() {
	for {
		now := time.Now()
		until := w.model.vagueUntil(now, now.Add(lab.Patience(walkMargin)))
		if !until.After(now) {
			return
		}
		select {
		case <-time.After(until.Sub(now)):
		case <-w.ctx.Done():
			return
		}
	}
}

// certainly does what may be done twice, again if a session may have ended meanwhile, and returns when it began and ended.
func (w *walk) certainly(do func() error) (begun, ended time.Time, err error) {
	for {
		w.settle()
		from := time.Now()
		if begun.IsZero() {
			begun = from
		}
		err = do()
		ended = time.Now()
		if err != nil || !w.model.vagueUntil(from, ended).After(from) {
			return begun, ended, err
		}
	}
}

// some draws a subset of the stations, never none, in any order.
func (w *walk) some() []sessions.Station {
	all := w.random.Perm(len(w.talkers.all))
	chosen := make([]sessions.Station, 0, len(all))
	for _, i := range all[:1+w.random.IntN(len(all))] {
		chosen = append(chosen, w.talkers.all[i].Station)
	}
	return chosen
}

// limits draws timeouts, rates and caps.
func (w *walk) limits(g sessions.Grant, goesOn bool) sessions.Grant {
	units := func(n int) time.Duration { return lab.Patience(time.Duration(n) * w.Unit) }
	g.Timeout = []time.Duration{0, time.Hour, time.Minute, units(3 + w.random.IntN(6))}[w.random.IntN(4)]
	// So many of them that some are no class of their own.
	g.IdleTimeout = []time.Duration{0, 0, time.Duration(1+w.random.IntN(9)) * time.Minute, units(3 + w.random.IntN(6))}[w.random.IntN(4)]
	if w.NoIdle {
		g.IdleTimeout = 0
	}
	if w.Rates {
		g.RateUp = []sessions.BitRate{0, 20_000_000, 50_000_000}[w.random.IntN(3)]
		g.RateDown = []sessions.BitRate{0, 20_000_000, 50_000_000}[w.random.IntN(3)]
	}
	if g.Caps = nil; w.Caps && w.random.IntN(2) == 0 {
		g.Caps = w.caps(g, goesOn)
	}
	return g
}

func (w *walk) newSession(s sessions.Station) sessions.Grant {
	w.session++
	return w.limits(sessions.Grant{Station: s, AcctSessionID: fmt.Sprintf("session-%d", w.session)}, false)
}

// caps draws a cap, the session's own or one that all share. Its version goes on only where that is certain to be there.
func (w *walk) caps(g sessions.Grant, goesOn bool) []sessions.Cap {
	c := sessions.Cap{Name: "of " + g.AcctSessionID}
	if w.random.IntN(2) == 0 {
		if c.Name = "shared"; w.shared != nil {
			return []sessions.Cap{*w.shared}
		}
		defer func() { w.shared = &c }()
	}
	bound := func() uint64 { return uint64(500 + w.random.IntN(6000)) }
	switch w.random.IntN(4) {
	case 0:
		c.Up = bound()
	case 1:
		c.Down = bound()
	case 2:
		c.Total = bound()
	case 3:
		c.Up, c.Total = bound(), bound()
	}
	if now := w.model.caps[c.Name]; goesOn && now != nil && w.model.isHeld(c.Name) && w.random.IntN(2) == 0 {
		c.Version = now.Version
	} else {
		w.version++
		c.Version = w.version
	}
	return []sessions.Cap{c}
}

// block lets exactly some stations reach nothing. As a caller must, it cuts them before.
func (w *walk) block() error {
	var stations []sessions.Station
	if w.random.IntN(2) == 0 {
		var err error
		if stations, err = w.cutSome(); err != nil {
			return err
		}
	}
	w.note("to %d blocked", len(stations))
	w.model.block(stations)
	return w.e.SetBlocked(w.ctx, stations)
}

func (w *walk) admit() error {
	var grants []sessions.Grant
	for _, s := range w.some() {
		grants = append(grants, w.newSession(s))
	}
	return w.admitAll(grants)
}

// extend gives sessions, running or over, new limits.
func (w *walk) extend() error {
	var grants []sessions.Grant
	for _, s := range w.some() {
		if g := w.model.latest(s); g != nil {
			grants = append(grants, w.limits(g.Grant, !g.cut))
		}
	}
	return w.admitAll(grants)
}

func (w *walk) admitAll(grants []sessions.Grant) error {
	w.note("%d", len(grants))
	begun, ended, err := w.certainly(func() error { return w.e.Admit(w.ctx, grants...) })
	for _, g := range grants {
		w.model.admit(g, begun, ended)
	}
	return err
}

func (w *walk) cut() error { _, err := w.cutSome(); return err }

func (w *walk) cutSome() ([]sessions.Station, error) {
	stations := w.some()
	w.note("%d", len(stations))
	var readings []sessions.Reading
	_, _, err := w.certainly(func() (err error) {
		readings, err = w.e.Cut(w.ctx, stations...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(readings) != len(stations) {
		return nil, fmt.Errorf("%d readings for %d stations", len(readings), len(stations))
	}
	for i, s := range stations {
		if err := w.model.cut(s, readings[i]); err != nil {
			return nil, err
		}
	}
	return stations, nil
}

func (w *walk) cutAndRelease() error {
	stations, err := w.cutSome()
	if err != nil {
		return err
	}
	return w.releaseAll(stations)
}

func (w *walk) release() error { return w.releaseAll(w.some()) }

func (w *walk) releaseAll(stations []sessions.Station) error {
	_, at, err := w.certainly(func() error { return w.e.Release(w.ctx, stations...) })
	for _, s := range stations {
		w.model.release(s, at)
	}
	return err
}

// wishes are some sessions no more, some for longer, and some that are new.
func (w *walk) wishes() (want []sessions.Grant) {
	for _, talker := range w.talkers.all {
		latest := w.model.latest(talker.Station)
		switch choice := w.random.IntN(4); {
		case choice == 0:
			want = append(want, w.newSession(talker.Station))
		case choice > 1 && latest != nil:
			want = append(want, w.limits(latest.Grant, false))
		}
	}
	return want
}

func (w *walk) reconcile() error { return w.reconcileTo(w.wishes()) }

func (w *walk) reconcileTo(want []sessions.Grant) error {
	w.note("to %d", len(want))
	begun, ended, err := w.certainly(func() error { return w.e.Reconcile(w.ctx, want) })
	w.model.reconcile(want, begun, ended)
	return err
}

// restart looks at what is there before it is taken over.
func (w *walk) restart() error {
	w.e = w.Restart()
	if err := w.compare(); err != nil {
		return fmt.Errorf("before Reconcile: %w", err)
	}
	if err := w.e.SetBlocked(w.ctx, w.model.blockedStations()); err != nil {
		return err
	}
	return w.reconcile()
}

func (w *walk) lose() error {
	if len(w.Losses) == 0 {
		return nil
	}
	loss := w.Losses[w.random.IntN(len(w.Losses))]
	w.note("by %s", loss.Name)
	want := w.wishes()
	if err := loss.Take(); err != nil {
		return err
	}
	_, err := w.e.Usage(w.ctx)
	if err != nil && !errors.Is(err, sessions.ErrEnforcerLost) || err == nil && !loss.Keeps {
		return fmt.Errorf("usage says %w, not that the rules are lost", err)
	}
	if !loss.Keeps {
		w.model.forgetAll()
	}
	return w.reconcileTo(want)
}

// wait is for what ends by itself.
func (w *walk) wait() error {
	select {
	case <-time.After(lab.Patience(time.Duration(1+w.random.IntN(8)) * w.Unit)):
	case <-w.ctx.Done():
	}
	return w.ctx.Err()
}

// compare asks for all sessions.
func (w *walk) compare() error {
	var readings []sessions.Reading
	begun, ended, err := w.certainly(func() (err error) {
		readings, err = w.e.Usage(w.ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	return w.model.compare(readings, begun, ended)
}
