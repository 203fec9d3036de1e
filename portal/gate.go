package portal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/sessions"
)

// gateRoutes are what of the GATE API the router answers itself (DESIGN D14): an app logs its device in, and a portal elsewhere has
// one let in. Forms, codes and words are those of the centre.
func (p *Portal) gateRoutes(mux *http.ServeMux) {
	for path, h := range map[string]func(*gateCall){
		"/api/v1/device_app_user_authenticate": p.gateAuthenticate,
		"/api/v1/portal_login":                 p.gatePortalLogin,
	} {
		serve := func(w http.ResponseWriter, r *http.Request) { p.gateServe(w, r, h) }
		mux.HandleFunc(path, serve)
		mux.HandleFunc(path+"/{$}", serve)
	}
}

// gateCall is a request of somebody who has a token.
type gateCall struct {
	*visit // station and zone are there where the caller is a station
	known  bool
	fields map[string]any
	errs   map[string][]string // what is missing or of a wrong type
	unfit  map[string][]string // what is of the right type and may not be
}

func (p *Portal) gateServe(w http.ResponseWriter, r *http.Request, h func(*gateCall)) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Request-Id", rand.Text())
	head.Set("Allow", "POST")
	c := &gateCall{visit: &visit{ResponseWriter: w, Request: r, conn: connOf(r)}, errs: map[string][]string{}, unfit: map[string][]string{}}
	if st, ok := p.cfg.Identify(r.Context(), c.conn.remote, c.conn.local); ok {
		c.station = st
		c.zone, c.known = p.cfg.Manager.Zone(st.Zone)
	}
	// A token is a secret. The router's own programs do not cross a network.
	if r.TLS == nil && !c.zone.AllowCleartext && !c.conn.remote.Addr().IsLoopback() {
		c.refuse(http.StatusForbidden, "Use HTTPS: the token would cross the network in clear.")
		return
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Token"):
		head.Set("WWW-Authenticate", "Bearer")
		c.refuse(http.StatusUnauthorized, "Authentication credentials were not provided.")
	case !p.cfg.Trusted(strings.TrimSpace(token)):
		head.Set("WWW-Authenticate", "Bearer")
		c.refuse(http.StatusUnauthorized, "Invalid token.")
	case r.Method != http.MethodPost:
		c.refuse(http.StatusMethodNotAllowed, fmt.Sprintf("Method %q not allowed.", r.Method))
	default:
		if status, detail := c.read(); detail != "" {
			c.refuse(status, detail)
			return
		}
		c.conn.place.decides()
		h(c)
	}
}

// gateAuthenticate logs the caller's own device in.
func (p *Portal) gateAuthenticate(c *gateCall) {
	name, password := c.text("username", true), c.text("password", true)
	switch {
	case c.wrong():
		return
	case !c.known:
		c.refuse(http.StatusForbidden, "This device is in no network of this gateway.")
		return
	}
	req := c.request(sessions.MethodPassword)
	req.Credentials = sessions.Credentials{Username: *name, Password: sessions.Password(*password)}
	err := error(&sessions.Refusal{Reason: sessions.RefusedCredentials})
	var s sessions.Session
	ctx, cancel := context.WithTimeout(c.Context(), decideTimeout)
	defer cancel()
	if plausible(req.Credentials) {
		s, err = p.cfg.Manager.Login(ctx, req)
	}
	var refusal *sessions.Refusal
	switch {
	case err == nil:
		p.forget(c.visit)
		// The router gives out no token: the centre's API would not know it.
		c.answer(http.StatusCreated, gate.AuthOK{Username: s.Username, Authenticated: true, UserID: s.UserID, TokenExpires: gate.Time{Time: p.cfg.Clock.Now()},
			UserProfile: gate.UserProfile{Role: "device_user", Permissions: []string{"device_access"}}})
	case errors.As(err, &refusal) && refusal.Reason != sessions.RefusedTooOften && refusal.Reason != sessions.RefusedCentreAway:
		text := "Invalid credentials"
		if refusal.Reason != sessions.RefusedCredentials {
			text = "Refused: " + string(refusal.Reason)
		}
		c.answer(http.StatusUnprocessableEntity, gate.AuthFail{Username: *name, Error: text, ErrorCode: "AUTH_FAILED"})
	default:
		p.gateFailed(c, err, "logging in for an app")
	}
}

