package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"gatehouse/api/gate"
)

const profileColumns = "p.id, p.name, p.short_name, p.description, p.organization_id, p.reply_attribute, p.check_attribute"

func scanProfile(row scanner) (gate.AaaProfile, error) {
	p := gate.AaaProfile{OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix}}
	var reply, check []byte
	err := row.Scan(&p.ID, &p.Name, &p.ShortName, &p.Description, &p.OrganizationID.N, &reply, &check)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(reply, &p.ReplyAttribute); err != nil {
		return p, err
	}
	err = json.Unmarshal(check, &p.CheckAttribute)
	return p, err
}

// Profiles lists AAA profiles by id, and says how many there are without the limit.
func (s *Store) Profiles(ctx context.Context, scope Scope, limit, offset int64) (list []gate.AaaProfile, count int64, err error) {
	where := "FROM profiles p WHERE " + scope.in("p.organization_id")
	if err := s.read().QueryRowContext(ctx, "SELECT count(*) "+where).Scan(&count); err != nil {
		return nil, 0, s.err("counting profiles", err)
	}
	rows, err := s.read().QueryContext(ctx, "SELECT "+profileColumns+" "+where+" ORDER BY p.id LIMIT ? OFFSET ?", limit, offset)
	list, err = collect(rows, err, scanProfile)
	return list, count, s.err("listing profiles", err)
}

// CreateProfile makes an AAA profile in the organisation that p names, and returns it with its id. It returns a
// *DuplicateError when the organisation has one of this short name.
func (s *Store) CreateProfile(ctx context.Context, p gate.AaaProfile) (gate.AaaProfile, error) {
	reply, err := json.Marshal(p.ReplyAttribute)
	if err != nil {
		return p, err
	}
	check, err := json.Marshal(p.CheckAttribute)
	if err != nil {
		return p, err
	}
	err = s.write(ctx, "creating profile", func(tx *dbTx) error {
		const insert = `INSERT INTO profiles (organization_id, short_name, name, description, reply_attribute, check_attribute)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (organization_id, short_name) DO NOTHING RETURNING id`
		row := tx.QueryRow(insert, p.OrganizationID.N, p.ShortName, p.Name, p.Description, string(reply), string(check))
		if err := taken("short_name", row.Scan(&p.ID)); err != nil {
			return err
		}
		if err := changed(tx, profileKind, p.ID, p.OrganizationID.N); err != nil {
			return err
		}
		return tx.audit("profile", p.ID, p.OrganizationID.N, nil, p)
	})
	s.wake(err)
	return p, err
}

// Profile returns one AAA profile of the scope.
func (s *Store) Profile(ctx context.Context, scope Scope, id int64) (gate.AaaProfile, error) {
	p, err := profile(ctx, s.read(), scope, id)
	return p, s.err("reading profile", err)
}

func profile(ctx context.Context, q querier, scope Scope, id int64) (gate.AaaProfile, error) {
	return scanProfile(q.QueryRowContext(ctx, "SELECT "+profileColumns+" FROM profiles p WHERE p.id = ? AND "+scope.in("p.organization_id"), id))
}

// ProfilesOf are the AAA profiles of a user, in their order.
func (s *Store) ProfilesOf(ctx context.Context, user int64) ([]gate.AaaProfile, error) {
	rows, err := s.read().QueryContext(ctx, "SELECT "+profileColumns+` FROM user_profiles a JOIN profiles p ON p.id = a.profile_id
		WHERE a.user_id = ? ORDER BY a.position`, user)
	list, err := collect(rows, err, scanProfile)
	return list, s.err("reading a user's profiles", err)
}

// UpdateProfile changes a profile of the scope as change says, which must not use the store, and returns it. It returns a
// *DuplicateError when the organisation has another one of its short name.
func (s *Store) UpdateProfile(ctx context.Context, scope Scope, id int64, change func(*gate.AaaProfile)) (p gate.AaaProfile, err error) {
	err = s.write(ctx, "changing profile", func(tx *dbTx) error {
		if err := tx.lock("profiles", "id = ?", id); err != nil {
			return err
		}
		if p, err = profile(tx.ctx, tx, scope, id); err != nil {
			return err
		}
		before := p
		change(&p)
		var other int64
		err := tx.QueryRow("SELECT id FROM profiles WHERE organization_id = ? AND short_name = ? AND id <> ?",
			p.OrganizationID.N, p.ShortName, id).Scan(&other)
		if err != sql.ErrNoRows {
			return orElse(err, &DuplicateError{Field: "short_name"})
		}
		reply, err := json.Marshal(p.ReplyAttribute)
		if err != nil {
			return err
		}
		check, err := json.Marshal(p.CheckAttribute)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE profiles SET short_name = ?, name = ?, description = ?, reply_attribute = ?, check_attribute = ?
			WHERE id = ?`, p.ShortName, p.Name, p.Description, string(reply), string(check), id)
		if err != nil {
			return err
		}
		if err := changed(tx, profileKind, id, p.OrganizationID.N); err != nil {
			return err
		}
		return tx.audit("profile", id, p.OrganizationID.N, before, p)
	})
	s.wake(err)
	return p, err
}

// DeleteProfile removes a profile of the scope. It returns ErrInUse while a user has it.
func (s *Store) DeleteProfile(ctx context.Context, scope Scope, id int64) error {
	err := s.write(ctx, "deleting profile", func(tx *dbTx) error {
		p, err := profile(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		n, err := tx.affected("DELETE FROM profiles WHERE id = ? AND NOT EXISTS (SELECT 1 FROM user_profiles WHERE profile_id = ?)", id, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrInUse
		}
		if err := changed(tx, profileKind, id, p.OrganizationID.N); err != nil {
			return err
		}
		return tx.audit("profile", id, p.OrganizationID.N, p, nil)
	})
	s.wake(err)
	return err
}
