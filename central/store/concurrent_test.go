package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// TestConcurrentBatches has eight gateways send the same records in other orders at the same time: the end is that of one
// gateway that sends them in order.
func TestConcurrentBatches(t *testing.T) {
	var inOrder []edge.Record
	for n := range 150 {
		inOrder = append(inOrder, life(n)...)
	}
	one, scope := newStore(t)
	ingestAll(t, one, scope, slices.Clone(inOrder), 1000)
	want := dump(t, one)

	s, scope := newStore(t)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		mine := slices.Clone(inOrder)
		rand.New(rand.NewPCG(seed, 5)).Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		wg.Go(func() {
			for part := range slices.Chunk(mine, 70) {
				if _, err := s.Ingest(t.Context(), scope, part); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("(-one after the other +at once):\n%s", diff)
	}
}

// TestFeedIsInOrderOfCommits writes users from many sides while a gateway reads the feed: whatever its cursor has passed, it
// was told.
func TestFeedIsInOrderOfCommits(t *testing.T) {
	s, scope := newStore(t)
	const writers, users = 6, 20
	gw, err := s.Gateway(t.Context(), Token{Scope: scope}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]bool)
	var cursor int64
	read := func() {
		f, err := s.Changes(t.Context(), gw, cursor)
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range f.Changes {
			told[c.Profile.ShortName] = true
		}
		cursor = f.Head
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range users {
					p := gate.AaaProfile{Name: "x", ShortName: fmt.Sprintf("p%d-%d", w, n), OrganizationID: gate.ID{N: scope.Own()},
						ReplyAttribute: []gate.Attr{}, CheckAttribute: []gate.Attr{}}
					if _, err := s.CreateProfile(t.Context(), p); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		read()
	}
	if len(told) != writers*users {
		t.Errorf("the gateway was told of %d profiles, want %d", len(told), writers*users)
	}
}

// TestIDsThatComeRound makes the sequence of ids begin again within a second: no two rows have one id.
func TestIDsThatComeRound(t *testing.T) {
	s, scope := newStore(t)
	if !s.d.postgres() {
		return // it asks for the greatest
	}
	record := func(n int) edge.Record {
		r := life(0)[0]
		a := *r.Accounting
		a.AcctUniqueID = fmt.Sprintf("u%d", n)
		return edge.Record{Accounting: &a}
	}
	ids := make(map[int64]bool)
	for n := range writeTries - 1 {
		if err := s.write(t.Context(), "going back", func(tx *dbTx) error {
			_, err := tx.Exec("SELECT setval('record_ids', 100)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ingest(t.Context(), scope, []edge.Record{record(n)}); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := s.Accounting(t.Context(), scope, AcctFilter{}, Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		ids[r.RadAcctID] = true
	}
	if len(list) != writeTries-1 || len(ids) != len(list) {
		t.Errorf("%d rows with %d ids, want %d of each", len(list), len(ids), writeTries-1)
	}
}

// TestWritesAreTriedAgain has the database refuse a transaction as a server does that cannot serialise it.
func TestWritesAreTriedAgain(t *testing.T) {
	s, _ := newStore(t)
	if !s.d.postgres() {
		return // SQLite's writers wait for one another
	}
	for code, want := range map[string]int{"40001": 3, "40P01": 3, "23505": 3, "22012": 1} {
		tries := 0
		err := s.write(t.Context(), "trying", func(tx *dbTx) error {
			if tries++; tries == 3 {
				return nil
			}
			_, err := tx.Exec("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '" + code + "'; END $$")
			return err
		})
		if tries != want || (err == nil) != (want == 3) {
			t.Errorf("SQLSTATE %s: %d tries, err %v, want %d tries", code, tries, err, want)
		}
	}
	tries := 0
	err := s.write(t.Context(), "trying", func(tx *dbTx) error {
		tries++
		_, err := tx.Exec("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")
		return err
	})
	if !errors.Is(err, ErrUnavailable) || tries != writeTries {
		t.Errorf("never serialised: %d tries, %v", tries, err)
	}
}

// TestPartitions looks that each month's records lie in a table of their own, and that a list of a month reads no other.
func TestPartitions(t *testing.T) {
	s, scope := newStore(t)
	if !s.d.postgres() {
		return
	}
	var records []edge.Record
	for n := range 12 {
		a := *life(0)[0].Accounting
		a.AcctUniqueID, a.AcctStartTime = fmt.Sprintf("u%d", n), day.AddDate(0, n%4, 0)
		records = append(records, edge.Record{Accounting: &a})
	}
	if _, err := s.Ingest(t.Context(), scope, records); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		var rows int
		table := monthOf(day.AddDate(0, n, 0)).partition("aaa_accounting")
		if err := s.read().QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows); err != nil || rows != 3 {
			t.Errorf("%s: %d rows, %v, want 3", table, rows, err)
		}
	}
	q := (&AcctFilter{From: day.AddDate(0, 1, -5), To: day.AddDate(0, 1, 5)}).query(s.d, scope)
	text, args := q.sql(Page{Limit: 10})
	rows, err := s.read().QueryContext(t.Context(), "EXPLAIN "+text, args...)
	plan, err := collect(rows, err, func(row scanner) (line string, err error) { err = row.Scan(&line); return line, err })
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{false, true, false, false} {
		table := monthOf(day.AddDate(0, n, 0)).partition("aaa_accounting")
		if got := slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, table) }); got != want && n != 0 {
			t.Errorf("plan reads %s: %v, want %v: %q", table, got, want, plan)
		}
	}
	// A partition that is dropped while a process knows of it is made again.
	gone := monthOf(day.AddDate(0, 3, 0)).partition("aaa_accounting")
	if err := s.write(t.Context(), "dropping", func(tx *dbTx) error { _, err := tx.Exec("DROP TABLE " + gone); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(t.Context(), scope, records); err != nil {
		t.Errorf("after a partition was dropped: %v", err)
	}
}

// TestReplica reads lists where it was told to.
func TestReplica(t *testing.T) {
	s, scope := newStore(t)
	if !s.d.postgres() {
		return
	}
	other, _ := newStore(t)
	if _, err := other.Ingest(t.Context(), scope, life(1)); err != nil {
		t.Fatal(err)
	}
	both := &Store{db: &postgresEngine{db: s.db.reader(), lists: other.db.reader(), reports: other.db.reader()}, d: s.d, now: s.now}
	list, _, err := both.Accounting(t.Context(), scope, AcctFilter{}, Page{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v, want the replica's one", len(list), err)
	}
}

// TestWatchHearsOtherProcesses has one store wait for what another writes.
func TestWatchHearsOtherProcesses(t *testing.T) {
	s, scope := newStore(t)
	other := &Store{db: s.db, d: s.d, now: s.now, woken: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- s.Watch(ctx) }()
	deadline := time.After(20 * time.Second)
	for n := 0; ; n++ {
		woken := s.Changed()
		p := gate.AaaProfile{Name: "x", ShortName: fmt.Sprintf("p%d", n), OrganizationID: gate.ID{N: scope.Own()},
			ReplyAttribute: []gate.Attr{}, CheckAttribute: []gate.Attr{}}
		if _, err := other.CreateProfile(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
		case <-deadline:
			t.Fatal("never woken")
		}
		if n == 3 { // the first ones may have been the beginning of the watch
			break
		}
	}
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
