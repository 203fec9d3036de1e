package central

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

const accessTokenLife = time.Hour

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
	return u.IsActive && (u.Expiration == nil || s.cfg.Clock.Now().Before(u.Expiration.Time))
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

func (s *Server) deviceAuthenticate(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	name, password := f.text("username"), f.text("password")
	g := guessOf("token ", c.token.ID, *name)
	cred, ok, err := s.checkPassword(c.Context(), c.token.Scope, g, *name, sessions.Password(*password))
	if err != nil {
		return 0, nil, err
	}
	failed := &problem{status: http.StatusUnprocessableEntity,
		body: gate.AuthFail{Username: *name, Error: "Invalid credentials", ErrorCode: "AUTH_FAILED"}}
	if !ok {
		return 0, nil, failed
	}
	u, err := s.cfg.Store.User(c.Context(), c.token.Scope, cred.UserID)
	if err != nil {
		return 0, nil, err
	}
	now := s.cfg.Clock.Now()
	if !s.mayLogIn(u) {
		return 0, nil, failed
	}
	if err := s.cfg.Store.NoteLogin(c.Context(), u.ID, now); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, s.authOK(u, now), nil
}

func (s *Server) authOK(u gate.User, now time.Time) gate.AuthOK {
	expires := now.Add(accessTokenLife).Truncate(time.Second)
	return gate.AuthOK{
		Username: u.Username, Authenticated: true, UserID: u.ID,
		AccessToken: s.accessToken(u, now, expires), TokenExpires: gate.Time{Time: expires},
		UserProfile: gate.UserProfile{FirstName: u.FirstName, LastName: u.LastName, Email: u.Email,
			Role: "device_user", Permissions: []string{"device_access", "data_view"}},
	}
}

// accessToken is a JWT (RFC 7519, HS256) that says who has logged in. It opens no endpoint of this API: those take the
// organisation's tokens.
func (s *Server) accessToken(u gate.User, now, expires time.Time) string {
	claims, _ := json.Marshal(map[string]any{ // strings and numbers only
		"iss": "gatehouse", "sub": strconv.FormatInt(u.ID, 10), "org": *u.Organization,
		"iat": now.Unix(), "exp": expires.Unix(),
	})
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64.EncodeToString(claims)
	mac := hmac.New(sha256.New, s.signKey)
	mac.Write([]byte(signed))
	return signed + "." + b64.EncodeToString(mac.Sum(nil))
}
