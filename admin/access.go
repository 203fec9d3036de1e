package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
)

// Access is what the socket needs of the rules for stations. The methods are those of sessions.Manager.
type Access interface {
	Access() []sessions.AccessRule
	AccessLeft(r sessions.AccessRule) (left time.Duration, ok bool)
	SetAccess(ctx context.Context, r sessions.AccessRule) error
	RemoveAccess(ctx context.Context, zone string, mac sessions.MAC, kinds ...sessions.AccessKind) ([]sessions.AccessRule, error)
}

// maxNote is how long a note may be, in octets.
const maxNote = 200

func checkNote(note string) error {
	if len(note) > maxNote || !utf8.ValidString(note) || strings.ContainsFunc(note, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf("a note has at most %d printable octets", maxNote)}
	}
	return nil
}

func (s *Server) access(context.Context, none) ([]AccessRule, error) {
	return s.accessRules(s.cfg.Access.Access()), nil
}

func (s *Server) accessSet(ctx context.Context, in SetAccessRequest) (AccessRule, error) {
	zone, mac, err := s.findMAC(in.Station, in.Kind != sessions.AccessBlocked)
	if err != nil {
		return AccessRule{}, err
	}
	if err := checkNote(in.Note); err != nil {
		return AccessRule{}, err
	}
	if in.Kind == sessions.AccessPreauthorized {
		if err := checkLabel(in.Account); err != nil {
			return AccessRule{}, err
		}
	}
	if in.Seconds < 0 || in.Seconds > maxSeconds {
		return AccessRule{}, &Error{Code: CodeInvalid, Message: "a time is zero (no end) or above, and below a hundred years"}
	}
	r := sessions.AccessRule{Kind: in.Kind, Zone: zone, MAC: mac, Account: in.Account, Note: in.Note, For: time.Duration(in.Seconds) * time.Second}
	if err := s.cfg.Access.SetAccess(ctx, r); err != nil {
		return AccessRule{}, accessError(err)
	}
	s.cfg.Logger.Info("rule made by the operator", "kind", string(r.Kind), "station", sessions.Station{Zone: zone, MAC: mac}, "for", r.For)
	for _, made := range s.cfg.Access.Access() {
		if made.Kind == r.Kind && made.Zone == zone && made.MAC == mac && made.By == sessions.ByOperator {
			r = made
		}
	}
	return s.accessRule(r), nil
}

func (s *Server) accessRemove(ctx context.Context, in RemoveAccessRequest) (RemovedAccess, error) {
	zone, mac, err := s.findMAC(in.Station, false)
	if err != nil {
		return RemovedAccess{}, err
	}
	removed, err := s.cfg.Access.RemoveAccess(ctx, zone, mac, in.Kinds...)
	if err != nil {
		return RemovedAccess{}, accessError(err)
	}
	s.cfg.Logger.Info("rules taken back by the operator", "station", sessions.Station{Zone: zone, MAC: mac}, "rules", len(removed))
	left := slices.DeleteFunc(s.cfg.Access.Access(), func(r sessions.AccessRule) bool {
		return r.MAC != mac || !slices.Contains(in.Kinds, r.Kind) || zone != "" && r.Zone != "" && r.Zone != zone
	})
	return RemovedAccess{Removed: s.accessRules(removed), Remaining: s.accessRules(left)}, nil
}

// findMAC reads zone/MAC, or a MAC alone: that means every zone, unless one is needed.
func (s *Server) findMAC(which string, needed bool) (zone string, mac sessions.MAC, err error) {
	if needed || strings.Contains(which, "/") {
		st, _, err := s.find(which)
		if err == nil && !slices.ContainsFunc(s.cfg.Zones, func(z Zone) bool { return z.Name == st.Zone }) {
			err = &sessions.Refusal{Reason: sessions.RefusedUnknownZone}
		}
		return st.Zone, st.MAC, err
	}
	if mac, err = sessions.ParseMAC(which); err != nil {
		return "", mac, &Error{Code: CodeInvalid, Message: err.Error()}
	}
	return "", mac, nil
}

func accessError(err error) error {
	switch {
	case errors.Is(err, sessions.ErrNoRule):
		return &Error{Code: CodeNotFound, Message: "there is no such rule there; \"gatehouse block list\" and \"gatehouse trust list\" show which there are, and in which zone"}
	case errors.Is(err, sessions.ErrConfigured):
		return &Error{Code: CodeConfigured, Message: "the configuration says so: take it out of the zone there and restart the daemon"}
	case errors.Is(err, sessions.ErrTooManyRules):
		return &Error{Code: CodeTooMany, Message: fmt.Sprintf("there are %d rules already; put lasting ones into the configuration", sessions.MaxAccessRules)}
	case errors.Is(err, sessions.ErrBadRule):
		return &Error{Code: CodeInvalid, Message: err.Error()}
	}
	return err
}

func (s *Server) accessRules(all []sessions.AccessRule) []AccessRule {
	out := make([]AccessRule, len(all))
	for i, r := range all {
		out[i] = s.accessRule(r)
	}
	return out
}

func (s *Server) accessRule(r sessions.AccessRule) AccessRule {
	w := AccessRule{Kind: r.Kind, Zone: r.Zone, MAC: r.MAC, Account: r.Account, Note: r.Note, By: r.By, MadeAt: r.MadeAt.Wall}
	if left, ends := s.cfg.Access.AccessLeft(r); ends {
		n := seconds(left)
		w.SecondsLeft = &n
	}
	return w
}
