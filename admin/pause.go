package admin

import (
	"context"
	"net/netip"

	"gatehouse/sessions"
)

// Pauser pauses and resumes sessions. Its errors are those of sessions.Manager.
type Pauser interface {
	Pause(ctx context.Context, st sessions.Station) (sessions.Session, error)
	Resume(ctx context.Context, st sessions.Station, addr netip.Addr) (sessions.Session, error)
}

// PauseRequest asks to pause a session, or to go on with a paused one.
type PauseRequest struct {
	Which  string `json:"which"` // Acct-Session-Id, zone/MAC or MAC; with Resume: zone/MAC or MAC
	Resume bool   `json:"resume,omitempty"`
}

// pause returns the session that was paused, or the new one that goes on.
func (s *Server) pause(ctx context.Context, in PauseRequest) (Session, error) {
	var got sessions.Session
	var err error
	if in.Resume {
		st, addr, notStation := s.find(in.Which)
		if notStation != nil {
			return Session{}, notStation
		}
		got, err = s.cfg.Pause.Resume(ctx, st, addr)
	} else {
		found, ok := s.cfg.Sessions.FindSession(in.Which)
		if !ok {
			return Session{}, noSession(in.Which)
		}
		got, err = s.cfg.Pause.Pause(ctx, found.Station)
	}
	if err != nil {
		return Session{}, err
	}
	s.cfg.Logger.Info("paused or resumed by the operator", "session", got.AcctSessionID, "resumed", in.Resume)
	return sessionOf(got), nil
}
