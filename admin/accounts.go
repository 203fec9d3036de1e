package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
)

// Accounts are the gateway's own accounts. Account and DeleteAccount return sessions.ErrNoAccount for a name that is not
// there; PutAccount makes an account or replaces it.
type Accounts interface {
	Account(ctx context.Context, username string) (sessions.Account, error)
	ListAccounts(ctx context.Context) ([]sessions.Account, error)
	PutAccount(ctx context.Context, a sessions.Account) error
	DeleteAccount(ctx context.Context, username string) error
}

// The bounds of what an operator may type, in octets: a User-Name is a RADIUS attribute (RFC 2865 §5.1).
const (
	maxUsername = 253
	maxPassword = 1024
)

func checkLabel(username string) error {
	bad := strings.ContainsFunc(username, func(r rune) bool { return !unicode.IsPrint(r) })
	if username == "" || len(username) > maxUsername || bad || !utf8.ValidString(username) || strings.TrimSpace(username) != username {
		return &Error{Code: CodeInvalid, Message: "a user name has 1 to 253 printable octets and no space at its ends"}
	}
	if _, stay := sessions.StayID(username); stay {
		return &Error{Code: CodeInvalid, Message: "user names of that form are those of guests in rooms"}
	}
	return nil
}

func checkPassword(p sessions.Password) error {
	if p == "" || len(p) > maxPassword {
		return &Error{Code: CodeInvalid, Message: "a password has 1 to 1024 octets"}
	}
	return nil
}

func (s *Server) accounts(ctx context.Context, _ none) ([]Account, error) {
	all, err := s.cfg.Accounts.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Account, len(all))
	for i, a := range all {
		out[i] = accountOf(a)
	}
	return out, nil
}

func (s *Server) accountAdd(ctx context.Context, in AddAccountRequest) (Account, error) {
	limits, limitsErr := limitsOf(in.Account)
	if err := errors.Join(checkLabel(in.Username), checkPassword(in.Password), limitsErr); err != nil {
		return Account{}, err
	}
	hash, err := sessions.HashPassword(in.Password)
	if err != nil {
		return Account{}, fmt.Errorf("hashing password: %w", err)
	}
	a := sessions.Account{
		Source: sessions.SourceLocal, Username: in.Username, PasswordHash: hash, Active: true,
		Expiration: in.Expiration, Limits: limits,
	}
	s.accountsMu.Lock()
	defer s.accountsMu.Unlock()
	switch _, err := s.cfg.Accounts.Account(ctx, in.Username); {
	case err == nil:
		return Account{}, &Error{Code: CodeExists, Message: fmt.Sprintf("account %q is there already; change its password with \"gatehouse account passwd\"", in.Username)}
	case !errors.Is(err, sessions.ErrNoAccount):
		return Account{}, err
	}
	if err := s.cfg.Accounts.PutAccount(ctx, a); err != nil {
		return Account{}, err
	}
	if err := s.cfg.Sessions.AccountChanged(ctx, in.Username); err != nil { // stations may be pre-authorized for it
		return Account{}, fmt.Errorf("the account is made, but looking at its stations: %w", err)
	}
	return accountOf(a), nil
}

func (s *Server) accountPasswd(ctx context.Context, in PasswordRequest) (none, error) {
	if err := checkPassword(in.Password); err != nil {
		return none{}, err
	}
	hash, err := sessions.HashPassword(in.Password)
	if err != nil {
		return none{}, fmt.Errorf("hashing password: %w", err)
	}
	s.accountsMu.Lock()
	defer s.accountsMu.Unlock()
	a, err := s.cfg.Accounts.Account(ctx, in.Username)
	if err != nil {
		return none{}, accountError(in.Username, err)
	}
	a.PasswordHash = hash
	return none{}, s.cfg.Accounts.PutAccount(ctx, a)
}

func (s *Server) accountRemove(ctx context.Context, in RemoveAccountRequest) (none, error) {
	s.accountsMu.Lock()
	defer s.accountsMu.Unlock()
	if err := s.cfg.Accounts.DeleteAccount(ctx, in.Username); err != nil {
		return none{}, accountError(in.Username, err)
	}
	if err := s.cfg.Sessions.AccountChanged(ctx, in.Username); err != nil {
		return none{}, fmt.Errorf("the account is gone, but ending its sessions: %w", err)
	}
	return none{}, nil
}

func accountError(username string, err error) error {
	if errors.Is(err, sessions.ErrNoAccount) {
		return &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no account %q on this gateway", username)}
	}
	return err
}

func accountOf(a sessions.Account) Account {
	w := Account{Username: a.Username, Active: a.Active, Expiration: a.Expiration, SimultaneousUse: a.Limits.SimultaneousUse,
		BandwidthUp: a.Limits.BandwidthUp, BandwidthDown: a.Limits.BandwidthDown,
		Caps: a.Limits.Caps, SlowUp: a.Limits.SlowUp, SlowDown: a.Limits.SlowDown}
	if t := a.Limits.SessionTimeout; t != nil {
		n := seconds(*t)
		w.SessionTimeout = &n
	}
	if t := a.Limits.IdleTimeout; t != nil {
		n := seconds(*t)
		w.IdleTimeout = &n
	}
	return w
}

// maxSeconds keeps a time span inside time.Duration.
const maxSeconds = 100 * 365 * 24 * 3600

func limitsOf(a Account) (sessions.Limits, error) {
	l := sessions.Limits{SimultaneousUse: a.SimultaneousUse, BandwidthUp: a.BandwidthUp, BandwidthDown: a.BandwidthDown,
		Caps: a.Caps, SlowUp: a.SlowUp, SlowDown: a.SlowDown}
	for _, v := range []sessions.VolumeLimit{a.Caps.Session, a.Caps.Day, a.Caps.Week, a.Caps.Month} {
		if v.TooLarge() {
			return l, &Error{Code: CodeInvalid, Message: "a data cap is not above " + sessions.MaxBytes.String()}
		}
	}
	ok := a.SimultaneousUse == nil || *a.SimultaneousUse >= 0
	span := func(n *int64) *time.Duration {
		if n == nil {
			return nil
		}
		ok = ok && *n >= 0 && *n <= maxSeconds
		d := time.Duration(*n) * time.Second
		return &d
	}
	l.SessionTimeout, l.IdleTimeout = span(a.SessionTimeout), span(a.IdleTimeout)
	if !ok {
		return l, &Error{Code: CodeInvalid, Message: "a limit is zero (none) or above, and below a hundred years"}
	}
	return l, nil
}
