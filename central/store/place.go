package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// What a place may not be.
var (
	ErrNoLocation = errors.New("the organisation has no such location")
	ErrInUse      = errors.New("something is in it")
)

// PlaceKind is what a place is.
type PlaceKind string

// The kinds of places.
const (
	Location     PlaceKind = "location"
	AccessPoint  PlaceKind = "access_point"
	AccessDevice PlaceKind = "access_device"
)

// Place is a place with what GATE's API does not show.
type Place struct {
	gate.Place
	LocationID *int64  // of an access point or access device: the location it is in
	MAC        *string // 00:1A:2B:3C:4D:5E, unique in the organisation
	deleted    bool
}

// PlaceFilter narrows a list of places. Zero fields do not.
type PlaceFilter struct {
	Kind            PlaceKind // must be there
	ID, Location    int64
	ChangedFrom     time.Time // last_change, inclusive
	HaveCoordinates bool
	IsActive        *bool
	Deleted         bool // deleted ones too
}

func (f *PlaceFilter) where(scope Scope) (conditions []string, args []any) {
	conditions, args = []string{"t.kind = ?", scope.in("t.organization_id")}, []any{f.Kind}
	if f.ID != 0 {
		conditions, args = append(conditions, "t.id = ?"), append(args, f.ID)
	}
	if f.Location != 0 {
		conditions, args = append(conditions, "t.location_id = ?"), append(args, f.Location)
	}
	if !f.ChangedFrom.IsZero() {
		conditions, args = append(conditions, "t.last_change >= ?"), append(args, micros(f.ChangedFrom))
	}
	if f.HaveCoordinates {
		conditions = append(conditions, "t.latitude IS NOT NULL AND t.longitude IS NOT NULL")
	}
	switch {
	case f.IsActive == nil:
	case *f.IsActive:
		conditions = append(conditions, "t.is_active")
	default:
		conditions = append(conditions, "NOT t.is_active")
	}
	if !f.Deleted {
		conditions = append(conditions, "NOT t.deleted")
	}
	return conditions, args
}

const placeColumns = `t.id, t.organization_id, t.name, t.short_name, t.is_active, t.deleted, t.location_id, t.mac_addr, t.description,
	t.thumbnail, t.address, t.reference, t.city, t.postal_code, t.state, t.region, t.country_code, t.latitude, t.longitude,
	t.created, t.last_change`

func scanPlace(row scanner) (Place, error) {
	p := Place{Place: gate.Place{OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix}}}
	var created, change int64
	err := row.Scan(&p.ID, &p.OrganizationID.N, &p.Name, &p.ShortName, &p.IsActive, &p.deleted, &p.LocationID, &p.MAC, &p.Description,
		&p.Thumbnail, &p.Address, &p.Reference, &p.City, &p.PostalCode, &p.State, &p.Region, &p.CountryCode, &p.Latitude, &p.Longitude,
		&created, &change)
	p.Created, p.LastChange = *gateTime(&created), *gateTime(&change)
	return p, err
}

// Places lists places by id, and says how many there are without the limit.
func (s *Store) Places(ctx context.Context, scope Scope, f PlaceFilter, limit, offset int64) (list []Place, count int64, err error) {
	conditions, args := f.where(scope)
	where := "FROM places t WHERE " + strings.Join(conditions, " AND ")
	if err := s.figures().QueryRowContext(ctx, "SELECT count(*) "+where, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting places", err)
	}
	rows, err := s.figures().QueryContext(ctx, "SELECT "+placeColumns+" "+where+" ORDER BY t.id LIMIT ? OFFSET ?",
		append(args, limit, offset)...)
	list, err = collect(rows, err, scanPlace)
	return list, count, s.err("listing places", err)
}

// PlacePage lists places, newest first. more tells whether there is something beyond the page.
func (s *Store) PlacePage(ctx context.Context, scope Scope, f PlaceFilter, p Page) (list []Place, more bool, err error) {
	q := keyset{d: s.d, table: "places", time: "created", id: "id", columns: placeColumns}
	q.within(scope, "places_organization", "places_kind")
	conditions, args := f.where(scope)
	q.and(strings.Join(conditions, " AND "), args...)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanPlace)
	list, more = cutPage(p, list)
	return list, more, s.err("listing places", err)
}

// Place returns one place of the scope.
func (s *Store) Place(ctx context.Context, scope Scope, kind PlaceKind, id int64) (Place, error) {
	p, err := findPlace(ctx, s.read(), scope, kind, id)
	return p, s.err("reading place", err)
}

func findPlace(ctx context.Context, q querier, scope Scope, kind PlaceKind, id int64) (Place, error) {
	f := PlaceFilter{Kind: kind, ID: id}
	conditions, args := f.where(scope)
	return scanPlace(q.QueryRowContext(ctx, "SELECT "+placeColumns+" FROM places t WHERE "+strings.Join(conditions, " AND "), args...))
}

