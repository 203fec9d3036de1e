package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/sessions"
)

// Extender gives more time and data. Its errors are those of sessions.Manager.
type Extender interface {
	Extend(ctx context.Context, st sessions.Station, x sessions.Extension) (sessions.Session, error)
	ExtendAccount(ctx context.Context, username string, data sessions.Bytes) error
	ExtendGuest(ctx context.Context, st sessions.Station, data sessions.Bytes) error
}

// ExtendRequest asks to give more on top of limits.
type ExtendRequest struct {
	// Which session: Acct-Session-Id, zone/MAC or MAC. With Account: the user name, or zone/MAC for guests without an account.
	Which   string         `json:"which"`
	Account bool           `json:"account,omitempty"` // the day, week and month of the account
	Time    int64          `json:"time,omitempty"`    // seconds; not with Account
	Data    sessions.Bytes `json:"data,omitempty"`    // octets
}

// extend returns the running sessions that have more now.
func (s *Server) extend(ctx context.Context, in ExtendRequest) ([]Session, error) {
	switch {
	case in.Time < 0 || in.Time > maxSeconds || in.Data > sessions.MaxBytes || in.Time == 0 && in.Data == 0:
		return nil, &Error{Code: CodeInvalid, Message: "say how much: time, up to a hundred years, data, up to " + sessions.MaxBytes.String() + ", or both"}
	case in.Account && in.Time > 0:
		return nil, &Error{Code: CodeInvalid, Message: "an account is given data only; time is its sessions'"}
	}
	if in.Account {
		return s.extendAccount(ctx, in)
	}
	found, ok := s.cfg.Sessions.FindSession(in.Which)
	if !ok {
		return nil, noSession(in.Which)
	}
	got, err := s.cfg.Extend.Extend(ctx, found.Station, sessions.Extension{Time: time.Duration(in.Time) * time.Second, Data: in.Data})
	if errors.Is(err, sessions.ErrNoLimit) {
		return nil, &Error{Code: CodeInvalid, Message: err.Error() + "; what an account has in a day, week or month is extended with --account, and time of a balance is granted at the centre"}
	}
	if err != nil {
		return nil, err
	}
	s.cfg.Logger.Info("extended by the operator", "session", got.AcctSessionID, "time", in.Time, "data", in.Data)
	return []Session{sessionOf(got)}, nil
}

func (s *Server) extendAccount(ctx context.Context, in ExtendRequest) ([]Session, error) {
	has := func(r sessions.Session) bool { return r.Source != sessions.SourceGuest && r.Username == in.Which }
	err := s.cfg.Extend.ExtendAccount(ctx, in.Which, in.Data)
	if errors.Is(err, sessions.ErrNoAccount) {
		st, _, stErr := s.find(in.Which)
		if stErr != nil {
			return nil, &Error{Code: CodeNotFound, Message: fmt.Sprintf("this gateway knows no account %q; for a guest without one say ZONE/MAC", in.Which)}
		}
		has = func(r sessions.Session) bool { return r.Source == sessions.SourceGuest && r.Station == st }
		err = s.cfg.Extend.ExtendGuest(ctx, st, in.Data)
	}
	if err != nil {
		return nil, err
	}
	out := []Session{}
	for _, r := range s.cfg.Sessions.Sessions() {
		if has(r) {
			out = append(out, sessionOf(r))
		}
	}
	s.cfg.Logger.Info("account extended by the operator", "data", in.Data, "sessions", len(out))
	return out, nil
}
