package shape

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

// Mechanisms says for both ways of each zone how rates are held, and why so.
func (s *Shaper) Mechanisms() []Mechanism {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Mechanism
	for _, z := range s.inOrder() {
		for _, d := range z.directions() {
			out = append(out, Mechanism{Zone: z.Name, Way: d.way, Kind: d.kind, Why: d.why})
		}
	}
	return out
}

func (s *Shaper) inOrder() []*zone {
	out := make([]*zone, len(s.cfg.Zones))
	for i := range s.cfg.Zones {
		out[i] = s.zones[s.cfg.Zones[i].Name]
	}
	return out
}

// reconcile makes the kernel's queues and table those of the grants. What is right is left alone.
func (s *Shaper) reconcile(ctx context.Context, want []sessions.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = false
	keep := map[string]bool{}
	had := map[string]map[sessions.MAC]uint16{}
	for _, z := range s.inOrder() {
		classes, err := s.adopted(z, had)
		if err != nil {
			return err
		}
		z.adopt(want, classes)
		if z.idle() {
			continue
		}
		keep[z.ifb] = true
		for _, name := range z.Interfaces {
			keep[name] = true
		}
		s.makeQueues(z)
		z.attached = true
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	for _, z := range s.inOrder() {
		if !z.attached {
			continue
		}
		for _, d := range z.directions() {
			if err := s.equalize(z, d, had[d.set]); err != nil {
				return fmt.Errorf("zone %s, %s: %w", z.Name, d.way, err)
			}
		}
	}
	s.ready = true
	return s.removeQueues(keep)
}

// adopted reads which stations of the zone have which class, and notes what is in which set.
func (s *Shaper) adopted(z *zone, had map[string]map[sessions.MAC]uint16) (map[sessions.MAC]uint16, error) {
	classes := map[sessions.MAC]uint16{}
	for _, d := range z.directions() {
		for _, kind := range []Kind{HTB, Limit} {
			set := d.setOf(kind, z.Name)
			found, err := s.elements(set)
			if err != nil {
				return nil, err
			}
			had[set] = found
			for mac, minor := range found {
				if minor != 0 {
					classes[mac] = minor
				}
			}
		}
	}
	return classes, nil
}

// equalize makes one way of a zone what its slots say; had is what its set has.
func (s *Shaper) equalize(z *zone, d *direction, had map[sessions.MAC]uint16) error {
	if d.kind == None {
		return nil
	}
	stale := make([]table.Element, 0, len(had))
	for mac, minor := range had {
		if sl, ok := z.slots[mac]; !ok || !d.shapes(sl) || minor != sl.minor { // a limit's rate cannot be told: it is made anew
			stale = append(stale, keyElement(mac))
			delete(had, mac)
		}
	}
	if err := s.nft.Delete(d.set, stale...); err != nil {
		return err
	}
	if d.kind == HTB {
		if err := s.equalizeClasses(z, d); err != nil {
			return err
		}
	}
	var missing []table.Element
	for mac, sl := range z.slots {
		if _, ok := had[mac]; ok || !d.shapes(sl) {
			continue
		}
		if d.kind == HTB {
			missing = append(missing, classElement(mac, sl.minor))
		} else {
			missing = append(missing, limitElement(mac, d.rate(sl)))
		}
	}
	return s.nft.Add(d.set, missing...)
}

func (s *Shaper) equalizeClasses(z *zone, d *direction) error {
	rates := make([]map[uint16]uint64, len(d.links)) // that the classes of each interface have
	stale := map[uint16]bool{}
	for i, link := range d.links {
		var err error
		if rates[i], err = s.classes(link); err != nil {
			return err
		}
		for minor := range rates[i] {
			stale[minor] = true
		}
	}
	for _, sl := range z.slots {
		if !d.shapes(sl) {
			continue
		}
		delete(stale, sl.minor)
		_, _, ceil := d.share(sl)
		if !slices.ContainsFunc(rates, func(has map[uint16]uint64) bool { return has[sl.minor] != uint64(ceil/8) }) {
			continue
		}
		if err := s.putClass(d, sl); err != nil {
			return err
		}
	}
	var errs []error
	for minor := range stale {
		errs = append(errs, s.deleteClass(d, minor))
	}
	return errors.Join(errs...)
}

// attach makes a zone's queues and hooks, for its first station with a rate.
func (s *Shaper) attach(ctx context.Context, z *zone) error {
	s.makeQueues(z)
	z.attached = true
	err := s.load(ctx)
	if err != nil {
		z.attached = false
	}
	return err
}

// detach takes a zone's hooks and queues away, after its last station with a rate.
func (s *Shaper) detach(ctx context.Context, z *zone) error {
	z.forget()
	if err := s.load(ctx); err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, other := range s.zones {
		if other.attached {
			keep[other.ifb] = true
			for _, name := range other.Interfaces {
				keep[name] = true
			}
		}
	}
	return s.removeQueues(keep)
}

// makeQueues chooses how the zone is shaped and makes its queues.
func (s *Shaper) makeQueues(z *zone) {
	ifb, err := s.makeIFB(z.ifb)
	if err == nil {
		err = s.makeQueue(ifb, z.up.cap)
	}
	if err != nil {
		s.use(z, &z.up, Limit, fmt.Sprintf("there is no queue on an IFB: %v", err))
	} else {
		s.use(z, &z.up, HTB, "packets from stations wait in the queue of "+z.ifb)
		z.up.links = []int{ifb.Attrs().Index}
	}
	links, err := s.makeDownQueues(z)
	if err != nil {
		s.use(z, &z.down, Limit, err.Error())
		return
	}
	s.use(z, &z.down, HTB, "packets to stations wait in the queue of "+strings.Join(z.Interfaces, " and "))
	z.down.links = links
}

// makeDownQueues fails where a queue is somebody else's, before it changes any. An interface that is away is left out:
// Usage tells when it is back.
func (s *Shaper) makeDownQueues(z *zone) ([]int, error) {
	var links []netlink.Link
	for _, name := range z.Interfaces {
		link, err := s.tc.LinkByName(name)
		var missing netlink.LinkNotFoundError
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for interface %s: %w", name, err)
		}
		found, err := s.rootOf(link)
		if err != nil {
			return nil, err
		}
		if found.foreign() {
			return nil, fmt.Errorf("the queue of %s (%s) is somebody else's and stays", name, found.kind)
		}
		links = append(links, link)
	}
	indexes := make([]int, len(links))
	for i, link := range links {
		if err := s.makeQueue(link, z.down.cap); err != nil {
			return nil, fmt.Errorf("there is no queue on %s: %w", link.Attrs().Name, err)
		}
		indexes[i] = link.Attrs().Index
	}
	return indexes, nil
}

