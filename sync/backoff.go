package gwsync

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gatehouse/api/edge"
)

const (
	minBackoff    = time.Second
	maxBackoff    = time.Minute
	maxRetryAfter = 10 * time.Minute // a longer Retry-After is not believed
)

// backoff is the row of waits between attempts that fail: doubling from a second to a minute, each with jitter, so that
// the gateways of a centre that comes back do not all come at once.
type backoff struct{ failures int }

// after returns how long to wait after err, and the part of it that nothing may shorten.
func (b *backoff) after(err error) (wait, firm time.Duration) {
	step := maxBackoff
	if b.failures < 6 {
		step = minBackoff << b.failures
	}
	b.failures++
	if stateOf(err) == refused { // a person has to act; asking more often does not help
		return jitter(maxBackoff), maxBackoff / 2
	}
	wait, firm = jitter(step), minBackoff
	var a *edge.AnswerError
	if errors.As(err, &a) && a.RetryAfter > 0 {
		firm = max(minBackoff, min(a.RetryAfter, maxRetryAfter))
	}
	return max(wait, firm), firm
}

func (b *backoff) reset() { b.failures = 0 }

// jitter returns something between half of d and d, at least minBackoff.
func jitter(d time.Duration) time.Duration {
	return max(minBackoff, d/2+rand.N(d/2+1))
}

// sleep waits for d, for ctx or for a value on wake, and reports whether it was wake.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-wake:
		return true
	}
	return false
}
