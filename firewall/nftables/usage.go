package nftables

import (
	"context"
	"fmt"
	"strings"

	"gatehouse/sessions"
)

// Usage implements sessions.Enforcer.
func (f *Firewall) Usage(ctx context.Context) ([]sessions.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !f.known {
		if there, err := f.adopt(); err != nil || !there {
			return nil, err
		}
	}
	readings, err := f.readAll()
	if isMissing(err) && f.ready {
		f.former = f.formerIDs()
		f.forgetState()
		err = fmt.Errorf("%w: %w", sessions.ErrEnforcerLost, err)
	}
	return readings, err
}

// readAll reads what every grant has used, and whether it still holds.
func (f *Firewall) readAll() ([]sessions.Reading, error) {
	readings := make([]sessions.Reading, 0, len(f.grants))
	place := make(map[id]int, len(f.grants))
	space := make([]element, 0, len(f.grants))
	capped := func(_ *element, r *sessions.Reading) { r.Capped = true }
	for _, step := range []struct {
		set  string
		take func(*element, *sessions.Reading)
	}{
		{setUp, func(e *element, r *sessions.Reading) {
			r.Usage.InputOctets, r.Usage.InputPackets = e.octets, e.packets
		}},
		{setDown, func(e *element, r *sessions.Reading) {
			r.Usage.OutputOctets, r.Usage.OutputPackets = e.octets, e.packets
		}},
		{setSessions, func(_ *element, r *sessions.Reading) { r.Live = true }},
		{setSpentUp, capped},
		{setSpentDown, capped},
		{setIdle, func(e *element, r *sessions.Reading) { r.IdleLeft = e.left }},
	} {
		elements, err := f.socket.readSet(step.set, space[:0])
		if isMissing(err) && !f.ready && (step.set == setSpentUp || step.set == setSpentDown) {
			continue // a table of an older version, before the Reconcile that migrates it
		}
		if err != nil {
			return nil, err
		}
		space = elements
		for i := range elements {
			e := &elements[i]
			g := f.grants[e.key.id()]
			if g == nil {
				continue
			}
			n, ok := place[g.id]
			if !ok {
				n = len(readings)
				place[g.id] = n
				readings = append(readings, sessions.Reading{Station: g.station, AcctSessionID: g.session, IdleLeft: -1})
			}
			step.take(e, &readings[n])
		}
	}
	for i, n := range place {
		r := &readings[n]
		idled := r.Live && f.grants[i].class != 0 && r.IdleLeft < 0
		r.Live, r.Idled = r.Live && !idled, idled
		if r.IdleLeft = min(r.IdleLeft, f.grants[i].idle); !r.Live || f.grants[i].class == 0 {
			r.IdleLeft = -1
		}
	}
	return readings, nil
}

// readUsage reads the counters of one id.
func (f *Firewall) readUsage(i id) (u sessions.Usage, err error) {
	up, _, err := f.socket.readElement(setUp, markKey(i.mark()))
	if err != nil {
		return u, err
	}
	down, _, err := f.socket.readElement(setDown, markKey(i.mark()))
	if err != nil {
		return u, err
	}
	return sessions.Usage{InputOctets: up.octets, InputPackets: up.packets,
		OutputOctets: down.octets, OutputPackets: down.packets}, nil
}

// adopt takes over what the kernel has, whoever put it there. there is false when it has no table of ours.
func (f *Firewall) adopt() (there bool, err error) {
	found, err := f.socket.inspect()
	if err != nil || !found.there {
		return false, err
	}
	if err := found.check(); err != nil {
		return false, err
	}
	f.forgetState()
	if err := f.adoptGrants(found); err != nil {
		return false, fmt.Errorf("adopting sessions: %w", err)
	}
	if err := f.adoptReaches(found); err != nil {
		return false, fmt.Errorf("adopting reaches: %w", err)
	}
	f.known = true
	return true, nil
}

func (f *Firewall) adoptGrants(found inspection) error {
	owners, err := f.socket.readSet(setUp, nil)
	if err != nil {
		return err
	}
	for i := range owners {
		if g, ok := fromComment(owners[i].key.id(), owners[i].comment); ok {
			f.grants[g.id] = g
			f.lastID = max(f.lastID, g.id)
		}
	}
	if err := f.adoptIdle(found); err != nil {
		return err
	}
	if err := f.adoptCaps(found); err != nil {
		return err
	}
	admitted, err := f.socket.readSet(setSessions, nil)
	if err != nil {
		return err
	}
	for i := range admitted {
		if g := f.grants[admitted[i].key.id()]; g != nil {
			g.cut = false
		}
	}
	// A station's grant that is not cut goes last: it is the one that counts.
	for _, cut := range []bool{true, false} {
		for _, g := range f.grants {
			if g.cut == cut {
				f.of[g.station] = append(f.of[g.station], g)
			}
		}
	}
	return nil
}

// adoptIdle finds which idle timeouts there are, and which grant has which.
func (f *Firewall) adoptIdle(found inspection) error {
	for _, d := range found.idles {
		f.idle.chains[d] = true
	}
	shared, err := f.socket.readSet(setIdleChain, nil)
	if err != nil {
		return err
	}
	for i := range shared {
		if c := classOf(shared[i].key.mark()); c < otherClass {
			f.idle.classes[c] = idleOfChain(shared[i].chain)
		}
	}
	for _, set := range found.sets {
		if strings.HasPrefix(set, stationsPrefix) {
			if err := f.adoptStations(set); err != nil {
				return err
			}
		}
	}
	others, err := f.socket.readSet(setIdleClass, nil)
	if err != nil {
		return err
	}
	for i := range others {
		if g := f.grants[others[i].key.id()]; g != nil {
			g.class, g.idle, g.cut = otherClass, idleOfChain(others[i].chain), false
		}
	}
	return nil
}

// adoptStations finds the classes of the grants of one zone.
func (f *Firewall) adoptStations(set string) error {
	stations, err := f.socket.readSet(set, nil)
	if err != nil {
		return err
	}
	for i := range stations {
		mark := stations[i].mark
		if g := f.grants[idOf(mark)]; g != nil {
			g.class, g.cut, g.classless = classOf(mark), false, false
			if g.class < otherClass {
				g.idle = f.idle.classes[g.class]
			}
		}
	}
	return nil
}
