package mirror

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/sessions"
)

// Account returns the centre's account of exactly that name, with its profiles in their order. It returns sessions.ErrNoAccount when the account was not seen here.
func (m *Mirror) Account(ctx context.Context, username string) (sessions.Account, error) {
	a, err := m.account(ctx, username)
	if errors.Is(err, sql.ErrNoRows) {
		return a, sessions.ErrNoAccount
	}
	if err == nil {
		a.Profiles, err = m.profilesOf(ctx, a.UserID)
	}
	if err != nil {
		return a, fmt.Errorf("reading mirrored account: %w", m.db.Err(err))
	}
	return a, nil
}

func (m *Mirror) account(ctx context.Context, username string) (sessions.Account, error) {
	a := sessions.Account{Source: sessions.SourceCentre, Username: username}
	var expiration sql.NullString
	var limits, lease, elsewhere, planBody []byte
	err := m.db.Read().QueryRowContext(ctx,
		`SELECT a.user_id, a.credential_version, a.active, a.expiration, a.class, a.limits, a.lease, a.elsewhere, a.plan_id, p.body
			FROM accounts a LEFT JOIN plans p ON p.id = a.plan_id WHERE a.username = ?`, username).
		Scan(&a.UserID, &a.CredentialVersion, &a.Active, &expiration, &a.Class, &limits, &lease, &elsewhere, &a.PlanID, &planBody)
	if err != nil {
		return a, err
	}
	if expiration.Valid {
		if a.Expiration, err = time.Parse(time.RFC3339Nano, expiration.String); err != nil {
			return a, err
		}
	}
	if lease != nil {
		if err := json.Unmarshal(lease, &a.Lease); err != nil {
			return a, err
		}
	}
	if elsewhere != nil {
		if err := json.Unmarshal(elsewhere, &a.Elsewhere); err != nil {
			return a, err
		}
	}
	if err := json.Unmarshal(limits, &a.Limits); err != nil {
		return a, err
	}
	if planBody == nil {
		return a, nil
	}
	var p sessions.Plan
	if err := json.Unmarshal(planBody, &p); err != nil {
		return a, err
	}
	a.Limits, a.Zones = a.Limits.Or(p.OfAccount()), p.Zones
	return a, nil
}

func (m *Mirror) profilesOf(ctx context.Context, userID int64) ([]sessions.Profile, error) {
	bodies, err := names(m.db.Read().QueryContext(ctx, `SELECT p.body FROM account_profiles a
		JOIN profiles p ON p.short_name = a.short_name WHERE a.user_id = ? ORDER BY a.position`, userID))
	if err != nil {
		return nil, err
	}
	var list []sessions.Profile
	for _, body := range bodies {
		var p sessions.Profile
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// PutAccount keeps an account as the centre has it now, with the short names of its AAA profiles in their order. The user
// id is who it is: an account that was renamed takes its new name along, and another account that still has this name here
// is out of date and goes. a.Profiles, a.Source and a.PasswordHash are not kept.
func (m *Mirror) PutAccount(ctx context.Context, a sessions.Account, profiles []string) error {
	limits, err := json.Marshal(a.Limits)
	if err != nil {
		return fmt.Errorf("mirroring account: %w", err)
	}
	var expiration, lease, elsewhere sql.NullString
	if a.Lease != nil {
		body, err := json.Marshal(a.Lease)
		if err != nil {
			return fmt.Errorf("mirroring account: %w", err)
		}
		lease = sql.NullString{String: string(body), Valid: true}
	}
	if a.Elsewhere != (sessions.Marks{}) {
		body, err := json.Marshal(a.Elsewhere)
		if err != nil {
			return fmt.Errorf("mirroring account: %w", err)
		}
		elsewhere = sql.NullString{String: string(body), Valid: true}
	}
	if !a.Expiration.IsZero() {
		expiration = sql.NullString{String: a.Expiration.UTC().Format(time.RFC3339Nano), Valid: true}
	}
	return m.write(ctx, "mirroring account", func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM accounts WHERE username = ? AND user_id <> ?", a.Username, a.UserID); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO accounts (user_id, username, credential_version, active, expiration, class, limits, lease, elsewhere, plan_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, credential_version = excluded.credential_version,
				active = excluded.active, expiration = excluded.expiration, class = excluded.class, limits = excluded.limits, lease = excluded.lease,
				elsewhere = excluded.elsewhere, plan_id = excluded.plan_id,
				stale = 0`,
			a.UserID, a.Username, a.CredentialVersion, a.Active, expiration, a.Class, string(limits), lease, elsewhere, a.PlanID)
		if err != nil {
			return err
		}
		return putProfiles(tx, a.UserID, profiles)
	})
}

func putProfiles(tx *sql.Tx, userID int64, profiles []string) error {
	if _, err := tx.Exec("DELETE FROM account_profiles WHERE user_id = ?", userID); err != nil {
		return err
	}
	for i, name := range profiles {
		_, err := tx.Exec("INSERT INTO account_profiles (user_id, position, short_name) VALUES (?, ?, ?)", userID, i, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteAccount forgets the account that the centre has deleted and returns its name here; empty when it was not known.
func (m *Mirror) DeleteAccount(ctx context.Context, userID int64) (username string, err error) {
	err = m.write(ctx, "deleting mirrored account", func(tx *sql.Tx) error {
		err := tx.QueryRow("DELETE FROM accounts WHERE user_id = ? RETURNING username", userID).Scan(&username)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return username, err
}

// PutProfile keeps an AAA profile as the centre has it now; name is what PutAccount calls it by. The id is which it is, as with
// accounts.
func (m *Mirror) PutProfile(ctx context.Context, id int64, name string, p sessions.Profile) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("mirroring profile: %w", err)
	}
	return m.write(ctx, "mirroring profile", func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM profiles WHERE short_name = ? AND id <> ?", name, id); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO profiles (id, short_name, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET short_name = excluded.short_name, body = excluded.body, stale = 0`,
			id, name, string(body))
		return err
	})
}

// DeleteProfile forgets an AAA profile. One that is not known is no error.
func (m *Mirror) DeleteProfile(ctx context.Context, id int64) error {
	return m.write(ctx, "deleting mirrored profile", func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM profiles WHERE id = ?", id)
		return err
	})
}

// UsersOfProfile returns the names of the accounts that have this profile.
func (m *Mirror) UsersOfProfile(ctx context.Context, shortName string) ([]string, error) {
	all, err := names(m.db.Read().QueryContext(ctx, `SELECT DISTINCT a.username FROM account_profiles p
		JOIN accounts a ON a.user_id = p.user_id WHERE p.short_name = ? ORDER BY a.username`, shortName))
	if err != nil {
		return nil, fmt.Errorf("reading users of profile: %w", m.db.Err(err))
	}
	return all, nil
}
