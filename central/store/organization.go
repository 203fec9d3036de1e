package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"time"
)

// Organization is a tenant.
type Organization struct {
	ID          int64
	ShortName   string
	Name        string
	Description *string
	Created     time.Time
	Updated     time.Time
}

// CreateOrganization makes a tenant below the one whose short name is parent, or at the top when parent is empty. It
// returns ErrNotFound when there is no such parent and a *DuplicateError when the short name is taken.
func (s *Store) CreateOrganization(ctx context.Context, shortName, name, parent string) (id int64, err error) {
	err = s.write(ctx, "creating organisation", func(tx *dbTx) error {
		var above *int64
		if parent != "" {
			if err := tx.QueryRow("SELECT id FROM organizations WHERE short_name = ?", parent).Scan(&above); err != nil {
				return err
			}
		}
		now := micros(s.now())
		const insert = `INSERT INTO organizations (parent_id, short_name, name, created, updated) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (short_name) DO NOTHING RETURNING id`
		if err := taken("short_name", tx.QueryRow(insert, above, shortName, name, now, now).Scan(&id)); err != nil {
			return err
		}
		return tx.audit("organization", id, id, nil, map[string]any{"short_name": shortName, "name": name, "parent": above})
	})
	return id, err
}

// taken is err of an INSERT … ON CONFLICT DO NOTHING RETURNING: no row means that the value of field is taken.
func taken(field string, err error) error {
	if err == sql.ErrNoRows {
		return &DuplicateError{Field: field}
	}
	return err
}

// Organization returns a tenant by id.
func (s *Store) Organization(ctx context.Context, id int64) (Organization, error) {
	o := Organization{ID: id}
	var created, updated int64
	const q = "SELECT short_name, name, description, created, updated FROM organizations WHERE id = ?"
	err := s.read().QueryRowContext(ctx, q, id).Scan(&o.ShortName, &o.Name, &o.Description, &created, &updated)
	o.Created, o.Updated = time.UnixMicro(created), time.UnixMicro(updated)
	return o, s.err("reading organisation", err)
}

// OrganizationID finds a tenant of the scope by short name.
func (s *Store) OrganizationID(ctx context.Context, scope Scope, shortName string) (id int64, err error) {
	q := "SELECT id FROM organizations WHERE short_name = ? AND " + scope.in("id")
	err = s.read().QueryRowContext(ctx, q, shortName).Scan(&id)
	return id, s.err("looking for organisation", err)
}

// OrganizationNamed finds any tenant by short name. It is for who runs the database; requests have a scope.
func (s *Store) OrganizationNamed(ctx context.Context, shortName string) (id int64, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT id FROM organizations WHERE short_name = ?", shortName).Scan(&id)
	return id, s.err("looking for organisation", err)
}

// subtree is the scope of an organisation: it and all below it.
func (s *Store) subtree(ctx context.Context, organization int64) (Scope, error) {
	const q = `WITH RECURSIVE below (id) AS (
			SELECT id FROM organizations WHERE id = ?1 UNION SELECT o.id FROM organizations o JOIN below ON o.parent_id = below.id)
		SELECT id FROM below ORDER BY CASE WHEN id = ?1 THEN 0 ELSE 1 END, id`
	rows, err := s.read().QueryContext(ctx, q, organization)
	ids, err := collect(rows, err, func(row scanner) (id int64, err error) { err = row.Scan(&id); return id, err })
	if err == nil && len(ids) == 0 {
		err = ErrNotFound
	}
	return ids, s.err("reading organisation", err)
}

// CountUsers is how many users the scope has.
func (s *Store) CountUsers(ctx context.Context, scope Scope) (n int64, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT count(*) FROM users WHERE "+scope.in("organization_id")).Scan(&n)
	return n, s.err("counting users", err)
}

// The names of secrets in the table meta.
const (
	feedEpoch = "feed_epoch"
	signKey   = "access_token_key"
)

// makeSecrets gives a new database what must differ between any two: the feed's epoch and the key of access tokens.
func (s *Store) makeSecrets(ctx context.Context) error {
	return s.write(ctx, "making keys", func(tx *dbTx) error {
		for _, key := range []string{feedEpoch, signKey} {
			if _, err := tx.Exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", key, rand.Text()); err != nil {
				return err
			}
		}
		return nil
	})
}

// AccessTokenKey is the key that access tokens are signed with.
func (s *Store) AccessTokenKey(ctx context.Context) ([]byte, error) {
	key, err := s.meta(ctx, s.read(), signKey)
	return []byte(key), s.err("reading access token key", err)
}

func (s *Store) meta(ctx context.Context, q querier, key string) (value string, err error) {
	err = q.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", key).Scan(&value)
	return value, err
}
