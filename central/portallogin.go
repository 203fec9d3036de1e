package central

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// outcomeWithin is how long a portal waits to hear that its guest is online.
const outcomeWithin = 5 * time.Second

// portalLogin takes the verdict of a portal outside that a station may go online, and has the gateway let it in. Where the gateway
// is listening it answers once the guest is online, so that the portal's next page may lead anywhere.
func (s *Server) portalLogin(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	v := store.PortalVerdict{Token: c.token.ID, PortalLogin: gate.PortalLogin{
		UID: *f.text("uid"), APMAC: *f.text("ap_mac"), MAC: *f.text("mac"), IP: *f.text("ip"), OriginalURL: value[string](f, "original_url"),
		ControllerAddress: value[string](f, "controller_address"), SessionTimeout: value[int64](f, "session_timeout"),
		IdleTimeout: value[int64](f, "idle_timeout")}}
	shown := v.PortalLogin
	if err := readStation(&v); err != nil {
		return 0, nil, err
	}
	if v.UserID, v.Refused, err = s.portalUser(c, v.UID); err != nil {
		return 0, nil, err
	}
	page, actions, err := s.cfg.Store.PortalLogin(c.Context(), c.token.Scope, v)
	if errors.Is(err, store.ErrNoGateway) {
		return 0, nil, unfitField("ap_mac", "No gateway is known behind this access point.")
	}
	if err == nil && v.Refused != "" {
		err = unfitField("uid", v.Refused)
	}
	if err != nil {
		return 0, nil, err
	}
	if err := s.awaitAdmission(c, actions); err != nil {
		return 0, nil, err
	}
	shown.PageID = page
	return http.StatusCreated, shown, nil
}

// readStation brings addresses into the form that gateways and places have.
func readStation(v *store.PortalVerdict) error {
	mac, err := sessions.ParseMAC(v.MAC)
	if err != nil {
		return unfitField("mac", "Enter a valid MAC address, as in 00:1A:2B:3C:4D:5E.")
	}
	ip, err := netip.ParseAddr(v.IP)
	if err != nil {
		return unfitField("ip", "Enter a valid IPv4 or IPv6 address.")
	}
	v.MAC, v.IP = mac.String(), ip.Unmap().String()
	return nil
}

// portalUser is the account that a portal's uid names, and why it may not log in. Most uids name none: room numbers, addresses of
// guests who are known to the portal alone.
func (s *Server) portalUser(c *call, uid string) (id int64, refused string, err error) {
	id, err = s.cfg.Store.UserID(c.Context(), c.token.Scope, uid)
	if errors.Is(err, store.ErrNotFound) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	u, err := s.cfg.Store.User(c.Context(), c.token.Scope, id)
	if err == nil && !s.mayLogIn(u) {
		refused = "This account is not active, or has expired."
	}
	return id, refused, err
}

// awaitAdmission waits until one of the gateways has let the station in, or all of those that are listening have said why not.
func (s *Server) awaitAdmission(c *call, actions []int64) error {
	ctx, cancel := context.WithTimeout(c.Context(), outcomeWithin)
	defer cancel()
	for len(actions) > 0 {
		woken := s.cfg.Store.Changed()
		failed, reason := 0, ""
		for _, id := range actions {
			a, err := s.cfg.Store.Action(c.Context(), c.token.Scope, id)
			if err != nil {
				return err
			}
			switch a.State {
			case admin.ActionDone:
				return nil
			case admin.ActionFailed:
				failed++
				if a.Reason != nil && *a.Reason != admin.ReasonNotFound {
					reason = " (" + *a.Reason + ")"
				}
			}
		}
		switch {
		case failed == len(actions) && reason != "":
			return unfitField("mac", "The gateway does not let this station in"+reason+".")
		case failed == len(actions):
			return unfitField("mac", "No gateway sees this station.")
		case !s.hold(ctx, woken):
			return nil // it has two minutes
		}
	}
	return nil
}
