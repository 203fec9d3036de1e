package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// RADIUSClient is a NAS, or several, that may send accounting. The package radius says what the fields mean.
type RADIUSClient struct {
	ID             int64     `json:"id"`
	OrganizationID int64     `json:"organization_id"`
	Name           string    `json:"name"`
	Network        string    `json:"network"`     // a prefix; empty: not over UDP
	Secret         []byte    `json:"-"`           // sealed; nil where there is no network
	Certificate    string    `json:"certificate"` // empty: not over TLS
	NASIdentifier  string    `json:"nas_identifier"`
	Quirks         []string  `json:"quirks"`
	Version        int64     `json:"-"` // grows with every change
	Created        time.Time `json:"-"`
	Updated        time.Time `json:"-"`
}

// The quirks that a RADIUSClient may have.
const (
	QuirkSwapOctets    = "swap_octets"     // it counts octets as its stations see them
	QuirkOwnClock      = "own_clock"       // its time stamps are worth nothing: records are dated by their arrival
	QuirkSessionIDOnly = "session_id_only" // user or port differ between the records of a session
)

// ValueError says what is wrong with the value of a field.
type ValueError struct{ Field, Text string }

// Error implements error.
func (e *ValueError) Error() string { return e.Field + ": " + e.Text }

// check brings a client's fields into their form, or says which one is wrong.
func (c *RADIUSClient) check() error {
	if c.Name == "" {
		return &ValueError{"name", "A name is wanted."}
	}
	if c.Network == "" && c.Certificate == "" {
		return &ValueError{"network", "An address or a network is wanted, as in 192.0.2.7 or 192.0.2.0/24."}
	}
	if c.Network != "" {
		n, err := netip.ParsePrefix(c.Network)
		if a, addrErr := netip.ParseAddr(c.Network); addrErr == nil && a.Zone() == "" {
			a = a.Unmap()
			n, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || n.Addr().Is4In6() {
			return &ValueError{"network", "It is neither an address nor a network, as in 192.0.2.7 or 192.0.2.0/24."}
		}
		c.Network = n.Masked().String()
		if c.Secret == nil {
			return &ValueError{"secret", "A secret is wanted."}
		}
	}
	for i, q := range c.Quirks {
		if !slices.Contains([]string{QuirkSwapOctets, QuirkOwnClock, QuirkSessionIDOnly}, q) || slices.Contains(c.Quirks[:i], q) {
			return &ValueError{"quirks", fmt.Sprintf("%q is none of %s, %s and %s, or there twice.", q, QuirkSwapOctets, QuirkOwnClock, QuirkSessionIDOnly)}
		}
	}
	if c.Quirks == nil {
		c.Quirks = []string{}
	}
	return nil
}

const radiusClientColumns = `id, organization_id, name, network, secret, certificate, nas_identifier, quirks, version, created, updated`

func scanRADIUSClient(row scanner) (RADIUSClient, error) {
	var c RADIUSClient
	var quirks string
	var created, updated int64
	err := row.Scan(&c.ID, &c.OrganizationID, &c.Name, &c.Network, &c.Secret, &c.Certificate, &c.NASIdentifier, &quirks,
		&c.Version, &created, &updated)
	if err != nil {
		return c, err
	}
	c.Created, c.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return c, json.Unmarshal([]byte(quirks), &c.Quirks)
}

// AllRADIUSClients are those of all organisations, for the listener, and the revision that they are of.
func (s *Store) AllRADIUSClients(ctx context.Context) (list []RADIUSClient, revision string, err error) {
	if revision, err = s.RADIUSRevision(ctx); err != nil { // before the list: what changes in between is read again
		return nil, "", err
	}
	rows, err := s.read().QueryContext(ctx, "SELECT "+radiusClientColumns+" FROM radius_clients ORDER BY id")
	list, err = collect(rows, err, scanRADIUSClient)
	return list, revision, s.err("reading RADIUS clients", err)
}

const radiusRevision = "radius_clients" // in meta

// RADIUSRevision is another one after every change of a client; empty before the first.
func (s *Store) RADIUSRevision(ctx context.Context) (string, error) {
	revision, err := s.meta(ctx, s.read(), radiusRevision)
	if err == sql.ErrNoRows {
		return "", nil
	}
	return revision, s.err("asking for changes of RADIUS clients", err)
}

// RADIUSClients lists clients of the scope, newest first. more tells whether there is something beyond the page.
func (s *Store) RADIUSClients(ctx context.Context, scope Scope, p Page) (list []RADIUSClient, more bool, err error) {
	q := keyset{d: s.d, table: "radius_clients", index: "radius_clients_organization", time: "created", id: "id", columns: radiusClientColumns}
	q.and(scope.in("t.organization_id"))
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanRADIUSClient)
	list, more = cutPage(p, list)
	return list, more, s.err("listing RADIUS clients", err)
}

