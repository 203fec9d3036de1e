package nftables

import (
	"context"
	"fmt"
)

// migrate makes a table of an older version one of this version, in one transaction under traffic. Sets come and go; one that
// stays is what it was, with its elements, so that timeouts run and counters count on. A set that must change gets a new
// name. Those that the older version did not have are empty.
func (f *Firewall) migrate(ctx context.Context, found inspection) error {
	r := f.rules(false)
	r.idleTimeouts = found.idles
	r.staleChains, r.staleSets = found.stale(r.text())
	if _, err := f.nft(ctx, r.text(), "-f", "-"); err != nil {
		return fmt.Errorf("migrating the sets from version %d: %w", found.schema, err)
	}
	return nil
}
