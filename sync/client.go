package gwsync

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/api/edge"
)

// AnswerError is an answer that is not 2xx. Code is empty when it does not come from a gatehouse centre, but from
// something between: a proxy, or another captive portal.
type AnswerError struct {
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration
}

// Error implements error.
func (e *AnswerError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("answered %d %s, not in the centre's words", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the centre answered %d %s: %s", e.Status, e.Code, e.Message)
}

// Sizes that an answer may have, in octets, and how long a request may take.
const (
	maxErrorAnswer  = 64 << 10
	maxIngestAnswer = 4 << 20
	maxAuthAnswer   = 1 << 20
	maxFeedAnswer   = 16 << 20

	ingestTimeout = 60 * time.Second
	feedGrace     = 15 * time.Second // on top of the wait that was asked for
)

type client struct {
	base  *url.URL
	token func() (string, error)
	nasID string
	agent string
	http  *http.Client
	link  *link
}

func newClient(cfg Config, base *url.URL, l *link) *client {
	return &client{
		base: base, token: cfg.Token, nasID: cfg.NASID, link: l,
		agent: fmt.Sprintf("gatehouse/%s edge/%d", cfg.Version, edge.Version),
		http: &http.Client{
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
	}
}

// ingest sends one batch: gzipped NDJSON of edge.Record.
func (c *client) ingest(ctx context.Context, body []byte) (a edge.IngestAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	h := http.Header{"Content-Type": {"application/x-ndjson"}, "Content-Encoding": {"gzip"}}
	err = c.do(ctx, http.MethodPost, edge.IngestPath, nil, h, body, maxIngestAnswer, &a)
	return a, err
}

func (c *client) authenticate(ctx context.Context, r edge.AuthenticateRequest) (a edge.AuthenticateAnswer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("encoding credentials: %w", err)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	err = c.do(ctx, http.MethodPost, edge.AuthenticatePath, nil, h, body, maxAuthAnswer, &a)
	return a, err
}

func (c *client) changes(ctx context.Context, cursor string, wait time.Duration, status edge.Status) (a edge.ChangesAnswer, err error) {
	told, err := json.Marshal(status)
	if err != nil {
		return a, fmt.Errorf("encoding status: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait+feedGrace)
	defer cancel()
	q := url.Values{"cursor": {cursor}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	err = c.do(ctx, http.MethodGet, edge.ChangesPath, q, http.Header{edge.StatusHeader: {string(told)}}, nil, maxFeedAnswer, &a)
	return a, err
}

// do sends one request, decodes the answer into what into points at, and tells the link how it went. A request that its
// sender gave up says nothing about the centre.
func (c *client) do(ctx context.Context, method, path string, q url.Values, h http.Header, body []byte, limit int64, into any) error {
	err := c.exchange(ctx, method, path, q, h, body, limit, into)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if stateOf(err) == away {
		c.http.CloseIdleConnections() // after a change of uplink they lead nowhere
	}
	c.link.note(err)
	if err != nil {
		return &linkError{err}
	}
	return nil
}

func (c *client) exchange(ctx context.Context, method, path string, q url.Values, h http.Header, body []byte, limit int64, into any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the centre: %w", err)
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	req.Header = h
	h.Set("Authorization", "Bearer "+token)
	h.Set(edge.NASHeader, c.nasID)
	h.Set("User-Agent", c.agent)
	h.Set("Accept", "application/json")
	// Not sent (no values), but net/http then repeats the request when a kept connection turns out to be dead. All of
	// the edge API may be repeated.
	h["Idempotency-Key"] = []string{}

	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the centre: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return answerError(resp)
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t != "application/json" {
		return fmt.Errorf("asking the centre: the answer is %q, not a centre's", t)
	}
	raw, err := readBounded(resp.Body, limit)
	if err != nil {
		return fmt.Errorf("reading the centre's answer: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("reading the centre's answer: %w", err)
	}
	return nil
}

func answerError(resp *http.Response) error {
	var e edge.Error
	if raw, err := readBounded(resp.Body, maxErrorAnswer); err != nil || json.Unmarshal(raw, &e) != nil {
		e = edge.Error{}
	}
	return &AnswerError{resp.StatusCode, e.Code, e.Message, time.Duration(e.RetryAfter) * time.Second}
}

var errTooLong = errors.New("longer than allowed")

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = errTooLong
	}
	return raw, err
}
