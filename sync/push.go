package gwsync

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

const (
	clockPoll = 10 * time.Second // how often to look whether the clock is believable now
	idlePoll  = time.Minute      // how often to look into the outbox without being told to
	minBatch  = 16               // records that are read at once at least, however small the requests have to be
)

// Pusher carries the outbox to the centre.
type Pusher struct {
	client *client
	outbox Outbox
	dates  *dates
	log    *slog.Logger
	wake   chan struct{}

	// For Run alone.
	limit  int  // records a request, less than edge.MaxBatch after the centre found one too large
	proven bool // the centre has taken a batch since the start
	gzip   *gzip.Writer
}

// Wake tells that there is something new in the outbox. It never blocks.
func (p *Pusher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run pushes until ctx ends, and then returns nil. What is under way then stays in the outbox.
func (p *Pusher) Run(ctx context.Context) error {
	var b backoff
	for ctx.Err() == nil {
		dated, err := p.drain(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if !logged(err) {
				p.log.Error("pushing records", "error", err)
			}
			wait, firm := b.after(err)
			sleep(ctx, firm, nil)
			sleep(ctx, wait-firm, p.wake)
		case !dated:
			b.reset()
			sleep(ctx, clockPoll, p.wake)
		default:
			b.reset()
			sleep(ctx, idlePoll, p.wake)
		}
	}
	return nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

var errNoResults = errors.New("the centre answered, but for none of the records")

// drain pushes until the outbox holds nothing that can go now. dated is false while the clock is not believable.
func (p *Pusher) drain(ctx context.Context) (dated bool, err error) {
	if dated, err = p.dates.begin(ctx); err != nil {
		return dated, wrap("dating records", err)
	}
	for {
		entries, err := p.outbox.Pending(ctx, p.limit)
		if err != nil || len(entries) == 0 {
			return dated, wrap("reading outbox", err)
		}
		lines, err := p.encode(ctx, entries)
		if err != nil || len(lines) == 0 {
			return dated, err
		}
		done, err := p.push(ctx, lines)
		if err == nil && done == 0 {
			err = errNoResults
		}
		if err != nil {
			return dated, err
		}
	}
}

// line is a record as it goes on the wire.
type line struct {
	seq  int64
	json []byte
}

// encode dates and converts the entries; those that cannot be dated yet are left out.
func (p *Pusher) encode(ctx context.Context, entries []sessions.OutboxEntry) ([]line, error) {
	if err := p.dates.bind(ctx, entries); err != nil {
		return nil, wrap("dating records", err)
	}
	lines := make([]line, 0, len(entries))
	for _, e := range entries {
		r, ok, err := p.dates.record(ctx, e)
		if err != nil {
			return nil, wrap("dating records", err)
		}
		if !ok {
			continue
		}
		raw, err := json.Marshal(r)
		if err != nil { // a year that JSON's dates do not have: nothing will ever mend it
			if err := p.reject(ctx, e.Seq, "invalid", err.Error()); err != nil {
				return nil, err
			}
			continue
		}
		lines = append(lines, line{e.Seq, raw})
	}
	return lines, nil
}

// push sends the lines and returns how many of them are settled. A request that the centre finds invalid or too large as a
// whole is halved until the culprit is alone, so that it cannot hold up the rest.
//
// A culprit is rejected only if the centre itself said so, and has taken something else from us since the start: as long as
// it refuses everything, the fault is not in the record. Otherwise it stays and is the error.
func (p *Pusher) push(ctx context.Context, lines []line) (done int, err error) {
	var culprits []culprit
	if done, err = p.send(ctx, lines, &culprits); err != nil {
		return done, err
	}
	var kept error
	for _, c := range culprits {
		if !p.proven || c.err.Code == "" {
			kept = c.err
			continue
		}
		if err := p.reject(ctx, c.seq, c.err.Code, c.err.Message); err != nil {
			return done, err
		}
		done++
	}
	return done, kept
}

type culprit struct {
	seq int64
	err *edge.AnswerError
}

func (p *Pusher) send(ctx context.Context, lines []line, culprits *[]culprit) (done int, err error) {
	body, err := p.pack(lines)
	if err != nil {
		return 0, err
	}
	answer, err := p.client.ingest(ctx, body)
	var a *edge.AnswerError
	switch {
	case err == nil:
		return p.settle(ctx, lines, answer)
	case !errors.As(err, &a) || !atFault(a):
		return 0, err
	case len(lines) == 1:
		*culprits = append(*culprits, culprit{lines[0].seq, a})
		return 0, nil
	}
	half := len(lines) / 2
	if a.Status == http.StatusRequestEntityTooLarge {
		p.limit = max(minBatch, half)
	}
	if done, err = p.send(ctx, lines[:half], culprits); err != nil {
		return done, err
	}
	n, err := p.send(ctx, lines[half:], culprits)
	return done + n, err
}

// atFault tells whether the answer blames what was sent.
func atFault(a *edge.AnswerError) bool {
	switch a.Status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return a.Code != ""
	}
	return false
}

// settle does what the centre said about each line.
func (p *Pusher) settle(ctx context.Context, lines []line, answer edge.IngestAnswer) (done int, err error) {
	p.proven = true
	if err := p.number(ctx, lines, answer.MergedThrough); err != nil {
		return 0, err
	}
	p.limit = min(edge.MaxBatch, p.limit+p.limit/8+1) // found too large once, but perhaps not for ever
	sent := make(map[int64]bool, len(lines))
	for _, l := range lines {
		sent[l.seq] = true
	}
	merged := make([]int64, 0, len(lines))
	for _, r := range answer.Results {
		if !sent[r.Seq] {
			continue
		}
		switch r.Status {
		case edge.Merged, edge.Duplicate:
			merged = append(merged, r.Seq)
		case edge.Rejected:
			if err := p.reject(ctx, r.Seq, r.Code, r.Message); err != nil {
				return done, err
			}
			done++
		default:
			continue // a later centre's word: keep the record, it costs only a repetition
		}
		delete(sent, r.Seq)
	}
	if len(merged) == 0 {
		return done, nil
	}
	return done + len(merged), wrap("settling records", p.outbox.Merged(ctx, merged))
}

// number goes on above what the centre has seen of this gateway. Where our numbers are lower, the journal was lost or put back
// from a copy: late answers must not meet new entries, and the operator should know.
func (p *Pusher) number(ctx context.Context, lines []line, mergedThrough int64) error {
	if mergedThrough <= lines[len(lines)-1].seq {
		return nil
	}
	behind, err := p.outbox.SkipTo(ctx, mergedThrough)
	if behind {
		p.log.Warn("the centre has had later records of this gateway than its journal knows: the journal was lost, or put back from a copy",
			"centre", mergedThrough, "journal", lines[len(lines)-1].seq)
	}
	return wrap("numbering records", err)
}

func (p *Pusher) reject(ctx context.Context, seq int64, code, message string) error {
	p.log.Warn("the centre rejects a record", "seq", seq, "code", code, "message", message)
	return wrap("setting a record aside", p.outbox.Rejected(ctx, seq, code, message))
}

// pack makes the body of a request: one record a line, gzipped.
func (p *Pusher) pack(lines []line) ([]byte, error) {
	var body bytes.Buffer
	if p.gzip == nil {
		p.gzip, _ = gzip.NewWriterLevel(&body, gzip.BestSpeed) // fails for an unknown level only
	}
	p.gzip.Reset(&body)
	for _, l := range lines {
		if _, err := p.gzip.Write(append(l.json, '\n')); err != nil {
			return nil, fmt.Errorf("packing records: %w", err)
		}
	}
	if err := p.gzip.Close(); err != nil {
		return nil, fmt.Errorf("packing records: %w", err)
	}
	return body.Bytes(), nil
}
