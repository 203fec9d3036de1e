package store

import (
	"context"
	"strings"

	"gatehouse/api/gate"
)

func extraColumns(prefix string) string {
	return prefix + "age, " + prefix + "accept_terms, " + prefix + strings.Join(gate.UserExtraTexts(), ", "+prefix)
}

func scanExtra(row scanner) (e gate.UserExtra, err error) {
	dest := []any{&e.ID, &e.Parent, &e.Age, &e.AcceptTerms}
	for _, t := range e.Texts() {
		dest = append(dest, t)
	}
	return e, row.Scan(dest...)
}

func extraValues(e *gate.UserExtra) []any {
	values := []any{e.Age, e.AcceptTerms}
	for _, t := range e.Texts() {
		values = append(values, *t)
	}
	return values
}

// ExtraFilter narrows a list of user extras. Zero fields do not.
type ExtraFilter struct {
	Parent         int64
	Organization   int64 // of the parent
	Event          string
	Limit, Offset  int64
	MatchesNothing bool
}

// fromExtra joins a user extra with its parent, whose organisation decides who may see it.
const fromExtra = "FROM user_extra e JOIN users u ON u.id = e.parent WHERE "

// UserExtras lists what is known of persons, by id, and says how many there are without the limit.
func (s *Store) UserExtras(ctx context.Context, scope Scope, f ExtraFilter) (list []gate.UserExtra, count int64, err error) {
	if f.MatchesNothing {
		return []gate.UserExtra{}, 0, nil
	}
	from, args := fromExtra+scope.in("u.organization_id"), []any{}
	if f.Parent != 0 {
		from, args = from+" AND e.parent = ?", append(args, f.Parent)
	}
	if f.Organization != 0 {
		from, args = from+" AND u.organization_id = ?", append(args, f.Organization)
	}
	if f.Event != "" {
		from, args = from+" AND e.event = ?", append(args, f.Event)
	}
	if err := s.figures().QueryRowContext(ctx, "SELECT count(*) "+from, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting user extras", err)
	}
	q := "SELECT e.id, e.parent, " + extraColumns("e.") + " " + from + " ORDER BY e.id LIMIT ? OFFSET ?"
	rows, err := s.figures().QueryContext(ctx, q, append(args, f.Limit, f.Offset)...)
	list, err = collect(rows, err, scanExtra)
	return list, count, s.err("listing user extras", err)
}

// UserExtra returns one of the scope.
func (s *Store) UserExtra(ctx context.Context, scope Scope, id int64) (gate.UserExtra, error) {
	e, err := userExtra(ctx, s.read(), scope, id)
	return e, s.err("reading user extra", err)
}

func userExtra(ctx context.Context, q querier, scope Scope, id int64) (gate.UserExtra, error) {
	find := "SELECT e.id, e.parent, " + extraColumns("e.") + " " + fromExtra + scope.in("u.organization_id") + " AND e.id = ?"
	return scanExtra(q.QueryRowContext(ctx, find, id))
}

// SaveUserExtra changes the user extra of the scope with this id as change says, or makes a new one when id is 0. It returns
// ErrNotFound when there is none, or when the scope has no such parent. change must not use the store.
func (s *Store) SaveUserExtra(ctx context.Context, scope Scope, id int64, change func(*gate.UserExtra)) (saved gate.UserExtra, err error) {
	err = s.write(ctx, "saving user extra", func(tx *dbTx) (err error) {
		saved, err = saveUserExtra(tx, scope, id, change)
		return err
	})
	return saved, err
}

func saveUserExtra(tx *dbTx, scope Scope, id int64, change func(*gate.UserExtra)) (e gate.UserExtra, err error) {
	var before any
	if id != 0 {
		if err := tx.lock("user_extra", "id = ?", id); err != nil {
			return e, err
		}
		if e, err = userExtra(tx.ctx, tx, scope, id); err != nil {
			return e, err
		}
		before = e
	}
	change(&e)
	var organization int64
	err = tx.QueryRow("SELECT organization_id FROM users WHERE id = ? AND "+scope.in("organization_id"), e.Parent).Scan(&organization)
	if err != nil {
		return e, err
	}
	values := append([]any{e.Parent}, extraValues(&e)...)
	if id == 0 {
		err = tx.QueryRow("INSERT INTO user_extra (parent, "+extraColumns("")+") VALUES (?"+
			strings.Repeat(", ?", len(values)-1)+") RETURNING id", values...).Scan(&e.ID)
	} else {
		_, err = tx.Exec("UPDATE user_extra SET parent = ?, "+strings.ReplaceAll(extraColumns(""), ",", " = ?,")+" = ? WHERE id = ?",
			append(values, id)...)
	}
	if err != nil {
		return e, err
	}
	if e, err = userExtra(tx.ctx, tx, scope, e.ID); err != nil {
		return e, err
	}
	return e, tx.auditPerson("user_extra", e.Parent, organization, before, e)
}

// DeleteUserExtra removes one of the scope.
func (s *Store) DeleteUserExtra(ctx context.Context, scope Scope, id int64) error {
	return s.write(ctx, "deleting user extra", func(tx *dbTx) error {
		e, err := userExtra(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		var organization int64
		if err := tx.QueryRow("SELECT organization_id FROM users WHERE id = ?", e.Parent).Scan(&organization); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM user_extra WHERE id = ?", id); err != nil {
			return err
		}
		return tx.auditPerson("user_extra", e.Parent, organization, e, nil)
	})
}
