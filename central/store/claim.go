package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"time"

	"gatehouse/api/admin"
)

// How long a claim is good for.
const (
	CodeLife       = 15 * time.Minute
	ClaimTokenLife = 7 * 24 * time.Hour
	maxClaims      = 10_000 // that wait with a code, of all organisations
)

// ErrBusy says that too many gateways wait to be claimed.
var ErrBusy = errors.New("too many gateways wait to be claimed")

// ErrActive says that a gateway of this name is claimed and not revoked.
var ErrActive = errors.New("a gateway of this name is claimed already")

// codeLetters are Crockford's: nothing that could be taken for another.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode is eight letters, forty bits, in two groups.
func newCode() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = codeLetters[b[i]%32]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// newClaimSecret is what a gateway asks for its token with, and what is kept of it.
func newClaimSecret() (secret string, hash []byte) {
	token, _ := newSecret()
	secret = "ghc_" + strings.TrimPrefix(token, "gh_")
	return secret, digest(secret)
}

// CleanCode is a code as it is kept, however it was typed.
func CleanCode(typed string) string {
	t := strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(typed)))
	if len(t) != 8 {
		return ""
	}
	return t[:4] + "-" + t[4:]
}

// OfferGateway has a gateway that nobody has claimed wait with a code. secret is what it asks on with.
func (s *Store) OfferGateway(ctx context.Context, nasIdentifier, version, address string) (code, secret string, err error) {
	err = s.write(ctx, "offering a gateway", func(tx *dbTx) error {
		now := s.now()
		if _, err := tx.Exec("DELETE FROM claims WHERE expires <= ?", micros(now)); err != nil {
			return err
		}
		var waiting int
		if err := tx.QueryRow("SELECT count(*) FROM claims WHERE code IS NOT NULL").Scan(&waiting); err != nil {
			return err
		}
		if waiting >= maxClaims {
			return ErrBusy
		}
		var hash []byte
		code = newCode()
		secret, hash = newClaimSecret()
		_, err := tx.Exec("INSERT INTO claims (secret_hash, code, nas_identifier, version, address, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
			hash, code, nasIdentifier, version, address, micros(now), micros(now.Add(CodeLife)))
		return err
	})
	return code, secret, err
}

// ClaimByCode gives the gateway that waits with a code to an organisation; it has a day to fetch its token. The
// error is ErrNotFound when no gateway waits with it, ErrActive when another one has its name.
func (s *Store) ClaimByCode(ctx context.Context, organization int64, code, name string, location *int64) (saved admin.Gateway, err error) {
	err = s.write(ctx, "claiming a gateway", func(tx *dbTx) error {
		if err := tx.lock("claims", "code = ?", code); err != nil {
			return err
		}
		now := s.now()
		var claim int64
		var nas string
		const find = "SELECT id, nas_identifier FROM claims WHERE code = ? AND expires > ?"
		if err := tx.QueryRow(find, code, micros(now)).Scan(&claim, &nas); err != nil {
			return err
		}
		id, err := s.readyToClaim(tx, organization, nas, name, location)
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE claims SET gateway_id = ?, code = NULL, expires = ? WHERE id = ?", id, micros(now.Add(24*time.Hour)), claim)
		if err != nil {
			return err
		}
		g, err := s.gatewayOf(tx.ctx, tx, Scope{organization}, id)
		if saved = g.Gateway; err != nil {
			return err
		}
		return tx.audit("gateway_claim", id, organization, nil, map[string]any{"nas_identifier": nas, "name": name, "by": "shown at the router"})
	})
	return saved, err
}

// readyToClaim is the gateway of that name, made if there is none; what it had to claim itself with before is void.
func (s *Store) readyToClaim(tx *dbTx, organization int64, nas, name string, location *int64) (id int64, err error) {
	if err := hasLocation(tx, organization, location); err != nil {
		return 0, err
	}
	var claimed *int64
	err = tx.QueryRow("SELECT id, claimed FROM gateways WHERE organization_id = ? AND nas_identifier = ?", organization, nas).Scan(&id, &claimed)
	switch {
	case err == sql.ErrNoRows:
		err = tx.QueryRow("INSERT INTO gateways (organization_id, nas_identifier, name, location_id, created) VALUES (?, ?, ?, ?, ?) RETURNING id",
			organization, nas, name, location, micros(s.now())).Scan(&id)
		return id, err
	case err != nil:
		return 0, err
	case claimed != nil:
		return 0, ErrActive
	}
	if _, err := tx.Exec("DELETE FROM claims WHERE gateway_id = ?", id); err != nil {
		return 0, err
	}
	_, err = tx.Exec(`UPDATE gateways SET name = CASE WHEN ?1 <> '' THEN ?1 ELSE name END, location_id = coalesce(CAST(?2 AS BIGINT), location_id),
		revision = revision + 1 WHERE id = ?3`, name, location, id)
	return id, err
}

