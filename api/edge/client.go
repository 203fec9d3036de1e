package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Sizes that an answer may have, in octets, and how long a request may take.
const (
	maxErrorAnswer  = 64 << 10
	maxIngestAnswer = 4 << 20
	maxAuthAnswer   = 1 << 20
	maxFeedAnswer   = 16 << 20

	ingestTimeout = 60 * time.Second
	feedGrace     = 15 * time.Second // on top of the wait that was asked for
)

// Client asks a centre as a gateway. It keeps no state of its own and may be used by many at once.
type Client struct {
	Base  *url.URL               // of the centre
	Token func() (string, error) // asked before every request, so that it may change
	NASID string                 // the gateway's NAS-Identifier
	Agent string                 // User-Agent
	HTTP  *http.Client           // must not be nil; it should follow no redirects, which are another portal's answers
}

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

// Ingest sends one batch: gzipped NDJSON of Record.
func (c *Client) Ingest(ctx context.Context, body []byte) (a IngestAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	h := http.Header{"Content-Type": {"application/x-ndjson"}, "Content-Encoding": {"gzip"}}
	err = c.exchange(ctx, http.MethodPost, IngestPath, nil, h, body, maxIngestAnswer, &a)
	return a, err
}

// Authenticate asks whether user name and password are right.
func (c *Client) Authenticate(ctx context.Context, r AuthenticateRequest) (a AuthenticateAnswer, err error) {
	err = c.post(ctx, AuthenticatePath, r, &a)
	return a, err
}

// BeginProof has a guest prove who he is.
func (c *Client) BeginProof(ctx context.Context, r ProofRequest) (a ProofAnswer, err error) {
	err = c.post(ctx, ProofPath, r, &a)
	return a, err
}

// CheckProof asks what became of a proof.
func (c *Client) CheckProof(ctx context.Context, r ProofCheck) (a ProofResult, err error) {
	err = c.post(ctx, ProofCheckPath, r, &a)
	return a, err
}

// Certificate asks for the portal's certificate.
func (c *Client) Certificate(ctx context.Context, r CertificateRequest) (a CertificateAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	err = c.post(ctx, CertificatePath, r, &a)
	return a, err
}

func (c *Client) post(ctx context.Context, path string, ask, into any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	return c.exchange(ctx, http.MethodPost, path, nil, http.Header{"Content-Type": {"application/json"}}, body, maxAuthAnswer, into)
}

// claimTimeout is how long a question for a token may take.
const claimTimeout = 15 * time.Second

// Claim asks for a token of the gateway's own, without one.
func (c *Client) Claim(ctx context.Context, r ClaimRequest) (a ClaimAnswer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("encoding claim: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	err = c.exchange(ctx, http.MethodPost, ClaimPath, nil, http.Header{"Content-Type": {"application/json"}}, body, maxAuthAnswer, &a)
	return a, err
}

// Changes asks what changed since the cursor and tells how the gateway is. Without changes the centre answers after wait, in whole
// seconds.
func (c *Client) Changes(ctx context.Context, cursor string, wait time.Duration, status Status) (a ChangesAnswer, err error) {
	told, err := json.Marshal(status)
	if err != nil {
		return a, fmt.Errorf("encoding status: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait+feedGrace)
	defer cancel()
	q := url.Values{"cursor": {cursor}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	err = c.exchange(ctx, http.MethodGet, ChangesPath, q, http.Header{StatusHeader: {string(told)}}, nil, maxFeedAnswer, &a)
	return a, err
}

func (c *Client) exchange(ctx context.Context, method, path string, q url.Values, h http.Header, body []byte, limit int64, into any) error {
	u := c.Base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the centre: %w", err)
	}
	token, err := c.Token()
	if err != nil {
		return err
	}
	req.Header = h
	h.Set("Authorization", "Bearer "+token)
	h.Set(NASHeader, c.NASID)
	h.Set("User-Agent", c.Agent)
	h.Set("Accept", "application/json")
	// Not sent (no values), but net/http then repeats the request when a kept connection turns out to be dead. All of
	// the edge API may be repeated.
	h["Idempotency-Key"] = []string{}

	resp, err := c.HTTP.Do(req)
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
	var e Error
	if raw, err := readBounded(resp.Body, maxErrorAnswer); err != nil || json.Unmarshal(raw, &e) != nil {
		e = Error{}
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
