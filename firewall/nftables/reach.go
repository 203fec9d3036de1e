package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/sessions"
)

// A reach is a short and narrow way out for a captive station (sessions.Reach). It has an id of its own, of those above
// maxGrants, and to packets it is a grant whose idle timeout is over: its mark has a class, and its id is never in idle. So
// the station stays captive in every rule, and only the chain captive asks what its reach is.
const (
	reachingPrefix = "reaching_"   // and a zone's name: a MAC and its reach's mark
	setReach       = "reach"       // ids of reaches that hold
	setReachPorts  = "reach_ports" // id . port
	setReachAny    = "reach_any"   // ids of those that lead to any public address
	setReach4      = "reach4"      // id . address
	setReach6      = "reach6"
	setReachRate   = "reach_rate" // what a reach carries, both ways together

	maxReaches    = 512
	maxGrants     = maxID - maxReaches // their ids are 1 to it
	maxReachPorts = 8
	maxReachAddrs = 128
	// A page for signing in has 1 to 5 MB; what comes after the burst is too slow for a free internet.
	reachLimit = "limit rate over 64 kbytes/second burst 4 mbytes"
)

// reach is one of which the kernel has elements; they may have expired.
type reach struct {
	id    id
	addrs int // that it was told of
}

func (r *reach) mark() uint32 { return r.id.mark() | otherClass.mark() }

// OpenReach opens a reach, in the place of one that the station has. It returns when the kernel has it. Connections of a reach
// end with it. When there are too many, the one that would end first makes room.
func (f *Firewall) OpenReach(ctx context.Context, r sessions.Reach) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if !f.ready {
		return ErrNotReady
	}
	if !slices.ContainsFunc(f.cfg.Zones, func(z Zone) bool { return z.Name == r.Station.Zone && z.Reach }) {
		return fmt.Errorf("opening a reach: %w with one: %q", ErrNoZone, r.Station.Zone)
	}
	if len(r.Ports) == 0 || len(r.Ports) > maxReachPorts || r.For <= 0 {
		return errors.New("opening a reach: it needs a time and a few ports")
	}
	var t transaction
	now, evicted, err := f.newReach(&t, r.Station)
	if err != nil {
		return fmt.Errorf("opening a reach: %w", err)
	}
	ended := f.endReaches(&t, r.Station)
	if evicted != r.Station {
		ended = append(ended, f.endReaches(&t, evicted)...)
	}
	key, timeout := markKey(now.id.mark()), whole(r.For)
	t.insert(reachingPrefix+r.Station.Zone, element{key: macKey(r.Station.MAC), isMap: true, mark: now.mark(), timeout: timeout})
	t.insert(setReach, element{key: key, timeout: timeout})
	for _, p := range r.Ports {
		t.insert(setReachPorts, element{key: key.with(binary.BigEndian.AppendUint16(nil, p)), timeout: timeout})
	}
	if len(r.Names) == 0 {
		t.insert(setReachAny, element{key: key, timeout: timeout})
	}
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("opening a reach: %w", err)
	}
	f.dropReaches(ended)
	f.reaches[r.Station] = now
	return nil
}

// LearnReach opens addresses for the station's reach, for as long as that holds. Where it has none it does nothing.
func (f *Firewall) LearnReach(ctx context.Context, st sessions.Station, addrs []netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	r := f.reaches[st]
	if r == nil || !f.ready {
		return nil
	}
	live, there, err := f.socket.readElement(setReach, markKey(r.id.mark()))
	if err != nil || !there {
		return err
	}
	var t transaction
	for _, a := range addrs {
		set := setReach6
		if a.Is4() {
			set = setReach4
		}
		e := element{key: markKey(r.id.mark()).with(a.AsSlice()), timeout: live.left}
		if _, known, err := f.socket.readElement(set, e.key); err != nil || known {
			if err != nil {
				return err
			}
			continue
		}
		if r.addrs++; r.addrs > maxReachAddrs {
			return fmt.Errorf("a reach leads to %d addresses at most", maxReachAddrs)
		}
		t.insert(set, e)
	}
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("learning for a reach: %w", err)
	}
	return nil
}

// newReach finds an id of which nothing is left of whoever had it before. evicted is the station that has
// to make room, if any: the one that asks, where it has a reach.
func (f *Firewall) newReach(t *transaction, asks sessions.Station) (now *reach, evicted sessions.Station, err error) {
	live, err := f.socket.readSet(setReach, nil)
	if err != nil {
		return nil, evicted, err
	}
	left := make(map[id]time.Duration, len(live))
	for i := range live {
		left[live[i].key.id()] = live[i].left
	}
	var first sessions.Station
	for st, r := range f.reaches {
		if _, holds := left[r.id]; !holds {
			delete(f.reaches, st)
		} else if then := f.reaches[first]; then == nil || left[r.id] < left[then.id] {
			first = st
		}
	}
	now = &reach{}
	for range maxReaches {
		f.lastReach = f.lastReach%maxReaches + 1
		i := maxGrants + f.lastReach
		if _, taken := left[i]; !taken && f.grants[i] == nil { // an older version gave these to grants
			now.id = i
			break
		}
	}
	if now.id == 0 {
		if f.reaches[asks] != nil {
			first = asks
		}
		if f.reaches[first] == nil {
			return nil, evicted, ErrFull
		}
		now.id, evicted = f.reaches[first].id, first
	}
	if err := f.socket.deleteFlowsByMark(now.id.mark(), idMask); err != nil {
		return nil, evicted, err
	}
	return now, evicted, f.sweepReach(t, now.id)
}

