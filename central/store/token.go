package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Role is what a token may do.
type Role string

// The roles.
const (
	RoleAdmin    Role = "admin"    // reads and writes everything of its organisations
	RoleStaff    Role = "staff"    // the front desk: reads, and writes users, vouchers and sessions
	RoleReadonly Role = "readonly" // reads
	RoleEdge     Role = "edge"     // a gateway: /edge/v1/ and nothing else
	RolePortal   Role = "portal"   // a portal outside: the device_app endpoints
	RoleUser     Role = "user"     // a user who asks by its own name and has been given none of these; no token has it
)

// Roles are the roles that a token may have.
func Roles() []Role { return []Role{RoleAdmin, RoleStaff, RoleReadonly, RoleEdge, RolePortal} }

// UserRoles are the roles that a user may be given.
func UserRoles() []Role { return []Role{RoleAdmin, RoleStaff, RoleReadonly} }

// Token is who asks: a token of an organisation, or a user by its own name.
type Token struct {
	ID       int64 // of the token; 0 for a user
	UserID   int64 // 0 for a token
	Role     Role
	Created  time.Time
	Scope    Scope
	Networks []netip.Prefix // that it may be used from; none: from anywhere
	// Gateway is who alone may use it, and its NAS-Identifier; 0: any gateway that has no token of its own.
	Gateway       int64
	NASIdentifier string
}

// Key names who asks, for what is counted and kept for each.
func (t Token) Key() string {
	if t.UserID != 0 {
		return ActorUser + " " + strconv.FormatInt(t.UserID, 10)
	}
	return ActorToken + " " + strconv.FormatInt(t.ID, 10)
}

// Actor is who asks, for the audit log.
func (t Token) Actor() Actor {
	if t.UserID != 0 {
		return Actor{Kind: ActorUser, ID: t.UserID, Role: t.Role}
	}
	return Actor{Kind: ActorToken, ID: t.ID, Role: t.Role}
}

// May tells whether the token may be used from an address.
func (t Token) May(from netip.Addr) bool {
	return len(t.Networks) == 0 || slices.ContainsFunc(t.Networks, func(p netip.Prefix) bool { return p.Contains(from.Unmap()) })
}

// TokenSpec is what is to be known of a new token.
type TokenSpec struct {
	Organization string // short name
	Role         Role
	Name         string
	Description  string
	Networks     []netip.Prefix
	Expires      time.Time // zero: never
}

// CreateToken makes a token for the organisation with this short name.
func (s *Store) CreateToken(ctx context.Context, shortName string, role Role) (token string, err error) {
	return s.IssueToken(ctx, TokenSpec{Organization: shortName, Role: role})
}

