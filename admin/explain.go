package admin

import (
	"context"
	"errors"

	"gatehouse/sessions"
)

// Visits tells what happened to stations. Both return sessions.ErrNoVisit where nothing is known.
type Visits interface {
	Find(ctx context.Context, code string) (sessions.Visit, error)
	Of(ctx context.Context, st sessions.Station) (sessions.Visit, error)
}

// ExplainRequest asks what happened to a station: a support code from a page, or zone/MAC or MAC.
type ExplainRequest struct {
	Which string `json:"which"`
}

func (s *Server) explain(ctx context.Context, in ExplainRequest) (sessions.Visit, error) {
	v, err := s.cfg.Visits.Find(ctx, in.Which)
	if errors.Is(err, sessions.ErrNoVisit) {
		if st, _, notStation := s.find(in.Which); notStation == nil {
			v, err = s.cfg.Visits.Of(ctx, st)
		}
	}
	if errors.Is(err, sessions.ErrNoVisit) {
		return v, &Error{Code: CodeNotFound, Message: "nothing is known of that: a support code is the five characters at the foot of every page, and a station is ZONE/MAC or MAC"}
	}
	return v, err
}
