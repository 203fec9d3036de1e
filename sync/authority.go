package gwsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse/api/edge"
	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// breakFor is how long after a failure nobody else has to wait for the same answer.
const breakFor = 2 * time.Second

// Authority asks the centre about a user. It satisfies sessions.Authority and is safe for concurrent use.
type Authority struct {
	client  *client
	mirror  Mirror
	asked   *asked
	refresh func(context.Context) error
	clock   clock.Clock
	log     *slog.Logger
	timeout time.Duration

	mu       sync.Mutex
	failedAt *time.Duration      // clock.Mono of the last failure
	heard    map[string]struct{} // profiles that the feed was read for since the start
}

// Authenticate returns the account, profile limits joined, if user name and password are right; the mirror has it then.
// Otherwise sessions.ErrWrongPassword, sessions.ErrUnreachable with its cause when the centre did not decide, or a
// *sessions.Refusal when it has had too many guesses; any other error is a fault at this end or in the request.
func (a *Authority) Authenticate(ctx context.Context, c sessions.Credentials, at sessions.Station) (sessions.Account, error) {
	if a.broken() {
		return sessions.Account{}, fmt.Errorf("%w: it did not answer a moment ago", sessions.ErrUnreachable)
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	since, end := a.asked.ask()
	defer end()
	answer, err := a.client.authenticate(limited, edge.AuthenticateRequest{
		Username:         c.Username,
		Password:         string(c.Password),
		CallingStationID: at.MAC.CallingStationID(),
		Zone:             at.Zone,
	})
	switch {
	case err != nil:
		return sessions.Account{}, a.undecided(ctx, err)
	case !answer.Authenticated:
		return sessions.Account{}, sessions.ErrWrongPassword
	case answer.Account == nil || answer.Account.Username == "":
		return sessions.Account{}, fmt.Errorf("%w: it answered yes, but not who", sessions.ErrUnreachable)
	}
	return a.keep(limited, answer.Account, since)
}

// keep puts an account into the mirror, where the feed has not told of it since it was asked for, and returns it as the mirror has it, profile
// limits joined.
func (a *Authority) keep(ctx context.Context, said *edge.Account, since int) (sessions.Account, error) {
	profiles := profileKeys(said)
	err := a.asked.keep(said.UserID, since, func() error { return a.mirror.PutAccount(ctx, account(said, a.clock.Now()), profiles) })
	if err != nil {
		return sessions.Account{}, fmt.Errorf("keeping the centre's account: %w", err)
	}
	a.fetchProfiles(ctx, profiles)
	acct, err := a.mirror.Account(ctx, said.Username)
	if errors.Is(err, sessions.ErrNoAccount) { // deleted meanwhile
		return acct, sessions.ErrWrongPassword
	}
	if err != nil {
		return sessions.Account{}, fmt.Errorf("reading the centre's account: %w", err)
	}
	return acct, nil
}

// broken tells whether the last attempt failed just now, and nobody has reached the centre since.
func (a *Authority) broken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failedAt != nil && a.clock.Mono()-*a.failedAt < breakFor && !a.client.link.reachedSince(*a.failedAt)
}

func (a *Authority) undecided(ctx context.Context, err error) error {
	if ctx.Err() != nil { // whoever asked is gone
		return ctx.Err()
	}
	var answer *edge.AnswerError
	switch stateOf(err) {
	case up:
		if errors.As(err, &answer) && answer.Status == http.StatusTooManyRequests {
			return &sessions.Refusal{Reason: sessions.RefusedTooOften, RetryAfter: answer.RetryAfter}
		}
		return err
	case away:
		a.mu.Lock()
		now := a.clock.Mono()
		a.failedAt = &now
		a.mu.Unlock()
	}
	return fmt.Errorf("%w: %w", sessions.ErrUnreachable, err)
}

// fetchProfiles has the feed read if it was not since the profiles were first named, because an account may come with
// profiles that the mirror does not have. Without them the login goes on; Changed follows when they arrive.
func (a *Authority) fetchProfiles(ctx context.Context, names []string) {
	if a.haveHeard(names) {
		return
	}
	if err := a.refresh(ctx); err != nil {
		if !errors.Is(err, context.Canceled) {
			a.log.Warn("a login goes on without its profiles' limits", "error", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range names {
		a.heard[n] = struct{}{}
	}
}

func (a *Authority) haveHeard(names []string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range names {
		if _, ok := a.heard[n]; !ok {
			return false
		}
	}
	return true
}
