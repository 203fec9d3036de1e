package central

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

const (
	maxIngest = 16 << 20  // bytes of one request, unpacked
	maxLine   = 256 << 10 // bytes of one record
	maxWindow = 8 << 20   // bytes of a zstd frame's window (RFC 8878 §3.1.1.1.2)
	shortText = 255       // characters of a name
	longText  = 2000      // characters of a message
)

// ingest answers after the records are in the database: a gateway may forget what was merged before.
func (s *Server) ingest(c *call) (int, any, error) {
	gw, err := s.gateway(c)
	if err != nil && (s.cfg.Spool == nil || !errors.Is(err, store.ErrUnavailable)) {
		return 0, nil, err
	}
	lines, err := c.lines()
	if err != nil {
		return 0, nil, err
	}
	answer := edge.IngestAnswer{Results: make([]edge.Result, len(lines))}
	var records []edge.Record
	var outcomes []edge.Outcome
	var at, ends []int // where in the answer
	for i, line := range lines {
		r, err := parseRecord(line)
		if err == nil {
			err = c.ours(&r)
		}
		answer.Results[i] = edge.Result{Seq: r.Seq, Status: edge.Rejected}
		if err != nil {
			answer.Results[i].Code, answer.Results[i].Message = "invalid", err.Error()
			continue
		}
		if r.Outcome != nil {
			outcomes, ends = append(outcomes, *r.Outcome), append(ends, i)
			continue
		}
		records, at = append(records, r), append(at, i)
	}
	outcome, err := s.Accept(c.Context(), c.token.Scope, records)
	if err != nil {
		return 0, nil, err
	}
	for i, status := range outcome {
		answer.Results[at[i]].Status = status
	}
	news, err := s.cfg.Store.SettleEvents(c.Context(), gw, outcomes)
	if err != nil {
		return 0, nil, err
	}
	for i, isNew := range news {
		answer.Results[ends[i]].Status = edge.Duplicate
		if isNew {
			answer.Results[ends[i]].Status = edge.Merged
		}
	}
	answer.MergedThrough = max(gw.MergedThrough, settledThrough(answer.Results))
	if gw.ID != 0 {
		s.heard.note(store.Heard{Gateway: gw.ID, At: s.cfg.Clock.Now(), Address: s.address(c.Request).String(), MergedThrough: answer.MergedThrough})
	}
	s.metrics.ingested(answer.Results)
	return http.StatusOK, answer, nil
}

// ours tells whether a record may be this token's: a gateway's own token is for its own sessions.
func (c *call) ours(r *edge.Record) error {
	if c.token.Gateway != 0 && r.Accounting != nil && r.Accounting.NASIdentifier != c.token.NASIdentifier {
		return fmt.Errorf("nasidentifier is not %q, whose token this is", c.token.NASIdentifier)
	}
	return nil
}

// settledThrough is the greatest number of a record that its gateway need not keep.
func settledThrough(results []edge.Result) (seq int64) {
	for _, r := range results {
		if r.Status != edge.Stored {
			seq = max(seq, r.Seq)
		}
	}
	return seq
}

// lines are the records of a body. A body that breaks off is an error, not a last record that is bad.
func (c *call) lines() ([][]byte, error) {
	body := io.Reader(http.MaxBytesReader(nil, c.Body, maxIngest))
	switch c.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, malformed(http.StatusBadRequest, "The body is not gzip.")
		}
		body = z
	case "zstd":
		// The window bounds what a hostile frame may ask for; one goroutine, because there are many requests.
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, malformed(http.StatusBadRequest, "The body is not zstd.")
		}
		defer z.Close()
		body = z
	case "", "identity":
	default:
		return nil, malformed(http.StatusUnsupportedMediaType, "Content-Encoding may be gzip or zstd.")
	}
	text, err := io.ReadAll(io.LimitReader(body, maxIngest+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || len(text) > maxIngest:
		return nil, malformed(http.StatusRequestEntityTooLarge, fmt.Sprintf("A request may have %d bytes.", maxIngest))
	case err != nil:
		return nil, malformed(http.StatusBadRequest, "The body breaks off.")
	}
	var list [][]byte
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, maxIngest+1)
	for scan.Scan() {
		if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 {
			list = append(list, bytes.Clone(line))
		}
	}
	if len(list) > edge.MaxBatch {
		return nil, malformed(http.StatusRequestEntityTooLarge, fmt.Sprintf("A request may have %d records.", edge.MaxBatch))
	}
	return list, scan.Err()
}

// parseRecord reads and checks one line. Its error is for the gateway; the record has its Seq even then, when it can be
// read.
func parseRecord(line []byte) (edge.Record, error) {
	var r edge.Record
	if len(line) > maxLine {
		return r, fmt.Errorf("a record may have %d bytes", maxLine)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return r, fmt.Errorf("%s cannot be a %s", wrong.Field, wrong.Value)
		}
		return r, errors.New("not a record in JSON")
	}
	switch {
	case given(r.Accounting)+given(r.Transaction)+given(r.Outcome) != 1:
		return r, errors.New("exactly one of accounting, transaction and outcome must be there")
	case r.Outcome != nil:
		return r, checkOutcome(r.Outcome)
	case r.Accounting != nil:
		return r, checkAccounting(r.Accounting)
	}
	return r, checkTransaction(r.Transaction)
}

func given[T any](p *T) int {
	if p == nil {
		return 0
	}
	return 1
}

