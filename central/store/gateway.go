package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// SilentAfter is how long a gateway that holds a request for changes open all the time may be unheard.
const SilentAfter = 3 * time.Minute

// Gateway is a gateway of the organisation at the top of its scope.
type Gateway struct {
	ID            int64
	Scope         Scope
	NASIdentifier string
	MergedThrough int64 // its greatest record number that was settled, as last noted
	Claiming      bool  // it has not used its token yet; see EndClaim
}

// Errors of Store.Gateway.
var (
	ErrRevoked  = errors.New("the gateway was revoked")
	ErrNotYours = errors.New("the token is another gateway's")
	ErrClaimed  = errors.New("the gateway has a token of its own")
)

// Gateway finds a gateway of the token's own organisation by NAS-Identifier, and registers it at first contact. A gateway that
// was claimed speaks with its own token alone, and with that token speaks nobody else.
func (s *Store) Gateway(ctx context.Context, t Token, nasIdentifier string) (Gateway, error) {
	g := Gateway{Scope: t.Scope, NASIdentifier: nasIdentifier}
	if t.Gateway != 0 && t.NASIdentifier != nasIdentifier {
		return g, ErrNotYours
	}
	var claimed, revoked *int64
	const find = `SELECT id, merged_through, claimed, revoked, EXISTS (SELECT 1 FROM claims c WHERE c.gateway_id = g.id)
		FROM gateways g WHERE organization_id = ? AND nas_identifier = ?`
	err := s.read().QueryRowContext(ctx, find, t.Scope.Own(), nasIdentifier).Scan(&g.ID, &g.MergedThrough, &claimed, &revoked, &g.Claiming)
	switch {
	case err == sql.ErrNoRows && t.Gateway == 0:
		return g, s.register(ctx, &g)
	case err != nil:
		return g, s.err("looking for gateway", err)
	case revoked != nil:
		return g, ErrRevoked
	case claimed != nil && t.Gateway == 0:
		return g, ErrClaimed
	}
	return g, nil
}

func (s *Store) register(ctx context.Context, g *Gateway) error {
	return s.write(ctx, "registering gateway", func(tx *dbTx) error {
		const insert = `INSERT INTO gateways (organization_id, nas_identifier, created) VALUES (?, ?, ?)
			ON CONFLICT (organization_id, nas_identifier) DO UPDATE SET nas_identifier = excluded.nas_identifier RETURNING id`
		if err := tx.QueryRow(insert, g.Scope.Own(), g.NASIdentifier, micros(s.now())).Scan(&g.ID); err != nil {
			return err
		}
		return tx.audit("gateway", g.ID, g.Scope.Own(), nil, map[string]any{"nas_identifier": g.NASIdentifier})
	})
}

// Heard is what was heard of a gateway.
type Heard struct {
	Gateway       int64
	At            time.Time
	Address       string
	Status        *edge.Status // nil: it did not say
	Synced        int64        // how far it has read the change feed; 0: not told
	MergedThrough int64
}

