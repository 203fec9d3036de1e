package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// Reconcile implements sessions.Enforcer. It refuses, with ErrMarks and the name of the rule, to start beside another
// owner of our mark bits, with ErrOffload beside a flowtable that has a zone's interface, and with ErrNewer to touch what a newer version left.
func (f *Firewall) Reconcile(ctx context.Context, want []sessions.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range want {
		if err := f.check(&want[i]); err != nil {
			return fmt.Errorf("reconciling: %w", err)
		}
	}
	if f.known {
		f.former = f.formerIDs()
	}
	f.ready = false
	if err := f.reconcile(ctx, want); err != nil {
		f.known = false
		return fmt.Errorf("reconciling: %w", err)
	}
	f.ready, f.former = true, nil
	return nil
}

func (f *Firewall) reconcile(ctx context.Context, want []sessions.Grant) error {
	found, err := f.socket.inspect() // the first to learn that we may not
	if err != nil {
		return err
	}
	restoring := f.installed != nil && !found.there // with the zones open: nothing comes first
	if !restoring {
		if _, err := f.mindOthers(ctx); err != nil {
			return err
		}
	}
	there, missing, err := f.takeOver(ctx, found, want)
	if err != nil {
		return err
	}
	if err := f.enforce(ctx, there, missing); err != nil {
		return err
	}
	if restoring {
		if changed, err := f.mindOthers(ctx); err != nil {
			return err
		} else if changed {
			if err := f.install(ctx, f.rules(false)); err != nil {
				return err
			}
		}
	}
	f.installed, err = f.socket.parts()
	return err
}

// takeOver makes the grants that the kernel has ours, as far as they are wanted. there is false when it has no table of ours.
func (f *Firewall) takeOver(ctx context.Context, found inspection, want []sessions.Grant) (there bool, missing []sessions.Grant, err error) {
	switch {
	case found.there && found.schema < 0: // somebody else has made a table of this name
		if err := f.removeTable(); err != nil {
			return false, nil, err
		}
	case found.there && found.schema < schema:
		if err := f.migrate(ctx, found); err != nil {
			return false, nil, err
		}
	}
	there, err = f.adopt()
	if isMissing(err) { // somebody took a set out of the table
		there, err = false, f.removeTable()
	}
	if err != nil {
		return false, nil, err
	}
	if there {
		missing, err = f.settle(want)
		return true, missing, err
	}
	f.forgetState()
	f.known = true
	return false, want, nil
}

// enforce loads the rules and admits what is missing. Where there were none the grants come first: the rules would refuse
// connections of stations that are about to be let through, and one that was refused once is lost.
func (f *Firewall) enforce(ctx context.Context, there bool, missing []sessions.Grant) error {
	var failure error
	if !there && len(missing) > 0 {
		sets := f.rules(false)
		sets.unhooked = true
		if err := f.install(ctx, sets); err != nil {
			return err
		}
		if err := f.dropStrays(missing); err != nil {
			return err
		}
		failure, missing = f.admit(ctx, missing), nil // whatever comes of it, the others are to be held back
	}
	if err := f.install(ctx, f.rules(false)); err != nil {
		return errors.Join(failure, err)
	}
	if err := f.dropStrays(missing); err != nil {
		return errors.Join(failure, err)
	}
	if err := f.block(f.blocked); err != nil { // the text has added them; those of an earlier run go
		return errors.Join(failure, err)
	}
	return errors.Join(failure, f.admit(ctx, missing))
}

// settle cuts and releases what is not wanted and returns what is wanted and does not hold.
func (f *Firewall) settle(want []sessions.Grant) (missing []sessions.Grant, err error) {
	readings, err := f.readAll()
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(readings))
	for _, r := range readings {
		live[grantKey(r.Station, r.AcctSessionID)] = r.Live
	}
	wanted := make(map[string]bool, len(want))
	for _, w := range want {
		key := grantKey(w.Station, w.AcctSessionID)
		wanted[key] = true
		if !live[key] {
			missing = append(missing, w)
		}
	}
	var unwanted []*grant
	for _, g := range f.grants {
		if !wanted[grantKey(g.station, g.session)] {
			unwanted = append(unwanted, g)
		}
	}
	if err := f.release(unwanted); err != nil {
		return nil, err
	}
	return missing, f.sweep()
}

func grantKey(s sessions.Station, session string) string { return s.String() + " " + session }

// sweep removes elements that belong to no grant, because nobody could end them, and frees classes.
func (f *Firewall) sweep() error {
	found, err := f.socket.inspect()
	if err != nil {
		return err
	}
	var t transaction
	for c := class(1); c < otherClass; c++ {
		if !f.hasClass(c) {
			f.idle.free(&t, c)
		}
	}
	for _, set := range found.sets {
		isStations := strings.HasPrefix(set, stationsPrefix)
		if !isStations && !isQuotas(set) && !slices.Contains(setsOfIDs, set) {
			continue
		}
		elements, err := f.socket.readSet(set, nil)
		if err != nil {
			return err
		}
		for _, e := range elements {
			owner := e.key.id()
			if isStations {
				owner = idOf(e.mark)
			}
			if f.grants[owner] == nil {
				t.remove(set, element{key: e.key, isMap: e.isMap, mark: e.mark, chain: e.chain, object: e.object})
			}
		}
	}
	if err := f.sweepCaps(&t); err != nil {
		return err
	}
	return f.socket.transact(&t.messages)
}

