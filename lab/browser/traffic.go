package browser

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"

	"gatehouse/lab"
)

// traffic is what has come over the wire since the last Go.
type traffic struct {
	mu       sync.Mutex
	requests []string // addresses, redirects included
	bytes    float64  // of answers, with their headers
	open     map[network.RequestID]bool
}

func (t *traffic) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests, t.bytes, t.open = nil, 0, map[network.RequestID]bool{}
}

// hear is called for every event of the page.
func (t *traffic) hear(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		return
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(e.Request.URL, "data:") {
			return
		}
		if e.RedirectResponse != nil {
			t.bytes += e.RedirectResponse.EncodedDataLength
		}
		t.requests = append(t.requests, e.Request.URL)
		t.open[e.RequestID] = true
	case *network.EventLoadingFinished:
		if t.open[e.RequestID] {
			t.bytes += e.EncodedDataLength
		}
		delete(t.open, e.RequestID)
	case *network.EventLoadingFailed:
		delete(t.open, e.RequestID)
	}
}

// WantLight checks the first load since Go: at most so many bytes over the wire, headers and redirects included, and no request
// but for the page itself and the one that was redirected to it.
func (b *Browser) WantLight(most int) {
	b.t.Helper()
	b.want(b.light(most))
}

func (b *Browser) light(most int) error {
	b.t.Helper()
	t := &b.traffic
	var requests []string
	var bytes float64
	err := lab.WaitFor(b.ctx, patience, func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		requests, bytes = slices.Clone(t.requests), t.bytes
		if len(t.open) > 0 {
			return errors.New("requests are open")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the page's requests: %w", err)
	}
	b.t.Logf("%.0f bytes in %d requests", bytes, len(requests))
	if bytes == 0 || bytes > float64(most) {
		return fmt.Errorf("the first load takes %.0f bytes, want at most %d: %v", bytes, most, requests)
	}
	at, err := url.Parse(b.Address())
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	for i, r := range requests {
		if u, err := url.Parse(r); err != nil || i > 0 && u.Host != at.Host || i > 1 {
			return fmt.Errorf("the page asks for %s besides: %v", r, requests)
		}
	}
	return nil
}
