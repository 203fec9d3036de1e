package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"gatehouse/sessions"
)

func (s *Server) status(ctx context.Context, _ none) (Status, error) {
	outbox, err := s.cfg.Outbox(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("reading outbox: %w", err)
	}
	running := s.cfg.Sessions.Sessions()
	st := Status{
		Version: s.cfg.Version, NASID: s.cfg.NASID, Uptime: seconds(s.cfg.Clock.Mono() - s.started),
		Stations: len(s.cfg.Sessions.Stations()), Sessions: len(running), Outbox: outbox, Zones: s.zones(running), Firewall: s.cfg.Firewall, Portal: s.cfg.Portal(),
	}
	if s.cfg.Centre != nil {
		c, err := s.cfg.Centre(ctx)
		if err != nil {
			return Status{}, fmt.Errorf("reading sync status: %w", err)
		}
		st.Centre = &c
	}
	return st, nil
}

func (s *Server) zones(running []sessions.Session) []Zone {
	count := make(map[string]int)
	for _, r := range running {
		count[r.Station.Zone]++
	}
	zones := make([]Zone, len(s.cfg.Zones))
	for i, z := range s.cfg.Zones {
		z.Sessions, z.Bandwidth, z.Isolation = count[z.Name], s.cfg.Bandwidth(z.Name), s.cfg.Isolation(z.Name)
		interfaces := make([]Interface, len(z.Interfaces))
		for j, f := range z.Interfaces {
			interfaces[j] = Interface{Name: f.Name, State: stateOf(f.Name)}
		}
		z.Interfaces = interfaces
		zones[i] = z
	}
	return zones
}

func stateOf(name string) string {
	f, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return InterfaceMissing
	case f.Flags&net.FlagUp == 0:
		return InterfaceDown
	default:
		return InterfaceUp
	}
}

func (s *Server) stations(context.Context, none) ([]Station, error) {
	views := s.cfg.Sessions.Stations()
	out := make([]Station, len(views))
	now := s.cfg.Clock.Mono()
	for i, v := range views {
		out[i] = stationOf(v, s.cfg.Facts(v.Station), now)
		if v.Access != nil {
			rule := s.accessRule(*v.Access)
			out[i].Access, out[i].Refused = &rule, v.Refused
		}
	}
	return out, nil
}

func (s *Server) sessions(context.Context, none) ([]Session, error) {
	return sessionsOf(s.cfg.Sessions.Sessions()), nil
}

func (s *Server) login(ctx context.Context, in LoginRequest) (Session, error) {
	st, addr, err := s.find(in.Station)
	if err != nil {
		return Session{}, err
	}
	if err := checkLabel(in.Username); in.Username != "" && err != nil {
		return Session{}, err
	}
	got, err := s.cfg.Sessions.Login(ctx, sessions.LoginRequest{
		Station: st, Addr: addr, Method: sessions.MethodAdmin, Secure: true,
		Credentials: sessions.Credentials{Username: in.Username},
	})
	if err != nil {
		return Session{}, err
	}
	s.cfg.Logger.Info("admitted by the operator", "station", st, "session", got.AcctSessionID)
	return sessionOf(got), nil
}

// find reads zone/MAC, or a MAC alone: then the zone is the only one that there is, or the only one that saw it.
func (s *Server) find(which string) (sessions.Station, netip.Addr, error) {
	zone, rest, inZone := strings.Cut(which, "/")
	if !inZone {
		zone, rest = "", which
	}
	mac, err := sessions.ParseMAC(rest)
	if err != nil {
		return sessions.Station{}, netip.Addr{}, &Error{Code: CodeInvalid, Message: err.Error()}
	}
	if !inZone && len(s.cfg.Zones) == 1 {
		zone, inZone = s.cfg.Zones[0].Name, true
	}
	var found []sessions.StationView
	if inZone {
		found = append(found, s.cfg.Sessions.View(sessions.Station{Zone: zone, MAC: mac}))
	} else {
		found = slices.DeleteFunc(s.cfg.Sessions.Stations(), func(v sessions.StationView) bool { return v.MAC != mac })
	}
	if len(found) != 1 {
		return sessions.Station{}, netip.Addr{}, &Error{Code: CodeInvalid, Message: "say in which zone, as in " + s.cfg.Zones[0].Name + "/" + mac.String()}
	}
	var addr netip.Addr
	if len(found[0].Addrs) > 0 {
		addr = found[0].Addrs[0]
	}
	return found[0].Station, addr, nil
}

func noSession(which string) error {
	return &Error{Code: CodeNotFound, Message: "no running session is " + which + ", or more than one is"}
}

// logoutsAtOnce is how many sessions are ended at the same time: they share their waits for the disk.
const logoutsAtOnce = 64

func (s *Server) logout(ctx context.Context, in LogoutRequest) ([]Session, error) {
	var targets []sessions.Session
	if in.All {
		targets = s.cfg.Sessions.Sessions()
	} else {
		found, ok := s.cfg.Sessions.FindSession(in.Which)
		if !ok {
			return nil, noSession(in.Which)
		}
		targets = []sessions.Session{found}
	}
	ended := make([]*Session, len(targets))
	var group errgroup.Group
	group.SetLimit(logoutsAtOnce)
	for i, target := range targets {
		group.Go(func() error {
			got, err := s.cfg.Sessions.Logout(ctx, target.Station, sessions.AdminReset)
			var refusal *sessions.Refusal
			if in.All && errors.As(err, &refusal) {
				return nil // it ended by itself meanwhile
			}
			if err == nil {
				told := sessionOf(got)
				ended[i] = &told
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	stopped := make([]Session, 0, len(targets))
	for _, e := range ended {
		if e != nil {
			stopped = append(stopped, *e)
		}
	}
	s.cfg.Logger.Info("logged out by the operator", "sessions", len(stopped))
	return stopped, nil
}