// CreateGateway makes a gateway before it has ever spoken, with what it can claim itself with. A *DuplicateError says that
// the organisation has one of this name.
func (s *Store) CreateGateway(ctx context.Context, organization int64, nas, name string, location *int64) (made admin.ClaimToken, err error) {
	err = s.write(ctx, "creating gateway", func(tx *dbTx) error {
		if err := hasLocation(tx, organization, location); err != nil {
			return err
		}
		var id int64
		const insert = `INSERT INTO gateways (organization_id, nas_identifier, name, location_id, created) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (organization_id, nas_identifier) DO NOTHING RETURNING id`
		err := taken("nas_identifier", tx.QueryRow(insert, organization, nas, name, location, micros(s.now())).Scan(&id))
		if err != nil {
			return err
		}
		if err := tx.audit("gateway", id, organization, nil, map[string]any{"nas_identifier": nas, "name": name, "location": location}); err != nil {
			return err
		}
		made, err = s.claimToken(tx, Scope{organization}, id)
		return err
	})
	return made, err
}

// NewClaimToken gives a gateway of the scope that is not claimed, or was revoked, something to claim itself with. What it had
// before for that is void. The error is ErrActive when it is claimed.
func (s *Store) NewClaimToken(ctx context.Context, scope Scope, id int64) (made admin.ClaimToken, err error) {
	err = s.write(ctx, "making a claim token", func(tx *dbTx) error {
		made, err = s.claimToken(tx, scope, id)
		return err
	})
	return made, err
}

func (s *Store) claimToken(tx *dbTx, scope Scope, id int64) (made admin.ClaimToken, err error) {
	g, err := s.gatewayOf(tx.ctx, tx, scope, id)
	if err != nil {
		return made, err
	}
	if g.Claimed != nil {
		return made, ErrActive
	}
	if _, err := tx.Exec("DELETE FROM claims WHERE gateway_id = ?", id); err != nil {
		return made, err
	}
	now := s.now()
	secret, hash := newClaimSecret()
	made = admin.ClaimToken{Gateway: g.Gateway, ClaimToken: secret, Expires: utc(micros(now.Add(ClaimTokenLife)))}
	_, err = tx.Exec(`INSERT INTO claims (secret_hash, gateway_id, nas_identifier, version, address, created, expires)
		VALUES (?, ?, ?, '', '', ?, ?)`, hash, id, g.NASIdentifier, micros(now), micros(made.Expires))
	if err != nil {
		return made, err
	}
	return made, tx.audit("gateway_claim", id, g.Organization, nil, map[string]any{"nas_identifier": g.NASIdentifier, "by": "made beforehand",
		"expires": made.Expires})
}

// Claimed is what a gateway has become that asked for its token.
type Claimed struct {
	Token        string // empty: nobody has claimed it yet
	Organization string // short name
}

// FetchToken gives a gateway that was claimed its token, and makes void the one that it was given before: as long as it has
// not used that, the answer may have been lost. The error is ErrNotFound when there is no such claim, and ErrNotYours when
// it was made for a gateway of another name.
func (s *Store) FetchToken(ctx context.Context, secret, nasIdentifier string) (c Claimed, err error) {
	err = s.write(ctx, "giving a gateway its token", func(tx *dbTx) error {
		c = Claimed{}
		if err := tx.lock("claims", "secret_hash = ?", digest(secret)); err != nil {
			return err
		}
		var gateway, organization *int64
		var nas string
		const find = `SELECT c.gateway_id, c.nas_identifier, g.organization_id FROM claims c LEFT JOIN gateways g ON g.id = c.gateway_id
			WHERE c.secret_hash = ? AND c.expires > ?`
		now := micros(s.now())
		if err := tx.QueryRow(find, digest(secret), now).Scan(&gateway, &nas, &organization); err != nil {
			return err
		}
		if nas != nasIdentifier {
			return ErrNotYours
		}
		if gateway == nil {
			return nil
		}
		if err := tx.QueryRow("SELECT short_name FROM organizations WHERE id = ?", *organization).Scan(&c.Organization); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE tokens SET revoked = ? WHERE gateway_id = ? AND revoked IS NULL", now, *gateway); err != nil {
			return err
		}
		var hash []byte
		c.Token, hash = newSecret()
		var id int64
		const insert = "INSERT INTO tokens (organization_id, role, hash, created, name, gateway_id) VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
		if err := tx.QueryRow(insert, *organization, RoleEdge, hash, now, nas, *gateway).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE gateways SET claimed = ?, revoked = NULL WHERE id = ?", now, *gateway); err != nil {
			return err
		}
		return tx.audit("token", id, *organization, nil, map[string]any{"role": RoleEdge, "name": nas, "gateway": *gateway})
	})
	return c, err
}

// EndClaim forgets how a gateway got its token: it has used it.
func (s *Store) EndClaim(ctx context.Context, gateway int64) error {
	return s.write(ctx, "ending a claim", func(tx *dbTx) error {
		_, err := tx.Exec("DELETE FROM claims WHERE gateway_id = ?", gateway)
		return err
	})
}
