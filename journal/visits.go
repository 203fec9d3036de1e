package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/sessions"
)

// VisitByCode finds a visit by its support code.
func (j *Journal) VisitByCode(ctx context.Context, code string) (sessions.Visit, error) {
	return j.visit(ctx, "SELECT body FROM visits WHERE code = ?", code)
}

// LastVisit finds the last visit of a station.
func (j *Journal) LastVisit(ctx context.Context, st sessions.Station) (sessions.Visit, error) {
	return j.visit(ctx, "SELECT body FROM visits WHERE station = ? ORDER BY id DESC LIMIT 1", st.String())
}

func (j *Journal) visit(ctx context.Context, query, arg string) (v sessions.Visit, err error) {
	var body []byte
	err = j.db.Read().QueryRowContext(ctx, query, arg).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return v, sessions.ErrNoVisit
	}
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return v, fmt.Errorf("reading a visit: %w", j.db.Err(err))
	}
	return v, nil
}

// SaveVisits writes visits as they stand, by their codes.
func (j *Journal) SaveVisits(ctx context.Context, all []sessions.Visit) error {
	bodies, err := marshalAll(all)
	if err != nil {
		return fmt.Errorf("saving visits: %w", err)
	}
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		for i := range all {
			_, err := tx.Exec(`INSERT INTO visits (code, station, body) VALUES (?, ?, ?)
				ON CONFLICT (code) DO UPDATE SET station = excluded.station, body = excluded.body`,
				all[i].Code, all[i].Station.String(), bodies[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("saving visits: %w", err)
	}
	return nil
}
