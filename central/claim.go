package central

import (
	"encoding/json"
	"errors"
	"net/http"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// claimInterval is how many seconds a gateway waits between two questions.
const claimInterval = 5

// claim is the one endpoint without a token: a gateway gets it here. Without a secret it begins to wait with a code, as often as
// wrong passwords may be guessed from an address; a secret has 256 bits, and needs no limit.
func (s *Server) claim(c *call) (int, any, error) {
	var ask edge.ClaimRequest
	if err := json.NewDecoder(c.Body).Decode(&ask); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not a ClaimRequest in JSON.")
	}
	if ask.NASIdentifier == "" || len(ask.NASIdentifier) > maxNASIdentifier || hasControl(ask.NASIdentifier) {
		return 0, nil, malformed(http.StatusBadRequest, "nas_identifier must name the gateway, in 1 to 253 octets without control characters.")
	}
	from := s.address(c.Request).String()
	if ask.Secret == "" {
		if wait, _ := s.limits.take(s.cfg.Clock.Mono(), allowance{"claim " + from, guessPerUser}, allowance{"claims", guessPerCaller}); wait > 0 {
			return 0, nil, throttled(wait)
		}
		cut(maxTold, &ask.Version)
		code, secret, err := s.cfg.Store.OfferGateway(c.Context(), ask.NASIdentifier, ask.Version, from)
		if errors.Is(err, store.ErrBusy) {
			return 0, nil, throttled(store.CodeLife)
		}
		return http.StatusCreated, edge.ClaimAnswer{State: edge.ClaimPending, Code: code, Secret: secret,
			ExpiresIn: int64(store.CodeLife.Seconds()), Interval: claimInterval}, err
	}
	ctx := store.WithActor(c.Context(), store.Actor{Kind: store.ActorGateway, Name: ask.NASIdentifier, Request: requestID(c.Request), Address: from})
	got, err := s.cfg.Store.FetchToken(ctx, ask.Secret, ask.NASIdentifier)
	switch {
	case errors.Is(err, store.ErrNotYours):
		return 0, nil, malformed(http.StatusForbidden, "This claim was made for a gateway of another name: see nas_id in its configuration.")
	case errors.Is(err, store.ErrNotFound):
		return 0, nil, malformed(http.StatusNotFound, "There is no such claim: it was used, or its time is over.")
	case err != nil:
		return 0, nil, err
	case got.Token == "":
		return http.StatusOK, edge.ClaimAnswer{State: edge.ClaimPending, Interval: claimInterval}, nil
	}
	return http.StatusOK, edge.ClaimAnswer{State: edge.ClaimDone, Token: got.Token, Organization: got.Organization}, nil
}
