package gwsync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"gatehouse/api/edge"
)

// Claim gets this gateway a token of its own: for the claim token given, or, where that is empty, by a code that shown is called
// with and that somebody types at the centre. It asks until it has the token, the centre refuses, or ctx ends; a centre that is away
// for a moment is asked again. Of cfg it needs BaseURL, NASID, CAs and Version.
func Claim(ctx context.Context, cfg Config, claimToken string, shown func(code string, good time.Duration)) (edge.ClaimAnswer, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return edge.ClaimAnswer{}, fmt.Errorf("base URL of the centre: %w", err)
	}
	cfg.Token = func() (string, error) { return "", nil } // there is none yet
	c := newClient(cfg, base, nil).edge
	defer c.HTTP.CloseIdleConnections()
	ask := edge.ClaimRequest{NASIdentifier: cfg.NASID, Version: cfg.Version, Secret: claimToken}
	if ask.Secret == "" {
		offer, err := c.Claim(ctx, ask)
		if err != nil {
			return offer, err
		}
		ask.Secret = offer.Secret
		shown(offer.Code, time.Duration(offer.ExpiresIn)*time.Second)
	}
	for {
		a, err := c.Claim(ctx, ask)
		var answer *edge.AnswerError
		refused := errors.As(err, &answer) && answer.Code != "" && answer.Status/100 == 4 && answer.Status != http.StatusTooManyRequests
		if a.Token != "" || refused || claimToken != "" && err != nil {
			return a, err
		}
		sleep(ctx, time.Duration(max(a.Interval, 5))*time.Second, nil)
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
	}
}
