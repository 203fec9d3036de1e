package central

import (
	"cmp"
	"context"
	"errors"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// checkPassword tells whose credential it is and whether the password is right. The codes of a user token are as good as name and
// password. An unknown user, and one without a password, take as long as a wrong password. Too many wrong ones end in a 429.
func (s *Server) checkPassword(ctx context.Context, scope store.Scope, g guess, username string, p sessions.Password) (store.Credential, bool, error) {
	if wait, _ := s.limits.take(s.cfg.Clock.Mono(), g.counted()...); wait > 0 {
		return store.Credential{}, false, throttled(wait)
	}
	cred, err := s.cfg.Store.CheckUserToken(ctx, scope, username, string(p))
	ok := err == nil
	if errors.Is(err, store.ErrNotFound) {
		cred, ok, err = s.checkUserPassword(ctx, scope, username, p)
	}
	if ok {
		s.limits.giveBack(g.counted()...)
	}
	return cred, ok, err
}

func (s *Server) checkUserPassword(ctx context.Context, scope store.Scope, username string, p sessions.Password) (store.Credential, bool, error) {
	cred, err := s.cfg.Store.Credential(ctx, scope, username)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return cred, false, err
	}
	if cred.IsToken(string(p)) {
		return cred, true, nil
	}
	hash := cmp.Or(cred.Hash, s.nobody)
	if err := s.begin(ctx); err != nil {
		return cred, false, err
	}
	ok, err := verifyPassword(hash, p)
	<-s.checks
	if err != nil {
		s.cfg.Log.Error("a user's password hash cannot be used", "user", cred.UserID, "err", err)
		return cred, false, nil
	}
	if ok = ok && cred.Hash != ""; ok && outdated(hash) {
		err = s.rehash(ctx, cred, p)
	}
	return cred, ok, err
}

// rehash keeps a password that was right as this centre would.
func (s *Server) rehash(ctx context.Context, cred store.Credential, p sessions.Password) error {
	hash, err := s.hash(ctx, p)
	if err != nil {
		return err
	}
	return s.cfg.Store.Rehash(ctx, cred.UserID, cred.Hash, hash)
}

// mayLogIn tells whether the account is good at the moment.
func (s *Server) mayLogIn(u gate.User) bool {
	a := sessions.Account{Active: u.IsActive}
	if u.Expiration != nil {
		a.Expiration = u.Expiration.Time
	}
	return a.Usable(s.cfg.Clock.Now()) == nil
}

// begin waits for a turn to do the costly work of a password hash. The turn is given back by receiving from checks.
func (s *Server) begin(ctx context.Context) error {
	select {
	case s.checks <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) hash(ctx context.Context, p sessions.Password) (string, error) {
	if err := s.begin(ctx); err != nil {
		return "", err
	}
	defer func() { <-s.checks }()
	return sessions.HashPassword(p)
}
