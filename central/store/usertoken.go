package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// TokenUser is a user as user_token shows him, in both of its forms.
type TokenUser struct {
	gate.User
	Seconds   int64 // of his time balance, never below zero
	Updated   *time.Time
	Token     string // in full, when it was just made; its end after "tok_..." otherwise
	Data      map[string]json.RawMessage
	UsedTime  int64 // seconds of all his sessions
	LastUsage *time.Time
}

// TokenChange is what user_token writes besides the user himself.
type TokenChange struct {
	Hash     *string                    // of a new password; nil: as it is
	Seconds  *int64                     // the balance to be; nil: as it is
	Data     map[string]json.RawMessage // goes into the profile data key by key; null takes a key away
	NewToken bool
	Actor    string // who does it, for the ledger
}

func tokenUserColumns(d dialect) string {
	return userColumns(d) + ", coalesce(" + balance + ", 0), u.updated, u.token_hint, u.profile_data"
}

func scanTokenUser(row scanner) (u TokenUser, err error) {
	var updated *int64
	var hint *string
	var data string
	u.User, err = scanUser(withMore{row, []any{&u.Seconds, &updated, &hint, &data}})
	if err != nil {
		return u, err
	}
	if updated != nil {
		u.Updated = new(time.UnixMicro(*updated).UTC())
	}
	u.Token = "tok_..."
	if hint != nil {
		u.Token += *hint
	}
	return u, json.Unmarshal([]byte(data), &u.Data)
}

// withMore scans columns that follow those of somebody else.
type withMore struct {
	row  scanner
	more []any
}

func (w withMore) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }

// TokenUsers lists users as Users does, by their exact names. usage has their sessions added up too.
func (s *Store) TokenUsers(ctx context.Context, scope Scope, f UserFilter, usage bool) (list []TokenUser, count int64, err error) {
	if f.MatchesNothing {
		return []TokenUser{}, 0, nil
	}
	where, args := "WHERE "+scope.in("u.organization_id"), []any{}
	if f.Organization != 0 {
		where, args = where+" AND u.organization_id = ?", append(args, f.Organization)
	}
	if f.Username != "" {
		where, args = where+" AND u.username = ?", append(args, f.Username)
	}
	if err := s.figures().QueryRowContext(ctx, "SELECT count(*) FROM users u "+where, args...).Scan(&count); err != nil {
		return nil, 0, s.err("counting users", err)
	}
	q := "SELECT " + tokenUserColumns(s.d) + " FROM " + userPage(where) + " ORDER BY u.id"
	rows, err := s.figures().QueryContext(ctx, q, append(args, f.Limit, f.Offset)...)
	list, err = collect(rows, err, scanTokenUser)
	if err == nil && usage {
		err = addUsage(ctx, s.lists(), list)
	}
	return list, count, s.err("listing users", err)
}

// TokenUser returns one user of the scope.
func (s *Store) TokenUser(ctx context.Context, scope Scope, id int64, usage bool) (TokenUser, error) {
	u, err := tokenUser(ctx, s.read(), scope, id)
	if err == nil && usage {
		list := []TokenUser{u}
		err = addUsage(ctx, s.read(), list)
		u = list[0]
	}
	return u, s.err("reading user", err)
}

func tokenUser(ctx context.Context, q querier, scope Scope, id int64) (TokenUser, error) {
	find := "SELECT " + tokenUserColumns(q.speaks()) + " FROM users u WHERE u.id = ? AND " + scope.in("u.organization_id")
	return scanTokenUser(q.QueryRowContext(ctx, find, id))
}

func addUsage(ctx context.Context, q querier, list []TokenUser) error {
	ids := make([]int64, len(list))
	byID := make(map[int64]*TokenUser, len(list))
	for i := range list {
		ids[i], byID[list[i].ID] = list[i].ID, &list[i]
	}
	condition, args := among(q.speaks(), "user_id", ids)
	rows, err := q.QueryContext(ctx, "SELECT user_id, "+q.speaks().sum("acctsessiontime")+", max(acctupdatetime) FROM aaa_accounting WHERE "+
		condition+" GROUP BY user_id", args...)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var id, used, last int64
		if err = row.Scan(&id, &used, &last); err == nil {
			byID[id].UsedTime, byID[id].LastUsage = used, new(time.UnixMicro(last).UTC())
		}
		return none, err
	})
	return err
}

