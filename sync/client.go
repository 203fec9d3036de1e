package gwsync

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"gatehouse/api/edge"
)

// client asks the centre, and tells the link how it went.
type client struct {
	edge *edge.Client
	link *link
}

func newClient(cfg Config, base *url.URL, l *link) *client {
	return &client{link: l, edge: &edge.Client{
		Base: base, Token: cfg.Token, NASID: cfg.NASID, Agent: fmt.Sprintf("gatehouse/%s edge/%d", cfg.Version, edge.Version),
		HTTP: &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
				TLSClientConfig:       &tls.Config{RootCAs: cfg.CAs, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout:   10 * time.Second,
				ExpectContinueTimeout: time.Second,
				ForceAttemptHTTP2:     true,
				HTTP2:                 &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second},
				MaxIdleConnsPerHost:   4,
				IdleConnTimeout:       2 * time.Minute,
			},
			// The token is for the centre alone, and a redirect is another portal's answer.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}}
}

func (c *client) ingest(ctx context.Context, body []byte) (edge.IngestAnswer, error) {
	a, err := c.edge.Ingest(ctx, body)
	return a, c.went(ctx, err)
}

func (c *client) authenticate(ctx context.Context, r edge.AuthenticateRequest) (edge.AuthenticateAnswer, error) {
	a, err := c.edge.Authenticate(ctx, r)
	return a, c.went(ctx, err)
}

func (c *client) password(ctx context.Context, r edge.PasswordRequest) (edge.PasswordAnswer, error) {
	a, err := c.edge.Password(ctx, r)
	return a, c.went(ctx, err)
}

func (c *client) beginProof(ctx context.Context, r edge.ProofRequest) (edge.ProofAnswer, error) {
	a, err := c.edge.BeginProof(ctx, r)
	return a, c.went(ctx, err)
}

func (c *client) checkProof(ctx context.Context, r edge.ProofCheck) (edge.ProofResult, error) {
	a, err := c.edge.CheckProof(ctx, r)
	return a, c.went(ctx, err)
}

func (c *client) certificate(ctx context.Context, csr []byte) (edge.CertificateAnswer, error) {
	a, err := c.edge.Certificate(ctx, edge.CertificateRequest{CSR: csr})
	return a, c.went(ctx, err)
}

func (c *client) changes(ctx context.Context, cursor string, wait time.Duration, status edge.Status) (edge.ChangesAnswer, error) {
	a, err := c.edge.Changes(ctx, cursor, wait, status)
	return a, c.went(ctx, err)
}

// went tells the link how a request went. A request that its sender gave up says nothing about the centre.
func (c *client) went(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if stateOf(err) == away {
		c.edge.HTTP.CloseIdleConnections() // after a change of uplink they lead nowhere
	}
	c.link.note(err)
	if err != nil {
		return &linkError{err}
	}
	return nil
}
