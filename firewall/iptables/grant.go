package iptables

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

// Errors of grants that this backend cannot hold.
var (
	ErrNoZone   = errors.New("no such zone in the firewall")
	ErrFull     = fmt.Errorf("no station id is free: %w", sessions.ErrEnforcerFull)
	ErrNoCaps   = errors.New("the iptables backend holds no data caps; that needs nftables")
	ErrNoRates  = errors.New("the iptables backend holds no bandwidth; that needs nftables for the shaper")
	ErrNotReady = errors.New("the firewall was not reconciled yet")
)

const maxSessionIDLen = 128 // bytes; a comment has 255 for it and the rest

// grant is one that the kernel has something of.
type grant struct {
	id      id
	station sessions.Station
	session string
	until   time.Duration // CLOCK_BOOTTIME; zero: no end
	idle    time.Duration // zero: none
	class   class         // of idle, where the keeper has classes
	cut     bool          // its time is over, whatever until says
	idled   bool          // cut because of silence
	// replaced: another grant has the station's place. What it had sent until then is in past.
	replaced bool
	past     sessions.Usage
}

// String is how the kernel keeps whose grant it is: a comment.
func (g *grant) String() string {
	state := "live"
	switch {
	case g.idled:
		state = "idled"
	case g.cut:
		state = "cut"
	}
	return fmt.Sprintf("%d %s %d %d %d %s %s", g.id, state, g.until, g.idle, g.class, g.station.Zone, g.session)
}

// parseGrant is the reverse, without the MAC; ok is false for a comment that is not ours.
func parseGrant(comment string) (g *grant, ok bool) {
	parts := strings.SplitN(comment, " ", 7)
	if len(parts) != 7 {
		return nil, false
	}
	var numbers [4]int64
	for i, at := range []int{0, 2, 3, 4} {
		n, err := strconv.ParseInt(parts[at], 10, 64)
		if err != nil || n < 0 {
			return nil, false
		}
		numbers[i] = n
	}
	if numbers[0] < 1 || numbers[0] > maxID || numbers[3] > maxClass {
		return nil, false
	}
	return &grant{id: id(numbers[0]), until: time.Duration(numbers[1]), idle: time.Duration(numbers[2]), class: class(numbers[3]),
		cut: parts[1] != "live", idled: parts[1] == "idled",
		station: sessions.Station{Zone: parts[5]}, session: parts[6]}, true
}

// check says why a grant cannot be.
func (f *Firewall) check(g *sessions.Grant) error {
	switch {
	case !slices.ContainsFunc(f.cfg.Zones, func(z Zone) bool { return z.Name == g.Station.Zone }):
		return fmt.Errorf("%w: %q", ErrNoZone, g.Station.Zone)
	case len(g.AcctSessionID) == 0 || len(g.AcctSessionID) > maxSessionIDLen || strings.ContainsAny(g.AcctSessionID, "\"\\\n"):
		return fmt.Errorf("a session id has 1 to %d bytes, and no quotes", maxSessionIDLen)
	case len(g.Caps) > 0:
		return ErrNoCaps
	case !f.cfg.Shaped && (g.RateUp > 0 || g.RateDown > 0):
		return ErrNoRates
	}
	return nil
}

// newID is the next free id after the one given out last, so that an id rests as long as possible before it returns.
func (f *Firewall) newID(taken map[id]bool) (id, error) {
	for range maxID {
		f.lastID = f.lastID%maxID + 1
		if f.grants[f.lastID] == nil && !taken[f.lastID] {
			return f.lastID, nil
		}
	}
	return 0, ErrFull
}

func (f *Firewall) remember(g *grant) {
	f.grants[g.id] = g
	f.of[g.station] = append(f.of[g.station], g)
}

func (f *Firewall) forget(g *grant) {
	delete(f.grants, g.id)
	rest := slices.DeleteFunc(f.of[g.station], func(other *grant) bool { return other == g })
	if f.of[g.station] = rest; len(rest) == 0 {
		delete(f.of, g.station)
	}
}

// latest is the grant that a station got last, or nil.
func (f *Firewall) latest(s sessions.Station) *grant {
	if all := f.of[s]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}
