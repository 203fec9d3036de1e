package gwsync

import "sync"

// asked keeps answers of the centre from undoing what the feed has told since they were asked for: an answer that was on its way when its user was
// deleted, or switched off, would bring him back.
type asked struct {
	mu     sync.Mutex
	asking int           // questions that have no answer yet
	told   map[int64]int // what the feed has told meanwhile, by user id; empty while nothing is asked
	n      int
}

// ask begins a question; since is for keep, end is called when it is over.
func (a *asked) ask() (since int, end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asking++
	return a.n, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.asking--; a.asking == 0 {
			clear(a.told)
		}
	}
}

// tell applies what the feed says of an account.
func (a *asked) tell(user int64, apply func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asking > 0 {
		a.n++
		a.told[user] = a.n
	}
	return apply()
}

// keep applies an answer, unless the feed has told of its account since it was asked for.
func (a *asked) keep(user int64, since int, apply func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told[user] > since {
		return nil
	}
	return apply()
}
