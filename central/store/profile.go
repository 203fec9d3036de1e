package store

import (
	"context"
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