// use notes how one way of a zone is shaped from now on, and tells it once.
func (s *Shaper) use(z *zone, d *direction, kind Kind, why string) {
	d.kind, d.why, d.links, d.set = kind, why, nil, d.setOf(kind, z.Name)
	m := Mechanism{Zone: z.Name, Way: d.way, Kind: kind, Why: why}
	if !slices.Contains(s.told, m) {
		s.told = slices.DeleteFunc(s.told, func(t Mechanism) bool { return t.Zone == m.Zone && t.Way == m.Way })
		s.told = append(s.told, m)
		s.cfg.Logger.Info("bandwidth", "zone", m.Zone, "way", m.Way, "mechanism", string(m.Kind), "why", m.Why)
	}
}

// load writes the table for the zones that are attached. On a kernel without the hook for the way down it does without.
func (s *Shaper) load(ctx context.Context) error {
	if !slices.ContainsFunc(s.inOrder(), func(z *zone) bool { return z.attached }) {
		return s.nft.Remove()
	}
	text, err := s.text()
	if err != nil {
		return err
	}
	err = s.nft.Load(ctx, text)
	if err == nil {
		return nil
	}
	changed := false
	for _, z := range s.inOrder() {
		if z.attached && z.down.kind != None {
			if err := s.removeDownQueues(&z.down); err != nil {
				return err
			}
			s.use(z, &z.down, None, fmt.Sprintf("this kernel cannot see which station a packet leaves to (Linux 5.16 and later can): %v", err))
			changed = true
		}
	}
	if !changed {
		return err
	}
	if text, err = s.text(); err != nil {
		return err
	}
	return s.nft.Load(ctx, text)
}

var errQueueGone = errors.New("the queue of an interface was replaced")

// lost says what another program took away. An interface that is away has lost nothing.
func (s *Shaper) lost() error {
	var sets []string
	for _, z := range s.inOrder() {
		if !z.attached {
			continue
		}
		if sets == nil {
			var err error
			if sets, err = s.nft.Sets(); err != nil {
				return err
			}
		}
		for _, d := range z.directions() {
			if d.kind != None && !slices.Contains(sets, d.set) {
				return errors.New("the table is gone")
			}
		}
		if err := s.queuesLost(z); err != nil {
			return fmt.Errorf("zone %s: %w", z.Name, err)
		}
	}
	return nil
}

func (s *Shaper) queuesLost(z *zone) error {
	for _, d := range z.directions() {
		if d.kind != HTB {
			continue
		}
		names := z.Interfaces
		if d.way == up {
			names = []string{z.ifb}
		}
		for _, name := range names {
			link, err := s.tc.LinkByName(name)
			if err != nil && d.way == down {
				continue
			}
			if err != nil {
				return err
			}
			found, err := s.rootOf(link)
			if err != nil {
				return err
			}
			if !found.ours() || !slices.Contains(d.links, link.Attrs().Index) {
				return fmt.Errorf("%w: %s", errQueueGone, name)
			}
		}
	}
	return nil
}
