package journal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/sessions"
)

// stayKey is the name of the key that guests are hashed with.
const stayKey = "stays"

func guestHash(guest string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(guest))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// listed is a stay on its way into the table.
type listed struct {
	Guest  string          `json:"g"`
	Room   string          `json:"r"`
	From   int64           `json:"f"`
	Until  int64           `json:"u"`
	Limits json.RawMessage `json:"l"`
}

// ReplaceStays puts a list in the place of the one before, as a whole. A guest who is on both and came at the same time keeps his
// stay, and who is listed twice stays as long as the longer line says. It returns the user names of stays that are gone or changed.
func (j *Journal) ReplaceStays(ctx context.Context, list []sessions.Stay) (touched []string, err error) {
	key, err := j.key(ctx, stayKey)
	if err != nil {
		return nil, err
	}
	rows := make([]listed, 0, len(list))
	for _, s := range list {
		limits, err := json.Marshal(s.Limits)
		if err != nil {
			return nil, fmt.Errorf("saving stays: %w", err)
		}
		row := listed{guestHash(s.Guest, key), s.Room, s.From.Unix(), s.Until.Unix(), limits}
		if i := slices.IndexFunc(rows, func(r listed) bool { return r.Guest == row.Guest && r.From == row.From }); i >= 0 {
			rows[i].Until = max(rows[i].Until, row.Until)
			continue
		}
		rows = append(rows, row)
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("saving stays: %w", err)
	}
	const incoming = `WITH incoming (guest, room, from_at, until_at, limits) AS
		(SELECT value ->> 'g', value ->> 'r', value ->> 'f', value ->> 'u', value -> 'l' FROM json_each(?1)) `
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		touched = nil
		for _, query := range []string{
			incoming + `DELETE FROM stays WHERE (guest, from_at) NOT IN (SELECT guest, from_at FROM incoming) RETURNING id`,
			incoming + `UPDATE stays SET room = i.room, until_at = i.until_at, limits = i.limits FROM incoming i WHERE i.guest = stays.guest AND i.from_at = stays.from_at
				AND (stays.room, stays.until_at, stays.limits) <> (i.room, i.until_at, i.limits) RETURNING stays.id`,
		} {
			ids, err := returned(tx.Query(query, string(text)))
			if err != nil {
				return err
			}
			for _, id := range ids {
				touched = append(touched, sessions.StayName(id))
			}
		}
		_, err := tx.Exec(incoming+`INSERT INTO stays (guest, room, from_at, until_at, limits) SELECT guest, room, from_at, until_at, limits FROM incoming
			WHERE (guest, from_at) NOT IN (SELECT guest, from_at FROM stays)`, string(text))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("saving stays: %w", err)
	}
	return touched, nil
}

func returned(rows *sql.Rows, err error) (ids []int64, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// ForgetStays erases those that were over at that time, and says how many.
func (j *Journal) ForgetStays(ctx context.Context, over time.Time) (n int64, err error) {
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec("DELETE FROM stays WHERE until_at <= ?", over.Unix())
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forgetting stays: %w", err)
	}
	return n, nil
}

// StayOf implements sessions.Stays.
func (j *Journal) StayOf(ctx context.Context, guests []string, at time.Time) (sessions.Stay, error) {
	key, err := j.key(ctx, stayKey)
	if err != nil {
		return sessions.Stay{}, err
	}
	hashes := make([]string, len(guests))
	for i, g := range guests {
		hashes[i] = guestHash(g, key)
	}
	list, _ := json.Marshal(hashes) // texts
	var now int64
	if !at.IsZero() {
		now = at.Unix()
	}
	return j.stay(ctx, "guest IN (SELECT value FROM json_each(?1)) AND (?2 = 0 OR from_at <= ?2 AND until_at > ?2)", string(list), now)
}

func (j *Journal) stay(ctx context.Context, where string, args ...any) (sessions.Stay, error) {
	all, err := j.stays(ctx, where, args...)
	if err == nil && len(all) == 0 {
		err = sessions.ErrNoAccount
	}
	if err != nil {
		return sessions.Stay{}, err
	}
	return all[len(all)-1], nil // the one that lasts longest
}

// Stays are all that are listed, by their rooms.
func (j *Journal) Stays(ctx context.Context) ([]sessions.Stay, error) { return j.stays(ctx, "true") }

func (j *Journal) stays(ctx context.Context, where string, args ...any) ([]sessions.Stay, error) {
	rows, err := j.db.Read().QueryContext(ctx, "SELECT id, room, from_at, until_at, limits FROM stays WHERE "+where+" ORDER BY room, until_at", args...)
	if err != nil {
		return nil, fmt.Errorf("reading stays: %w", j.db.Err(err))
	}
	defer rows.Close()
	var all []sessions.Stay
	for rows.Next() {
		var s sessions.Stay
		var from, until int64
		var limits []byte
		err := rows.Scan(&s.ID, &s.Room, &from, &until, &limits)
		if err = errors.Join(err, json.Unmarshal(limits, &s.Limits)); err != nil {
			return nil, fmt.Errorf("reading stays: %w", j.db.Err(err))
		}
		s.From, s.Until = time.Unix(from, 0), time.Unix(until, 0)
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading stays: %w", j.db.Err(err))
	}
	return all, nil
}
