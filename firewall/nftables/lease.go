package nftables

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A lease is what the kernel remembers of a station that it has just found admitted and not idle, for lease: while it
// lasts, packets are spared the questions that were answered. So an idle timeout is renewed once per lease, by a lease
// more than it is, and ends up to two leases late, never early. A session's end waits for no lease: an id leaves the set
// leasable before, early enough for its last lease to run out.
const (
	lease       = 400 * time.Millisecond
	leaseMargin = lease + 100*time.Millisecond // before the end of a session; the kernel's clock ticks are 10 ms at most
	// shortestLeased is the shortest idle timeout for which a lease is a small part of it; shorter ones are kept exactly.
	shortestLeased = 10 * time.Second
)

// isLeasable tells whether a grant may have leases. Each packet of one with caps must be counted against them.
func (g *grant) isLeasable() bool { return mayLease(g.idle) && len(g.caps) == 0 }

// mayLease tells whether an idle timeout can be renewed by leases.
func mayLease(idle time.Duration) bool { return idle == 0 || idle >= shortestLeased }

// renewed is for how long a packet renews an idle timeout.
func renewed(idle time.Duration) time.Duration {
	if mayLease(idle) {
		return idle + lease
	}
	return idle
}

// revokeLeases takes all leases away; who is still admitted gets the next one with the next packet. It comes after the
// change that it is for, so that no packet under way renews what was taken.
func (f *Firewall) revokeLeases() error {
	sets := []string{setFresh}
	for i := range f.cfg.Zones {
		sets = append(sets, f.cfg.Zones[i].known())
	}
	for _, set := range sets {
		var t transaction
		t.flush(set)
		if err := f.socket.transact(&t.messages); err != nil && !isMissing(err) { // a zone that is new has none yet
			return fmt.Errorf("revoking leases: %w", err)
		}
	}
	return nil
}

func (t *transaction) flush(set string) {
	t.add(deleteElement, 0, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	t.text(unix.NFTA_SET_ELEM_LIST_SET, set)
}