// SaveTokenUser is SaveUser with what user_token has besides, all in one transaction.
func (s *Store) SaveTokenUser(ctx context.Context, scope Scope, id int64, change func(*gate.User), more TokenChange) (saved TokenUser, err error) {
	var secret string
	if more.NewToken {
		secret = "tok_" + strings.ToLower(rand.Text())[:20]
	}
	err = s.write(ctx, "saving user", func(tx *dbTx) error {
		u, err := s.saveUser(tx, scope, id, change, more.Hash)
		if err != nil {
			return err
		}
		if err := mergeProfileData(tx, u.ID, more.Data); err != nil {
			return err
		}
		if secret != "" {
			hash := sha256.Sum256([]byte(secret))
			_, err := tx.Exec("UPDATE users SET token_hash = ?, token_hint = ? WHERE id = ?", hash[:], secret[len(secret)-3:], u.ID)
			if err != nil {
				return err
			}
		}
		if more.Seconds != nil {
			had, err := ledgerSum(tx.ctx, tx, u.ID)
			if err != nil {
				return err
			}
			if err := s.setBalance(tx, u.ID, *more.Seconds, more.Actor); err != nil {
				return err
			}
			err = tx.auditPerson("user_time", u.ID, *u.Organization, map[string]any{"user_time": max(0, had)}, map[string]any{"user_time": *more.Seconds})
			if err != nil {
				return err
			}
		}
		saved, err = tokenUser(tx.ctx, tx, Scope{*u.Organization}, u.ID)
		return err
	})
	s.wake(err)
	if err == nil && secret != "" {
		saved.Token = secret
	}
	return saved, err
}

func mergeProfileData(tx *dbTx, user int64, more map[string]json.RawMessage) error {
	if len(more) == 0 {
		return nil
	}
	var stored string
	if err := tx.QueryRow("SELECT profile_data FROM users WHERE id = ?", user).Scan(&stored); err != nil {
		return err
	}
	data := make(map[string]json.RawMessage)
	if err := json.Unmarshal([]byte(stored), &data); err != nil {
		return err
	}
	for k, v := range more {
		if data[k] = v; string(v) == "null" {
			delete(data, k)
		}
	}
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE users SET profile_data = ? WHERE id = ?", string(body), user)
	return err
}

// HasSession tells whether a user has a session that runs, as far as accounting tells.
func (s *Store) HasSession(ctx context.Context, user int64) (running bool, err error) {
	now := s.now()
	const q = `SELECT EXISTS (SELECT 1 FROM aaa_accounting WHERE user_id = ? AND acctstoptime IS NULL AND acctstarttime >= ?
		AND acctupdatetime >= ?)`
	err = s.read().QueryRowContext(ctx, q, user, micros(now.Add(-longest)), micros(now.Add(-staleAfter))).Scan(&running)
	return running, s.err("looking for sessions", err)
}

// FullError says that an organisation has as many users as it may have.
type FullError struct{ Max int64 }

// Error implements error.
func (e *FullError) Error() string { return fmt.Sprintf("the organisation may have %d users", e.Max) }

// roomFor returns a *FullError when the organisation has no room for another user.
func roomFor(tx *dbTx, organization int64) error {
	var most, has int64
	err := tx.QueryRow("SELECT max_users FROM organizations WHERE id = ? AND max_users IS NOT NULL", organization).Scan(&most)
	if err == sql.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.lock("organizations", "id = ?", organization); err != nil { // no two users are both the last that fits
		return err
	}
	if err := tx.QueryRow("SELECT count(*) FROM users WHERE organization_id = ?", organization).Scan(&has); err != nil || has < most {
		return err
	}
	return &FullError{Max: most}
}