// IssueToken makes a token. It is returned once and kept only as its SHA-256; it has 256 random bits, so a slow hash would add
// nothing. The error is ErrNotFound when there is no such organisation.
func (s *Store) IssueToken(ctx context.Context, spec TokenSpec) (token string, err error) {
	token, hash := newSecret()
	err = s.write(ctx, "creating token", func(tx *dbTx) error {
		var organization, id int64
		if err := tx.QueryRow("SELECT id FROM organizations WHERE short_name = ?", spec.Organization).Scan(&organization); err != nil {
			return err
		}
		const insert = `INSERT INTO tokens (organization_id, role, hash, created, name, description, networks, expires)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
		row := tx.QueryRow(insert, organization, spec.Role, hash, micros(s.now()), spec.Name, text(spec.Description),
			text(joinNetworks(spec.Networks)), moment(&spec.Expires))
		if err := row.Scan(&id); err != nil {
			return err
		}
		return tx.audit("token", id, organization, nil, map[string]any{"role": spec.Role, "name": spec.Name,
			"networks": text(joinNetworks(spec.Networks)), "expires": gateTime(moment(&spec.Expires))})
	})
	return token, err
}

// newSecret is a new token and what is kept of it.
func newSecret() (token string, hash []byte) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	token = "gh_" + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, digest(token)
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Token returns who a token belongs to, ErrNotFound when nobody, or when it has been revoked or has expired. It asks the database
// each time, so that a revocation holds everywhere from the next request on.
func (s *Store) Token(ctx context.Context, token string) (Token, error) {
	const q = `WITH RECURSIVE t AS (
			SELECT id, organization_id, role, created, networks, gateway_id FROM tokens
			WHERE (hash = ?1 OR previous_hash = ?1 AND previous_until > ?2) AND revoked IS NULL AND (expires IS NULL OR expires > ?2)),
		below (id) AS (SELECT organization_id FROM t UNION SELECT o.id FROM organizations o JOIN below ON o.parent_id = below.id)
		SELECT t.id, t.role, t.created, coalesce(t.networks, ''), coalesce(t.gateway_id, 0),
			coalesce((SELECT nas_identifier FROM gateways WHERE id = t.gateway_id), ''), below.id FROM below, t
		ORDER BY CASE WHEN below.id = t.organization_id THEN 0 ELSE 1 END, below.id`
	var t Token
	rows, err := s.read().QueryContext(ctx, q, digest(token), micros(s.now()))
	ids, err := collect(rows, err, func(row scanner) (id int64, err error) {
		var created int64
		var networks string
		if err = row.Scan(&t.ID, &t.Role, &created, &networks, &t.Gateway, &t.NASIdentifier, &id); err != nil {
			return 0, err
		}
		t.Created = time.UnixMicro(created)
		t.Networks, err = ParseNetworks(networks)
		return id, err
	})
	if err == nil && len(ids) == 0 {
		err = ErrNotFound
	}
	t.Scope = ids
	return t, s.err("looking for token", err)
}

// ParseNetworks reads networks as 192.0.2.0/24,2001:db8::1 with commas. An address alone is the network of only itself.
func ParseNetworks(text string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			addr, addrErr := netip.ParseAddr(part)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is no network like 192.0.2.0/24", part)
			}
			p = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func joinNetworks(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

// RotateToken gives a token a new secret. The old one is good for as long as overlap says; one that was still good from a
// rotation before is not any more. The error is ErrNotFound when there is no such token or it has been revoked.
func (s *Store) RotateToken(ctx context.Context, id int64, overlap time.Duration) (token string, err error) {
	token, hash := newSecret()
	err = s.write(ctx, "rotating token", func(tx *dbTx) error {
		until := s.now().Add(overlap)
		const rotate = `UPDATE tokens SET previous_hash = hash, previous_until = ?, hash = ? WHERE id = ? AND revoked IS NULL
			RETURNING organization_id`
		var organization int64
		if err := tx.QueryRow(rotate, micros(until), hash, id).Scan(&organization); err != nil {
			return err
		}
		return tx.audit("token", id, organization, map[string]any{}, map[string]any{"old_until": until.UTC()}, "token")
	})
	return token, err
}

// RevokeToken ends a token. The error is ErrNotFound when there is no such token or it has been revoked before.
func (s *Store) RevokeToken(ctx context.Context, id int64) error {
	return s.write(ctx, "revoking token", func(tx *dbTx) error {
		var organization int64
		now := s.now()
		const revoke = "UPDATE tokens SET revoked = ? WHERE id = ? AND revoked IS NULL RETURNING organization_id"
		if err := tx.QueryRow(revoke, micros(now), id).Scan(&organization); err != nil {
			return err
		}
		return tx.audit("token", id, organization, map[string]any{"revoked": nil}, map[string]any{"revoked": now.UTC()})
	})
}

// NoteTokenUse remembers when tokens, by id, were last used.
func (s *Store) NoteTokenUse(ctx context.Context, used map[int64]time.Time) error {
	return s.write(ctx, "noting the use of tokens", func(tx *dbTx) error {
		note := "UPDATE tokens SET last_used = " + tx.d.greatest("coalesce(last_used, 0)", "CAST(? AS BIGINT)") + " WHERE id = ?"
		for id, at := range used {
			if _, err := tx.Exec(note, micros(at), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// TokenInfo is a token as a list shows it.
type TokenInfo struct {
	ID           int64
	Organization string // short name
	Role         Role
	Name         string
	Description  string
	Networks     string
	Created      time.Time
	Expires      time.Time // zero: never
	Revoked      time.Time // zero: it has not been
	LastUsed     time.Time // zero: never
}

// Tokens lists the tokens of the organisation with this short name, or all, by id.
func (s *Store) Tokens(ctx context.Context, shortName string) ([]TokenInfo, error) {
	const q = `SELECT t.id, o.short_name, t.role, t.name, coalesce(t.description, ''), coalesce(t.networks, ''), t.created,
			t.expires, t.revoked, t.last_used
		FROM tokens t JOIN organizations o ON o.id = t.organization_id WHERE CAST(? AS TEXT) IN ('', o.short_name) ORDER BY t.id`
	rows, err := s.lists().QueryContext(ctx, q, shortName)
	list, err := collect(rows, err, func(row scanner) (t TokenInfo, err error) {
		var created, expires, revoked, used *int64
		err = row.Scan(&t.ID, &t.Organization, &t.Role, &t.Name, &t.Description, &t.Networks, &created, &expires, &revoked, &used)
		t.Created, t.Expires, t.Revoked, t.LastUsed = instant(created), instant(expires), instant(revoked), instant(used)
		return t, err
	})
	return list, s.err("listing tokens", err)
}

// instant is the time of a column; zero when it is NULL.
func instant(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return time.UnixMicro(*micros).UTC()
}
