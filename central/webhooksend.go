package central

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

const (
	webhooksEvery  = 500 * time.Millisecond
	webhookTimeout = 10 * time.Second // of an attempt, name resolution and answer with it
	parcelLife     = 30 * time.Second // after which another process takes over a delivery that was begun
	mostSending    = 64               // attempts at once
	mostToOne      = 4                // of them to one webhook, so that one that hangs does not hold up the others
	mostAnswer     = 64 << 10         // octets of an answer that are read
	firstRetry     = 5 * time.Second  // twice as long after every failure
	longestRetry   = time.Hour
)

// SendWebhooks delivers events until ctx ends; then it waits for the attempts that are running. Any number of processes may do
// so: each delivery is one's at a time. An attempt that was made and not noted, because the process died, is made again.
func (s *Server) SendWebhooks(ctx context.Context) error {
	w := &webhookSender{Server: s, client: s.out.webhooks(), busy: make(map[int64]int)}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		some, err := w.round(ctx, &running)
		if err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
			s.cfg.Log.Error("looking for webhooks' deliveries", "err", err)
		}
		if !some && !pause(ctx, webhooksEvery) || ctx.Err() != nil {
			return nil
		}
	}
}

type webhookSender struct {
	*Server
	client *http.Client

	mu      sync.Mutex
	busy    map[int64]int // attempts by webhook
	sending int
}

// round begins attempts of what is due, as far as there is room. some tells whether there was any.
func (w *webhookSender) round(ctx context.Context, running *sync.WaitGroup) (some bool, err error) {
	due, err := w.cfg.Store.DueWebhooks(ctx)
	for _, id := range due {
		room := w.room(id)
		if room == 0 {
			continue
		}
		parcels, err := w.cfg.Store.TakeParcels(ctx, id, room, parcelLife)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // deleted meanwhile
			return some, err
		}
		for _, p := range parcels {
			some = true
			w.count(id, 1)
			running.Go(func() {
				defer w.count(id, -1)
				w.deliver(context.WithoutCancel(ctx), p)
			})
		}
	}
	return some, err
}

func (w *webhookSender) room(id int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, min(mostToOne-w.busy[id], mostSending-w.sending))
}

func (w *webhookSender) count(id int64, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending += n
	if w.busy[id] += n; w.busy[id] == 0 {
		delete(w.busy, id)
	}
}

// deliver makes one attempt and notes how it ended.
func (w *webhookSender) deliver(ctx context.Context, p store.Parcel) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	status, err := w.post(ctx, p)
	failure := ""
	var next time.Time
	if err != nil {
		failure, next = failureText(err), w.retryAt(p)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), webhookTimeout)
	defer stop()
	if err := w.cfg.Store.SettleParcel(ctx, p, failure == "", status, failure, next); err != nil {
		w.cfg.Log.Warn("noting a webhook's delivery", "webhook", p.Webhook.ID, "event", p.EventID, "err", err)
	}
}

// retryAt is when to try again; the zero time is never.
func (w *webhookSender) retryAt(p store.Parcel) time.Time {
	now := w.cfg.Clock.Now()
	if !now.Before(p.Deadline) {
		return time.Time{}
	}
	next := now.Add(retryAfter(p.Attempt, rand.Float64()))
	if next.After(p.Deadline) {
		return p.Deadline
	}
	return next
}

// retryAfter is how long to wait after this many attempts; luck, from 0 to 1, keeps those apart that failed together.
func retryAfter(attempts int64, luck float64) time.Duration {
	wait := longestRetry
	if n := attempts - 1; n < 16 {
		wait = min(wait, firstRetry<<max(n, 0))
	}
	return time.Duration(float64(wait) * (0.75 + luck/2))
}

// failureText is what an administrator is told of an error, without the URL, which he knows.
func failureText(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", webhookTimeout)
	}
	return readable(err.Error())
}

func (w *webhookSender) post(ctx context.Context, p store.Parcel) (status int, err error) {
	if w.cfg.Secrets == nil {
		return 0, errNoSecretsKey
	}
	secret, err := w.cfg.Secrets.Open(webhookPurpose, p.Webhook.Sealed)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Webhook.URL, strings.NewReader(p.Body))
	if err != nil {
		return 0, err
	}
	timestamp := strconv.FormatInt(w.cfg.Clock.Now().Unix(), 10)
	for name, value := range map[string]string{"Content-Type": "application/json", "User-Agent": "gatehouse-central",
		admin.WebhookEventID: p.EventID, admin.WebhookKind: p.Kind, admin.WebhookTimestamp: timestamp,
		admin.WebhookAttempt:   strconv.FormatInt(p.Attempt, 10),
		admin.WebhookSignature: WebhookSignature(secret, timestamp, p.Body)} {
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer) // so that the connection can be used again; what it says is of no interest
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("answered with status %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// WebhookSignature is the value of the header admin.WebhookSignature.
func WebhookSignature(secret []byte, timestamp, body string) string {
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, timestamp+"."+body) // never fails
	return "v1=" + hex.EncodeToString(h.Sum(nil))
}
