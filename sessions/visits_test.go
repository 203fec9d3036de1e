package sessions_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// shelf keeps visits in memory.
type shelf struct {
	saved  []sessions.Visit
	writes int
	fail   error
}

func (s *shelf) find(ok func(sessions.Visit) bool) (sessions.Visit, error) {
	for _, v := range slices.Backward(s.saved) {
		if ok(v) {
			v.Events = slices.Clone(v.Events)
			return v, nil
		}
	}
	return sessions.Visit{}, sessions.ErrNoVisit
}

func (s *shelf) VisitByCode(_ context.Context, code string) (sessions.Visit, error) {
	return s.find(func(v sessions.Visit) bool { return v.Code == code })
}

func (s *shelf) LastVisit(_ context.Context, st sessions.Station) (sessions.Visit, error) {
	return s.find(func(v sessions.Visit) bool { return v.Station == st })
}

func (s *shelf) SaveVisits(_ context.Context, all []sessions.Visit) error {
	s.writes++
	for _, v := range all {
		s.saved = slices.DeleteFunc(s.saved, func(o sessions.Visit) bool { return o.Code == v.Code })
		s.saved = append(s.saved, v)
	}
	return s.fail
}

func newVisits(c *bubbleClock, s *shelf) *sessions.Visits {
	return sessions.NewVisits(sessions.VisitsConfig{Clock: c, Store: s, SaveEvery: time.Minute, Logger: slog.New(slog.DiscardHandler)})
}

// story spells a visit.
func story(v sessions.Visit) string {
	var b strings.Builder
	for _, e := range v.Events {
		b.WriteString(strings.Join(slices.DeleteFunc([]string{string(e.Kind), e.What, e.Why}, func(s string) bool { return s == "" }), ":"))
		if e.Times > 1 {
			b.WriteString("×" + string(rune('0'+e.Times)))
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

func TestVisitIsToldByItsCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, store := newClock(), &shelf{}
		ctx, cancel := context.WithCancel(t.Context())
		v := newVisits(clock, store)
		done := make(chan error)
		go func() { done <- v.Run(ctx) }()
		for range 3 { // a phone asks, is shown the page, and asks again meanwhile
			v.Note(stationA, sessions.EventRedirected, "captive.apple.com", "")
			v.Note(stationA, sessions.EventPage, "GET /login", "")
		}
		code := v.Code(ctx, stationA)
		if again := v.Code(ctx, stationA); again != code || len(code) != 5 {
			t.Fatalf("codes %q and %q of one visit", code, again)
		}
		if other := v.Code(ctx, stationB); other == code {
			t.Error("two stations have one code")
		}
		v.Note(stationA, sessions.EventRefused, "password", "wrong_credentials")
		const want = "redirected:captive.apple.com×3 page:GET /login×3 refused:password:wrong_credentials"
		got, err := v.Find(ctx, " "+strings.ToLower(code[:2])+"-"+code[2:])
		if err != nil || story(got) != want || got.Station != stationA {
			t.Errorf("found %q, %v", story(got), err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if writes := store.writes; writes != 1 {
			t.Errorf("%d writes in the first minute", writes)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if store.writes != 1 {
			t.Errorf("%d writes although nothing happened", store.writes)
		}
		v.Note(stationA, sessions.EventAdmitted, "password", "")
		cancel()
		if err := <-done; err != nil || story(store.saved[len(store.saved)-1]) != want+" admitted:password" {
			t.Errorf("at the stop %q is saved, %v", story(store.saved[len(store.saved)-1]), err)
		}
		// After a restart the page still shows the same code, and the story goes on.
		v = newVisits(clock, store)
		v.Note(stationA, sessions.EventEnded, "Session-Timeout", "")
		if again := v.Code(t.Context(), stationA); again != code {
			t.Errorf("code %q after a restart, %q before", again, code)
		}
		if got, err := v.Find(t.Context(), code); err != nil || story(got) != want+" admitted:password ended:Session-Timeout" {
			t.Errorf("found %q, %v after a restart", story(got), err)
		}
		time.Sleep(25 * time.Hour)
		v.Note(stationA, sessions.EventSeen, "", "")
		if next := v.Code(t.Context(), stationA); next == code {
			t.Error("the visit of the day before goes on")
		}
		if got, err := v.Find(t.Context(), code); err != nil || got.Station != stationA {
			t.Errorf("the old code is forgotten: %v", err)
		}
	})
}

// Devices with made-up addresses fill neither memory nor disk, and do not push out who was shown a page.
func TestVisitsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		v := newVisits(newClock(), store)
		code := v.Code(t.Context(), stationA)
		for i := range 100_000 {
			v.Note(sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 1, byte(i >> 16), byte(i >> 8), byte(i)}}, sessions.EventRedirected, "other", "")
		}
		for i := range 100 {
			v.Note(stationA, sessions.EventRefused, "password", string(rune('a'+i%20)))
		}
		got, err := v.Find(t.Context(), code)
		if err != nil || len(got.Events) != 24 || got.Events[0].Kind != sessions.EventSeen || got.Dropped != 77 {
			t.Errorf("%d events, %d dropped, %v", len(got.Events), got.Dropped, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Run(ctx); err != nil || len(store.saved) != 1 {
			t.Errorf("%d visits saved, want that of who was shown a page; %v", len(store.saved), err)
		}
		store.fail = errors.New("disk full")
		v.Note(stationA, sessions.EventAdmitted, "click", "")
		_ = v.Run(ctx)
		store.fail, store.saved = nil, nil
		if _ = v.Run(ctx); len(store.saved) != 1 {
			t.Error("what could not be saved is not tried again")
		}
	})
}

func TestManagerTellsVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var visits *sessions.Visits
		r := newRig(t, zone(sessions.Limits{}), func(c *sessions.Config) {
			visits = newVisits(c.Clock.(*bubbleClock), &shelf{})
			c.Visits = visits
		})
		defer r.stop()
		_, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodClick, AcceptedTerms: "old"})
		if err == nil {
			t.Fatal("in without the terms")
		}
		r.click(t, stationA)
		if _, err := r.Logout(t.Context(), stationA, sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		got, err := visits.Of(t.Context(), stationA)
		if want := "seen refused:click:terms_not_accepted admitted:click ended:User-Request"; err != nil || story(got) != want {
			t.Errorf("visit %q, want %q; %v", story(got), want, err)
		}
	})
}
