package store

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"errors"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// The lengths of the two codes of a user token.
const (
	UserCodeLength = 8
	passCodeLength = 44
)

// UserToken is the user token of a user: a pair of codes to be used in the place of user name and password.
type UserToken struct {
	UserCode string
	Created  time.Time
	User     gate.User // ID is 0 when the user is no more
}

// codeOrganization is whose a row of pass_codes is: its user's, and that of before when the user is no more.
const codeOrganization = "coalesce((SELECT u.organization_id FROM users u WHERE u.id = pass_codes.user_id), organization_id)"

// ErrForbidden says that who writes may not change this.
var ErrForbidden = errors.New("not allowed")

// CreateUserToken makes the user token of a user of the scope. The pass code is returned once and kept only as its SHA-256; it has
// more than 256 random bits. It returns a *DuplicateError when the user has one.
func (s *Store) CreateUserToken(ctx context.Context, scope Scope, user int64) (userCode, passCode string, err error) {
	err = s.write(ctx, "creating user token", func(tx *dbTx) error {
		var organization int64
		find := "SELECT organization_id FROM users WHERE id = ? AND " + scope.in("organization_id")
		if err := tx.QueryRow(find, user).Scan(&organization); err != nil {
			return err
		}
		userCode, passCode = codes()
		const insert = `INSERT INTO pass_codes (user_id, organization_id, user_code, hash, created) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user_id) DO NOTHING RETURNING user_id`
		row := tx.QueryRow(insert, user, organization, userCode, digest(passCode), micros(s.now()))
		if err := taken("user", row.Scan(new(int64))); err != nil {
			return err
		}
		return tx.auditPerson("user_token", user, organization, nil, map[string]any{"status": "created"})
	})
	return userCode, passCode, err
}

func codes() (userCode, passCode string) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" // 64, so that each is as likely
	var random [UserCodeLength + passCodeLength]byte
	_, _ = rand.Read(random[:]) // never fails
	var b strings.Builder
	for i, r := range random {
		n := len(letters)
		if i < UserCodeLength {
			n -= 2 // letters and digits only; the small unevenness matters to nobody
		}
		b.WriteByte(letters[int(r)%n])
	}
	return b.String()[:UserCodeLength], b.String()[UserCodeLength:]
}

// CheckUserToken tells whose user token of the scope this pair is; the scope may be nil for all. It returns ErrNotFound when it is
// nobody's. That of a user who is no more is deleted.
func (s *Store) CheckUserToken(ctx context.Context, scope Scope, userCode, passCode string) (c Credential, err error) {
	if len(userCode) != UserCodeLength || len(passCode) != passCodeLength {
		return c, ErrNotFound
	}
	q := `SELECT p.user_id, p.hash, u.credential_version FROM pass_codes p LEFT JOIN users u ON u.id = p.user_id WHERE p.user_code = ?`
	if scope != nil {
		q += " AND " + scope.in("coalesce(u.organization_id, p.organization_id)")
	}
	var hash []byte
	var version *int64
	err = s.read().QueryRowContext(ctx, q, userCode).Scan(&c.UserID, &hash, &version)
	if err != nil || subtle.ConstantTimeCompare(hash, digest(passCode)) == 0 {
		return Credential{}, s.err("looking for user token", orElse(err, ErrNotFound))
	}
	if version == nil {
		_, err = s.deleteUserTokens(ctx, "user_id = ?", c.UserID)
		return Credential{}, orElse(err, ErrNotFound)
	}
	c.Version = *version
	return c, nil
}

// UserTokenFilter narrows a list of user tokens. Zero fields do not.
type UserTokenFilter struct {
	User          int64
	From, Before  time.Time // when they were made; From inclusive
	Users         bool      // only those whose users are there
	Limit, Offset int64     // Limit 0: all
}

