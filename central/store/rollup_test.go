package store

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
)

// statistics are all figures of the scope.
type statistics struct {
	Hours, Daily []HourFigure
	Traffic      []DayFigure
	Users        []UserFigure
}

func (s *Store) statistics(t *testing.T, scope Scope, exact bool) (all statistics) {
	t.Helper()
	f := StatisticsFilter{From: day.AddDate(0, 0, -10).Truncate(24 * time.Hour), To: day.AddDate(0, 0, 10).Truncate(24 * time.Hour), Exact: exact}
	var errs [4]error
	all.Hours, errs[0] = s.SessionFigures(t.Context(), scope, f, false)
	all.Daily, errs[1] = s.SessionFigures(t.Context(), scope, f, true)
	all.Traffic, errs[2] = s.TrafficFigures(t.Context(), scope, f)
	all.Users, errs[3] = s.UserFigures(t.Context(), scope, f)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *Store) rollUpAll(t *testing.T, lease *Lease) {
	t.Helper()
	if err := s.RollUp(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
}

// randomSession is a record of one of a few hundred sessions around the day, of two users and some names.
func randomSession(r *rand.Rand) edge.Record {
	n := r.IntN(300)
	fixed := rand.New(rand.NewPCG(uint64(n), 1)) // what never changes of a session
	start := day.Add(time.Duration(fixed.IntN(5*24*3600)-2*24*3600) * time.Second)
	octets := uint64(r.IntN(1 << 30))
	if n == 7 {
		octets = math.MaxInt64
	}
	a := &edge.Accounting{AcctStatusType: "Interim-Update", AcctUniqueID: fmt.Sprint(n), AcctSessionID: fmt.Sprint(n),
		Username: fmt.Sprint("u", fixed.IntN(20)), NASIPAddress: "192.0.2.1", AcctStartTime: start,
		AcctUpdateTime: start.Add(time.Duration(r.IntN(3600)) * time.Second), AcctInputOctets: octets, AcctOutputOctets: octets / 3,
		LocationID: int64(fixed.IntN(4))}
	return edge.Record{Accounting: a}
}

// TestRolledUpIsRaw has several gateways of two organisations send random records again and again while figures are made. In
// the end the figures are those that counting gives; a process that has lost its turn changes none of them.
func TestRolledUpIsRaw(t *testing.T) {
	s, acme := newStore(t)
	west, err := s.CreateOrganization(t.Context(), "west", "West", "acme")
	if err != nil {
		t.Fatal(err)
	}
	all := Scope{acme.Own(), west}
	lease := s.Lease("rollup")
	var gateways sync.WaitGroup
	for g := range 4 {
		gateways.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			scope := Scope{all[g%2]}
			var last []edge.Record
			for range 12 {
				batch := slices.Clone(last)
				for range 1 + r.IntN(20) {
					batch = append(batch, randomSession(r))
				}
				if _, err := s.Ingest(t.Context(), scope, batch); err != nil {
					t.Error(err)
					return
				}
				last = batch[:min(len(batch), 5)]
			}
		})
	}
	ended := make(chan struct{})
	go func() { gateways.Wait(); close(ended) }()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
			if err := s.RollUp(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.rollUpAll(t, lease)
	for _, scope := range []Scope{acme, {west}, all} {
		want := s.statistics(t, scope, true)
		if diff := cmp.Diff(want, s.statistics(t, scope, false)); diff != "" {
			t.Errorf("scope %v: counted and kept figures differ (-counted +kept):\n%s", scope, diff)
		}
		if len(want.Hours) < 20 || len(want.Daily) < 5 || len(want.Traffic) < 15 || len(want.Users) != len(want.Daily) {
			t.Errorf("scope %v: too few figures to be a test: %+v", scope, want)
		}
	}
	stale, err := s.Stale(t.Context(), all, StatisticsFilter{From: day.AddDate(0, 0, -9), To: day.AddDate(0, 0, 9)})
	if err != nil || stale {
		t.Errorf("stale %v, %v after all was done", stale, err)
	}

	before := s.statistics(t, all, false)
	if _, err := s.Ingest(t.Context(), acme, []edge.Record{{Accounting: &edge.Accounting{AcctStatusType: "Start", AcctUniqueID: "new",
		AcctSessionID: "new", NASIPAddress: "192.0.2.1", AcctStartTime: day, AcctUpdateTime: day}}}); err != nil {
		t.Fatal(err)
	}
	if stale, err := s.Stale(t.Context(), all, StatisticsFilter{From: day.AddDate(0, 0, -9), To: day.AddDate(0, 0, 9)}); err != nil || !stale {
		t.Errorf("stale %v, %v after a new session", stale, err)
	}
	if err := s.RollUp(t.Context(), s.Lease("rollup")); !errors.Is(err, ErrNotOurs) {
		t.Errorf("another process, while one does it: %v", err)
	}
	if diff := cmp.Diff(before, s.statistics(t, all, false)); diff != "" {
		t.Errorf("a process without its turn changed figures:\n%s", diff)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.rollUpAll(t, s.Lease("rollup"))
	if cmp.Equal(before, s.statistics(t, all, false)) {
		t.Error("nobody has made the figures anew")
	}
}

// TestRecordsWhileFiguresAreMade has a batch commit between the counting of a day and the keeping of its figures.
func TestRecordsWhileFiguresAreMade(t *testing.T) {
	s, acme := newStore(t)
	start := func(id string) {
		t.Helper()
		r := edge.Record{Accounting: &edge.Accounting{AcctStatusType: "Start", AcctUniqueID: id, AcctSessionID: id, NASIPAddress: "192.0.2.1",
			AcctStartTime: day, AcctUpdateTime: day}}
		if _, err := s.Ingest(t.Context(), acme, []edge.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	start("one")
	b, marks, err := s.dirtyDay(t.Context(), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.countDay(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	start("two")
	lease := s.Lease("rollup")
	if err := s.keepDay(t.Context(), lease, b, marks, f); err != nil {
		t.Fatal(err)
	}
	s.rollUpAll(t, lease)
	if diff := cmp.Diff(s.statistics(t, acme, true), s.statistics(t, acme, false)); diff != "" {
		t.Errorf("(-counted +kept):\n%s", diff)
	}
}
