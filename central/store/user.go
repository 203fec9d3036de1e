package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
)

func userColumns(d dialect) string {
	return `u.id, u.username, u.external_id, u.klass, u.email, u.first_name, u.last_name, u.is_active,
	u.organization_id, u.description, u.date_joined, u.first_login, u.last_login, u.expiration, u.avatar_url, u.source_id,
	(SELECT ` + d.jsonArray("p.short_name", "a.position") + ` FROM user_profiles a JOIN profiles p ON p.id = a.profile_id
	 WHERE a.user_id = u.id)`
}

func scanUser(row scanner) (gate.User, error) {
	var u gate.User
	var joined int64
	var first, last, expiration *int64
	var profile string
	err := row.Scan(&u.ID, &u.Username, &u.ExternalID, &u.Klass, &u.Email, &u.FirstName, &u.LastName, &u.IsActive,
		&u.Organization, &u.Description, &joined, &first, &last, &expiration, &u.AvatarURL, &u.SourceID, &profile)
	if err != nil {
		return u, err
	}
	u.DateJoined = *gateTime(&joined)
	u.FirstLogin, u.LastLogin, u.Expiration = gateTime(first), gateTime(last), gateTime(expiration)
	err = json.Unmarshal([]byte(profile), &u.Profile)
	return u, err
}

func gateTime(micros *int64) *gate.Time {
	if micros == nil {
		return nil
	}
	return &gate.Time{Time: time.UnixMicro(*micros).UTC()}
}

// UserFilter narrows a list of users. Zero fields do not.
type UserFilter struct {
	ID             int64
	Organization   int64
	Username       string // part of it, in either case
	Limit, Offset  int64
	MatchesNothing bool // a filter's value that no user can have
}

// Users lists users by id, and says how many there are without the limit.
func (s *Store) Users(ctx context.Context, scope Scope, f UserFilter) (list []gate.User, count int64, err error) {
	where, args := "WHERE "+scope.in("u.organization_id"), []any{}
	if f.ID != 0 {
		where, args = where+" AND u.id = ?", append(args, f.ID)
	}
	if f.Organization != 0 {
		where, args = where+" AND u.organization_id = ?", append(args, f.Organization)
	}
	if f.Username != "" {
		where, args = where+" AND u.username_folded LIKE ? ESCAPE '\\'", append(args, like(strings.ToLower(f.Username)))
	}
	if f.MatchesNothing {
		return []gate.User{}, 0, nil
	}
	if err := s.figures().QueryRowContext(ctx, "SELECT count(*) FROM users u "+where, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting users", err)
	}
	q := "SELECT " + userColumns(s.d) + " FROM " + userPage(where) + " ORDER BY u.id"
	rows, err := s.figures().QueryContext(ctx, q, append(args, f.Limit, f.Offset)...)
	list, err = collect(rows, err, scanUser)
	return list, count, s.err("listing users", err)
}

// userPage are the users of a page. It is found before their columns are, because what is skipped needs none.
func userPage(where string) string {
	return "(SELECT u.id FROM users u " + where + " ORDER BY u.id LIMIT ? OFFSET ?) page JOIN users u ON u.id = page.id"
}

// User returns one user of the scope by id.
func (s *Store) User(ctx context.Context, scope Scope, id int64) (gate.User, error) {
	q := "SELECT " + userColumns(s.d) + " FROM users u WHERE u.id = ? AND " + scope.in("u.organization_id")
	u, err := scanUser(s.read().QueryRowContext(ctx, q, id))
	return u, s.err("reading user", err)
}

// UserID finds a user of the scope by name: that of the scope's own organisation before those below it.
func (s *Store) UserID(ctx context.Context, scope Scope, username string) (id int64, err error) {
	id, _, err = findUser(ctx, s.read(), scope, username)
	return id, s.err("looking for user", err)
}

func findUser(ctx context.Context, q querier, scope Scope, username string) (id, organization int64, err error) {
	const find = `SELECT id, organization_id FROM users WHERE username = ? AND %s ORDER BY organization_id <> ?, organization_id LIMIT 1`
	err = q.QueryRowContext(ctx, fmt.Sprintf(find, scope.in("organization_id")), username, scope.Own()).Scan(&id, &organization)
	return id, organization, err
}

