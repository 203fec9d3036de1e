package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"strings"
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

	Parent      *int64
	IsActive    bool // false: its tokens and those below it are refused
	Deleted     bool // as not active, for good
	CountryCode *string
	Platform    int64 // flags 1, 2, 4, ... 64
	DisplayName *string
	Website     *string
	Industry    *string
	Size        *string

	Timezone, DateFormat, Currency, Language string

	Plan               *string
	SubscriptionStatus string
	SubscriptionEnds   *time.Time
	Features           []string
	MaxUsers           *int64 // nil: no bound
	MaxAPICalls        *int64

	LogoURL, PrimaryColor, SecondaryColor *string

	LeaseTime  int64 // seconds of a user's time balance that a gateway is lent at once
	LeaseGrace int64 // seconds that a gateway may let a user overdraw while the centre is away
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
		const insert = `INSERT INTO organizations (parent_id, short_name, name, name_folded, created, updated) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (short_name) DO NOTHING RETURNING id`
		if err := taken("short_name", tx.QueryRow(insert, above, shortName, name, strings.ToLower(name), now, now).Scan(&id)); err != nil {
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

const organizationColumns = `o.id, o.parent_id, o.short_name, o.name, o.description, o.created, o.updated, o.is_active, o.deleted,
	o.country_code, o.platform, o.display_name, o.website, o.industry, o.size, o.timezone, o.date_format, o.currency, o.language,
	o.plan, o.subscription_status, o.subscription_expires, o.features, o.max_users, o.max_api_calls, o.logo_url, o.primary_color,
	o.secondary_color, o.lease_time, o.lease_grace`

func scanOrganization(row scanner) (o Organization, err error) {
	var created, updated int64
	var ends *int64
	var features string
	err = row.Scan(&o.ID, &o.Parent, &o.ShortName, &o.Name, &o.Description, &created, &updated, &o.IsActive, &o.Deleted,
		&o.CountryCode, &o.Platform, &o.DisplayName, &o.Website, &o.Industry, &o.Size, &o.Timezone, &o.DateFormat, &o.Currency,
		&o.Language, &o.Plan, &o.SubscriptionStatus, &ends, &features, &o.MaxUsers, &o.MaxAPICalls, &o.LogoURL, &o.PrimaryColor,
		&o.SecondaryColor, &o.LeaseTime, &o.LeaseGrace)
	if err != nil {
		return o, err
	}
	o.Created, o.Updated = time.UnixMicro(created), time.UnixMicro(updated)
	if ends != nil {
		o.SubscriptionEnds = new(time.UnixMicro(*ends).UTC())
	}
	return o, json.Unmarshal([]byte(features), &o.Features)
}

// Organization returns a tenant by id.
func (s *Store) Organization(ctx context.Context, id int64) (Organization, error) {
	q := "SELECT " + organizationColumns + " FROM organizations o WHERE o.id = ?"
	o, err := scanOrganization(s.read().QueryRowContext(ctx, q, id))
	return o, s.err("reading organisation", err)
}

// OrganizationFilter narrows a list of organisations. Zero fields do not.
type OrganizationFilter struct {
	ID, Parent     int64
	Name           string // part of it, in either case
	Active         *bool
	Limit, Offset  int64
	MatchesNothing bool
}

// Organizations lists tenants of the scope by id, and says how many there are without the limit; a nil scope is all.
func (s *Store) Organizations(ctx context.Context, scope Scope, f OrganizationFilter) (list []Organization, count int64, err error) {
	if f.MatchesNothing {
		return []Organization{}, 0, nil
	}
	where, args := "WHERE 1 = 1", []any{}
	if scope != nil {
		where += " AND " + scope.in("o.id")
	}
	if f.ID != 0 {
		where, args = where+" AND o.id = ?", append(args, f.ID)
	}
	if f.Parent != 0 {
		where, args = where+" AND o.parent_id = ?", append(args, f.Parent)
	}
	if f.Name != "" {
		where, args = where+" AND o.name_folded LIKE ? ESCAPE '\\'", append(args, like(strings.ToLower(f.Name)))
	}
	if f.Active != nil {
		where, args = where+" AND o.is_active = ?", append(args, *f.Active)
	}
	if err := s.lists().QueryRowContext(ctx, "SELECT count(*) FROM organizations o "+where, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting organisations", err)
	}
	q := "SELECT " + organizationColumns + " FROM organizations o " + where + " ORDER BY o.id LIMIT ? OFFSET ?"
	rows, err := s.lists().QueryContext(ctx, q, append(args, f.Limit, f.Offset)...)
	list, err = collect(rows, err, scanOrganization)
	return list, count, s.err("listing organisations", err)
}

// OrganizationNames are the short names of the scope's organisations.
func (s *Store) OrganizationNames(ctx context.Context, scope Scope) (map[int64]string, error) {
	names := make(map[int64]string, len(scope))
	rows, err := s.lists().QueryContext(ctx, "SELECT id, short_name FROM organizations WHERE "+scope.in("id"))
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var id int64
		var name string
		err = row.Scan(&id, &name)
		names[id] = name
		return none, err
	})
	return names, s.err("listing organisations", err)
}

