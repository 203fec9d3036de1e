package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gatehouse/sessions"
)

// writeConsents enters receipts; bodies are their JSON.
func writeConsents(tx *sql.Tx, all []sessions.Consent, bodies []string) error {
	for i, c := range all {
		if _, err := tx.Exec("INSERT INTO consents (username, body) VALUES (?, ?)", c.Username, bodies[i]); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO terms (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING", c.TextHash, c.Text); err != nil {
			return err
		}
	}
	return nil
}

// Consents returns the newest receipts first, at most limit, of one user name or, if that is empty, of all.
func (j *Journal) Consents(ctx context.Context, username string, limit int) ([]sessions.Consent, error) {
	rows, err := j.db.Read().QueryContext(ctx, "SELECT body FROM consents WHERE ?1 IN ('', username) ORDER BY id DESC LIMIT ?2", username, limit)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", j.db.Err(err))
	}
	all, err := scanAll[sessions.Consent](rows)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", j.db.Err(err))
	}
	return all, nil
}

// Terms is the text with that hash; ok is false where nobody has accepted it here.
func (j *Journal) Terms(ctx context.Context, hash string) (text string, ok bool, err error) {
	err = j.db.Read().QueryRowContext(ctx, "SELECT body FROM terms WHERE hash = ?", hash).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading terms: %w", j.db.Err(err))
	}
	return text, true, nil
}

func writeTrials(tx *sql.Tx, all []sessions.TrialUse) error {
	for _, u := range all {
		_, err := tx.Exec("REPLACE INTO trials (zone, mac, day, time, octets) VALUES (?, ?, ?, ?, ?)",
			u.Station.Zone, u.Station.MAC.String(), u.Day, u.Time, int64(u.Data))
		if err != nil {
			return err
		}
	}
	return nil
}

// LoadTrials returns what was used of trials on the last three days on which there were any, and without a date.
func (j *Journal) LoadTrials(ctx context.Context) ([]sessions.TrialUse, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT json_object('Station', json_object('zone', zone, 'mac', mac), 'Day', day, 'Time', time, 'Data', octets)
		FROM trials WHERE day = '' OR day IN (SELECT DISTINCT day FROM trials ORDER BY day DESC LIMIT 3) ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("reading trials: %w", j.db.Err(err))
	}
	all, err := scanAll[sessions.TrialUse](rows)
	if err != nil {
		return nil, fmt.Errorf("reading trials: %w", j.db.Err(err))
	}
	return all, nil
}