// sweepReach removes what a reach with the id led to.
func (f *Firewall) sweepReach(t *transaction, i id) error {
	for _, set := range []string{setReachPorts, setReachAny, setReach4, setReach6} {
		elements, err := f.socket.readSet(set, nil)
		if err != nil {
			return err
		}
		for _, e := range elements {
			if e.key.id() == i {
				t.remove(set, element{key: e.key})
			}
		}
	}
	return nil
}

// endReaches adds the ends of the stations' reaches, as far as they have one. What these led to expires by itself.
func (f *Firewall) endReaches(t *transaction, stations ...sessions.Station) (ended []sessions.Station) {
	for _, st := range stations {
		if r := f.reaches[st]; r != nil {
			ended = append(ended, st)
			t.remove(reachingPrefix+st.Zone, element{key: macKey(st.MAC), isMap: true, mark: r.mark()})
			t.remove(setReach, element{key: markKey(r.id.mark())})
		}
	}
	return ended
}

// dropReaches deletes the connections of reaches that have ended: those that go on are then the station's own.
func (f *Firewall) dropReaches(ended []sessions.Station) {
	ids := make([]id, len(ended))
	for i, st := range ended {
		ids[i] = f.reaches[st].id
		delete(f.reaches, st)
	}
	if err := f.socket.deleteFlowsOf(ids); err != nil {
		f.cfg.Logger.Warn("connections of reaches stay in conntrack", slog.Int("reaches", len(ids)), slog.Any("error", err))
	}
}

// adoptReaches finds the reaches of an earlier run, so that they end at login.
func (f *Firewall) adoptReaches(found inspection) error {
	for _, set := range found.sets {
		zone, ok := strings.CutPrefix(set, reachingPrefix)
		if !ok {
			continue
		}
		stations, err := f.socket.readSet(set, nil)
		if err != nil {
			return err
		}
		for i := range stations {
			f.reaches[sessions.Station{Zone: zone, MAC: sessions.MAC(stations[i].key.bytes[:])}] = &reach{id: idOf(stations[i].mark)}
		}
	}
	return nil
}

func (r *rules) hasReach() bool {
	return slices.ContainsFunc(r.zones, func(z Zone) bool { return z.Reach })
}

// reachSets prints the sets of reaches, where a zone has them.
func (r *rules) reachSets(line printer) {
	if !r.hasReach() {
		return
	}
	for i := range r.zones {
		if z := &r.zones[i]; z.Reach {
			line("\tmap %s { type ether_addr : mark; flags timeout; size %d; }", z.reaching(), maxReaches)
		}
	}
	line("\tset %s { type mark; flags timeout; size %d; }", setReach, maxReaches)
	line("\tset %s { type mark . inet_service; flags timeout; size %d; }", setReachPorts, 2*maxReaches*maxReachPorts)
	line("\tset %s { type mark; flags timeout; size %d; }", setReachAny, 2*maxReaches)
	line("\tset %s { type mark . ipv4_addr; flags timeout; size %d; }", setReach4, 2*maxReaches*maxReachAddrs)
	line("\tset %s { type mark . ipv6_addr; flags timeout; size %d; }", setReach6, 2*maxReaches*maxReachAddrs)
	line("\tset %s { type mark; flags dynamic,timeout; size %d; timeout 2m; }", setReachRate, 2*maxReaches)
}

// reaching prints the chains of what stations with a reach send, and returns the rule that leads there.
func (r *rules) reaching(line printer) []string {
	if !r.hasReach() {
		return nil
	}
	line.chain("reached",
		"update @"+setReachRate+" { "+packetID+" "+reachLimit+" } drop",
		"ct mark set meta mark",
		"accept")
	line.chain("reach",
		"ct state invalid drop",
		"meta l4proto != tcp return",
		"oifname "+oneOf(interfaces(r.zones))+" return", // into no other zone
		"ct direction reply return",
		fmt.Sprintf("ct mark and 0x%08x != 0 %s != @%s return", uint32(Mask), flowID, setReach), // a garden's, or somebody else's
		packetID+" . tcp dport != @"+setReachPorts+" return",
		packetID+" . ip daddr @"+setReach4+" goto reached",
		packetID+" . ip6 daddr @"+setReach6+" goto reached",
		packetID+" != @"+setReachAny+" return",
		"ip daddr { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3 } return",
		"meta nfproto ipv4 goto reached",
		"ip6 daddr 2000::/3 goto reached")
	var rules []string
	for i := range r.zones {
		z := &r.zones[i]
		if !z.Reach {
			continue
		}
		find := "meta mark set ether saddr map @" + z.reaching() + " goto reach"
		if r.early { // it was looked up already
			find = "goto reach"
		}
		line.chain("reaching_of_"+z.Name, find)
		rules = append(rules, z.dispatch("iifname", "jump reaching_of_"+z.Name)...)
	}
	return rules
}

// reachDownlink are the rules for what comes back.
func (r *rules) reachDownlink() []string {
	if !r.hasReach() {
		return nil
	}
	return []string{
		flowID + " @" + setReach + " update @" + setReachRate + " { " + flowID + " " + reachLimit + " } drop",
		flowID + " @" + setReach + " ct state established,related accept",
	}
}

func (z *Zone) reaching() string { return reachingPrefix + z.Name }
