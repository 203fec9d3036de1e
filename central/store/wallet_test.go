package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// purse is a store with a clock of its own, and users who pay with time.
type purse struct {
	*Store
	t     *testing.T
	scope Scope
	mu    sync.Mutex
	at    time.Time
}

func newPurse(t *testing.T) *purse {
	s, scope := newStore(t)
	p := &purse{Store: s, t: t, scope: scope, at: day}
	s.now = func() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.at }
	return p
}

func (p *purse) pass(d time.Duration) { p.mu.Lock(); defer p.mu.Unlock(); p.at = p.at.Add(d) }

func (p *purse) user(name string) int64 {
	p.t.Helper()
	u, err := p.SaveUser(p.t.Context(), p.scope, 0, func(u *gate.User) {
		*u = gate.User{Username: name, Organization: new(p.scope.Own()), IsActive: true}
	}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.ID
}

func (p *purse) give(user, seconds int64, expires time.Duration) {
	p.t.Helper()
	e := TimeEntry{UserID: user, Kind: TimeGrant, Seconds: seconds, Actor: "test"}
	if expires != 0 {
		e.Expires = new(p.now().Add(expires))
	}
	if _, err := p.AddTime(p.t.Context(), p.scope, e); err != nil {
		p.t.Fatal(err)
	}
}

func (p *purse) gateway(nas string) Gateway {
	p.t.Helper()
	g, err := p.Gateway(p.t.Context(), Token{Scope: p.scope}, nas)
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

// see is what a gateway hears of a user who logs in there.
func (p *purse) see(g Gateway, user int64) edge.TimeBalance {
	p.t.Helper()
	a, err := p.SeeAccount(p.t.Context(), g, Credential{UserID: user, Version: 1})
	if err != nil || a.TimeBalance == nil {
		p.t.Fatal(a, err)
	}
	return *a.TimeBalance
}

// told is what a gateway would hear of a user by the feed.
func (p *purse) told(g Gateway, user int64) edge.TimeBalance {
	p.t.Helper()
	b, err := timeBalance(p.t.Context(), p.read(), g, user)
	if err != nil || b == nil {
		p.t.Fatal(b, err)
	}
	return *b
}

func (p *purse) sum(user int64) int64 {
	p.t.Helper()
	sum, err := ledgerSum(p.t.Context(), p.read(), user)
	if err != nil {
		p.t.Fatal(err)
	}
	return sum
}

func (p *purse) ingest(records ...edge.Record) {
	p.t.Helper()
	if _, err := p.Ingest(p.t.Context(), p.scope, records); err != nil {
		p.t.Fatal(err)
	}
}

// used is a record of a session that has run for so many seconds.
func used(nas, session string, user int64, start time.Time, seconds int64, stop bool) edge.Record {
	a := &edge.Accounting{AcctStatusType: "Interim-Update", AcctUniqueID: nas + session, AcctSessionID: session, UserID: user, Username: "x",
		NASIPAddress: "192.0.2.1", NASIdentifier: nas, AcctStartTime: start, AcctSessionTime: seconds,
		AcctUpdateTime: start.Add(time.Duration(seconds) * time.Second)}
	if stop {
		a.AcctStatusType, a.AcctStopTime = "Stop", new(a.AcctUpdateTime)
	}
	return edge.Record{Accounting: a}
}

// TestTimeIsSpentOnce: every record three times, shuffled, in batches of any size, by writers at the same moment; each session's
// seconds leave the balance once.
func TestTimeIsSpentOnce(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	const users, sessions = 3, 3
	var ids []int64
	var records []edge.Record
	for u := range users {
		id := p.user(fmt.Sprint("guest-", u))
		ids = append(ids, id)
		if u > 0 {
			p.give(id, 100_000, 0)
		}
		for s := range sessions {
			for at := int64(0); at <= 1000; at += 500 {
				records = append(records, used(fmt.Sprint("gw", s%2), fmt.Sprint(u, "-", s), id, p.at.Add(time.Duration(s)*time.Minute), at, at == 1000))
			}
		}
	}
	all := slices.Concat(records, records, records)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var wg sync.WaitGroup
	errs := make(chan error, len(all))
	for chunk := range slices.Chunk(all, 25) {
		wg.Go(func() {
			_, err := p.Ingest(t.Context(), p.scope, chunk)
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	for u, id := range ids {
		want := int64(100_000 - sessions*1000)
		if u == 0 { // does not pay with time
			want = 0
		}
		if got := p.sum(id); got != want {
			t.Errorf("user %d: balance %d, want %d", u, got, want)
		}
	}
	list, _, left, err := p.TimeLedger(t.Context(), p.scope, ids[1], Page{Limit: 100})
	sum := int64(0)
	for _, e := range list {
		sum += e.Seconds
	}
	if err != nil || sum != left || left != p.sum(ids[1]) {
		t.Errorf("ledger adds up to %d, says %d, %v", sum, left, err)
	}
}

// TestReplayAfterRetentionSpendsNothing: the row of a session is gone, its records come once more.
func TestReplayAfterRetentionSpendsNothing(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann := p.user("ann")
	p.give(ann, 1000, 0)
	stop := used("gw1", "s", ann, p.at, 400, true)
	p.ingest(stop)
	if err := p.write(t.Context(), "forgetting", func(tx *dbTx) error { _, err := tx.Exec("DELETE FROM aaa_accounting"); return err }); err != nil {
		t.Fatal(err)
	}
	p.ingest(used("gw2", "other", ann, p.at, 0, false)) // takes the id that was free
	p.ingest(stop)
	if got := p.sum(ann); got != 600 {
		t.Errorf("balance %d, want 600", got)
	}
}

func TestLedgerIsOnlyAddedTo(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	p.give(p.user("ann"), 60, 0)
	for _, q := range []string{"UPDATE user_time SET seconds = 1", "DELETE FROM user_time"} {
		if err := p.write(t.Context(), "changing the past", func(tx *dbTx) error { _, err := tx.Exec(q); return err }); err == nil {
			t.Errorf("%s: no error", q)
		}
	}
}

func TestOnlyTimeSinceTheFirstGrantIsSpent(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann := p.user("ann")
	start := p.at
	p.ingest(used("gw1", "s", ann, start, 600, false))
	p.pass(15 * time.Minute)
	p.give(ann, 3600, 0)
	p.ingest(used("gw1", "s", ann, start, 1200, true)) // of which 900 before the grant
	if got := p.sum(ann); got != 3300 {
		t.Errorf("balance %d, want 3300", got)
	}
}

func TestGrantsExpire(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann := p.user("ann")
	p.give(ann, 1000, 0)
	p.give(ann, 600, time.Hour)
	p.give(ann, 300, 2*time.Hour)
	p.ingest(used("gw1", "s", ann, p.at, 400, true)) // out of what expires first
	for _, step := range []struct {
		pass time.Duration
		want int64
	}{{time.Minute, 1500}, {time.Hour, 1300}, {0, 1300}, {time.Hour, 1000}, {100 * time.Hour, 1000}} {
		p.pass(step.pass)
		for range 2 {
			if _, err := p.ExpireTime(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.sum(ann); got != step.want {
			t.Errorf("after %v more: balance %d, want %d", step.pass, got, step.want)
		}
	}
	list, _, _, err := p.TimeLedger(t.Context(), p.scope, ann, Page{Limit: 2})
	if err != nil || list[0].Kind != TimeExpire || list[0].Seconds != -300 || list[0].GrantID == 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestLots(t *testing.T) {
	t.Parallel()
	soon, late := new(day.Add(time.Hour)), new(day.Add(2*time.Hour))
	grant := func(id, n int64, expires *time.Time) TimeEntry {
		return TimeEntry{ID: id, Kind: TimeGrant, Seconds: n, Expires: expires}
	}
	spend := func(n int64) TimeEntry { return TimeEntry{Kind: TimeSpend, Seconds: -n} }
	for name, tt := range map[string]struct {
		entries []TimeEntry
		want    []lot
	}{
		"soonest first":           {[]TimeEntry{grant(1, 10, nil), grant(2, 10, late), grant(3, 10, soon), spend(15)}, []lot{{3, 0, soon}, {2, 5, late}, {1, 10, nil}}},
		"overdrawn, paid":         {[]TimeEntry{grant(1, 10, soon), spend(15), grant(2, 8, late)}, []lot{{1, 0, soon}, {2, 3, late}}},
		"overdrawn by more":       {[]TimeEntry{spend(15), grant(2, 8, nil), grant(3, 8, nil)}, []lot{{2, 0, nil}, {3, 1, nil}}},
		"expired takes its own":   {[]TimeEntry{grant(1, 10, late), grant(2, 10, soon), {Kind: TimeExpire, Seconds: -10, GrantID: 1}}, []lot{{2, 10, soon}, {1, 0, late}}},
		"taken away is as spent":  {[]TimeEntry{grant(1, 10, nil), grant(2, 10, soon), {Kind: TimeExpire, Seconds: -4}}, []lot{{2, 6, soon}, {1, 10, nil}}},
		"given back never expire": {[]TimeEntry{grant(1, 10, soon), spend(10), {ID: 3, Kind: TimeRefund, Seconds: 4}}, []lot{{1, 0, soon}, {3, 4, nil}}},
	} {
		if diff := cmp.Diff(tt.want, lots(tt.entries), cmp.AllowUnexported(lot{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