// UpdateOrganization changes the tenant with this short name as change says; id, short name and times are not changed, and of
// change nothing but o may be used. It returns ErrNotFound when there is none.
func (s *Store) UpdateOrganization(ctx context.Context, shortName string, change func(o *Organization)) (o Organization, err error) {
	err = s.write(ctx, "changing organisation", func(tx *dbTx) error {
		if err := tx.lock("organizations", "short_name = ?", shortName); err != nil {
			return err
		}
		o, err = scanOrganization(tx.QueryRow("SELECT "+organizationColumns+" FROM organizations o WHERE o.short_name = ?", shortName))
		if err != nil {
			return err
		}
		before := o
		change(&o)
		features, err := json.Marshal(o.Features)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE organizations SET name = ?, name_folded = ?, description = ?, updated = ?, is_active = ?, deleted = ?,
				country_code = ?, platform = ?, display_name = ?, website = ?, industry = ?, size = ?, timezone = ?, date_format = ?,
				currency = ?, language = ?, plan = ?, subscription_status = ?, subscription_expires = ?, features = ?, max_users = ?,
				max_api_calls = ?, logo_url = ?, primary_color = ?, secondary_color = ?, lease_time = ?, lease_grace = ?
			WHERE id = ?`, o.Name, strings.ToLower(o.Name), o.Description, micros(s.now()), o.IsActive, o.Deleted, o.CountryCode,
			o.Platform, o.DisplayName, o.Website, o.Industry, o.Size, o.Timezone, o.DateFormat, o.Currency, o.Language, o.Plan,
			o.SubscriptionStatus, moment(o.SubscriptionEnds), string(features), o.MaxUsers, o.MaxAPICalls, o.LogoURL,
			o.PrimaryColor, o.SecondaryColor, o.LeaseTime, o.LeaseGrace, o.ID)
		if err != nil {
			return err
		}
		return tx.audit("organization", o.ID, o.ID, before, o)
	})
	return o, err
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
	scope, err := subtree(ctx, s.read(), organization)
	return scope, s.err("reading organisation", err)
}

func subtree(ctx context.Context, q querier, organization int64) (Scope, error) {
	const find = `WITH RECURSIVE below (id) AS (
			SELECT id FROM organizations WHERE id = ?1 UNION SELECT o.id FROM organizations o JOIN below ON o.parent_id = below.id)
		SELECT id FROM below ORDER BY CASE WHEN id = ?1 THEN 0 ELSE 1 END, id`
	rows, err := q.QueryContext(ctx, find, organization)
	ids, err := collect(rows, err, func(row scanner) (id int64, err error) { err = row.Scan(&id); return id, err })
	if err == nil && len(ids) == 0 {
		err = ErrNotFound
	}
	return ids, err
}

// Subtree is the scope of an organisation: it and all below it.
func (s *Store) Subtree(ctx context.Context, organization int64) (Scope, error) {
	return s.subtree(ctx, organization)
}

// OrganizationState is what every request asks of its organisation.
type OrganizationState struct {
	Live        bool   // neither it nor one above it was switched off or deleted
	MaxAPICalls *int64 // in a month; nil: no bound
}

// OrganizationState reads the state of an organisation.
func (s *Store) OrganizationState(ctx context.Context, id int64) (o OrganizationState, err error) {
	const q = `WITH RECURSIVE above (id, parent_id, off) AS (
			SELECT id, parent_id, deleted OR NOT is_active FROM organizations WHERE id = ?1
			UNION SELECT o.id, o.parent_id, o.deleted OR NOT o.is_active FROM organizations o JOIN above ON above.parent_id = o.id)
		SELECT NOT EXISTS (SELECT 1 FROM above WHERE off), (SELECT max_api_calls FROM organizations WHERE id = ?1)`
	err = s.read().QueryRowContext(ctx, q, id).Scan(&o.Live, &o.MaxAPICalls)
	return o, s.err("reading organisation", err)
}

// CountUsers is how many users the scope has.
func (s *Store) CountUsers(ctx context.Context, scope Scope) (n int64, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT count(*) FROM users WHERE "+scope.in("organization_id")).Scan(&n)
	return n, s.err("counting users", err)
}

// The names of secrets in the table meta.
const (
	feedEpoch  = "feed_epoch"
	erasureKey = "erasure_key"
	signKey    = "access_token_key"
)

// makeSecrets gives a new database what must differ between any two: the feed's epoch and the key of access tokens.
func (s *Store) makeSecrets(ctx context.Context) error {
	return s.write(ctx, "making keys", func(tx *dbTx) error {
		for _, key := range []string{feedEpoch, signKey, erasureKey} {
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
