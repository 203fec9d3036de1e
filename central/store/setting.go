package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Setting is how an organisation reaches a service: kind is mail, sms, or oidc/ and a name.
type Setting struct {
	Organization     int64
	Kind             string
	Body             json.RawMessage // without secrets
	Sealed           []byte          // the secret, encrypted; nil: there is none
	Version          int64
	Created, Updated time.Time
}

// forAudit is what the audit log tells of a setting.
type forAudit struct {
	Kind    string          `json:"kind"`
	Setting json.RawMessage `json:"setting"`
}

func (s *Setting) forAudit() any { return forAudit{s.Kind, s.Body} }

const settingColumns = "organization_id, kind, body, sealed, version, created, updated"

func scanSetting(row scanner) (s Setting, err error) {
	var body string
	var created, updated int64
	err = row.Scan(&s.Organization, &s.Kind, &body, &s.Sealed, &s.Version, &created, &updated)
	s.Body, s.Created, s.Updated = json.RawMessage(body), *timeOf(&created), *timeOf(&updated)
	return s, err
}

// Settings are those of an organisation whose kind begins with prefix, by kind.
func (s *Store) Settings(ctx context.Context, organization int64, prefix string) ([]Setting, error) {
	q := "SELECT " + settingColumns + ` FROM settings WHERE organization_id = ? AND kind LIKE ? ESCAPE '\' ORDER BY kind`
	rows, err := s.read().QueryContext(ctx, q, organization, like(prefix)[1:])
	list, err := collect(rows, err, scanSetting)
	return list, s.err("listing settings", err)
}

// Setting is one of an organisation.
func (s *Store) Setting(ctx context.Context, organization int64, kind string) (Setting, error) {
	v, err := setting(ctx, s.read(), organization, kind)
	return v, s.err("reading setting", err)
}

func setting(ctx context.Context, q querier, organization int64, kind string) (Setting, error) {
	const find = "SELECT " + settingColumns + " FROM settings WHERE organization_id = ? AND kind = ?"
	return scanSetting(q.QueryRowContext(ctx, find, organization, kind))
}

// NearestSetting is the setting of an organisation, or of the nearest above it that has one, and whose it is.
func (s *Store) NearestSetting(ctx context.Context, organization int64, kind string) (v Setting, owner int64, err error) {
	for owner = organization; ; {
		if v, err = s.Setting(ctx, owner, kind); err != ErrNotFound {
			return v, owner, err
		}
		var above *int64
		err = s.read().QueryRowContext(ctx, "SELECT parent_id FROM organizations WHERE id = ?", owner).Scan(&above)
		switch {
		case err != nil:
			return v, 0, s.err("reading organisation", err)
		case above == nil:
			return v, 0, ErrNotFound
		}
		owner = *above
	}
}

// NearestSettings are those of an organisation and of all above it whose kind begins with prefix, by kind; of one kind the nearest.
func (s *Store) NearestSettings(ctx context.Context, organization int64, prefix string) ([]Setting, error) {
	const find = `WITH RECURSIVE chain (id, parent_id, height) AS (
			SELECT id, parent_id, 0 FROM organizations WHERE id = ?
			UNION ALL SELECT o.id, o.parent_id, chain.height + 1 FROM organizations o JOIN chain ON o.id = chain.parent_id)
		SELECT ` + settingColumns + ` FROM settings JOIN chain ON organization_id = chain.id
		WHERE kind LIKE ? ESCAPE '\' ORDER BY kind, height`
	rows, err := s.read().QueryContext(ctx, find, organization, like(prefix)[1:])
	list, err := collect(rows, err, scanSetting)
	return slices.CompactFunc(list, func(a, b Setting) bool { return a.Kind == b.Kind }), s.err("listing settings", err)
}

// PutSetting changes a setting of an organisation as change says, or makes it: then Version is 0. secret is the name of the
// secret where that is given anew, for the audit log.
func (s *Store) PutSetting(ctx context.Context, organization int64, kind string, change func(*Setting) error, secret ...string) (saved Setting, err error) {
	err = s.write(ctx, "saving setting", func(tx *dbTx) error {
		if err := tx.lock("settings", "organization_id = ? AND kind = ?", organization, kind); err != nil {
			return err
		}
		v, err := setting(tx.ctx, tx, organization, kind)
		if err = s.err("reading setting", err); err != nil && err != ErrNotFound {
			return err
		}
		var before any
		if v.Version > 0 {
			before = v.forAudit()
		}
		v.Kind = kind
		if err := change(&v); err != nil {
			return err
		}
		now := micros(s.now())
		const put = `INSERT INTO settings (organization_id, kind, body, sealed, version, created, updated) VALUES (?, ?, ?, ?, 1, ?, ?)
			ON CONFLICT (organization_id, kind) DO UPDATE SET body = excluded.body, sealed = excluded.sealed,
				version = settings.version + 1, updated = excluded.updated RETURNING ` + settingColumns
		row := tx.QueryRow(put, organization, kind, string(v.Body), v.Sealed, now, now)
		if saved, err = scanSetting(row); err != nil {
			return err
		}
		return tx.audit("setting", organization, organization, before, saved.forAudit(), secret...)
	})
	return saved, err
}

// DeleteSetting removes a setting of an organisation; check sees it before.
func (s *Store) DeleteSetting(ctx context.Context, organization int64, kind string, check func(Setting) error) error {
	return s.write(ctx, "deleting setting", func(tx *dbTx) error {
		if err := tx.lock("settings", "organization_id = ? AND kind = ?", organization, kind); err != nil {
			return err
		}
		v, err := setting(tx.ctx, tx, organization, kind)
		if err != nil {
			return err
		}
		if err := check(v); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM settings WHERE organization_id = ? AND kind = ?", organization, kind); err != nil {
			return err
		}
		return tx.audit("setting", organization, organization, v.forAudit(), nil)
	})
}
