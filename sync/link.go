package gwsync

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse/api/edge"
	"gatehouse/internal/clock"
)

type linkState string

const (
	unknown linkState = ""
	up      linkState = "up"
	away    linkState = "away"
	refused linkState = "refused"
)

// stateOf says what the outcome of a request tells about the centre.
func stateOf(err error) linkState {
	var a *edge.AnswerError
	switch {
	case err == nil:
		return up
	case !errors.As(err, &a):
		return away
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return refused
	case a.Code == "" || a.Status >= 500:
		return away
	}
	return up // it answered, and did not like this one request
}

// linkError is an error that the link has noted, and logged if it was news.
type linkError struct{ error }

// Unwrap gives errors.Is and errors.As the cause.
func (e *linkError) Unwrap() error { return e.error }

// logged tells whether the link has seen to it that the log knows of err.
func logged(err error) bool {
	var l *linkError
	return errors.As(err, &l) && stateOf(err) != up
}

// link is what the last requests said about the centre, shared by all who send some. Moments are clock.Mono readings, so
// that a jump of the wall clock does not age them.
type link struct {
	clock clock.Clock
	log   *slog.Logger

	mu       sync.Mutex
	state    linkState
	okAt     *time.Duration
	failedAt *time.Duration
	feedAt   *time.Duration
	lastErr  string
}

// note records the outcome of a request and logs when it changes the picture.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, state := l.clock.Mono(), stateOf(err)
	if state == up {
		l.okAt = &now
	}
	if err != nil {
		l.failedAt, l.lastErr = &now, err.Error()
	}
	was := l.state
	if l.state = state; was == state {
		return
	}
	switch state {
	case refused:
		l.log.Error("the centre refuses this gateway's token", "error", err)
	case away:
		l.log.Warn("the centre cannot be reached; records are kept, known accounts go on", "error", err)
	case up:
		if was != unknown {
			l.log.Info("the centre is back")
		}
	}
}

// feedCurrent records that the mirror has all that the centre had to tell.
func (l *link) feedCurrent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Mono()
	l.feedAt = &now
}

// reachedSince tells whether the centre answered at or after that moment.
func (l *link) reachedSince(mono time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.okAt != nil && *l.okAt >= mono
}

// InReach tells whether the centre answered the last request, and takes this gateway's token.
func (s *Sync) InReach() bool {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.link.state == up
}

func (l *link) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	wall, mono := l.clock.Now(), l.clock.Mono()
	at := func(m *time.Duration) time.Time {
		if m == nil {
			return time.Time{}
		}
		return wall.Add(*m - mono).Round(0)
	}
	return Status{
		Reachable: l.state == up || l.state == refused, Refused: l.state == refused,
		LastSuccess: at(l.okAt), LastError: l.lastErr, LastErrorAt: at(l.failedAt), FeedCurrentAt: at(l.feedAt),
	}
}