func checkOutcome(o *edge.Outcome) error {
	if err := checkKey("event", o.Event); err != nil {
		return err
	}
	if o.Status != edge.Done && o.Status != edge.NotFound && o.Status != edge.Refused {
		return fmt.Errorf("status %q is not done, not_found or refused", o.Status)
	}
	cut(shortText, &o.Reason)
	return nil
}

func checkAccounting(a *edge.Accounting) error {
	switch a.AcctStatusType {
	case "Start", "Interim-Update":
	case "Stop":
		if a.AcctStopTime == nil {
			return errors.New("a Stop must have acctstoptime")
		}
	default:
		return fmt.Errorf("acctstatustype %q is not Start, Interim-Update or Stop", a.AcctStatusType)
	}
	for name, v := range map[string]string{"acctuniqueid": a.AcctUniqueID, "acctsessionid": a.AcctSessionID} {
		if err := checkKey(name, v); err != nil {
			return err
		}
	}
	if err := checkNumbers(a); err != nil {
		return err
	}
	if a.AcctUpdateTime.IsZero() {
		a.AcctUpdateTime = a.AcctStartTime
	}
	cut(shortText, &a.AcctMultiSessionID, &a.Username, &a.NASIPAddress, &a.NASIdentifier, &a.NASPortID, &a.NASPortType,
		&a.AcctAuthentic, &a.CalledStationID, &a.CallingStationID, &a.AcctTerminateCause, &a.ServiceType, &a.FramedProtocol, &a.FramedIPAddress,
		&a.ConnectInfoStart, &a.ConnectInfoStop, &a.GroupName,
		&a.Class, &a.LocationName, &a.AccessPointName, &a.AccessPointMAC, &a.SSID, &a.UserTransactionID)
	stop := a.AcctStartTime
	if a.AcctStopTime != nil {
		stop = *a.AcctStopTime
	}
	return checkTimes(a.AcctStartTime, a.AcctUpdateTime, stop)
}

// checkKey: what names a thing cannot be cut.
func checkKey(field, v string) error {
	if v == "" || len(v) > shortText || !clean(v) {
		return fmt.Errorf("%s must have 1 to %d characters, and no null character", field, shortText)
	}
	return nil
}

func checkNumbers(a *edge.Accounting) error {
	if max(a.AcctInputOctets, a.AcctOutputOctets, a.AcctInputPackets, a.AcctOutputPackets) > math.MaxInt64 {
		return errors.New("a counter is beyond 63 bits")
	}
	if min(a.AcctSessionTime, a.AcctInterval, a.UserID, a.LocationID, a.AccessPointID) < 0 {
		return errors.New("a number is below zero")
	}
	bound(a)
	return nil
}

// bound takes counters that nobody can have counted, as gateways and NASes send them that are broken, for the most that there may be:
// sums of them stay numbers, and JSON can hold them.
func bound(a *edge.Accounting) {
	const mostCounted, mostSeconds = 1<<53 - 1, 1 << 31
	for _, counter := range []*uint64{&a.AcctInputOctets, &a.AcctOutputOctets, &a.AcctInputPackets, &a.AcctOutputPackets} {
		*counter = min(*counter, mostCounted)
	}
	a.AcctSessionTime = min(a.AcctSessionTime, mostSeconds)
	a.AcctInterval = min(a.AcctInterval, mostSeconds)
}

func checkTransaction(t *edge.Transaction) error {
	if err := checkKey("id", t.ID); err != nil {
		return err
	}
	switch {
	case !letters(t.Type, 2, 0):
		return fmt.Errorf("type %q is not two small letters", t.Type)
	case !letters(t.Status, 1, 3):
		return fmt.Errorf("status %q is not a small letter and three digits", t.Status)
	case min(t.UserID, t.LocationID, t.AccessPointID) < 0:
		return errors.New("a number is below zero")
	}
	cut(shortText, &t.Username, &t.SessionID, &t.Action, &t.Site, &t.UserAgent, &t.RemoteIP, &t.MAC, &t.LocationName,
		&t.AccessPointName, &t.SSID)
	cut(longText, &t.Message, &t.PageURL)
	return checkTimes(t.DateTime)
}

// checkTimes refuses what no id can be made of: a gateway sends a record only once it knows the time.
func checkTimes(times ...time.Time) error {
	for _, t := range times {
		if t.Before(store.FirstTime()) || t.After(store.LastTime()) {
			return fmt.Errorf("time %s is not between %s and %s", t.UTC().Format(time.RFC3339),
				store.FirstTime().Format(time.DateOnly), store.LastTime().Format(time.DateOnly))
		}
	}
	return nil
}

// letters tells whether s is so many small letters and then so many digits.
func letters(s string, alphas, digits int) bool {
	if len(s) != alphas+digits {
		return false
	}
	for i, c := range []byte(s) {
		if i < alphas && (c < 'a' || c > 'z') || i >= alphas && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// cut shortens texts that only describe, and takes out null characters, which PostgreSQL cannot hold: neither must keep a session
// from being accounted.
func cut(limit int, texts ...*string) {
	for _, t := range texts {
		*t = strings.ReplaceAll(*t, "\x00", "")
		if len(*t) <= limit {
			continue
		}
		end := limit
		for !utf8.RuneStart((*t)[end]) {
			end--
		}
		*t = (*t)[:end]
	}
}
