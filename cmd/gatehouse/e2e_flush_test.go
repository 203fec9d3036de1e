package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestFlushedRuleset has another program flush the ruleset under the daemon: a second later the captive guest is captive
// again, and who was in is online.
func TestFlushedRuleset(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{})
	in, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	captive, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := in.Click(t.Context()); err != nil || p.Status != http.StatusOK {
		t.Fatalf("logging in: %d %v", p.Status, err)
	}
	for _, command := range [][]string{{"flush", "ruleset"}, {"delete", "table", "inet", "gatehouse"}, {"flush", "chain", "inet", "gatehouse", "forward"}} {
		if out, err := v.Gateway.Run(t.Context(), "nft", command...); err != nil {
			t.Fatal(out, err)
		}
		err := lab.WaitFor(t.Context(), time.Second, func() error {
			if got, err := captive.ProbeTCP(t.Context(), lab.WebAddr4+":443", 500*time.Millisecond); err != nil || got != lab.Refused {
				return fmt.Errorf("a captive guest's connection: %s, %w", got, err)
			}
			if got, err := in.ProbeTCP(t.Context(), lab.WebAddr4+":443", 500*time.Millisecond); err != nil || got != lab.Connected {
				return fmt.Errorf("an admitted guest's connection: %s, %w", got, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("a second after %v: %v", command, err)
		}
	}
}
