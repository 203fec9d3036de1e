package central

import (
	"strconv"
	"time"
)

// How often a password may be wrong.
var (
	guessPerUser   = pace{name: "user", burst: 10, interval: 15 * time.Second} // and asker
	guessPerCaller = pace{name: "caller", burst: 300, interval: time.Second}   // a gateway, a token, or an address
	guessPerDevice = pace{name: "device", burst: 20, interval: 15 * time.Second}
	// Who goes on guessing is locked out: one more guess in ten minutes. Not for gateways, where whoever is in the lobby could lock a
	// guest out.
	guessLockUser   = pace{name: "user", burst: 30, interval: 10 * time.Minute}
	guessLockDevice = pace{name: "device", burst: 60, interval: 10 * time.Minute}
)

// guess is one attempt of a caller at a user's password.
type guess struct {
	caller, user string
	device       string // that it comes from; empty: not known
	patience     bool   // comes to an end
}

func guessOf(kind string, id int64, username string) guess {
	return guessFrom(kind+strconv.FormatInt(id, 10), username)
}

func guessFrom(caller, username string) guess {
	return guess{caller: caller, user: caller + " " + username}
}

// counted is what a guess is counted against: before its password is checked, so that many at once get no further than one after
// the other, and given back when it was right.
func (g guess) counted() []allowance {
	list := []allowance{{"guess " + g.user, guessPerUser}, {"guess " + g.caller, guessPerCaller}}
	if g.patience {
		list = append(list, allowance{"lock " + g.user, guessLockUser})
	}
	if g.device != "" {
		list = append(list, allowance{"guess device " + g.device, guessPerDevice}, allowance{"lock device " + g.device, guessLockDevice})
	}
	return list
}