// Credential is what a password is checked against.
type Credential struct {
	UserID  int64
	Hash    string // empty: no password is right
	Version int64
	token   string // SHA-256 of the token that user_token made; empty: none
}

// IsToken tells whether a password is the token that user_token made for the user: it is as good as the password.
func (c *Credential) IsToken(password string) bool {
	return len(c.token) > 0 && subtle.ConstantTimeCompare([]byte(c.token), digest(password)) == 1
}

// Credential returns the credential of a user name, found as UserID finds it.
func (s *Store) Credential(ctx context.Context, scope Scope, username string) (Credential, error) {
	id, err := s.UserID(ctx, scope, username)
	if err != nil {
		return Credential{}, err
	}
	c := Credential{UserID: id}
	const q = "SELECT coalesce(password_hash, ''), credential_version, token_hash FROM users WHERE id = ?"
	var token []byte
	err = s.read().QueryRowContext(ctx, q, id).Scan(&c.Hash, &c.Version, &token)
	c.token = string(token)
	return c, s.err("reading credential", err)
}

// CredentialVersion tells how often the user's credential has been set.
func (s *Store) CredentialVersion(ctx context.Context, user int64) (version int64, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT credential_version FROM users WHERE id = ?", user).Scan(&version)
	return version, s.err("reading credential", err)
}

// SaveUser changes the user of the scope with this id as change says, or makes a new one when id is 0; hash is the new
// password's hash, nil leaves the password as it is. Its profiles must be of its organisation: another one is an
// *UnknownProfileError. It returns the user as stored, a *DuplicateError when the name is taken, a *FullError when the
// organisation has no room for another user, ErrNotFound when there is no such user. change must be quick and must not use the store.
func (s *Store) SaveUser(ctx context.Context, scope Scope, id int64, change func(*gate.User), hash *string) (saved gate.User, err error) {
	err = s.write(ctx, "saving user", func(tx *dbTx) (err error) {
		saved, err = s.saveUser(tx, scope, id, change, hash)
		return err
	})
	s.wake(err)
	return saved, err
}

func (s *Store) saveUser(tx *dbTx, scope Scope, id int64, change func(*gate.User), hash *string) (u gate.User, err error) {
	var before any
	if id != 0 {
		if err := tx.lock("users", "id = ?", id); err != nil {
			return u, err
		}
		q := "SELECT " + userColumns(s.d) + " FROM users u WHERE u.id = ? AND " + scope.in("u.organization_id")
		if u, err = scanUser(tx.QueryRow(q, id)); err != nil {
			return u, err
		}
		if err := guard(tx, id); err != nil {
			return u, err
		}
		before = u
	}
	change(&u)
	if u.ID, err = s.putUser(tx, id, u, hash); err != nil {
		return u, err
	}
	if err := assignProfiles(tx, u.ID, *u.Organization, u.Profile); err != nil {
		return u, err
	}
	if err := changed(tx, userKind, u.ID, *u.Organization); err != nil {
		return u, err
	}
	if u, err = scanUser(tx.QueryRow("SELECT "+userColumns(s.d)+" FROM users u WHERE u.id = ?", u.ID)); err != nil {
		return u, err
	}
	if err := s.tellUser(tx, u, before != nil); err != nil {
		return u, err
	}
	return u, tx.auditPerson("user", u.ID, *u.Organization, before, u, secretSet("password", hash)...)
}

