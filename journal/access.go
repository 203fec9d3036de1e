package journal

import (
	"context"
	"database/sql"
	"fmt"

	"gatehouse/sessions"
)

// LoadAccess returns the rules for stations that were made and not revoked.
func (j *Journal) LoadAccess(ctx context.Context) ([]sessions.AccessRule, error) {
	rows, err := j.db.Read().QueryContext(ctx, "SELECT body FROM access ORDER BY zone, mac, kind")
	if err != nil {
		return nil, fmt.Errorf("reading rules for stations: %w", j.db.Err(err))
	}
	all, err := scanAll[sessions.AccessRule](rows)
	if err != nil {
		return nil, fmt.Errorf("reading rules for stations: %w", j.db.Err(err))
	}
	return all, nil
}

// writeAccess enters and forgets rules; bodies are the JSON of those to enter.
func writeAccess(tx *sql.Tx, made []sessions.AccessRule, bodies []string, revoked []sessions.AccessRule) error {
	for _, r := range revoked {
		if _, err := tx.Exec("DELETE FROM access WHERE kind = ? AND zone = ? AND mac = ?", r.Kind, r.Zone, r.MAC.String()); err != nil {
			return err
		}
	}
	for i, r := range made {
		_, err := tx.Exec(`INSERT INTO access (kind, zone, mac, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (kind, zone, mac) DO UPDATE SET body = excluded.body`, r.Kind, r.Zone, r.MAC.String(), bodies[i])
		if err != nil {
			return err
		}
	}
	return nil
}
