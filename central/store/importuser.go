package store

import (
	"context"
	"database/sql"
	"errors"

	"gatehouse/api/gate"
)

// UserImport is one user of a file.
type UserImport struct {
	Username string
	Hash     *string          // of the password, nil: none, or as it is
	Change   func(*gate.User) // puts the file's values into a new user or the one that is there
}

// ImportMode says how many users are written together.
type ImportMode struct {
	Skip, Update bool // what is done about users who are there; neither: it is an error of theirs
	Partly       bool // a user who cannot be written does not stop the others
	Try          bool // write nothing
}

// ImportOutcome is what became of one user. All false: left as it was.
type ImportOutcome struct {
	Created, Updated bool
	Err              error // a *DuplicateError or an *UnknownProfileError
}

// errUndo makes a transaction leave nothing.
var errUndo = errors.New("nothing is to be kept")

// ImportUsers writes users of an organisation in one transaction and tells what became of each. When one cannot be written,
// and not Partly, none is.
func (s *Store) ImportUsers(ctx context.Context, organization int64, list []UserImport, mode ImportMode) (outcomes []ImportOutcome, err error) {
	err = s.write(ctx, "importing users", func(tx *dbTx) error {
		outcomes = make([]ImportOutcome, len(list))
		undo := mode.Try
		for i := range list {
			if outcomes[i], err = s.importUser(tx, organization, &list[i], mode); err != nil {
				return err
			}
			undo = undo || outcomes[i].Err != nil && !mode.Partly
		}
		if undo {
			return errUndo
		}
		return nil
	})
	if errors.Is(err, errUndo) {
		return outcomes, nil
	}
	s.wake(err)
	return outcomes, err
}

// importUser's error is that of the database.
func (s *Store) importUser(tx *dbTx, organization int64, in *UserImport, mode ImportMode) (out ImportOutcome, err error) {
	if err := tx.lock("users", "username = ? AND organization_id = ?", in.Username, organization); err != nil {
		return out, err
	}
	q := "SELECT " + userColumns(s.d) + " FROM users u WHERE u.username = ? AND u.organization_id = ?"
	u, err := scanUser(tx.QueryRow(q, in.Username, organization))
	there := err == nil
	switch {
	case err != nil && err != sql.ErrNoRows:
		return out, err
	case there && mode.Skip:
		return out, nil
	case there && !mode.Update:
		out.Err = &DuplicateError{Field: "username"}
		return out, nil
	case !there:
		u = gate.User{Organization: &organization, IsActive: true}
	}
	var before any
	if there {
		before = u
	}
	in.Change(&u)
	for _, name := range u.Profile {
		var id int64
		err := tx.QueryRow("SELECT id FROM profiles WHERE organization_id = ? AND short_name = ?", organization, name).Scan(&id)
		if err == sql.ErrNoRows {
			out.Err = &UnknownProfileError{ShortName: name}
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
	var full *FullError
	if u.ID, err = s.putUser(tx, u.ID, u, in.Hash); errors.As(err, &full) {
		out.Err = full
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if err := assignProfiles(tx, u.ID, organization, u.Profile); err != nil {
		return out, err
	}
	out.Created, out.Updated = !there, there
	if err := changed(tx, userKind, u.ID, organization); err != nil {
		return out, err
	}
	if err := s.tellUser(tx, u, there); err != nil {
		return out, err
	}
	return out, tx.auditPerson("user", u.ID, organization, before, u, secretSet("password", in.Hash)...)
}
