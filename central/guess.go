package central

import (
	"strconv"
	"time"
)

// How often a password may be wrong.
var (
	guessPerUser   = pace{name: "user", burst: 10, interval: 15 * time.Second} // and asker
	guessPerCaller = pace{name: "caller", burst: 300, interval: time.Second}   // a gateway, a token, or an address
)

// guess is one attempt of a caller at a user's password.
type guess struct{ caller, user string }

func guessOf(kind string, id int64, username string) guess {
	return guessFrom(kind+strconv.FormatInt(id, 10), username)
}

func guessFrom(caller, username string) guess {
	return guess{caller: caller, user: caller + " " + username}
}

// counted is what a guess is counted against: before its password is checked, so that many at once get no further than one after
// the other, and given back when it was right.
func (g guess) counted() []allowance {
	return []allowance{{"guess " + g.user, guessPerUser}, {"guess " + g.caller, guessPerCaller}}
}
