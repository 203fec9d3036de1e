package gwsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gatehouse/api/edge"
	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// Puller follows the centre's change feed into the mirror. Run is the only one that applies changes.
type Puller struct {
	client   *client
	mirror   Mirror
	asked    *asked
	changed  func(ctx context.Context, username string) error
	governor Governor
	clock    clock.Clock
	log      *slog.Logger
	wait     time.Duration

	mu        sync.Mutex
	providers []sessions.Provider
	waiters   []chan error // of Refresh, for the next turn
	interrupt context.CancelFunc

	// For Run alone.
	told     bool                // the centre has answered since the start
	owed     map[string]struct{} // accounts that changed and that Changed has not been told of with success
	reported map[string]struct{} // faults in profiles that the log has
	sweep    bool                // something of before a reset may still be there; also after a restart in the middle of one
}

// Providers are those at which the centre takes sign-ins, as it said last; none before it said anything.
func (p *Puller) Providers() []sessions.Provider {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.providers
}

func (p *Puller) setProviders(told []edge.Provider) {
	all := make([]sessions.Provider, len(told))
	for i, one := range told {
		all[i] = sessions.Provider{Name: one.Name, Title: one.Title}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.providers = all
}

// Refresh makes Run read the feed now, without waiting for news, and returns when the mirror has what there was.
func (p *Puller) Refresh(ctx context.Context) error {
	done := make(chan error, 1)
	p.mu.Lock()
	p.waiters = append(p.waiters, done)
	p.interrupt()
	p.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run follows the feed until ctx ends, and then returns nil.
func (p *Puller) Run(ctx context.Context) error {
	var b backoff
	for ctx.Err() == nil {
		p.turn(ctx, &b)
	}
	return nil
}

// turn reads the feed to its end once, tells of what changed, and waits when it is too early for the next turn.
// A Refresh cuts short the waiting, at the centre and here.
func (p *Puller) turn(ctx context.Context, b *backoff) {
	patience, waiters, end := p.begin(ctx)
	defer end()
	poll, wait := patience, p.wait
	if len(waiters) > 0 || len(p.owed) > 0 {
		poll, wait = ctx, 0
	}
	began := p.clock.Mono()
	moved, err := p.catchUp(ctx, poll, wait)
	for _, w := range waiters {
		w <- err
	}
	told := p.tell(ctx)
	switch err := errors.Join(err, told); {
	case patience.Err() != nil: // a Refresh came, or the end
	case err != nil:
		if told != nil || !logged(err) {
			p.log.Error("following the change feed", "error", err)
		}
		pause, firm := b.after(err)
		sleep(ctx, firm, nil)
		sleep(patience, pause-firm, nil)
	case !moved && wait > 0 && p.clock.Mono()-began < time.Second: // a centre that does not hold requests open
		b.reset()
		sleep(patience, time.Second, nil)
	default:
		b.reset()
	}
}

// begin takes the waiters of this turn. patience ends when another one comes.
func (p *Puller) begin(ctx context.Context) (patience context.Context, waiters []chan error, end func()) {
	patience, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	waiters, p.waiters, p.interrupt = p.waiters, nil, cancel
	return patience, waiters, cancel
}

// catchUp applies what the feed has, page by page, and reports whether there was anything. poll is for the requests.
func (p *Puller) catchUp(ctx, poll context.Context, wait time.Duration) (moved bool, err error) {
	for {
		cursor, err := p.mirror.Cursor(ctx)
		if err != nil {
			return moved, fmt.Errorf("reading cursor: %w", err)
		}
		status, err := p.governor.Status(ctx)
		if err != nil {
			return moved, fmt.Errorf("reading status: %w", err)
		}
		if !p.told && cursor != "" { // what is not in the mirror is not known yet
			wait = 0
		}
		page, err := p.client.changes(poll, cursor, wait, status)
		if err != nil {
			return moved, err
		}
		if page.More && page.Cursor == cursor {
			return moved, fmt.Errorf("the change feed does not move on from cursor %q", cursor)
		}
		if err := p.apply(ctx, page); err != nil {
			return moved, err
		}
		moved = moved || page.Cursor != cursor
		if !page.More {
			p.client.link.feedCurrent()
			return moved, nil
		}
		wait = 0
	}
}

// apply brings one page into the mirror, the cursor last: whatever cuts it off, the page comes again.
func (p *Puller) apply(ctx context.Context, page edge.ChangesAnswer) error {
	p.setProviders(page.Providers)
	p.told = true
	if page.Reset {
		p.sweep = true
		if err := p.mirror.Reset(ctx); err != nil {
			return fmt.Errorf("resetting mirror: %w", err)
		}
	}
	for _, c := range page.Changes {
		if err := p.applyChange(ctx, c); err != nil {
			return fmt.Errorf("applying change: %w", err)
		}
	}
	if err := p.putVouchers(ctx, page); err != nil {
		return fmt.Errorf("applying vouchers: %w", err)
	}
	if p.sweep && !page.More {
		removed, err := p.mirror.Sweep(ctx)
		if err != nil {
			return fmt.Errorf("sweeping mirror: %w", err)
		}
		p.owe(removed...)
		p.sweep = false
	}
	if err := p.mirror.SetCursor(ctx, page.Cursor); err != nil {
		return fmt.Errorf("saving cursor: %w", err)
	}
	return nil
}

func (p *Puller) applyChange(ctx context.Context, c edge.Change) error {
	switch {
	case c.Account != nil:
		p.owe(c.Account.Username)
		return p.asked.tell(c.Account.UserID, func() error {
			return p.mirror.PutAccount(ctx, account(c.Account, p.clock.Now()), profileKeys(c.Account))
		})
	case c.Profile != nil:
		return p.putProfile(ctx, c.Profile)
	case c.Plan != nil:
		p.owe(sessions.AnyVoucher)
		users, err := p.mirror.PutPlan(ctx, plan(c.Plan))
		p.owe(users...)
		return err
	case c.DeletedPlan != 0:
		return p.mirror.DeletePlan(ctx, c.DeletedPlan)
	case c.DeletedUserID != 0:
		return p.deleteAccount(ctx, c.DeletedUserID)
	case c.DeletedProfile != 0:
		users, err := p.mirror.UsersOfProfile(ctx, profileKey(c.DeletedProfile))
		p.owe(users...)
		return errors.Join(err, p.mirror.DeleteProfile(ctx, c.DeletedProfile))
	case c.Event != nil:
		return p.obey(ctx, c.Event)
	case c.Configuration != nil:
		return p.governor.Configure(ctx, c.Configuration.Version, c.Configuration.Settings)
	}
	return nil // a later centre's kind of change
}

// obey passes an event on. What it needs to know of accounts comes before it.
func (p *Puller) obey(ctx context.Context, e *edge.Event) error {
	if err := p.tell(ctx); err != nil {
		return err
	}
	if e.Erase != nil {
		if err := p.deleteAccount(ctx, e.Erase.UserID); err != nil {
			return err
		}
	}
	return p.governor.Obey(ctx, order(e))
}

func (p *Puller) deleteAccount(ctx context.Context, user int64) error {
	return p.asked.tell(user, func() error {
		username, err := p.mirror.DeleteAccount(ctx, user)
		p.owe(username)
		return err
	})
}

func (p *Puller) putProfile(ctx context.Context, pr *edge.Profile) error {
	profile := sessions.Profile{ShortName: pr.ShortName, Check: attributes(pr.CheckAttribute), Reply: attributes(pr.ReplyAttribute)}
	ignored := profile.Unheeded()
	for _, f := range profile.Faults() {
		ignored = append(ignored, f.Error())
	}
	for _, why := range ignored {
		key := pr.ShortName + "\x00" + why
		if _, known := p.reported[key]; !known {
			p.reported[key] = struct{}{}
			p.log.Warn("an attribute of a profile is ignored", "profile", pr.ShortName, "why", why)
		}
	}
	if err := p.mirror.PutProfile(ctx, pr.ID, profileKey(pr.ID), profile); err != nil {
		return err
	}
	users, err := p.mirror.UsersOfProfile(ctx, profileKey(pr.ID))
	p.owe(users...)
	return err
}

func (p *Puller) owe(usernames ...string) {
	for _, u := range usernames {
		if u != "" {
			p.owed[u] = struct{}{}
		}
	}
}

// tell calls Changed for the accounts that it is owed for; those that it fails for stay owed.
func (p *Puller) tell(ctx context.Context) error {
	var errs []error
	for u := range p.owed {
		if err := p.changed(ctx, u); err != nil {
			errs = append(errs, fmt.Errorf("acting on a changed account: %w", err))
			continue
		}
		delete(p.owed, u)
	}
	return errors.Join(errs...)
}
