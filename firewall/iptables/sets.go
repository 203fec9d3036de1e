package iptables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/sessions"
)

// Sets of a zone, by MAC; see Zone.chain. The kernel takes elements of the first three out by itself.
const (
	setWho   = "who"   // admitted, with id and class for the packet mark
	setLong  = "long"  // admitted for longer than addressFor still
	setIdle  = "idle"  // not silent for too long; those with an idle timeout
	setSent  = "sent"  // counters of what was sent, whose grant it is
	setBlock = "block" // blocked
)

// Sets of all zones, by address and id, one for each family: which addresses of a station its answers go to, and counters.
// The MAC of a packet's receiver is not known where iptables looks at it, so the way back is kept by address: a station's
// first packet from an address puts it into the first set, the first answer into the second.
const (
	setAddress  = prefix + "address"
	setReceived = prefix + "received"
)

const (
	// addressFor is how long answers to an address that is new go there. Usage then makes it as long as the session.
	addressFor = 60 * time.Second
	// addressForShort is the same when the session ends before that.
	addressForShort = 2 * time.Second
	// newAddresses bounds how many addresses a zone may begin to use a second, so that a station that invents them does not
	// fill the sets.
	newAddresses = 100
)

// sets is the keeper for kernels with the ipset types hash:mac and hash:ip,mark. What a packet costs does not depend on how
// many stations there are, and sessions end in the kernel: the way up on time, rounded up to a second, and each way back with
// the station's next packet on its flow, or when the address's time in the set is over.
type sets struct {
	*base
	classes [maxClass + 1]time.Duration // idle timeouts by class; zero: free
}

func v6name(name string, v6 bool) string {
	if v6 {
		return name + "6"
	}
	return name + "4"
}

// trySets says why the kernel or iptables cannot do what the keeper needs, by trying it beside everything else.
func (f *Firewall) trySets() error {
	who, answers, sent := prefix+"try_who", prefix+"try_answers", prefix+"try_sent"
	const chain = prefix + "try"
	err := f.netfilter.createSet(who, macs(true, withMark))
	if err == nil {
		err = f.netfilter.createSet(answers, addresses(false, false, withCounters))
	}
	if err == nil {
		err = f.netfilter.createSet(sent, macs(false, withCounters|withComment))
	}
	if err == nil {
		t := &table{name: "mangle"}
		t.chain(chain, "-j SET --map-set "+who+" src --map-mark", matches(answers, "dst,dst")+" ! --update-counters -j RETURN")
		err = f.families[0].load(context.Background(), t.text())
		if err == nil {
			err = f.families[0].tables.ClearAndDeleteChain(t.name, chain)
		}
	}
	for _, name := range []string{who, answers, sent} {
		_ = f.netfilter.destroySet(name)
	}
	return err
}

func matches(set, direction string) string { return "-m set --match-set " + set + " " + direction }

func (k *sets) tell(z *Zone) []string {
	return []string{
		"-j SET --map-set " + z.chain(setWho) + " src --map-mark",
		"-m mark ! --mark " + masked(0, classMask) + " -m set ! --match-set " + z.chain(setIdle) + " src -j MARK --set-xmark " + masked(0, idMask|classMask),
	}
}

func (k *sets) pass(z *Zone, v6 bool) []string {
	return []string{
		"-m mark ! --mark " + masked(0, classMask) + " -j " + z.chain("idle"),
		"-m set ! --match-set " + v6name(setAddress, v6) + " src,src -j " + z.chain("new"),
		matches(z.chain(setSent), "src") + " -j RETURN",
		"-g " + chainClosed,
	}
}

func (k *sets) back(v6 bool) []string {
	received := v6name(setReceived, v6)
	return []string{
		"-m set ! --match-set " + v6name(setAddress, v6) + " dst,dst -g " + chainClosed,
		matches(received, "dst,dst") + " -j RETURN",
		"-j SET --add-set " + received + " dst,dst", // it counts this packet
		"-m set --match-set " + received + " dst,dst ! --update-counters -j RETURN",
		"-g " + chainClosed,
	}
}

func (k *sets) refuse(z *Zone, _ []sessions.MAC) []string {
	return []string{matches(z.chain(setBlock), "src") + " -j DROP"}
}

func (k *sets) fills(chain string) bool {
	return slices.ContainsFunc(k.zones, func(z Zone) bool { return chain == z.chain("idle") || chain == z.chain("new") })
}

func (k *sets) prepare(ctx context.Context, blocked map[string][]sessions.MAC) error {
	kinds := map[string]setKind{}
	for _, v6 := range []bool{false, true} {
		kinds[v6name(setAddress, v6)] = addresses(v6, true, 0)
		kinds[v6name(setReceived, v6)] = addresses(v6, false, withCounters)
	}
	for i := range k.zones {
		z := &k.zones[i]
		kinds[z.chain(setWho)], kinds[z.chain(setLong)], kinds[z.chain(setIdle)] = macs(true, withMark), macs(true, 0), macs(true, 0)
		kinds[z.chain(setSent)], kinds[z.chain(setBlock)] = macs(false, withCounters|withComment), macs(false, 0)
	}
	for name, kind := range kinds {
		if err := k.netfilter.createSet(name, kind); err != nil {
			return err
		}
	}
	return k.block(ctx, blocked)
}

// fill fills the chains that renew idle timeouts and that note new addresses.
func (k *sets) fill(t *table, z *Zone, v6 bool) {
	var idle []string
	for c, d := range k.classes {
		if d > 0 {
			idle = append(idle, fmt.Sprintf("-m mark --mark %s -j SET --add-set %s src --exist --timeout %d",
				masked(class(c).mark(), classMask), z.chain(setIdle), inSet(d)))
		}
	}
	t.chain(z.chain("idle"), idle...)
	limit := fmt.Sprintf("-m limit --limit %d/sec --limit-burst %d ", newAddresses, 10*newAddresses)
	address := fmt.Sprintf("%s-j SET --add-set %s src,src --timeout ", limit, v6name(setAddress, v6))
	t.chain(z.chain("new"),
		fmt.Sprintf("%s %s%d", matches(z.chain(setLong), "src"), address, inSet(addressFor)),
		fmt.Sprintf("-m set ! --match-set %s src %s%d", z.chain(setLong), address, inSet(addressForShort)))
}

// refill fills them anew.
func (k *sets) refill(ctx context.Context) error {
	for _, f := range k.families {
		t := &table{name: "filter"}
		for i := range k.zones {
			k.fill(t, &k.zones[i], f.v6)
		}
		if err := f.load(ctx, t.text()); err != nil {
			return err
		}
	}
	return nil
}

func (k *sets) tidy(_ context.Context, grants map[id]*grant) error {
	names, err := k.netfilter.setNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case grants != nil && (strings.HasPrefix(name, setAddress) || strings.HasPrefix(name, setReceived)):
			err = k.remove(name, func(i id) bool { return grants[i] == nil })
		case grants == nil || !slices.ContainsFunc(k.zones, func(z Zone) bool { return strings.HasSuffix(name, "_"+z.token()) }):
			err = k.netfilter.destroySet(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove takes the entries of ids out of a set of addresses.
func (k *sets) remove(set string, which func(id) bool) error {
	var gone []entry
	err := k.netfilter.list(set, func(e *entry) {
		if which(idOf(e.mark)) {
			gone = append(gone, *e)
		}
	})
	for _, e := range gone {
		err = errors.Join(err, k.netfilter.del(set, e))
	}
	return err
}
