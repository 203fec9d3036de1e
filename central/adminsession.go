package central

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// actionWithin is how long a gateway has to hear of it; then it need not do it any more.
const actionWithin = 5 * time.Minute

func (s *Server) adminSessionRoutes() []route {
	return []route{
		{"GET", "/sessions/", readers, s.listSessions},
		{"GET", "/sessions/{id}/", readers, s.getSession},
		{"POST", "/sessions/{id}/disconnect/", frontDesk, s.disconnectSession},
		{"POST", "/sessions/{id}/extend/", frontDesk, s.extendSession},
		{"POST", "/sessions/{id}/rate/", frontDesk, s.rateSession},
		{"GET", "/actions/", readers, s.listActions},
		{"GET", "/actions/{id}/", readers, s.getAction},
	}
}

func (s *Server) listSessions(c *call) (int, any, error) {
	q, err := c.adminQuery("sessions", "organization", "gateway", "location", "access_point", "user", "username", "mac")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	var f store.SessionFilter
	var none [4]bool
	f.Gateway, none[0] = q.number(errs, "gateway", "gw")
	f.Location, none[1] = q.number(errs, "location", gate.LocationPrefix)
	f.AccessPoint, none[2] = q.number(errs, "access_point", gate.AccessPointPrefix)
	f.User, none[3] = q.number(errs, "user", gate.UserPrefix)
	f.Username = q.filters["username"]
	if text := q.filters["mac"]; text != "" {
		mac, err := sessions.ParseMAC(text)
		if err != nil {
			errs["mac"] = []string{"Enter a MAC address, as in 02:00:5e:10:00:01."}
		}
		f.MAC = mac.CallingStationID()
	}
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	organization, ok, err := s.filterOrganization(c, q)
	if err != nil {
		return 0, nil, err
	}
	f.Organization, f.MatchesNothing = organization, none != [4]bool{} || !ok
	list, more, err := s.cfg.Store.Sessions(c.Context(), c.token.Scope, f, q.page)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, adminPage(q, list, more, func(v admin.LiveSession) store.Position {
		return store.Position{At: v.Started.UnixMicro(), ID: v.ID}
	}), nil
}

func (s *Server) getSession(c *call) (int, any, error) {
	v, err := s.cfg.Store.Session(c.Context(), c.token.Scope, c.subject())
	return http.StatusOK, v, err
}

func (s *Server) disconnectSession(c *call) (int, any, error) {
	return s.orderSession(c, admin.ActionDisconnect, func(at edge.SessionRef) (edge.Event, error) {
		return edge.Event{Disconnect: &at}, nil
	})
}

func (s *Server) extendSession(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	var x edge.Extend
	if n := f.whole("seconds"); n != nil {
		x.Seconds = *n
	}
	if n := f.whole("octets"); n != nil {
		x.Octets = *n
	}
	return s.orderSession(c, admin.ActionExtend, func(at edge.SessionRef) (edge.Event, error) {
		if x.Seconds == 0 && x.Octets == 0 {
			return edge.Event{}, invalidField("seconds", "Say how many seconds or octets more.")
		}
		x.SessionRef = at
		return edge.Event{Extend: &x}, nil
	})
}

func (s *Server) rateSession(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	r := edge.Rate{Up: f.whole("up"), Down: f.whole("down")}
	return s.orderSession(c, admin.ActionRate, func(at edge.SessionRef) (edge.Event, error) {
		if r.Up == nil && r.Down == nil {
			return edge.Event{}, invalidField("up", "Say which bandwidth, up or down, in bits a second; 0 is unlimited.")
		}
		r.SessionRef = at
		return edge.Event{Rate: &r}, nil
	})
}

// orderSession asks the gateway of the session in the path, and waits for what becomes of it as long as the caller wants to.
func (s *Server) orderSession(c *call, action string, make func(at edge.SessionRef) (edge.Event, error)) (int, any, error) {
	a, err := s.cfg.Store.OrderSession(c.Context(), c.token.Scope, c.subject(), action, actionWithin, func(v admin.LiveSession) (edge.Event, error) {
		switch {
		case v.Stopped != nil:
			return edge.Event{}, conflict("The session is over.")
		case v.Gateway == nil:
			return edge.Event{}, conflict("The session is at a NAS that is no gateway of this centre and takes no orders from it.")
		}
		return make(edge.SessionRef{AcctSessionID: v.AcctSessionID, AcctUniqueID: v.AcctUniqueID})
	})
	if errors.As(err, new(store.ErrTooMany)) {
		err = conflict("The gateway has more to do than it has been heard of. Is it there?")
	}
	if err == nil {
		a, err = s.awaitAction(c, a)
	}
	return http.StatusAccepted, a, err
}

// awaitAction waits until an action has ended, or as long as the caller wants to.
func (s *Server) awaitAction(c *call, a admin.Action) (admin.Action, error) {
	ctx, cancel := context.WithTimeout(c.Context(), c.wait())
	defer cancel()
	for {
		woken := s.cfg.Store.Changed()
		now, err := s.cfg.Store.Action(c.Context(), c.token.Scope, a.ID)
		if err != nil {
			return a, err
		}
		if a = now; a.Ended != nil || !s.hold(ctx, woken) {
			return a, nil
		}
	}
}

func (s *Server) getAction(c *call) (int, any, error) {
	a, err := s.awaitAction(c, admin.Action{ID: c.subject()})
	return http.StatusOK, a, err
}

func (s *Server) listActions(c *call) (int, any, error) {
	q, err := c.adminQuery("actions", "gateway", "session")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	gateway, none := q.number(errs, "gateway", "gw")
	session, nor := q.number(errs, "session", "")
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	list := []admin.Action{}
	var more bool
	if !none && !nor {
		if list, more, err = s.cfg.Store.Actions(c.Context(), c.token.Scope, gateway, session, q.page); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, adminPage(q, list, more, func(a admin.Action) store.Position {
		return store.Position{At: a.Created.UnixMicro(), ID: a.ID}
	}), nil
}