// SavePlace changes the place of the scope with this id as change says, or makes a new one when id is 0, and returns it as
// stored. A new one's organisation must be of the scope. It returns a *DuplicateError when the short name or the MAC address is
// taken, ErrNoLocation when the organisation has no such location, ErrNotFound when there is no such place, and what change
// returns. change must be quick and must not use the store.
func (s *Store) SavePlace(ctx context.Context, scope Scope, kind PlaceKind, id int64, change func(*Place) error) (saved Place, err error) {
	err = s.write(ctx, "saving place", func(tx *dbTx) error {
		var p Place
		var before any
		if id != 0 {
			if err := tx.lock("places", "id = ?", id); err != nil {
				return err
			}
			if p, err = findPlace(ctx, tx, scope, kind, id); err != nil {
				return err
			}
			before = p
		}
		if err := change(&p); err != nil {
			return err
		}
		if err := checkPlace(tx, kind, &p); err != nil {
			return err
		}
		if saved, err = s.putPlace(tx, kind, p); err != nil {
			return err
		}
		return tx.audit(string(kind), saved.ID, saved.OrganizationID.N, before, saved)
	})
	return saved, err
}

func checkPlace(tx *dbTx, kind PlaceKind, p *Place) error {
	const other = "SELECT EXISTS (SELECT 1 FROM places WHERE NOT deleted AND organization_id = ? AND id <> ? AND "
	var shortName, mac bool
	if err := tx.QueryRow(other+"kind = ? AND short_name = ?)", p.OrganizationID.N, p.ID, kind, p.ShortName).Scan(&shortName); err != nil {
		return err
	}
	if err := tx.QueryRow(other+"mac_addr = ?)", p.OrganizationID.N, p.ID, p.MAC).Scan(&mac); err != nil {
		return err
	}
	switch {
	case shortName:
		return &DuplicateError{Field: "short_name"}
	case mac:
		return &DuplicateError{Field: "mac_addr"}
	case p.LocationID == nil:
		return nil
	}
	_, err := findPlace(tx.ctx, tx, Scope{p.OrganizationID.N}, Location, *p.LocationID)
	if err == sql.ErrNoRows {
		return ErrNoLocation
	}
	return err
}

// putPlace writes a place. Its last_change is later than that of every change before it, in whatever process, so that a reader
// who asks for what changed since the last one he has seen misses nothing.
func (s *Store) putPlace(tx *dbTx, kind PlaceKind, p Place) (Place, error) {
	if lock := tx.d.feedLock(); lock != "" {
		if _, err := tx.Exec(lock); err != nil {
			return p, err
		}
	}
	var last int64
	if err := tx.QueryRow("SELECT coalesce(max(last_change), 0) FROM places").Scan(&last); err != nil {
		return p, err
	}
	now := micros(s.now())
	set := []any{p.Name, p.ShortName, p.IsActive, p.deleted, p.LocationID, p.MAC, p.Description, p.Thumbnail, p.Address, p.Reference,
		p.City, p.PostalCode, p.State, p.Region, p.CountryCode, p.Latitude, p.Longitude, max(now, last+1)}
	const columns = `name, short_name, is_active, deleted, location_id, mac_addr, description, thumbnail, address, reference,
		city, postal_code, state, region, country_code, latitude, longitude, last_change`
	q := "INSERT INTO places (" + columns + ", kind, organization_id, created) VALUES (?" + strings.Repeat(", ?", 20) + ")"
	args := append(set, kind, p.OrganizationID.N, now)
	if p.ID != 0 {
		q = "UPDATE places SET " + strings.ReplaceAll(columns, ",", " = ?,") + " = ? WHERE id = ?"
		args = append(set, p.ID)
	}
	return scanPlace(tx.QueryRow(q+" RETURNING "+strings.ReplaceAll(placeColumns, "t.", ""), args...))
}

// DeletePlace takes a place of the scope away: from then on it is in the lists of the GATE API only, as inactive. check may
// refuse. A location with something in it is ErrInUse.
func (s *Store) DeletePlace(ctx context.Context, scope Scope, kind PlaceKind, id int64, check func(Place) error) error {
	return s.write(ctx, "deleting place", func(tx *dbTx) error {
		if err := tx.lock("places", "id = ?", id); err != nil {
			return err
		}
		p, err := findPlace(ctx, tx, scope, kind, id)
		if err != nil {
			return err
		}
		if err := check(p); err != nil {
			return err
		}
		var used bool
		if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM places WHERE location_id = ? AND NOT deleted)", id).Scan(&used); err != nil {
			return err
		}
		if used {
			return ErrInUse
		}
		before := p
		p.IsActive, p.deleted = false, true
		if _, err = s.putPlace(tx, kind, p); err != nil {
			return err
		}
		return tx.audit(string(kind), id, p.OrganizationID.N, before, nil)
	})
}
