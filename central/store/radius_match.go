package store

import (
	"slices"
	"time"

	"gatehouse/api/edge"
)

// RADIUSRecord is an Accounting-Request of a NAS. A NAS does not say when a session began, only how long it has lasted at some
// moment, and its clock may be wrong or be set right on the way; nor is the session's unique id unique where a NAS counts
// sessions from one again after a reboot. Which session a record is about is found out by these rules:
//
//   - A record is about the time from its beginning (the event less the session time) to its event. It belongs to the session
//     with its unique id whose time it touches, unless the NAS has booted in between.
//   - Otherwise, unless it is a Start, it belongs to the session that is open and that it can go on with (no counter is
//     smaller), or that was stopped and knows already what it says: more clocks are set than ids are used again.
//   - Otherwise it is the first of its session, which begins where the record does. That never changes.
//
// A session that nobody has stopped ends when its NAS boots after the last thing heard of it (Accounting-On, -Off). That is a
// conclusion, not a message: a Stop that comes late replaces it, and a later sign of life takes it back.
type RADIUSRecord struct {
	Client, Organization int64
	Boot                 bool      // Accounting-On or Accounting-Off; of Session only the names of the NAS count
	At                   time.Time // of the event
	Stamped              bool      // At is from the packet, and the same in every copy of it
	Timed                bool      // Session.AcctSessionTime was in the packet
	Session              edge.Accounting
}

const (
	stampSlack   = 5 * time.Second     // between clocks that tick in seconds
	unstampSlack = 5 * time.Minute     // records without a time stamp are dated by their arrival
	matchWithin  = 31 * 24 * time.Hour // how far apart the records of a session may date its beginning
)

const nasReboot = "NAS-Reboot"

// begin is when the session of the record began, as far as the record can tell.
func (r *RADIUSRecord) begin() time.Time {
	b := r.At
	if r.Session.AcctStatusType != "Start" {
		b = b.Add(-time.Duration(r.Session.AcctSessionTime) * time.Second)
	}
	if b.Before(FirstTime()) {
		return r.At
	}
	return b
}

func (r *RADIUSRecord) nas() string { return nasKey(r.Session.NASIdentifier, r.Session.NASIPAddress) }

func nasKey(identifier, address string) string { return identifier + " " + address }

// stay is one session as it is known: a row of the table with what this batch adds.
type stay struct {
	start, last int64 // microseconds; last: of the last event
	stop        *int64
	concluded   bool // stop is a boot of the NAS, not a Stop
	time        int64
	in, out     uint64
	nas         string

	inTable, wasConcluded bool
	records               []*edge.Accounting // of this batch
}

// stays are the sessions with one unique id, and boots the boots of their NASes, ascending.
type stays struct {
	list  []*stay
	boots map[string][]int64
}

// add finds the session of a record, or makes it, and notes there what the record says.
func (s *stays) add(r *RADIUSRecord) *stay {
	begin, at := micros(r.begin()), micros(r.At)
	found := s.touched(r, begin, at)
	if found == nil {
		if found = s.continued(r, begin, at); found != nil && r.Timed {
			at = found.start + r.Session.AcctSessionTime*1e6 // its clock and ours disagree: count from where ours began
		}
	}
	if found == nil {
		found = &stay{start: begin, last: begin, nas: r.nas()}
		s.list = append(s.list, found)
	}
	found.take(r, max(at, found.start))
	return found
}

func (s *stays) touched(r *RADIUSRecord, begin, at int64) *stay {
	slack := stampSlack.Microseconds()
	if !r.Stamped {
		slack = unstampSlack.Microseconds()
	}
	var best *stay
	for _, y := range s.list {
		if begin > y.last+slack || at < y.start-slack || s.bootBetween(y, begin, at) {
			continue
		}
		if best == nil || distance(y.start, begin) < distance(best.start, begin) {
			best = y
		}
	}
	return best
}

// continued is the session that a record goes on with by another clock, or repeats.
func (s *stays) continued(r *RADIUSRecord, begin, at int64) *stay {
	if r.Session.AcctStatusType == "Start" {
		return nil
	}
	var best *stay
	for _, y := range s.list {
		if !y.goesOnWith(r) && !y.hasHeard(r) || s.bootBetween(y, begin, at) {
			continue
		}
		if best == nil || y.start > best.start {
			best = y
		}
	}
	return best
}

func (y *stay) goesOnWith(r *RADIUSRecord) bool {
	a := &r.Session
	return (y.stop == nil || y.concluded) && (!r.Timed || a.AcctSessionTime >= y.time) &&
		a.AcctInputOctets >= y.in && a.AcctOutputOctets >= y.out
}

// hasHeard tells whether a session that was stopped knows already all that a record says. A Stop must be its own.
func (y *stay) hasHeard(r *RADIUSRecord) bool {
	a := &r.Session
	if y.stop == nil || y.concluded || !r.Timed {
		return false
	}
	if a.AcctStatusType == "Stop" {
		return a.AcctSessionTime == y.time && a.AcctInputOctets == y.in && a.AcctOutputOctets == y.out
	}
	return a.AcctSessionTime <= y.time && a.AcctInputOctets <= y.in && a.AcctOutputOctets <= y.out
}

// bootBetween tells whether the NAS booted between a session, as far as it is known, and the time of a record.
func (s *stays) bootBetween(y *stay, begin, at int64) bool {
	for _, b := range s.boots[y.nas] {
		if y.last <= b && y.start < b && b <= begin || at < b && b <= y.start {
			return true
		}
	}
	return false
}

// bootAfter is the first boot of the NAS after the last event of a session.
func (s *stays) bootAfter(y *stay) *int64 {
	for _, b := range s.boots[y.nas] {
		if b >= y.last && b > y.start {
			return &b
		}
	}
	return nil
}

// take notes what a record says that happened at the time given, and dates the record for the merge.
func (y *stay) take(r *RADIUSRecord, at int64) {
	a := r.Session
	if y.stop != nil && !y.concluded { // whatever comes after the Stop was sent before it
		at = min(at, *y.stop)
	}
	if !r.Timed && a.AcctStatusType == "Stop" {
		a.AcctSessionTime = (at - y.start) / 1e6
	}
	y.last = max(y.last, at)
	y.time, y.in, y.out = max(y.time, a.AcctSessionTime), max(y.in, a.AcctInputOctets), max(y.out, a.AcctOutputOctets)
	if a.AcctStatusType == "Stop" && (y.stop == nil || y.concluded) {
		y.stop, y.concluded = &at, false
	}
	a.AcctStartTime, a.AcctUpdateTime = time.UnixMicro(y.start), time.UnixMicro(at)
	if a.AcctStatusType == "Stop" {
		a.AcctStopTime = new(time.UnixMicro(*y.stop))
	}
	y.records = append(y.records, &a)
}

// conclude ends a session that nobody has stopped at the boot after it, if there was one.
func (s *stays) conclude(y *stay) {
	if y.stop != nil && !y.concluded {
		return
	}
	y.stop = s.bootAfter(y)
	if y.concluded = y.stop != nil; y.concluded {
		last := y.records[len(y.records)-1]
		last.AcctStopTime, last.AcctTerminateCause = new(time.UnixMicro(*y.stop)), nasReboot
	}
}

// isBoot tells whether a stop is a boot of the NAS.
func (s *stays) isBoot(nas string, at int64) bool {
	_, found := slices.BinarySearch(s.boots[nas], at)
	return found
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
