package central

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const (
	idempotencyKey    = "Idempotency-Key"
	keepAnswers       = 24 * time.Hour
	maxIdempotencyKey = 255
)

// codeAnswerLost says that a request was carried out before and its answer cannot be given again.
const codeAnswerLost = "answer_lost"

// once runs a POST whose caller has named it by a key, or repeats the answer that it had (draft-ietf-httpapi-idempotency-key-header-06).
// The change and the note that the key has been used commit together, so that no crash can lead to a second one.
func (s *Server) once(w http.ResponseWriter, r *http.Request, token store.Token, key string, run http.HandlerFunc) error {
	key = strings.Trim(key, `"`) // a string of RFC 8941, or the text alone
	if key == "" || len(key) > maxIdempotencyKey || strings.IndexFunc(key, func(c rune) bool { return c < '!' || c > '~' }) >= 0 {
		return malformed(http.StatusBadRequest, fmt.Sprintf("The header Idempotency-Key must have 1 to %d visible ASCII characters.", maxIdempotencyKey))
	}
	print, err := fingerprint(r)
	if err != nil {
		return err
	}
	attempt, kept, err := s.cfg.Store.Begin(r.Context(), token.Key(), key, print, s.cfg.Clock.Now().Add(-keepAnswers))
	if err != nil {
		return err
	}
	seal := sealOf(r, key)
	if kept != nil {
		return repeat(w, kept, print, seal)
	}
	to := &unsent{header: w.Header()}
	run(to, r.WithContext(store.WithAttempt(r.Context(), attempt)))
	if err := s.keep(context.WithoutCancel(r.Context()), attempt, to, seal); err != nil { // a repetition will hear that it is lost
		s.cfg.Log.Warn("answer not kept for a repetition", "request", requestID(r), "err", err)
	}
	w.WriteHeader(to.status)
	_, _ = w.Write(to.body.Bytes()) // the reader has gone, which is his affair
	return nil
}

// keep remembers an answer for a repetition. A request that was refused and has changed nothing may be made again with its key.
func (s *Server) keep(ctx context.Context, attempt store.Attempt, a *unsent, seal cipher.AEAD) error {
	if a.status >= http.StatusBadRequest {
		dropped, err := s.cfg.Store.DropAttempt(ctx, attempt)
		if err != nil || dropped {
			return err
		}
	}
	if a.status >= http.StatusInternalServerError { // the change is there, and this is not what was to be told of it
		return s.cfg.Store.KeepAnswer(ctx, attempt, 0, nil)
	}
	return s.cfg.Store.KeepAnswer(ctx, attempt, a.status, a.sealed(seal))
}

// fingerprint is what a repetition must have in common with the request. The body is put back.
func fingerprint(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1)) // of a longer one the handler says that it is too long
	if err != nil {
		return nil, malformed(http.StatusBadRequest, "The body breaks off.")
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s\n%s\n", r.Method, strings.TrimSuffix(r.URL.Path, "/"), r.URL.RawQuery)
	sum.Write(body)
	return sum.Sum(nil), nil
}

// repeat answers as before, or says why it cannot.
func repeat(w http.ResponseWriter, kept *store.Kept, print []byte, seal cipher.AEAD) error {
	lost := &problem{status: http.StatusConflict, gate: gate.Error{Code: codeAnswerLost,
		Detail: fmt.Sprintf("The request with this Idempotency-Key was carried out at %s, but its answer was lost. Do not send it again: "+
			"look for what it made.", kept.Begun.Format(time.RFC3339))}}
	switch {
	case !bytes.Equal(kept.Fingerprint, print):
		return malformed(http.StatusUnprocessableEntity, "This Idempotency-Key was used for another request. Take a new one.")
	case kept.Running:
		return stillRunning()
	case kept.Status == 0: // carried out, or Begin would have let us run
		return lost
	}
	a, ok := open(kept.Answer, seal)
	if !ok { // the token has been rotated meanwhile
		return lost
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(kept.Status)
	_, _ = w.Write(a.Body) // the reader has gone, which is his affair
	return nil
}

func stillRunning() *problem {
	return &problem{status: http.StatusConflict, retryAfter: time.Second,
		gate: gateDetail("The request with this Idempotency-Key is still running. Try again later.")}
}

// sealOf makes the key of kept answers from the caller's own secret, which the centre does not have: an answer may hold what
// is shown only once.
func sealOf(r *http.Request, key string) cipher.AEAD {
	_, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte("answer\x00" + key + "\x00" + strings.TrimSpace(secret)))
	block, _ := aes.NewCipher(sum[:]) // 32 octets are a key
	seal, _ := cipher.NewGCMWithRandomNonce(block)
	return seal
}

// keptAnswer is an answer as it is kept.
type keptAnswer struct {
	Header map[string]string
	Body   []byte
}

func open(sealed []byte, seal cipher.AEAD) (a keptAnswer, ok bool) {
	text, err := seal.Open(nil, nil, sealed, nil)
	return a, err == nil && json.Unmarshal(text, &a) == nil
}

// unsent is an answer that is not sent yet.
type unsent struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *unsent) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *unsent) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// Write implements http.ResponseWriter.
func (h *unsent) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

func (h *unsent) sealed(seal cipher.AEAD) []byte {
	a := keptAnswer{Header: make(map[string]string), Body: h.body.Bytes()}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Location", "ETag"} {
		if v := h.header.Get(name); v != "" {
			a.Header[name] = v
		}
	}
	text, _ := json.Marshal(a) // strings and octets only
	return seal.Seal(nil, nil, text, nil)
}
