package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/sessions"
)

// SaveUsage writes what these sessions have used as one packed row in the place of the last one.
func (j *Journal) SaveUsage(ctx context.Context, all []sessions.Session) error {
	if len(all) == 0 {
		return nil
	}
	body := packUsage(all)
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO usage (id, body) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", body)
		return err
	})
	if err != nil {
		return fmt.Errorf("saving usage: %w", err)
	}
	return nil
}

// mergeUsage brings running sessions up to the last SaveUsage, where that is newer than the session itself. A row that
// cannot be read, as a newer program's, counts as never written: a gateway must not stay down for a minute of usage.
func (j *Journal) mergeUsage(ctx context.Context, all []sessions.Session) error {
	var body []byte
	err := j.db.Read().QueryRowContext(ctx, "SELECT body FROM usage").Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	saved, err := unpackUsage(body)
	if err != nil {
		j.options.Logger.Warn("usage since the last record of each session is lost", "error", err)
		return nil
	}
	for i := range all {
		s := &all[i]
		if u, ok := saved[s.AcctSessionID]; ok && s.Running() && u.Used >= s.Used {
			s.Used, s.Usage, s.UsageAt = u.Used, u.Usage, u.UsageAt
		}
	}
	return nil
}

// The packed form, all numbers as varints: version, the boot ids, then per session its id, seconds used, four counters and the
// stamp of the reading. About 50 octets a session, a tenth of its JSON.
const usageVersion = 1

var errUsage = errors.New("packed usage cannot be read")

func packUsage(all []sessions.Session) []byte {
	var boots []string
	for i := range all {
		if !slices.Contains(boots, all[i].UsageAt.BootID) {
			boots = append(boots, all[i].UsageAt.BootID)
		}
	}
	b := []byte{usageVersion}
	b = binary.AppendUvarint(b, uint64(len(boots)))
	for _, id := range boots {
		b = appendString(b, id)
	}
	for i := range all {
		s := &all[i]
		b = appendString(b, s.AcctSessionID)
		b = binary.AppendVarint(b, int64(s.Used))
		for _, n := range []uint64{s.Usage.InputOctets, s.Usage.OutputOctets, s.Usage.InputPackets, s.Usage.OutputPackets} {
			b = binary.AppendUvarint(b, n)
		}
		b = binary.AppendUvarint(b, uint64(slices.Index(boots, s.UsageAt.BootID)))
		b = binary.AppendVarint(b, int64(s.UsageAt.Mono))
		b = binary.AppendVarint(b, wallNanos(s.UsageAt.Wall))
	}
	return b
}

// wallNanos is 0 for the zero time, which is "not believable", and no gateway ran in 1970.
func wallNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unpackUsage(b []byte) (map[string]sessions.Session, error) {
	r := unpacker{rest: b}
	if len(b) == 0 || b[0] != usageVersion {
		return nil, errUsage
	}
	r.rest = b[1:]
	var boots []string
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		boots = append(boots, r.string())
	}
	out := make(map[string]sessions.Session)
	for len(r.rest) > 0 && r.err == nil {
		s := sessions.Session{AcctSessionID: r.string(), Used: time.Duration(r.int())}
		s.Usage = sessions.Usage{InputOctets: r.uint(), OutputOctets: r.uint(), InputPackets: r.uint(), OutputPackets: r.uint()}
		boot := r.uint()
		if boot >= uint64(len(boots)) {
			return nil, errUsage
		}
		s.UsageAt = sessions.Stamp{BootID: boots[boot], Mono: time.Duration(r.int())}
		if nanos := r.int(); nanos != 0 {
			s.UsageAt.Wall = time.Unix(0, nanos).UTC()
		}
		out[s.AcctSessionID] = s
	}
	return out, r.err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// unpacker reads varints and strings; after an error it yields zeros.
type unpacker struct {
	rest []byte
	err  error
}

func (r *unpacker) take(n int) {
	if n <= 0 || n > len(r.rest) {
		r.err, r.rest = errUsage, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *unpacker) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(n)
	return v
}

func (r *unpacker) int() int64 {
	v, n := binary.Varint(r.rest)
	r.take(n)
	return v
}

func (r *unpacker) string() string {
	n := r.uint()
	if n == 0 || n > uint64(len(r.rest)) {
		if n > 0 {
			r.err, r.rest = errUsage, nil
		}
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
