package isolate

import (
	"fmt"
	"time"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

// maxDevices is how many stations of one account may reach one another: a family has fewer, and more is a name and
// password that a house gives to everybody.
const maxDevices = 16

// members are the stations of a zone whose sessions belong to an account.
type members struct {
	account map[sessions.MAC]string
	of      map[string]map[sessions.MAC]time.Duration // stations of an account, and when their sessions end, in Mono; 0: never
}

// changes are accounts whose stations are others now, and the pairs that they had.
type changes map[string][]pair

// pair may send to one another: from sends to to.
type pair struct {
	from, to sessions.MAC
	until    time.Duration // Mono; 0: no end
}

func newMembers() *members {
	m := &members{}
	m.forget()
	return m
}

func (m *members) forget() {
	m.account, m.of = map[sessions.MAC]string{}, map[string]map[sessions.MAC]time.Duration{}
}

// join makes a grant's station one of its account's.
func (m *members) join(g sessions.Grant, now time.Duration) changes {
	c := m.leave(g.Station.MAC)
	if g.Account == "" {
		return c
	}
	if c == nil {
		c = changes{}
	}
	if _, known := c[g.Account]; !known {
		c[g.Account] = m.pairs(g.Account)
	}
	if m.of[g.Account] == nil {
		m.of[g.Account] = map[sessions.MAC]time.Duration{}
	}
	until := time.Duration(0)
	if g.Timeout > 0 {
		until = now + g.Timeout
	}
	m.account[g.Station.MAC], m.of[g.Account][g.Station.MAC] = g.Account, until
	return c
}

// leave makes a station nobody's.
func (m *members) leave(mac sessions.MAC) changes {
	account, known := m.account[mac]
	if !known {
		return nil
	}
	c := changes{account: m.pairs(account)}
	delete(m.account, mac)
	delete(m.of[account], mac)
	if len(m.of[account]) == 0 {
		delete(m.of, account)
	}
	return c
}

// pairs are all pairs of an account's stations, and each with itself: who is in the set may look for others.
func (m *members) pairs(account string) []pair {
	all := m.of[account]
	if len(all) < 2 || len(all) > maxDevices {
		return nil
	}
	var out []pair
	for from, a := range all {
		for to, b := range all {
			out = append(out, pair{from: from, to: to, until: earlier(a, b)})
		}
	}
	return out
}

func (m *members) allPairs() (out []pair) {
	for account := range m.of {
		out = append(out, m.pairs(account)...)
	}
	return out
}

// earlier is the earlier of two ends.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// left is how long a pair has from now; ok is false when it is over.
func (p pair) left(now time.Duration) (left time.Duration, ok bool) {
	if p.until == 0 {
		return 0, true
	}
	return p.until - now, p.until > now
}

// key is the pair in a set. Each part of a key is padded to a multiple of four bytes.
func (p pair) key() []byte {
	key := make([]byte, 16)
	copy(key, p.from[:])
	copy(key[8:], p.to[:])
	return key
}

// change brings the pairs of accounts into the kernel. A failure keeps stations apart that might meet, or leaves together
// some that might no more until the next Reconcile: it is told, and stops nobody.
func (i *Isolator) change(zone string, c changes) {
	if !i.hasSet(pairsPrefix + zone) {
		return
	}
	m, now := i.members[zone], i.cfg.Clock.Mono()
	for account, was := range c {
		is := m.pairs(account)
		var gone, pairs []table.Element
		for _, p := range was {
			gone = append(gone, table.Key(p.key()))
		}
		for _, p := range is {
			if left, ok := p.left(now); ok {
				pairs = append(pairs, table.Key(p.key()).Until(left))
			}
		}
		if err := i.nft.Replace(pairsPrefix+zone, gone, pairs); err != nil {
			i.cfg.Logger.Warn("the devices of an account cannot be brought together, or apart", "zone", zone, "err", err)
		}
	}
}

// text is the pair as nft reads it; empty when it is over.
func (p pair) text(now time.Duration) string {
	left, ok := p.left(now)
	switch {
	case !ok:
		return ""
	case left == 0:
		return fmt.Sprintf("%v . %v", p.from, p.to)
	}
	return fmt.Sprintf("%v . %v timeout %dms", p.from, p.to, max(1, left.Milliseconds()))
}