// gatePortalLogin takes the verdict of a portal elsewhere about a station that this gateway sees.
func (p *Portal) gatePortalLogin(c *gateCall) {
	v := gate.PortalLogin{OriginalURL: c.text("original_url", false), ControllerAddress: c.text("controller_address", false),
		SessionTimeout: c.seconds("session_timeout"), IdleTimeout: c.seconds("idle_timeout")}
	for name, to := range map[string]*string{"uid": &v.UID, "ap_mac": &v.APMAC, "mac": &v.MAC, "ip": &v.IP} {
		if text := c.text(name, true); text != nil {
			*to = *text
		}
	}
	if c.wrong() {
		return
	}
	mac, err := sessions.ParseMAC(v.MAC)
	if err != nil {
		c.unfit["mac"] = []string{"Enter a valid MAC address, as in 00:1A:2B:3C:4D:5E."}
	}
	ip, err := netip.ParseAddr(v.IP)
	if err != nil {
		c.unfit["ip"] = []string{"Enter a valid IPv4 or IPv6 address."}
	}
	if len(v.UID) > maxUsername {
		c.unfit["uid"] = []string{fmt.Sprintf("Ensure this field has no more than %d characters.", maxUsername)}
	}
	if c.wrong() {
		return
	}
	st, ok := p.cfg.Identify(c.Context(), netip.AddrPortFrom(ip.Unmap(), 0), c.conn.local)
	if !ok || st.MAC != mac {
		c.unfit["mac"] = []string{"This gateway does not see this station at this address."}
		c.wrong()
		return
	}
	ctx, cancel := context.WithTimeout(c.Context(), decideTimeout)
	defer cancel()
	_, err = p.cfg.Manager.Admit(ctx, st, ip.Unmap(), v.UID, sessions.Limits{SessionTimeout: span(v.SessionTimeout), IdleTimeout: span(v.IdleTimeout)})
	var refusal *sessions.Refusal
	switch {
	case err == nil:
		c.answer(http.StatusCreated, v)
	case errors.As(err, &refusal) && refusal.Reason != sessions.RefusedTooOften && refusal.Reason != sessions.RefusedCentreAway:
		c.unfit["mac"] = []string{"The gateway does not let this station in (" + string(refusal.Reason) + ")."}
		c.wrong()
	default:
		p.gateFailed(c, err, "letting in a station for a portal elsewhere")
	}
}

func span(seconds *int64) *time.Duration {
	if seconds == nil {
		return nil
	}
	return new(time.Duration(*seconds) * time.Second)
}

// gateFailed answers for what is neither yes nor no.
func (p *Portal) gateFailed(c *gateCall, err error, doing string) {
	var refusal *sessions.Refusal
	switch {
	case !errors.As(err, &refusal):
		p.problem(c.visit, err, doing)
		c.refuse(http.StatusInternalServerError, "A server error occurred.")
	case refusal.Reason == sessions.RefusedTooOften:
		wait := max(1, int(math.Ceil(refusal.RetryAfter.Seconds())))
		c.ResponseWriter.Header().Set("Retry-After", strconv.Itoa(wait))
		c.refuse(http.StatusTooManyRequests, fmt.Sprintf("Request was throttled. Expected available in %d seconds.", wait))
	default:
		c.ResponseWriter.Header().Set("Retry-After", "10")
		c.refuse(http.StatusServiceUnavailable, "Service temporarily unavailable, try again later.")
	}
}

func (c *gateCall) refuse(status int, detail string) { c.answer(status, gate.Error{Detail: detail}) }

func (c *gateCall) answer(status int, body any) {
	text, _ := json.Marshal(body) // of ours: texts, numbers, times
	head := c.ResponseWriter.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(len(text)))
	c.ResponseWriter.WriteHeader(status)
	_, _ = c.ResponseWriter.Write(text) // the caller may be gone
}
