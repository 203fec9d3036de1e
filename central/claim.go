package central

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// claimInterval is how many seconds a gateway waits between two questions.
const claimInterval = 5

// claim is the one endpoint without a token: a gateway gets it here. Without a secret it begins to wait with a code, as often as
// wrong passwords may be guessed from an address; a secret has 256 bits, and needs no limit.
func (s *Server) claim(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "POST, OPTIONS")
	if r.Method != http.MethodPost {
		s.refuse(w, r, edgeAPI, methodNotAllowed(r.Method))
		return
	}
	status, answer, err := s.answerClaim(r)
	if err != nil {
		s.refuse(w, r, edgeAPI, err)
		return
	}
	writeJSON(w, status, answer)
}

func (s *Server) answerClaim(r *http.Request) (int, edge.ClaimAnswer, error) {
	var ask edge.ClaimRequest
	var none edge.ClaimAnswer
	if err := json.NewDecoder(io.LimitReader(r.Body, maxLine)).Decode(&ask); err != nil {
		return 0, none, malformed(http.StatusBadRequest, "The body is not a ClaimRequest in JSON.")
	}
	if ask.NASIdentifier == "" || len(ask.NASIdentifier) > maxNASIdentifier || len(ask.Secret) > shortText || hasControl(ask.NASIdentifier) {
		return 0, none, malformed(http.StatusBadRequest, "nas_identifier must name the gateway, in 1 to 253 octets without control characters.")
	}
	from := s.address(r).String()
	if ask.Secret == "" {
		if wait, _ := s.limits.take(s.cfg.Clock.Mono(), allowance{"claim " + from, guessPerUser}, allowance{"claims", guessPerCaller}); wait > 0 {
			return 0, none, throttled(wait)
		}
		cut(maxTold, &ask.Version)
		code, secret, err := s.cfg.Store.OfferGateway(r.Context(), ask.NASIdentifier, ask.Version, from)
		if errors.Is(err, store.ErrBusy) {
			return 0, none, throttled(store.CodeLife)
		}
		return http.StatusCreated, edge.ClaimAnswer{State: edge.ClaimPending, Code: code, Secret: secret,
			ExpiresIn: int64(store.CodeLife.Seconds()), Interval: claimInterval}, err
	}
	ctx := store.WithActor(r.Context(), store.Actor{Kind: store.ActorGateway, Name: ask.NASIdentifier, Request: requestID(r), Address: from})
	c, err := s.cfg.Store.FetchToken(ctx, ask.Secret, ask.NASIdentifier)
	switch {
	case errors.Is(err, store.ErrNotYours):
		return 0, none, malformed(http.StatusForbidden, "This claim was made for a gateway of another name: see nas_id in its configuration.")
	case errors.Is(err, store.ErrNotFound):
		return 0, none, malformed(http.StatusNotFound, "There is no such claim: it was used, or its time is over.")
	case err != nil:
		return 0, none, err
	case c.Token == "":
		return http.StatusOK, edge.ClaimAnswer{State: edge.ClaimPending, Interval: claimInterval}, nil
	}
	return http.StatusOK, edge.ClaimAnswer{State: edge.ClaimDone, Token: c.Token, Organization: c.Organization}, nil
}
