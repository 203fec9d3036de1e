package central

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

const maxNASIdentifier = 253 // octets of a RADIUS attribute (RFC 2865 §5.32)

// gateway is who asks on /edge/v1/: a name within the token's organisation.
func (s *Server) gateway(c *call) (store.Gateway, error) {
	name := c.Header.Get(edge.NASHeader)
	if name == "" || len(name) > maxNASIdentifier || !clean(name) {
		return store.Gateway{}, malformed(http.StatusBadRequest, "The header "+edge.NASHeader+" must name the gateway, in UTF-8.")
	}
	gw, err := s.cfg.Store.Gateway(c.Context(), c.token, name)
	switch {
	case errors.Is(err, store.ErrRevoked):
		err = &problem{status: http.StatusForbidden, gate: gate.Error{Detail: "This gateway was revoked."}}
	case errors.Is(err, store.ErrNotYours):
		err = &problem{status: http.StatusForbidden, gate: gate.Error{Detail: "This token is another gateway's."}}
	case errors.Is(err, store.ErrClaimed):
		err = &problem{status: http.StatusForbidden, gate: gate.Error{Detail: "This gateway has a token of its own."}}
	case err == nil && gw.Claiming && c.token.Gateway != 0:
		err = s.cfg.Store.EndClaim(c.Context(), gw.ID)
	}
	return gw, err
}

func (s *Server) authenticate(c *call) (int, any, error) {
	var ask edge.AuthenticateRequest
	if err := json.NewDecoder(c.Body).Decode(&ask); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not an AuthenticateRequest in JSON.")
	}
	gw, err := s.gateway(c)
	if err != nil {
		return 0, nil, err
	}
	g := guessOf("gateway ", gw.ID, ask.Username)
	cred, ok, err := s.checkPassword(c.Context(), c.token.Scope, g, ask.Username, sessions.Password(ask.Password))
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return http.StatusOK, edge.AuthenticateAnswer{}, nil
	}
	a, err := s.cfg.Store.SeeAccount(c.Context(), gw, cred)
	if errors.Is(err, store.ErrNotFound) { // changed while the password was being checked
		return http.StatusOK, edge.AuthenticateAnswer{}, nil
	}
	return http.StatusOK, edge.AuthenticateAnswer{Authenticated: true, Account: &a}, err
}

func (s *Server) changes(c *call) (int, any, error) {
	gw, err := s.gateway(c)
	if err != nil {
		return 0, nil, err
	}
	since, known := s.parseFeedCursor(c.FormQuery("cursor"), gw.ID)
	s.heard.note(store.Heard{Gateway: gw.ID, At: s.cfg.Clock.Now(), Address: s.address(c.Request).String(), Status: c.gatewayStatus(), Synced: since})
	ctx, cancel := context.WithTimeout(c.Context(), c.wait())
	defer cancel()
	for {
		woken := s.cfg.Store.Changed()
		if known && since > 0 { // what woke us may be that it is revoked
			if _, err := s.gateway(c); err != nil {
				return 0, nil, err
			}
		}
		f, err := s.cfg.Store.Changes(c.Context(), gw, since)
		if errors.Is(err, store.ErrNotFound) && since > 0 { // a copy from before this cursor was put back
			since, known = 0, false
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		since = f.Head
		s.cfg.Log.Debug("changes read", "request", requestID(c.Request), "gateway", gw.ID, "changes", len(f.Changes))
		if len(f.Changes) > 0 || !known || !s.hold(ctx, woken) {
			if err := s.delivered(c, gw, f.Changes); err != nil {
				return 0, nil, err
			}
			answer := edge.ChangesAnswer{Cursor: s.feedCursor(gw.ID, f.Head), Reset: !known, More: f.More, Changes: f.Changes}
			if slices.ContainsFunc(f.Changes, func(ch edge.Change) bool { return ch.Voucher != nil }) {
				answer.VoucherKey = s.codeKey
			}
			answer.Providers, err = s.gatewayProviders(c.Context(), gw)
			return http.StatusOK, answer, err
		}
	}
}

// hold waits for a change. It is false when there is no more time. At a drain not all gateways are sent away at once.
func (s *Server) hold(ctx context.Context, woken <-chan struct{}) bool {
	s.metrics.waiting.Inc()
	defer s.metrics.waiting.Dec()
	select {
	case <-woken:
		return true
	case <-s.draining:
	case <-ctx.Done():
		return false
	}
	left := time.Duration(rand.Float64() * float64(time.Until(s.drained)))
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	select {
	case <-woken:
		return true
	case <-ctx.Done():
		return false
	}
}

// wait is how long a request for changes may be held open.
func (c *call) wait() time.Duration {
	n, err := strconv.Atoi(c.FormQuery("wait"))
	if err != nil {
		return 0
	}
	return time.Duration(min(max(n, 0), edge.MaxWait)) * time.Second
}

func (s *Server) feedCursor(gateway, head int64) string {
	text := s.epoch + "." + strconv.FormatInt(gateway, 10) + "." + strconv.FormatInt(head, 10)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// parseFeedCursor knows only cursors of this database's feed and of the same gateway.
func (s *Server) parseFeedCursor(text string, gateway int64) (since int64, known bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	rest, ok := strings.CutPrefix(string(b), s.epoch+"."+strconv.FormatInt(gateway, 10)+".")
	if err != nil || !ok {
		return 0, false
	}
	since, err = strconv.ParseInt(rest, 10, 64)
	return since, err == nil && since >= 0
}
