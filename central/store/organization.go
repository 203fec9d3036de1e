package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"time"
)

// Role is what a token may do.
type Role string

// The roles.
const (
	RoleAdmin    Role = "admin"    // reads and writes everything of its organisations
	RoleStaff    Role = "staff"    // as admin, in the GATE API
	RoleReadonly Role = "readonly" // reads
	RoleEdge     Role = "edge"     // a gateway: /edge/v1/ and nothing else
	RolePortal   Role = "portal"   // a portal outside: the device_app endpoints
)

// Roles are all roles.
func Roles() []Role { return []Role{RoleAdmin, RoleStaff, RoleReadonly, RoleEdge, RolePortal} }

// Organization is a tenant.
type Organization struct {
	ID          int64
	ShortName   string
	Name        string
	Description *string
	Created     time.Time
	Updated     time.Time
}

// Token is who asks.
type Token struct {
	ID      int64
	Role    Role
	Created time.Time
	Scope   Scope
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
		return taken("short_name", tx.QueryRow(insert, above, shortName, name, now, now).Scan(&id))
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

// CreateToken makes a token for the organisation with this short name. The token is returned once and kept only as its
// SHA-256; it has 256 random bits, so a slow hash would add nothing.
func (s *Store) CreateToken(ctx context.Context, shortName string, role Role) (token string, err error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	token = "gh_" + base64.RawURLEncoding.EncodeToString(secret[:])
	hash := sha256.Sum256([]byte(token))
	err = s.write(ctx, "creating token", func(tx *dbTx) error {
		var organization int64
		if err := tx.QueryRow("SELECT id FROM organizations WHERE short_name = ?", shortName).Scan(&organization); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO tokens (organization_id, role, hash, created) VALUES (?, ?, ?, ?)",
			organization, role, hash[:], micros(s.now()))
		return err
	})
	return token, err
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

// Token returns who a token belongs to, ErrNotFound when nobody.
func (s *Store) Token(ctx context.Context, token string) (Token, error) {
	hash := sha256.Sum256([]byte(token))
	const q = `WITH RECURSIVE below (id) AS (
			SELECT organization_id FROM tokens WHERE hash = ?1
			UNION SELECT o.id FROM organizations o JOIN below ON o.parent_id = below.id)
		SELECT t.id, t.role, t.created, below.id FROM below, tokens t WHERE t.hash = ?1
		ORDER BY below.id <> t.organization_id, below.id`
	var t Token
	rows, err := s.read().QueryContext(ctx, q, hash[:])
	ids, err := collect(rows, err, func(row scanner) (id int64, err error) {
		var created int64
		err = row.Scan(&t.ID, &t.Role, &created, &id)
		t.Created = time.UnixMicro(created)
		return id, err
	})
	if err == nil && len(ids) == 0 {
		err = ErrNotFound
	}
	t.Scope = ids
	return t, s.err("looking for token", err)
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
