package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/sessions"
)

const accountColumns = "username, password_hash, active, expiration, class, limits"

// Account returns the gateway's own account of exactly that name, or that of a stay; sessions.ErrNoAccount when there is none.
func (j *Journal) Account(ctx context.Context, username string) (sessions.Account, error) {
	if id, ok := sessions.StayID(username); ok {
		s, err := j.stay(ctx, "id = ?", id)
		return s.Account(), err
	}
	row := j.db.Read().QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts WHERE username = ?", username)
	a, err := scanAccount(row)
	if errors.Is(err, sql.ErrNoRows) {
		return a, sessions.ErrNoAccount
	}
	if err != nil {
		return a, fmt.Errorf("reading account: %w", j.db.Err(err))
	}
	return a, nil
}

// ListAccounts returns all of the gateway's own accounts in the order of their names.
func (j *Journal) ListAccounts(ctx context.Context) ([]sessions.Account, error) {
	rows, err := j.db.Read().QueryContext(ctx, "SELECT "+accountColumns+" FROM accounts ORDER BY username")
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", j.db.Err(err))
	}
	defer rows.Close()
	var all []sessions.Account
	for rows.Next() {
		a, err := scanAccount(rows)
		if err != nil {
			return nil, fmt.Errorf("listing accounts: %w", j.db.Err(err))
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing accounts: %w", j.db.Err(err))
	}
	return all, nil
}

func scanAccount(row interface{ Scan(...any) error }) (sessions.Account, error) {
	a := sessions.Account{Source: sessions.SourceLocal}
	var expiration sql.NullString
	var limits []byte
	if err := row.Scan(&a.Username, &a.PasswordHash, &a.Active, &expiration, &a.Class, &limits); err != nil {
		return a, err
	}
	if expiration.Valid {
		var err error
		if a.Expiration, err = time.Parse(time.RFC3339Nano, expiration.String); err != nil {
			return a, err
		}
	}
	return a, json.Unmarshal(limits, &a.Limits)
}

// PutAccount makes an account of the gateway, or gives the one of that name these values. A local account has no GATE user
// id, credential version or profile: these fields are not kept.
func (j *Journal) PutAccount(ctx context.Context, a sessions.Account) error {
	limits, err := json.Marshal(a.Limits)
	if err != nil {
		return fmt.Errorf("saving account: %w", err)
	}
	var expiration sql.NullString
	if !a.Expiration.IsZero() {
		expiration = sql.NullString{String: a.Expiration.UTC().Format(time.RFC3339Nano), Valid: true}
	}
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO accounts (username, password_hash, active, expiration, class, limits)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (username) DO UPDATE SET password_hash = excluded.password_hash, active = excluded.active,
				expiration = excluded.expiration, class = excluded.class, limits = excluded.limits`,
			a.Username, a.PasswordHash, a.Active, expiration, a.Class, string(limits))
		return err
	})
	if err != nil {
		return fmt.Errorf("saving account: %w", err)
	}
	return nil
}

// SetPassword gives an account of the gateway another password hash in the place of old; sessions.ErrNoAccount when it has
// another one, or there is none of that name.
func (j *Journal) SetPassword(ctx context.Context, username, old, hash string) error {
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec("UPDATE accounts SET password_hash = ? WHERE username = ? AND password_hash = ?", hash, username, old)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return sessions.ErrNoAccount
	})
	if err != nil && !errors.Is(err, sessions.ErrNoAccount) {
		return fmt.Errorf("changing a password: %w", err)
	}
	return err
}

// DeleteAccount forgets an account of the gateway; sessions.ErrNoAccount when there is none of that name.
func (j *Journal) DeleteAccount(ctx context.Context, username string) error {
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec("DELETE FROM accounts WHERE username = ?", username)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return sessions.ErrNoAccount
	})
	if err != nil && !errors.Is(err, sessions.ErrNoAccount) {
		return fmt.Errorf("deleting account: %w", err)
	}
	return err
}

// Verifier returns the proof of that user's password; sessions.ErrNoAccount when there is none.
func (j *Journal) Verifier(ctx context.Context, username string) (sessions.Verifier, error) {
	v := sessions.Verifier{Username: username}
	var madeAt []byte
	err := j.db.Read().QueryRowContext(ctx,
		"SELECT account, hash, credential_version, made_at FROM verifiers WHERE username = ?", username).
		Scan(&v.Account, &v.Hash, &v.CredentialVersion, &madeAt)
	if errors.Is(err, sql.ErrNoRows) {
		return v, sessions.ErrNoAccount
	}
	if err == nil {
		err = json.Unmarshal(madeAt, &v.MadeAt)
	}
	if err != nil {
		return v, fmt.Errorf("reading verifier: %w", j.db.Err(err))
	}
	return v, nil
}

// SaveVerifier keeps the proof of a user's password in the place of an older one.
func (j *Journal) SaveVerifier(ctx context.Context, v sessions.Verifier) error {
	madeAt, err := json.Marshal(v.MadeAt)
	if err != nil {
		return fmt.Errorf("saving verifier: %w", err)
	}
	err = j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO verifiers (username, account, hash, credential_version, made_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (username) DO UPDATE SET account = excluded.account, hash = excluded.hash, credential_version = excluded.credential_version,
				made_at = excluded.made_at`, v.Username, v.Account, v.Hash, v.CredentialVersion, string(madeAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("saving verifier: %w", err)
	}
	return nil
}

// DeleteVerifier forgets the proofs of a user's password and tokens, if there are any: the centre has deleted the user.
func (j *Journal) DeleteVerifier(ctx context.Context, username string) error {
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM verifiers WHERE username = ?1 OR account <> '' AND account = ?1", username)
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting verifier: %w", err)
	}
	return nil
}
