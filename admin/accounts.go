package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
)

// ErrAccountExists is what Accounts.Add returns when the user name is taken.
var ErrAccountExists = errors.New("the account is there already")

// Accounts are the gateway's own accounts. Add returns ErrAccountExists, the others sessions.ErrNoAccount.
type Accounts interface {
	List(ctx context.Context) ([]sessions.Account, error)
	Add(ctx context.Context, a sessions.Account) error
	SetPasswordHash(ctx context.Context, username, hash string) error
	Remove(ctx context.Context, username string) error
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
	return nil
}

func checkPassword(p sessions.Password) error {
	if p == "" || len(p) > maxPassword {
		return &Error{Code: CodeInvalid, Message: "a password has 1 to 1024 octets"}
	}
	return nil
}

func (s *Server) accounts(ctx context.Context, _ none) ([]Account, error) {
	all, err := s.cfg.Accounts.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	out := make([]Account, len(all))
	for i, a := range all {
		out[i] = Account{Username: a.Username, Active: a.Active}
	}
	return out, nil
}

func (s *Server) accountAdd(ctx context.Context, in PasswordRequest) (Account, error) {
	if err := errors.Join(checkLabel(in.Username), checkPassword(in.Password)); err != nil {
		return Account{}, err
	}
	hash, err := sessions.HashPassword(in.Password)
	if err != nil {
		return Account{}, fmt.Errorf("hashing password: %w", err)
	}
	a := sessions.Account{Source: sessions.SourceLocal, Username: in.Username, PasswordHash: hash, Active: true}
	if err := s.cfg.Accounts.Add(ctx, a); err != nil {
		if errors.Is(err, ErrAccountExists) {
			err = &Error{Code: CodeExists, Message: fmt.Sprintf("account %q is there already; change its password with \"gatehouse account passwd\"", in.Username)}
		}
		return Account{}, err
	}
	s.cfg.Logger.Info("account added by the operator")
	return Account{Username: a.Username, Active: a.Active}, nil
}

func (s *Server) accountPasswd(ctx context.Context, in PasswordRequest) (none, error) {
	if err := checkPassword(in.Password); err != nil {
		return none{}, err
	}
	hash, err := sessions.HashPassword(in.Password)
	if err != nil {
		return none{}, fmt.Errorf("hashing password: %w", err)
	}
	return none{}, accountError(in.Username, s.cfg.Accounts.SetPasswordHash(ctx, in.Username, hash))
}

func (s *Server) accountRemove(ctx context.Context, in PasswordRequest) (none, error) {
	if err := accountError(in.Username, s.cfg.Accounts.Remove(ctx, in.Username)); err != nil {
		return none{}, err
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