// RADIUSClient is one client of the scope.
func (s *Store) RADIUSClient(ctx context.Context, scope Scope, id int64) (RADIUSClient, error) {
	c, err := radiusClient(ctx, s.read(), scope, id)
	return c, s.err("reading RADIUS client", err)
}

func radiusClient(ctx context.Context, q querier, scope Scope, id int64) (RADIUSClient, error) {
	return scanRADIUSClient(q.QueryRowContext(ctx, "SELECT "+radiusClientColumns+" FROM radius_clients WHERE id = ? AND "+
		scope.in("organization_id"), id))
}

// SaveRADIUSClient changes the client of the scope with this id as change says, or makes a new one when id is 0, and returns it
// as stored. It returns a *DuplicateError when the name, the network with the NAS-Identifier, or the certificate is taken,
// ErrNotFound when there is no such client, and what change returns. change must be quick and must not use the store.
func (s *Store) SaveRADIUSClient(ctx context.Context, scope Scope, id int64, change func(*RADIUSClient) error) (saved RADIUSClient, err error) {
	err = s.write(ctx, "saving RADIUS client", func(tx *dbTx) error {
		c, before := RADIUSClient{OrganizationID: scope.Own(), Quirks: []string{}}, any(nil)
		was := c.Secret
		if id != 0 {
			if err := tx.lock("radius_clients", "id = ?", id); err != nil {
				return err
			}
			if c, err = radiusClient(ctx, tx, scope, id); err != nil {
				return err
			}
			was, before = c.Secret, c
		}
		if err := change(&c); err != nil {
			return err
		}
		if err := c.check(); err != nil {
			return err
		}
		if err := radiusClientTaken(tx, &c); err != nil {
			return err
		}
		if saved, err = s.putRADIUSClient(tx, c); err != nil {
			return err
		}
		var secrets []string
		if !bytes.Equal(saved.Secret, was) {
			secrets = []string{"secret"}
		}
		return tx.audit("radius_client", saved.ID, saved.OrganizationID, before, saved, secrets...)
	})
	return saved, err
}

func radiusClientTaken(tx *dbTx, c *RADIUSClient) error {
	for _, u := range []struct {
		field, condition string
		args             []any
	}{
		{"name", "organization_id = ? AND name = ?", []any{c.OrganizationID, c.Name}},
		{"network", "organization_id = ? AND network = ? AND network <> '' AND nas_identifier = ?", []any{c.OrganizationID, c.Network, c.NASIdentifier}},
		{"certificate", "certificate = ? AND certificate <> '' AND nas_identifier = ?", []any{c.Certificate, c.NASIdentifier}},
	} {
		var taken bool
		err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM radius_clients WHERE "+u.condition+" AND id <> ?)", append(u.args, c.ID)...).Scan(&taken)
		if err != nil {
			return err
		}
		if taken {
			return &DuplicateError{Field: u.field}
		}
	}
	return nil
}

func (s *Store) putRADIUSClient(tx *dbTx, c RADIUSClient) (RADIUSClient, error) {
	quirks, err := json.Marshal(c.Quirks)
	if err != nil {
		return c, err
	}
	set := []any{c.OrganizationID, c.Name, c.Network, c.Secret, c.Certificate, c.NASIdentifier, string(quirks), micros(s.now())}
	const columns = "organization_id, name, network, secret, certificate, nas_identifier, quirks, updated"
	q, args := "INSERT INTO radius_clients ("+columns+", created, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)", append(set, micros(s.now()))
	if c.ID != 0 {
		q = `UPDATE radius_clients SET organization_id = ?, name = ?, network = ?, secret = ?, certificate = ?, nas_identifier = ?,
			quirks = ?, updated = ?, version = version + 1 WHERE id = ?`
		args = append(set, c.ID)
	}
	if err := reviseRADIUS(tx); err != nil {
		return c, err
	}
	return scanRADIUSClient(tx.QueryRow(q+" RETURNING "+radiusClientColumns, args...))
}

func reviseRADIUS(tx *dbTx) error {
	_, err := tx.Exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		radiusRevision, rand.Text())
	return err
}

// DeleteRADIUSClient removes a client of the scope; check may refuse.
func (s *Store) DeleteRADIUSClient(ctx context.Context, scope Scope, id int64, check func(RADIUSClient) error) error {
	return s.write(ctx, "deleting RADIUS client", func(tx *dbTx) error {
		if err := tx.lock("radius_clients", "id = ?", id); err != nil {
			return err
		}
		c, err := radiusClient(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := check(c); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM radius_clients WHERE id = ?", id); err != nil {
			return err
		}
		if err := reviseRADIUS(tx); err != nil {
			return err
		}
		return tx.audit("radius_client", c.ID, c.OrganizationID, c, nil)
	})
}
