package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const maxAnswer = 16 << 20 // octets of an answer

// Client asks a centre as a caller of the GATE API. It keeps no state of its own and may be used by many at once.
type Client struct {
	Base  *url.URL     // of the centre, without BasePath
	Token string       // of the organisation
	HTTP  *http.Client // nil: http.DefaultClient
}

// AnswerError is an answer that is not 2xx.
type AnswerError struct {
	Status     int
	RetryAfter time.Duration // zero: the centre does not say
	Body       Error         // empty when the answer does not come from a centre, or is an AuthFail
}

// Error implements error.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the centre answered %d %s: %s", e.Status, http.StatusText(e.Status), e.Body.Detail)
}

// Get reads one thing: Get[User](ctx, c, "/user/7/", nil). Errors: *AnswerError, those of net/http and encoding/json.
func Get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	return exchange[T](ctx, c, http.MethodGet, path, query, nil)
}

// Send writes something and returns what the centre answers: Send[User](ctx, c, "PATCH", "/user/7/", map[string]any{"klass": "vip"}).
// Errors as of Get.
func Send[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	return exchange[T](ctx, c, method, path, nil, body)
}

// Delete deletes something. Errors as of Get.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := exchange[struct{}](ctx, c, http.MethodDelete, path, nil, nil)
	return err
}

// List goes through a list page by page, whether its pages are by offset or by cursor: for u, err := range List[User](…). It ends
// after the first error.
func List[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var nothing T
		for {
			page, err := Get[CursorPage[T]](ctx, c, path, query)
			if err != nil {
				yield(nothing, err)
				return
			}
			for _, item := range page.Results {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			next, err := url.Parse(*page.Next) // of it only the query counts: the token goes to no other host
			if err != nil {
				yield(nothing, fmt.Errorf("reading the next page's address: %w", err))
				return
			}
			query = next.Query()
		}
	}
}

func exchange[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (answer T, err error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer, fmt.Errorf("encoding the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	u := c.Base.JoinPath(BasePath, path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return answer, fmt.Errorf("asking the centre: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return answer, fmt.Errorf("asking the centre: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("longer than allowed")
	}
	switch {
	case err != nil:
		return answer, fmt.Errorf("reading the centre's answer: %w", err)
	case resp.StatusCode/100 != 2:
		return answer, refusal(resp, text)
	case len(text) == 0:
		return answer, nil
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("reading the centre's answer: %w", err)
	}
	return answer, nil
}

func refusal(resp *http.Response, text []byte) error {
	e := &AnswerError{Status: resp.StatusCode}
	if json.Unmarshal(text, &e.Body) != nil {
		e.Body = Error{}
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