func (s *Store) putUser(tx *dbTx, id int64, u gate.User, hash *string) (int64, error) {
	var taken int64
	err := tx.QueryRow("SELECT id FROM users WHERE username = ? AND organization_id = ? AND id <> ?",
		u.Username, *u.Organization, id).Scan(&taken)
	if err != sql.ErrNoRows {
		return 0, orElse(err, &DuplicateError{Field: "username"})
	}
	var expiration *int64
	if u.Expiration != nil {
		expiration = moment(&u.Expiration.Time)
	}
	set := []any{*u.Organization, u.Username, strings.ToLower(u.Username), u.ExternalID, u.Klass, u.Email, u.FirstName,
		u.LastName, u.IsActive, u.Description, expiration, u.AvatarURL, hash}
	if id == 0 {
		if err := roomFor(tx, *u.Organization); err != nil {
			return 0, err
		}
		const insert = `INSERT INTO users (organization_id, username, username_folded, external_id, klass, email, first_name,
				last_name, is_active, description, expiration, avatar_url, password_hash, credential_version, date_joined)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?) RETURNING id`
		err = tx.QueryRow(insert, append(set, micros(s.now()))...).Scan(&id)
		return id, err
	}
	const update = `UPDATE users SET organization_id = ?1, username = ?2, username_folded = ?3, external_id = ?4, klass = ?5,
			email = ?6, first_name = ?7, last_name = ?8, is_active = ?9, description = ?10, expiration = ?11, avatar_url = ?12,
			password_hash = coalesce(?13, password_hash),
			credential_version = credential_version + CASE WHEN CAST(?13 AS TEXT) IS NULL THEN 0 ELSE 1 END,
			updated = ?14
		WHERE id = ?15`
	_, err = tx.Exec(update, append(set, micros(s.now()), id)...)
	return id, err
}

// UnknownProfileError says that a user's organisation has no profile of this short name.
type UnknownProfileError struct{ ShortName string }

// Error implements error.
func (e *UnknownProfileError) Error() string {
	return fmt.Sprintf("there is no profile with short_name %q in the organisation", e.ShortName)
}

func assignProfiles(tx *dbTx, user, organization int64, shortNames []string) error {
	if _, err := tx.Exec("DELETE FROM user_profiles WHERE user_id = ?", user); err != nil {
		return err
	}
	for i, name := range shortNames {
		const assign = `INSERT INTO user_profiles (user_id, position, profile_id)
			SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), id FROM profiles WHERE organization_id = ? AND short_name = ?`
		done, err := tx.Exec(assign, user, i, organization, name)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return orElse(err, &UnknownProfileError{ShortName: name})
		}
	}
	return nil
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// DeleteUser removes a user of the scope. Gateways that have seen it are told.
func (s *Store) DeleteUser(ctx context.Context, scope Scope, id int64) error {
	err := s.write(ctx, "deleting user", func(tx *dbTx) error {
		var organization int64
		del := "DELETE FROM users WHERE id = ? AND " + scope.in("organization_id") + " RETURNING organization_id"
		if err := guard(tx, id); err != nil {
			return err
		}
		if err := tx.QueryRow(del, id).Scan(&organization); err != nil {
			return err
		}
		if err := changed(tx, userKind, id, organization); err != nil {
			return err
		}
		if err := s.tellDeleted(tx, id, organization); err != nil {
			return err
		}
		return tx.auditPerson("user", id, organization, map[string]any{"organization": organization}, nil)
	})
	s.wake(err)
	return err
}

// NoteLogin remembers that a user has logged in at the time given.
func (s *Store) NoteLogin(ctx context.Context, id int64, at time.Time) error {
	return s.write(ctx, "noting login", func(tx *dbTx) error { return noteLogin(tx, id, micros(at), micros(at)) })
}

func noteLogin(tx *dbTx, id, first, last int64) error {
	note := "UPDATE users SET first_login = " + tx.d.least("coalesce(first_login, ?2)", "?2") +
		", last_login = " + tx.d.greatest("coalesce(last_login, ?3)", "?3") + " WHERE id = ?1"
	_, err := tx.Exec(note, id, first, last)
	return err
}

// tellUser tells webhooks that a user was made or, when it was there before, changed.
func (s *Store) tellUser(tx *dbTx, u gate.User, there bool) error {
	kind := admin.UserCreated
	if there {
		kind = admin.UserChanged
	}
	return s.tell(tx, event{kind: kind, organization: *u.Organization, user: u.ID, data: u})
}

// tellDeleted tells webhooks that a user is gone.
func (s *Store) tellDeleted(tx *dbTx, id, organization int64) error {
	return s.tell(tx, event{kind: admin.UserDeleted, organization: organization, user: id, data: map[string]int64{"id": id}})
}
