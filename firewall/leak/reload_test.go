package leak_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/sessions"
)

// TestReload replaces the rules by themselves as often as the kernel can, while stations send as much as they can: not one packet of who
// is admitted is lost, and not one of who is not gets out.
func TestReload(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"late": false, "early": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, options{open: openNFTables, early: early})
			crowd := newCrowd()
			var grants []sessions.Grant
			for i, m := range crowd {
				r.know([]*station{m.station})
				if i%2 == 0 {
					grants = append(grants, sessions.Grant{Station: m.id(), AcctSessionID: fmt.Sprint("session-", i), IdleTimeout: time.Duration(i%3) * time.Hour})
				}
			}
			r.restart()
			r.reconcile(grants...)
			r.checkForm()
			ear := newWire(t, internet, r.WAN, &r.witness.done, r.note(crowd))

			stop := make(chan struct{})
			var talking sync.WaitGroup
			var talkErr error
			talking.Go(func() {
				for n := 0; talkErr == nil; n++ {
					select {
					case <-stop:
						return
					default:
						talkErr = crowd[n%len(crowd)].send(r, n%len(crowd))
					}
				}
			})
			rules := filepath.Join(t.TempDir(), "rules.nft")
			text := "flush table inet gatehouse\n" + r.run("nft", "--terse", "--stateless", "list", "table", "inet", "gatehouse")
			r.must(os.WriteFile(rules, []byte(text), 0o600))
			times := 0
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); times++ {
				r.run("nft", "-f", rules)
				if times%20 == 0 {
					r.reconcile(grants...)
				}
			}
			close(stop)
			talking.Wait()
			r.must(talkErr)
			r.wait(300 * time.Millisecond) // for packets under way
			if lost, err := ear.losses(); err != nil || lost > 0 {
				t.Fatalf("the internet's ear has lost %d packets: %v", lost, err)
			}
			var sent [2]int
			for i, m := range crowd {
				for n, p := range m.log {
					if sent[i%2]++; (p.arrived != 0) != (i%2 == 0) {
						t.Errorf("station %d: of packet %d (%s) there was seen %+v", i, n, p, r.witness.sightings(uint32(i)<<24|uint32(n)))
					}
				}
			}
			t.Logf("replaced %d times; %d packets of who is admitted, %d of who is not", times, sent[0], sent[1])
		})
	}
}