// setsOfIDs are the sets, beside those of caps' slots, that have an element for an id.
var setsOfIDs = []string{setSessions, setLeasable, setIdle, setIdleClass, setCapped, setSpentUp, setSpentDown, setUp, setDown}

// install loads the text of the ruleset. Chains that exist keep their place in the kernel's hooks, sets their elements.
func (f *Firewall) install(ctx context.Context, r *rules) error {
	found, err := f.socket.inspect()
	if err != nil {
		return err
	}
	inUse := map[time.Duration]bool{}
	for _, d := range f.idle.classes {
		inUse[d] = d > 0
	}
	for _, g := range f.grants {
		inUse[g.idle] = g.idle > 0
	}
	delete(inUse, 0)
	r.idleTimeouts = slices.Sorted(maps.Keys(inUse))
	r.staleChains, r.staleSets = found.stale(r.text())
	if _, err := f.nft(ctx, r.text(), "-f", "-"); err != nil {
		return fmt.Errorf("loading the ruleset: %w", err)
	}
	f.idle.chains = inUse
	return nil
}

func (f *Firewall) rules(opened bool) *rules {
	return &rules{zones: f.cfg.Zones, http: f.cfg.PortalHTTPPort, https: f.cfg.PortalHTTPSPort, dns: f.cfg.DNSPort, opened: opened, early: f.early, blocked: f.blocked}
}

// inspection is what the kernel has under our table's name.
type inspection struct {
	there  bool
	schema int // -1: the table is not marked
	chains []string
	sets   []string
	idles  []time.Duration
}

func (i *inspection) check() error {
	if i.schema > schema {
		return fmt.Errorf("%w (its sets have version %d, this one knows %d)", ErrNewer, i.schema, schema)
	}
	return nil
}

// stale are the chains and sets that the new text does not make.
func (i *inspection) stale(text string) (chains, sets []string) {
	isMade := func(kind string) func(string) bool {
		return func(name string) bool { return strings.Contains(text, "\t"+kind+" "+name+" {") }
	}
	chains = slices.DeleteFunc(slices.Clone(i.chains), isMade("chain"))
	sets = slices.DeleteFunc(slices.Clone(i.sets), func(name string) bool {
		return isMade("set")(name) || isMade("map")(name)
	})
	return chains, sets
}

// inspect looks at our table, without the contents of its sets.
func (s *socket) inspect() (inspection, error) {
	found := inspection{schema: -1}
	var m messages
	m.add(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, 0, unix.NFPROTO_INET, 0)
	m.text(unix.NFTA_TABLE_NAME, tableName)
	err := s.get(&m, func([]byte) error { found.there = true; return nil })
	if isMissing(err) {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("looking for the firewall table: %w", err)
	}
	if found.chains, err = s.names(unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME); err != nil {
		return found, fmt.Errorf("listing chains: %w", err)
	}
	if found.sets, err = s.names(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME); err != nil {
		return found, fmt.Errorf("listing sets: %w", err)
	}
	// The kernel's own names for sets that stand in rules; they go with their rules.
	found.sets = slices.DeleteFunc(found.sets, func(name string) bool { return strings.HasPrefix(name, "__") })
	for _, c := range found.chains {
		if d := idleOfChain(c); d > 0 {
			found.idles = append(found.idles, d)
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(c, schemaPrefix)); err == nil && strings.HasPrefix(c, schemaPrefix) {
			found.schema = max(found.schema, n)
		}
	}
	return found, nil
}

// idleOfChain is the idle timeout that a chain renews; zero for other chains.
func idleOfChain(chain string) time.Duration {
	n, err := strconv.ParseInt(strings.TrimPrefix(chain, idlePrefix), 10, 64)
	if err != nil || !strings.HasPrefix(chain, idlePrefix) {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// names lists the chains or the sets of our table.
func (s *socket) names(kind, tableAttr, nameAttr uint16) ([]string, error) {
	var m messages
	m.add(unix.NFNL_SUBSYS_NFTABLES<<8|kind, 0, unix.NFPROTO_INET, 0)
	m.text(tableAttr, tableName)
	found := map[string]bool{}
	err := s.dump(&m, func() { clear(found) }, func(body []byte) error {
		var table, name string
		err := attributes(body, func(kind uint16, b []byte) error {
			switch kind {
			case tableAttr:
				table = text(b)
			case nameAttr:
				name = text(b)
			}
			return nil
		})
		if table == tableName { // old kernels list those of all tables
			found[name] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(found)), err
}
