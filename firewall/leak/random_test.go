package leak_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/lab"
)

// TestRandomChanges changes the states of 200 stations at random, for a minute, while each sends all the time. Every packet that comes to the internet is looked at: was its station allowed at any moment between its sending and its
// arrival? What has to do with a change in progress is allowed from before the call to after it; a session's end by time, or by
// idleness, holds within tolerance. The reverse too: packets of whom is surely admitted arrive.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"late": false, "early": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			randomChanges(t, options{open: openNFTables, early: early})
		})
	}
}

// How late the kernel may end a session, by time and by idleness. The latter counts from a station's last packet, which may have
// waited on its way.
const (
	late     = 20 * time.Millisecond
	idleLate = 100 * time.Millisecond
)

func randomChanges(t *testing.T, o options) {
	r := newRig(t, o)
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("GATEHOUSE_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("GATEHOUSE_SEED=%d makes the same changes, at other times", seed)
	c := &chaos{rig: r, crowd: newCrowd(), random: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	r.know(c.stations())
	r.restart()
	r.reconcile()
	r.checkForm()
	ear := newWire(t, internet, r.WAN, &r.witness.done, r.note(c.crowd))

	stop := make(chan struct{})
	var talking sync.WaitGroup
	var talkErr error
	talking.Go(func() { talkErr = r.talk(c.crowd, stop) })
	for end := time.Now().Add(lab.Soak(time.Minute)); time.Now().Before(end) && !t.Failed(); {
		c.step()
	}
	close(stop)
	talking.Wait()
	r.must(talkErr)
	r.wait(300 * time.Millisecond) // for packets under way
	if lost, err := ear.losses(); err != nil || lost > 0 {
		t.Fatalf("the internet's ear has lost %d packets: %v", lost, err)
	}
	got := r.judge(c.crowd, c.free)
	t.Logf("changes: %v; packets: %+v", c.counts, got)
	if got.out < got.sent/10 || got.arrived < got.sent/10 {
		t.Error("there was too little to see")
	}
}