// UserTokens lists the user tokens of the scope by their users' ids, and says how many there are without the limit.
func (s *Store) UserTokens(ctx context.Context, scope Scope, f UserTokenFilter) (list []UserToken, count int64, err error) {
	where, args := " WHERE "+scope.in("coalesce(u.organization_id, p.organization_id)"), []any{}
	and := func(cond string, arg ...any) { where, args = where+" AND "+cond, append(args, arg...) }
	if f.User != 0 {
		and("p.user_id = ?", f.User)
	}
	if !f.From.IsZero() {
		and("p.created >= ?", micros(f.From))
	}
	if !f.Before.IsZero() {
		and("p.created < ?", micros(f.Before))
	}
	if f.Users {
		and("u.id IS NOT NULL")
	}
	const from = " FROM pass_codes p LEFT JOIN users u ON u.id = p.user_id"
	if err := s.figures().QueryRowContext(ctx, "SELECT count(*)"+from+where, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting user tokens", err)
	}
	q := `SELECT p.user_code, p.created, coalesce(u.id, 0), coalesce(u.username, ''), u.first_name, u.last_name,
		coalesce(u.is_active, ?)` + from + where + " ORDER BY p.user_id"
	args = append([]any{false}, args...)
	if f.Limit > 0 {
		q, args = q+" LIMIT ? OFFSET ?", append(args, f.Limit, f.Offset)
	}
	rows, err := s.figures().QueryContext(ctx, q, args...)
	list, err = collect(rows, err, func(row scanner) (t UserToken, err error) {
		var created int64
		err = row.Scan(&t.UserCode, &created, &t.User.ID, &t.User.Username, &t.User.FirstName, &t.User.LastName, &t.User.IsActive)
		t.Created = time.UnixMicro(created).UTC()
		return t, err
	})
	return list, count, s.err("listing user tokens", err)
}

// DeleteUserToken deletes the user token of a user of the scope, ErrNotFound when it has none.
func (s *Store) DeleteUserToken(ctx context.Context, scope Scope, user int64) error {
	return found(s.deleteUserTokens(ctx, "user_id = ? AND "+scope.in(codeOrganization), user))
}

// DeleteUserCode deletes the user token of the scope with this user code, ErrNotFound when there is none.
func (s *Store) DeleteUserCode(ctx context.Context, scope Scope, userCode string) error {
	return found(s.deleteUserTokens(ctx, "user_code = ? AND "+scope.in(codeOrganization), userCode))
}

// PurgeUserTokens deletes the user tokens of the scope whose users are no more, and says how many.
func (s *Store) PurgeUserTokens(ctx context.Context, scope Scope) (int, error) {
	return s.deleteUserTokens(ctx, "NOT EXISTS (SELECT 1 FROM users u WHERE u.id = pass_codes.user_id) AND "+scope.in(codeOrganization))
}

