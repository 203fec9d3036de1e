package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/api/edge"
)

func TestLeaseFollowsAccounting(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann, gw := p.user("ann"), p.gateway("gw1")
	p.give(ann, 9000, 0)
	l := p.see(gw, ann)
	if l.Seconds != 3600 || l.Spent != 0 || l.Grace != 900 || !l.Ends.After(p.at) {
		t.Fatalf("lent %+v", l)
	}
	start := p.at
	for _, step := range []struct{ used, seconds, grace int64 }{
		{1000, 3600, 900}, // more than half is left
		{2000, 5600, 900}, // less than half: filled up
		{5000, 8600, 400}, // 4000 left, 3600 of it lent
		{8000, 9000, 0},   // all that is left is lent; nothing behind it to overdraw
		{9000, 9000, 0},   // nothing left
		{9200, 9200, 0},   // overdrawn
	} {
		p.pass(time.Minute)
		p.ingest(used("gw1", "s", ann, start, step.used, false))
		if got := p.told(gw, ann); got.Lease != l.Lease || got.Seconds != step.seconds || got.Spent != step.used || got.Grace != step.grace {
			t.Errorf("after %d seconds: %+v, want %d and a grace of %d", step.used, got, step.seconds, step.grace)
		} else if left := 9000 - step.used; *got.Balance != left || got.Behind != max(0, left-(step.seconds-step.used)) {
			t.Errorf("after %d seconds: told a balance of %d, %d of it not lent", step.used, *got.Balance, got.Behind)
		}
	}
	u, err := p.TokenUser(t.Context(), p.scope, ann, false)
	if err != nil || u.Seconds != 0 || p.sum(ann) != -200 {
		t.Errorf("shown %d, ledger %d, %v", u.Seconds, p.sum(ann), err)
	}
	p.give(ann, 1000, 0) // tops up the lease of who is online, less what he owes
	if got := p.told(gw, ann); got.Seconds != 10000 {
		t.Errorf("topped up: %+v", got)
	}
}

func TestLeaseIsSettledAtTheEnd(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann, one, two := p.user("ann"), p.gateway("gw1"), p.gateway("gw2")
	p.give(ann, 3600, 0)
	first := p.see(one, ann)
	if got := p.see(two, ann); got.Seconds != 0 {
		t.Errorf("lent twice: %+v", got)
	}
	start := p.at
	p.pass(10 * time.Minute)
	p.ingest(used("gw1", "s", ann, start, 600, true))
	if got := p.told(one, ann); got.Seconds != got.Spent || got.Spent != 600 || got.Grace != 900 {
		t.Errorf("settled: %+v", got)
	}
	if got := p.told(two, ann); got.Seconds != 3000 || *got.Balance != 3000 || got.Behind != 0 {
		t.Errorf("freed for the other: %+v", got)
	}
	if got := p.told(one, ann); *got.Balance != 3000 || got.Behind != 0 {
		t.Errorf("what is lent elsewhere is told as if it could come: %+v", got)
	}
	// The gateway let a session begin just before it heard: the centre lends again when it hears of that.
	p.ingest(used("gw1", "s2", ann, p.at, 0, false))
	if got := p.told(one, ann); got.Lease == first.Lease {
		t.Errorf("no new lease: %+v", got)
	}
}

func TestForgottenLeaseEnds(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	ann, one, two := p.user("ann"), p.gateway("gw1"), p.gateway("gw2")
	p.give(ann, 3600, 0)
	p.see(one, ann)
	p.see(two, ann)
	p.pass(23 * time.Hour)
	if n, err := p.ExpireTime(t.Context()); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	p.see(two, ann) // says that it lives
	p.pass(2 * time.Hour)
	if n, err := p.ExpireTime(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := p.told(two, ann); got.Seconds != 3600 {
		t.Errorf("%+v", got)
	}
}

// TestOverdraftIsBounded: gateways that spend what they were lent and their grace, and hear and tell only now and then, never
// bring a balance further below zero than the sum of what was lent to those out of reach and of the graces (DESIGN D11).
func TestOverdraftIsBounded(t *testing.T) {
	t.Parallel()
	p := newPurse(t)
	for seed := range uint64(12) {
		overdraw(p, seed, seed%2 == 0, map[bool]int64{true: -3 * 900, false: -3 * (3600 + 900)}[seed%2 == 0])
	}
}

// overdraw is a random life of one account at three gateways; those within reach hear of everything at once.
func overdraw(p *purse, seed uint64, reached bool, least int64) {
	r := rand.New(rand.NewPCG(seed, 1))
	ann := p.user(fmt.Sprint("ann-", seed))
	p.give(ann, int64(r.IntN(20000)), 0)
	type node struct {
		Gateway
		nas     string
		lease   edge.TimeBalance
		used    int64 // under the lease
		session int
		total   int64
		began   time.Time
	}
	var nodes []*node
	for i := range 3 {
		nas := fmt.Sprint("gw", i)
		nodes = append(nodes, &node{Gateway: p.gateway(nas), nas: nas})
	}
	hear := func(n *node, l edge.TimeBalance) {
		if l.Lease != n.lease.Lease {
			n.used = 0
		}
		n.lease, n.used = l, max(n.used, l.Spent)
	}
	for range 60 {
		n := nodes[r.IntN(len(nodes))]
		switch r.IntN(5) {
		case 0: // a login that asks
			if n.began.IsZero() {
				hear(n, p.see(n.Gateway, ann))
			}
		case 1: // the feed
			if n.lease.Lease != 0 {
				hear(n, p.told(n.Gateway, ann))
			}
		case 2, 3: // time goes by, as far as the gateway lets it
			can := n.lease.Seconds + n.lease.Grace - n.used
			if can <= 0 {
				continue
			}
			if n.began.IsZero() {
				n.session, n.began, n.total = n.session+1, p.now(), 0
			}
			d := min(can, int64(r.IntN(2000)))
			n.used, n.total = n.used+d, n.total+d
			p.pass(time.Duration(d) * time.Second)
		case 4: // accounting
			if n.began.IsZero() {
				continue
			}
			stop := r.IntN(2) == 0
			p.ingest(used(n.nas, fmt.Sprint(seed, "-", n.session), ann, n.began, n.total, stop))
			if stop {
				n.began = time.Time{}
			}
		}
		for _, n := range nodes {
			if reached && n.lease.Lease != 0 {
				hear(n, p.told(n.Gateway, ann))
			}
		}
	}
	for _, n := range nodes {
		if !n.began.IsZero() {
			p.ingest(used(n.nas, fmt.Sprint(seed, "-", n.session), ann, n.began, n.total, true))
		}
	}
	if sum := p.sum(ann); sum < least {
		p.t.Errorf("seed %d: balance %d, the bound is %d", seed, sum, least)
	}
}
