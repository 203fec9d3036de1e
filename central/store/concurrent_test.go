package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
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

// TestChangesAtOnce changes one thing from many sides at the same time, each by a little: nothing that somebody was told is done gets
// lost.
func TestChangesAtOnce(t *testing.T) {
	s, scope := newStore(t)
	ctx, acme := t.Context(), scope.Own()
	user, err := s.SaveUser(ctx, scope, 0, func(u *gate.User) { u.Username, u.Organization = "ann", &acme }, nil)
	if err != nil {
		t.Fatal(err)
	}
	extra, err := s.SaveUserExtra(ctx, scope, 0, func(e *gate.UserExtra) { e.Parent = user.ID })
	if err != nil {
		t.Fatal(err)
	}
	profile, err := s.CreateProfile(ctx, gate.AaaProfile{Name: "p", ShortName: "p", OrganizationID: gate.ID{N: acme}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDevice(ctx, acme, 0, 0, DeviceCaps{PerTokenDay: 9}, func(d *Device) { d.GenericID = new("dev") }); err != nil {
		t.Fatal(err)
	}
	place, err := s.SavePlace(ctx, scope, Location, 0, func(p *Place) error {
		p.Name, p.ShortName, p.OrganizationID.N = "l", "l", acme
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.CreatePlan(ctx, admin.Plan{Organization: acme, Name: "day", Zones: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateVouchers(ctx, admin.VoucherBatch{Organization: acme, Plan: plan.ID}, make([]NewVoucher, 1)); err != nil {
		t.Fatal(err)
	}
	gw, err := s.Gateway(ctx, Token{Scope: scope}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	webhook, err := s.SaveWebhook(ctx, scope, 0, func(w *Webhook) error { w.Sealed = []byte{1}; return nil })
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.SaveRADIUSClient(ctx, scope, 0, func(c *RADIUSClient) error {
		c.Name, c.Network, c.Secret = "n", "192.0.2.1", []byte{1}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutSetting(ctx, acme, "mail", func(v *Setting) error { v.Body = []byte("{}"); return nil }); err != nil {
		t.Fatal(err)
	}
	more := func(text **string) int {
		if *text == nil {
			*text = new("")
		}
		*text = new(**text + "x")
		return len(**text)
	}
	const sides = 12
	for what, change := range map[string]func() (int, error){
		"user": func() (n int, err error) {
			_, err = s.SaveUser(ctx, scope, user.ID, func(u *gate.User) { n = more(&u.Description) }, nil)
			return n, err
		},
		"user of a file": func() (n int, err error) {
			_, err = s.ImportUsers(ctx, acme, []UserImport{{Username: "ann", Change: func(u *gate.User) { n = more(&u.Klass) }}}, ImportMode{Update: true})
			return n, err
		},
		"user_extra": func() (n int, err error) {
			_, err = s.SaveUserExtra(ctx, scope, extra.ID, func(e *gate.UserExtra) { n = more(&e.City) })
			return n, err
		},
		"profile": func() (n int, err error) {
			_, err = s.UpdateProfile(ctx, scope, profile.ID, func(p *gate.AaaProfile) { n = more(&p.Description) })
			return n, err
		},
		"device": func() (n int, err error) {
			return n, s.SaveDevice(ctx, acme, 1, 0, DeviceCaps{}, func(d *Device) { n = more(&d.AppVersion) })
		},
		"place": func() (n int, err error) {
			_, err = s.SavePlace(ctx, scope, Location, place.ID, func(p *Place) error { n = more(&p.City); return nil })
			return n, err
		},
		"plan": func() (n int, err error) {
			_, err = s.ChangePlan(ctx, scope, plan.ID, func(p *admin.Plan) error { n = more(&p.Description); return nil })
			return n, err
		},
		"voucher": func() (n int, err error) {
			_, err = s.ChangeVoucher(ctx, scope, 1, func(v *Voucher) error { v.ExtraSeconds++; n = int(v.ExtraSeconds); return nil })
			return n, err
		},
		"gateway": func() (n int, err error) {
			_, _, err = s.ChangeGateway(ctx, scope, gw.ID, func(g *admin.Gateway, _ int64) error { g.Name += "x"; n = len(g.Name); return nil })
			return n, err
		},
		"webhook": func() (n int, err error) {
			_, err = s.SaveWebhook(ctx, scope, webhook.ID, func(w *Webhook) error { w.Name += "x"; n = len(w.Name); return nil })
			return n, err
		},
		"RADIUS client": func() (n int, err error) {
			_, err = s.SaveRADIUSClient(ctx, scope, client.ID, func(c *RADIUSClient) error { c.NASIdentifier += "x"; n = len(c.NASIdentifier); return nil })
			return n, err
		},
		"setting": func() (n int, err error) {
			_, err = s.PutSetting(ctx, acme, "mail", func(v *Setting) error { v.Body = append(v.Body, ' '); n = len(v.Body) - 2; return nil })
			return n, err
		},
		"organisation": func() (n int, err error) {
			_, err = s.UpdateOrganization(ctx, "acme", func(o *Organization) { n = more(&o.Website) })
			return n, err
		},
	} {
		var wg sync.WaitGroup
		for range sides {
			wg.Go(func() {
				if _, err := change(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		wg.Wait()
		if n, err := change(); err != nil || n != sides+1 {
			t.Errorf("%s: %d changes are there, %v, want %d", what, n, err, sides+1)
		}
	}
}

// TestCapsAtOnce fills what has a bound from many sides at the same time.
func TestCapsAtOnce(t *testing.T) {
	s, scope := newStore(t)
	acme := scope.Own()
	const most, sides = 3, 12
	if _, err := s.UpdateOrganization(t.Context(), "acme", func(o *Organization) { o.MaxUsers = new(int64(most)) }); err != nil {
		t.Fatal(err)
	}
	var users, devices atomic.Int64
	atOnce := func(count *atomic.Int64, fill func(n int) error) {
		var wg sync.WaitGroup
		for n := range sides {
			wg.Go(func() {
				var full *FullError
				var capped *CapError
				if err := fill(n); err == nil {
					count.Add(1)
				} else if !errors.As(err, &full) && !errors.As(err, &capped) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	atOnce(&users, func(n int) error {
		_, err := s.SaveUser(t.Context(), scope, 0, func(u *gate.User) { u.Username, u.Organization = fmt.Sprint("u", n), &acme }, nil)
		return err
	})
	ann, _, err := s.Users(t.Context(), scope, UserFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	atOnce(&devices, func(int) error {
		return s.SaveDevice(t.Context(), acme, 0, 0, DeviceCaps{PerUser: most, PerTokenDay: 100}, func(d *Device) { d.UserID = &ann[0].ID })
	})
	if users.Load() != most || devices.Load() != most {
		t.Errorf("%d users and %d devices of one, want %d of each", users.Load(), devices.Load(), most)
	}
}