func found(n int, err error) error {
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// deleteUserTokens deletes user tokens and makes gateways forget what they keep to check logins of their users offline: the
// credential has a new version.
func (s *Store) deleteUserTokens(ctx context.Context, where string, args ...any) (n int, err error) {
	type deleted struct{ user, organization int64 }
	err = s.write(ctx, "deleting user tokens", func(tx *dbTx) error {
		rows, err := tx.Query("DELETE FROM pass_codes WHERE "+where+" RETURNING user_id, organization_id", args...)
		list, err := collect(rows, err, func(row scanner) (d deleted, err error) {
			err = row.Scan(&d.user, &d.organization)
			return d, err
		})
		if err != nil {
			return err
		}
		n = len(list)
		for _, d := range list {
			const version = "UPDATE users SET credential_version = credential_version + 1 WHERE id = ? RETURNING organization_id"
			err := tx.QueryRow(version, d.user).Scan(&d.organization)
			if err == nil {
				err = changed(tx, userKind, d.user, d.organization)
			}
			if err != nil && err != sql.ErrNoRows {
				return err
			}
			if err := tx.auditPerson("user_token", d.user, d.organization, map[string]any{"status": "created"}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	s.wake(err)
	return n, err
}

// Login is a user of any organisation who asks at the API by its own name.
type Login struct {
	Token
	Username string
}

// Login finds the user who logs in at the API by this name: as in acme/ann, or ann when only one organisation has an ann. It
// returns ErrNotFound when there is none.
func (s *Store) Login(ctx context.Context, name string) (Login, error) {
	shortName, username, qualified := strings.Cut(name, "/")
	if !qualified {
		shortName, username = "", name
	}
	const find = `SELECT u.id FROM users u JOIN organizations o ON o.id = u.organization_id
		WHERE u.username = ? AND CAST(? AS TEXT) IN ('', o.short_name) ORDER BY u.id LIMIT 2`
	rows, err := s.read().QueryContext(ctx, find, username, shortName)
	ids, err := collect(rows, err, func(row scanner) (id int64, err error) { err = row.Scan(&id); return id, err })
	if err == nil && len(ids) != 1 {
		err = ErrNotFound
	}
	if err != nil {
		return Login{}, s.err("looking for user", err)
	}
	return s.LoginByID(ctx, ids[0])
}

// LoginByID is what a user may at the API: the rights of its role in its organisation and those below.
func (s *Store) LoginByID(ctx context.Context, user int64) (l Login, err error) {
	const q = `WITH RECURSIVE below (id) AS (SELECT organization_id FROM users WHERE id = ?1
			UNION SELECT o.id FROM organizations o JOIN below ON o.parent_id = below.id)
		SELECT u.username, coalesce(u.api_role, ''), u.date_joined, below.id FROM below, users u WHERE u.id = ?1
		ORDER BY CASE WHEN below.id = u.organization_id THEN 0 ELSE 1 END, below.id`
	rows, err := s.read().QueryContext(ctx, q, user)
	l.Scope, err = collect(rows, err, func(row scanner) (id int64, err error) {
		var joined int64
		err = row.Scan(&l.Username, &l.Role, &joined, &id)
		l.Created = time.UnixMicro(joined).UTC()
		return id, err
	})
	if err == nil && len(l.Scope) == 0 {
		err = ErrNotFound
	}
	if l.Role == "" {
		l.Role = RoleUser
	}
	l.UserID = user
	return l, s.err("reading login", err)
}

// SetUserRole gives a user a role at the API; RoleUser takes it away.
func (s *Store) SetUserRole(ctx context.Context, shortName, username string, role Role) error {
	return s.write(ctx, "giving a user a role", func(tx *dbTx) error {
		var id, organization int64
		var old *string
		const find = `SELECT u.id, u.organization_id, u.api_role FROM users u JOIN organizations o ON o.id = u.organization_id
			WHERE o.short_name = ? AND u.username = ?`
		if err := tx.QueryRow(find, shortName, username).Scan(&id, &organization, &old); err != nil {
			return err
		}
		var given *string
		if role != RoleUser {
			given = text(string(role))
		}
		if _, err := tx.Exec("UPDATE users SET api_role = ? WHERE id = ?", given, id); err != nil {
			return err
		}
		return tx.auditPerson("user", id, organization, map[string]any{"api_role": old}, map[string]any{"api_role": given})
	})
}

// guard refuses to let the front desk change a user who may do more than it: whoever sets a password has the user's rights.
func guard(tx *dbTx, user int64) error {
	a := tx.actor
	if a.Kind == actorSelf || a.Kind == ActorCommand || a.Role == RoleAdmin {
		return nil
	}
	var role string
	err := tx.QueryRow("SELECT coalesce(api_role, '') FROM users WHERE id = ?", user).Scan(&role)
	if err == nil && role != "" {
		err = ErrForbidden
	}
	return err
}

// Rehash puts another hash of the same password in the place of one; nothing happens when it has changed meanwhile. The
// credential's version stays, because the password does.
func (s *Store) Rehash(ctx context.Context, user int64, old, hash string) error {
	return s.write(withoutAttempt(ctx), "keeping a password in a better form", func(tx *dbTx) error {
		_, err := tx.Exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, user, old)
		return err
	})
}
