package nftables

import (
	"context"
	"fmt"
	"time"

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
	return f.readAll()
}

// readAll reads what every grant has used, and whether it still holds.
func (f *Firewall) readAll() ([]sessions.Reading, error) {
	sets := [4][]element{}
	for i, name := range [4]string{setUp, setDown, setSessions, setIdle} {
		var err error
		if sets[i], err = f.socket.readSet(name); err != nil {
			return nil, err
		}
	}
	readings := make([]sessions.Reading, 0, len(f.grants))
	place := make(map[id]int, len(f.grants))
	for i := range sets[0] {
		e := &sets[0][i]
		g := f.grants[e.id()]
		if g == nil {
			continue
		}
		place[g.id] = len(readings)
		readings = append(readings, sessions.Reading{Station: g.station, AcctSessionID: g.session, IdleLeft: -1,
			Usage: sessions.Usage{InputOctets: e.octets, InputPackets: e.packets}})
	}
	at := func(e *element) *sessions.Reading {
		if i, ok := place[e.id()]; ok {
			return &readings[i]
		}
		return &sessions.Reading{} // of nobody
	}
	for i := range sets[1] {
		e := &sets[1][i]
		r := at(e)
		r.Usage.OutputOctets, r.Usage.OutputPackets = e.octets, e.packets
	}
	for i := range sets[2] {
		at(&sets[2][i]).Live = true
	}
	spoken := make(map[id]time.Duration, len(sets[3]))
	for i := range sets[3] {
		spoken[sets[3][i].id()] = sets[3][i].left
	}
	for i, n := range place {
		r := &readings[n]
		if !r.Live || f.grants[i].idle == 0 {
			continue
		}
		if left, ok := spoken[i]; ok {
			r.IdleLeft = left
		} else {
			r.Live, r.Idled = false, true
		}
	}
	return readings, nil
}

// readUsage reads the counters of one id.
func (f *Firewall) readUsage(i id) (u sessions.Usage, err error) {
	up, _, err := f.socket.readElement(setUp, markKey(i))
	if err != nil {
		return u, err
	}
	down, _, err := f.socket.readElement(setDown, markKey(i))
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
	f.known = true
	return true, nil
}

func (f *Firewall) adoptGrants(found inspection) error {
	owners, err := f.socket.readSet(setUp)
	if err != nil {
		return err
	}
	for i := range owners {
		if g, ok := fromComment(owners[i].id(), owners[i].comment); ok {
			f.grants[g.id] = g
			f.lastID = max(f.lastID, g.id)
		}
	}
	classes, err := f.socket.readSet(setIdleClass)
	if err != nil {
		return err
	}
	for i := range classes {
		if g := f.grants[classes[i].id()]; g != nil {
			g.idle, g.cut = idleOfChain(classes[i].chain), false
		}
	}
	admitted, err := f.socket.readSet(setSessions)
	if err != nil {
		return err
	}
	for i := range admitted {
		if g := f.grants[admitted[i].id()]; g != nil {
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
	for _, d := range found.idles {
		f.idles[d] = true
	}
	return nil
}
