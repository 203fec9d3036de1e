package iptables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

func (k *sets) adopt(context.Context) (found []*grant, err error) {
	names, err := k.netfilter.setNames()
	if err != nil {
		return nil, err
	}
	k.classes = [maxClass + 1]time.Duration{}
	take := func(g *grant) {
		found = append(found, g)
		if !g.cut {
			k.classes[g.class] = max(k.classes[g.class], g.idle)
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix+setSent+"_") {
			continue
		}
		err := k.netfilter.list(name, func(e *entry) {
			if g, ok := parseGrant(e.comment); ok {
				g.station.MAC = e.mac
				take(g)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	k.classes[0] = 0
	return found, nil
}

// classFor finds the class of an idle timeout, or takes a free one, or, when there is none, the one that is next in length.
func (k *sets) classFor(d time.Duration, grants []*grant) class {
	free, longer := class(0), class(0)
	for i := 1; i <= maxClass; i++ {
		c := class(i)
		switch {
		case inSet(k.classes[c]) == inSet(d) && k.classes[c] > 0:
			return c
		case k.classes[c] == 0 || !slices.ContainsFunc(grants, func(g *grant) bool { return g.class == c && !g.cut }):
			if free == 0 {
				free = c
			}
		case longer == 0 || (k.classes[c] > d) != (k.classes[longer] > d) && k.classes[c] > d || k.classes[c] > d && k.classes[c] < k.classes[longer]:
			longer = c
		}
	}
	if free == 0 {
		k.logger.Warn("too many different idle timeouts at once", slog.Duration("wanted", d), slog.Duration("given", k.classes[longer]))
		return longer
	}
	k.classes[free] = d
	return free
}

func (k *sets) put(ctx context.Context, plan []admission) error {
	classes := k.classes
	var retired []*grant
	for _, a := range plan {
		if a.old != nil && !a.again() && !a.old.replaced {
			retired = append(retired, a.old)
		}
	}
	if err := k.retire(ctx, retired); err != nil {
		return err
	}
	all := k.grants()
	for _, a := range plan {
		a.now.class = 0
		if a.now.idle > 0 {
			a.now.class = k.classFor(a.now.idle, all)
			all = append(all, a.now)
		}
	}
	if k.classes != classes {
		if err := k.refill(ctx); err != nil {
			return err
		}
	}
	var again []id
	for i, a := range plan {
		if err := k.admit(a); err != nil {
			for _, b := range plan[:i+1] {
				if !b.again() {
					err = errors.Join(err, k.drop(ctx, []*grant{b.now}))
				}
			}
			return err
		}
		if a.again() {
			again = append(again, a.now.id)
		}
	}
	if again == nil {
		return nil
	}
	left := map[id]time.Duration{}
	for _, a := range plan {
		left[a.now.id] = k.left(a.now)
	}
	return k.prolong(left, true)
}

// left is what is left of a grant's time; zero: no end.
func (k *sets) left(g *grant) time.Duration {
	if g.until == 0 {
		return 0
	}
	return max(time.Millisecond, g.until-k.clock.Mono())
}

// admit puts a grant into its sets, the one that lets packets through last.
func (k *sets) admit(a admission) error {
	g := a.now
	z := &Zone{Name: g.station.Zone}
	mac, left := entry{mac: g.station.MAC, timed: true}, k.left(g)
	n := k.netfilter
	sent := mac
	sent.timed, sent.comment = false, g.String()
	var err error
	if !a.again() { // counters begin at nothing
		err = n.del(z.chain(setSent), mac)
	}
	if err == nil {
		err = n.add(z.chain(setSent), sent)
	}
	long := mac
	if long.seconds = inSet(left - addressFor); err == nil && (left == 0 || long.seconds > 0) {
		err = n.add(z.chain(setLong), long)
	} else if err == nil {
		err = n.del(z.chain(setLong), mac)
	}
	idle := mac
	if idle.seconds = inSet(k.classes[g.class]); err == nil && g.class > 0 {
		err = n.add(z.chain(setIdle), idle)
	} else if err == nil {
		err = n.del(z.chain(setIdle), mac)
	}
	who := mac
	who.seconds, who.skbMark = inSet(left), g.id.mark()|g.class.mark()
	if err == nil {
		err = n.add(z.chain(setWho), who)
	}
	return err
}

// retire takes grants out of the place that others get, with what they have counted.
func (k *sets) retire(ctx context.Context, grants []*grant) error {
	if len(grants) == 0 {
		return nil
	}
	if err := k.stop(ctx, grants); err != nil {
		return err
	}
	counts, err := k.read(ctx, nil)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if c := counts[g.id]; c != nil {
			g.past.InputOctets, g.past.InputPackets = c.usage.InputOctets, c.usage.InputPackets
		}
		if err := k.netfilter.del((&Zone{Name: g.station.Zone}).chain(setSent), entry{mac: g.station.MAC}); err != nil {
			return err
		}
		g.replaced, g.cut = true, true
	}
	return nil
}

func (k *sets) stop(_ context.Context, grants []*grant) error {
	ended := map[id]bool{}
	for _, g := range grants {
		ended[g.id] = true
		if g.replaced {
			continue
		}
		z, mac := &Zone{Name: g.station.Zone}, entry{mac: g.station.MAC}
		for _, set := range []string{setWho, setLong, setIdle} {
			if err := k.netfilter.del(z.chain(set), mac); err != nil {
				return err
			}
		}
		ended := *g
		ended.cut = true
		mac.comment = ended.String()
		if err := k.netfilter.add(z.chain(setSent), mac); err != nil {
			return err
		}
	}
	if len(ended) == 0 {
		return nil
	}
	for _, v6 := range []bool{false, true} {
		if err := k.remove(v6name(setAddress, v6), func(i id) bool { return ended[i] }); err != nil {
			return err
		}
	}
	return nil
}

func (k *sets) drop(_ context.Context, grants []*grant) error {
	ended := map[id]bool{}
	for _, g := range grants {
		ended[g.id] = true
		if g.replaced {
			continue
		}
		for _, set := range []string{setWho, setLong, setIdle, setSent} {
			if err := k.netfilter.del((&Zone{Name: g.station.Zone}).chain(set), entry{mac: g.station.MAC}); err != nil {
				return err
			}
		}
	}
	if len(ended) == 0 {
		return nil
	}
	for _, v6 := range []bool{false, true} {
		for _, set := range []string{setAddress, setReceived} {
			if err := k.remove(v6name(set, v6), func(i id) bool { return ended[i] }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *sets) read(_ context.Context, grants map[id]*grant) (map[id]*count, error) {
	counts := map[id]*count{}
	at := func(i id) *count {
		if counts[i] == nil {
			counts[i] = &count{idleLeft: -1}
		}
		return counts[i]
	}
	for i, g := range grants {
		if g.replaced {
			at(i).usage = g.past
		}
	}
	ids := map[sessions.Station]id{}
	names, err := k.netfilter.setNames()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix+setSent+"_") {
			continue
		}
		err := k.netfilter.list(name, func(e *entry) {
			if g, ok := parseGrant(e.comment); ok {
				c := at(g.id)
				c.usage.InputOctets, c.usage.InputPackets = e.octets, e.packets
				ids[sessions.Station{Zone: g.station.Zone, MAC: e.mac}] = g.id
			}
		})
		if err != nil {
			return nil, lost(err)
		}
	}
	for i := range grants {
		if counts[i] == nil {
			return nil, fmt.Errorf("%w: a station's counters", errLost)
		}
	}
	if len(counts) == 0 {
		return counts, nil // nor need there be any other set
	}
	for i := range k.zones {
		z := &k.zones[i]
		if !slices.Contains(names, z.chain(setIdle)) { // a zone that is new, before the first Reconcile
			continue
		}
		err := k.netfilter.list(z.chain(setIdle), func(e *entry) {
			// The kernel rounds what is left down.
			at(ids[sessions.Station{Zone: z.Name, MAC: e.mac}]).idleLeft = time.Duration(e.seconds+1) * time.Second
		})
		if err != nil {
			return nil, lost(err)
		}
	}
	for _, v6 := range []bool{false, true} {
		err := k.netfilter.list(v6name(setReceived, v6), func(e *entry) {
			c := at(idOf(e.mark))
			c.usage.OutputOctets += e.octets
			c.usage.OutputPackets += e.packets
		})
		if err != nil {
			return nil, lost(err)
		}
	}
	left := map[id]time.Duration{}
	for i, g := range grants {
		if !g.cut {
			left[i] = k.left(g)
		}
	}
	return counts, k.prolong(left, false)
}

// prolong gives addresses of grants so much time. Where it is not exactly, only what is much too short is changed.
func (k *sets) prolong(left map[id]time.Duration, exactly bool) error {
	for _, v6 := range []bool{false, true} {
		var wrong []entry
		err := k.netfilter.list(v6name(setAddress, v6), func(e *entry) {
			d, ok := left[idOf(e.mark)]
			want := inSet(d)
			if ok && e.seconds != want && (exactly || e.seconds > 0 && (want == 0 || want > e.seconds+2)) {
				changed := *e
				changed.seconds, changed.timed = want, true
				wrong = append(wrong, changed)
			}
		})
		if err != nil {
			return lost(err)
		}
		for _, e := range wrong {
			if err := k.netfilter.add(v6name(setAddress, v6), e); err != nil {
				return err
			}
		}
	}
	return nil
}

func lost(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

func (k *sets) block(_ context.Context, blocked map[string][]sessions.MAC) error {
	for i := range k.zones {
		z := &k.zones[i]
		there := map[sessions.MAC]bool{}
		if err := k.netfilter.list(z.chain(setBlock), func(e *entry) { there[e.mac] = true }); err != nil {
			return err
		}
		for _, mac := range blocked[z.Name] {
			delete(there, mac)
			if err := k.netfilter.add(z.chain(setBlock), entry{mac: mac}); err != nil {
				return err
			}
		}
		for mac := range there {
			if err := k.netfilter.del(z.chain(setBlock), entry{mac: mac}); err != nil {
				return err
			}
		}
	}
	return nil
}