// Note writes down what was heard, in one transaction. Where two boots take turns under one name, two machines have it.
func (s *Store) Note(ctx context.Context, reports []Heard) error {
	slices.SortFunc(reports, func(a, b Heard) int { // as all do who write more than one
		if a.Gateway != b.Gateway {
			return int(a.Gateway - b.Gateway)
		}
		return a.At.Compare(b.At)
	})
	return s.write(ctx, "noting what gateways said", func(tx *dbTx) error {
		for _, r := range reports {
			heard := "UPDATE gateways SET last_seen = " + tx.d.greatest("coalesce(last_seen, 0)", "?") + ", address = ?, synced = " +
				"CASE WHEN CAST(? AS BIGINT) > 0 THEN ? ELSE synced END, merged_through = " + tx.d.greatest("merged_through", "?") + " WHERE id = ?"
			if _, err := tx.Exec(heard, micros(r.At), text(r.Address), r.Synced, r.Synced, r.MergedThrough, r.Gateway); err != nil {
				return err
			}
			if r.Status == nil {
				continue
			}
			if err := noteStatus(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func noteStatus(tx *dbTx, r Heard) error {
	st := r.Status
	var offset *int64
	if st.Clock != 0 {
		offset = new(st.Clock - micros(r.At))
	}
	started := r.At.Add(-time.Duration(st.UptimeSeconds) * time.Second)
	const said = `UPDATE gateways SET version = ?2, started = ?3, sessions = ?4, backlog = ?5, clock_offset = ?6,
			settings_looked = ?7, settings_error = ?8,
			conflict = CASE WHEN boot_id <> ?9 AND previous_boot_id = ?9 THEN CAST(?10 AS BIGINT) ELSE conflict END,
			previous_boot_id = CASE WHEN boot_id <> ?9 THEN boot_id ELSE previous_boot_id END, boot_id = ?9
		WHERE id = ?1`
	_, err := tx.Exec(said, r.Gateway, text(st.Version), micros(started), st.Sessions, st.Backlog, offset,
		st.ConfigurationVersion, text(st.ConfigurationError), st.BootID, micros(r.At))
	return err
}

const gatewayColumns = `t.id, t.organization_id, t.nas_identifier, t.name, t.location_id, t.created, t.claimed, t.revoked, t.last_seen,
	t.address, t.version, t.started, t.sessions, t.backlog, t.clock_offset, t.conflict, t.synced, t.merged_through, t.settings_version,
	t.settings_looked, t.settings_error, t.revision,
	(SELECT count(*) FROM gateway_users u WHERE u.gateway_id = t.id), c.name, c.problem, c.next_at,
	(SELECT max(not_after) FROM certificates i WHERE i.gateway_id = t.id)`

// gatewayJoin finds what a gateway asked for last.
const gatewayJoin = " LEFT JOIN certificates c ON c.id = (SELECT max(id) FROM certificates l WHERE l.gateway_id = t.id)"

// gatewayRow is a gateway with the number of its version.
type gatewayRow struct {
	admin.Gateway
	revision int64
}

func (s *Store) scanGateway(row scanner) (g gatewayRow, err error) {
	var created, looked int64
	var claimed, revoked, seen, started, offset, conflict, next, expires *int64
	var name *string
	var cert admin.GatewayCertificate
	err = row.Scan(&g.ID, &g.Organization, &g.NASIdentifier, &g.Name, &g.Location, &created, &claimed, &revoked, &seen,
		&g.Address, &g.Version, &started, &g.Sessions, &g.Backlog, &offset, &conflict, &g.Synced.FeedPosition, &g.Synced.MergedThrough,
		&g.Configuration.Version, &looked, &g.Configuration.Error, &g.revision, &g.Synced.Accounts,
		&name, &cert.Error, &next, &expires)
	g.Created = utc(created)
	g.Claimed, g.Revoked, g.LastSeen = utcOrNil(claimed), utcOrNil(revoked), utcOrNil(seen)
	g.Started, g.Conflict = utcOrNil(started), utcOrNil(conflict)
	g.Silent = g.LastSeen == nil || s.now().Sub(*g.LastSeen) > SilentAfter
	if offset != nil {
		g.ClockOffsetMS = new(*offset / 1000)
	}
	if name != nil {
		cert.Name, cert.State, cert.Expires = *name, admin.CertificateIssued, utcOrNil(expires)
		if next != nil {
			cert.State = admin.CertificatePending
		}
		g.Certificate = &cert
	}
	c := &g.Configuration
	switch {
	case c.Version == 0:
		c.State = admin.ConfigurationNone
	case looked != c.Version:
		c.State, c.Error = admin.ConfigurationPending, nil
	case c.Error != nil:
		c.State = admin.ConfigurationRefused
	default:
		c.State = admin.ConfigurationApplied
	}
	return g, err
}

// shown is what the audit log has of a gateway.
func (g *gatewayRow) shown() map[string]any {
	return map[string]any{"nas_identifier": g.NASIdentifier, "name": g.Name, "location": g.Location, "revoked": g.Revoked != nil}
}

// GatewayFilter narrows a list of gateways. Zero fields do not.
type GatewayFilter struct {
	Organization, Location int64
	NASIdentifier          string
	Silent                 *bool
	MatchesNothing         bool
}

// Gateways lists gateways, the newest first.
func (s *Store) Gateways(ctx context.Context, scope Scope, f GatewayFilter, p Page) (list []admin.Gateway, more bool, err error) {
	if f.MatchesNothing {
		return []admin.Gateway{}, false, nil
	}
	q := keyset{d: s.d, table: "gateways", time: "created", id: "id", columns: gatewayColumns, join: gatewayJoin}
	q.within(scope.only(f.Organization), "gateways_organization", "gateways_created")
	q.equal("t.location_id", f.Location)
	if f.NASIdentifier != "" {
		q.and("t.nas_identifier = ?", f.NASIdentifier)
	}
	if f.Silent != nil {
		heard := "coalesce(t.last_seen, 0) >= ?"
		if *f.Silent {
			heard = "coalesce(t.last_seen, 0) < ?"
		}
		q.and(heard, micros(s.now().Add(-SilentAfter)))
	}
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, func(row scanner) (admin.Gateway, error) {
		g, err := s.scanGateway(row)
		return g.Gateway, err
	})
	list, more = cutPage(p, list)
	return list, more, s.err("listing gateways", err)
}

func (s *Store) gatewayOf(ctx context.Context, q querier, scope Scope, id int64) (gatewayRow, error) {
	return s.scanGateway(q.QueryRowContext(ctx, "SELECT "+gatewayColumns+" FROM gateways t"+gatewayJoin+" WHERE t.id = ? AND "+scope.in("t.organization_id"), id))
}

// OneGateway is a gateway of the scope, and the number of its version.
func (s *Store) OneGateway(ctx context.Context, scope Scope, id int64) (admin.Gateway, int64, error) {
	g, err := s.gatewayOf(ctx, s.read(), scope, id)
	return g.Gateway, g.revision, s.err("reading gateway", err)
}

// ChangeGateway lets change set name and location of a gateway of the scope, in the transaction that reads it.
func (s *Store) ChangeGateway(ctx context.Context, scope Scope, id int64, change func(g *admin.Gateway, revision int64) error) (saved admin.Gateway, revision int64, err error) {
	err = s.write(ctx, "changing gateway", func(tx *dbTx) error {
		if err := tx.lock("gateways", "id = ?", id); err != nil {
			return err
		}
		g, err := s.gatewayOf(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		before := g.shown()
		if err := change(&g.Gateway, g.revision); err != nil {
			return err
		}
		if err := hasLocation(tx, g.Organization, g.Location); err != nil {
			return err
		}
		saved, revision = g.Gateway, g.revision+1
		_, err = tx.Exec("UPDATE gateways SET name = ?, location_id = ?, revision = ? WHERE id = ?", g.Name, g.Location, revision, id)
		if err != nil {
			return err
		}
		return tx.audit("gateway", id, g.Organization, before, g.shown())
	})
	return saved, revision, err
}

// hasLocation says with ErrNoLocation that the organisation has no such place.
func hasLocation(tx *dbTx, organization int64, location *int64) error {
	if location == nil {
		return nil
	}
	_, err := findPlace(tx.ctx, tx, Scope{organization}, Location, *location)
	if err == sql.ErrNoRows {
		return ErrNoLocation
	}
	return err
}

// RevokeGateway refuses a gateway from now on: its token is no more, and open claims of it neither.
func (s *Store) RevokeGateway(ctx context.Context, scope Scope, id int64) (saved admin.Gateway, err error) {
	err = s.write(ctx, "revoking gateway", func(tx *dbTx) error {
		g, err := s.gatewayOf(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		now := micros(s.now())
		if _, err := tx.Exec("DELETE FROM claims WHERE gateway_id = ?", id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE tokens SET revoked = ? WHERE gateway_id = ? AND revoked IS NULL", now, id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE gateways SET revoked = coalesce(revoked, ?), claimed = NULL WHERE id = ?", now, id); err != nil {
			return err
		}
		if err := changed(tx, gatewayKind, id, g.Organization); err != nil { // its request that is held open ends
			return err
		}
		before := g.shown()
		g.Claimed = nil
		if g.Revoked == nil {
			g.Revoked = new(utc(now))
		}
		saved = g.Gateway
		return tx.audit("gateway", id, g.Organization, before, g.shown())
	})
	s.wake(err)
	return saved, err
}

// DeleteGateway forgets a gateway. Its accounting stays. The error is ErrInUse while time of accounts is leased to it. One that has another token of its organisation is there again
// when it next speaks.
func (s *Store) DeleteGateway(ctx context.Context, scope Scope, id int64) error {
	err := s.write(ctx, "deleting gateway", func(tx *dbTx) error {
		g, err := s.gatewayOf(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		var leased bool
		if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM time_leases WHERE gateway_id = ? AND is_open)", id).Scan(&leased); err != nil {
			return err
		}
		if leased {
			return ErrInUse
		}
		for _, statement := range []string{
			"DELETE FROM certificates WHERE gateway_id = ?", "DELETE FROM time_leases WHERE gateway_id = ?", "DELETE FROM claims WHERE gateway_id = ?", "DELETE FROM tokens WHERE gateway_id = ?", "DELETE FROM events WHERE gateway_id = ?",
			"DELETE FROM gateway_users WHERE gateway_id = ?", "DELETE FROM gateways WHERE id = ?",
		} {
			if _, err := tx.Exec(statement, id); err != nil {
				return err
			}
		}
		if err := changed(tx, gatewayKind, id, g.Organization); err != nil {
			return err
		}
		return tx.audit("gateway", id, g.Organization, g.shown(), nil)
	})
	s.wake(err)
	return err
}

// SeenAccounts lists the accounts that a gateway of the scope has seen and that are still there, the newest first.
func (s *Store) SeenAccounts(ctx context.Context, scope Scope, gateway int64, p Page) (list []admin.SeenAccount, more bool, err error) {
	if _, err := s.gatewayOf(ctx, s.read(), scope, gateway); err != nil {
		return nil, false, s.err("reading gateway", err)
	}
	q := keyset{d: s.d, table: "users", time: "date_joined", id: "id", columns: "t.id, t.username, t.organization_id, t.date_joined"}
	q.and("EXISTS (SELECT 1 FROM gateway_users s WHERE s.gateway_id = ? AND s.user_id = t.id)", gateway)
	q.and(scope.in("t.organization_id"))
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, func(row scanner) (a admin.SeenAccount, err error) {
		var joined int64
		err = row.Scan(&a.UserID, &a.Username, &a.Organization, &joined)
		a.DateJoined = utc(joined)
		return a, err
	})
	list, more = cutPage(p, list)
	return list, more, s.err("listing accounts of a gateway", err)
}

// GatewaySettings is what is set at a gateway of the scope, and the number of the gateway's version.
func (s *Store) GatewaySettings(ctx context.Context, scope Scope, id int64) (set admin.GatewaySettings, revision int64, err error) {
	err = s.snapshot(ctx, func(q querier) error {
		g, err := s.gatewayOf(ctx, q, scope, id)
		if err != nil {
			return err
		}
		set.Configuration, revision = g.Configuration, g.revision
		var body string
		err = q.QueryRowContext(ctx, "SELECT settings FROM gateways WHERE id = ?", id).Scan(&body)
		set.Settings = []byte(body)
		return err
	})
	return set, revision, s.err("reading settings", err)
}

// PutGatewaySettings sets what is set at a gateway, a JSON object. It is told at once, and looks at it then. match sees the number
// of its version first.
func (s *Store) PutGatewaySettings(ctx context.Context, scope Scope, id int64, settings string, match func(revision int64) error) (set admin.GatewaySettings, revision int64, err error) {
	err = s.write(ctx, "setting a gateway", func(tx *dbTx) error {
		if err := tx.lock("gateways", "id = ?", id); err != nil {
			return err
		}
		g, err := s.gatewayOf(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := match(g.revision); err != nil {
			return err
		}
		var before string
		if err := tx.QueryRow("SELECT settings FROM gateways WHERE id = ?", id).Scan(&before); err != nil {
			return err
		}
		revision = g.revision + 1
		set = admin.GatewaySettings{Settings: []byte(settings),
			Configuration: admin.Configuration{Version: g.Configuration.Version + 1, State: admin.ConfigurationPending}}
		_, err = tx.Exec("UPDATE gateways SET settings = ?, settings_version = ?, revision = ? WHERE id = ?", settings, set.Version, revision, id)
		if err != nil {
			return err
		}
		if err := changed(tx, gatewayKind, id, g.Organization); err != nil {
			return err
		}
		return tx.audit("gateway_settings", id, g.Organization, map[string]any{"settings": json.RawMessage(before)},
			map[string]any{"settings": set.Settings})
	})
	s.wake(err)
	return set, revision, err
}

// unseenSettings are those that a gateway has not looked at, or all if it asks from the beginning; nil when there are none.
func unseenSettings(ctx context.Context, q querier, gateway int64, all bool) (*edge.Configuration, error) {
	var c edge.Configuration
	var looked int64
	var body string
	err := q.QueryRowContext(ctx, "SELECT settings, settings_version, settings_looked FROM gateways WHERE id = ?", gateway).
		Scan(&body, &c.Version, &looked)
	if err == sql.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	if c.Version == 0 || c.Version == looked && !all {
		return nil, nil
	}
	c.Settings = []byte(body)
	return &c, nil
}
