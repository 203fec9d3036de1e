package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gatehouse/api/edge"
)

const sequenceBits = 22

// epoch2020 is where ids begin to count: 2^53 is reached in 2088.
var epoch2020 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// FirstTime and LastTime bound the times that ids can be made of.
func FirstTime() time.Time { return epoch2020 }

// LastTime is the last moment that an id below 2^53 can be made of.
func LastTime() time.Time { return epoch2020.Add((1<<31 - 1) * time.Second) }

// radacctBase is the first id of the second that t is in.
func radacctBase(t time.Time) int64 { return (t.Unix() - epoch2020.Unix()) << sequenceBits }

// nextID is the expression for the next id in the second that begins with parameter 1.
func nextID(table, column string) string {
	return fmt.Sprintf("coalesce((SELECT max(%[2]s) + 1 FROM %[1]s WHERE %[2]s BETWEEN ?1 AND ?1 + %[3]d), ?1)",
		table, column, 1<<sequenceBits-1)
}

// Ingest merges records of a gateway whose token has this scope into the scope's own organisation, all in one transaction,
// and returns once that is on disk. news tells per record whether the database knows more by it. The records must be
// valid: times within FirstTime and LastTime, counters that fit 63 bits.
func (s *Store) Ingest(ctx context.Context, scope Scope, records []edge.Record) (news []bool, err error) {
	sessions := groupBySession(records)
	err = s.write(ctx, "merging records", func(tx *sql.Tx) error {
		news = make([]bool, len(records)) // anew: the transaction may have been tried before
		users := resolver{tx: tx, scope: scope, ids: make(map[userRef]int64)}
		if err := insertTransactions(tx, &users, records, news); err != nil {
			return err
		}
		return mergeSessions(tx, &users, sessions, news)
	})
	return news, err
}

// session is what one batch says of one session, and which of its records said something new.
type session struct {
	acct  edge.Accounting
	given []int // indexes of records
}

func groupBySession(records []edge.Record) []*session {
	type key struct {
		unique string
		start  int64
	}
	var list []*session
	byKey := make(map[key]*session)
	for i, r := range records {
		if r.Accounting == nil {
			continue
		}
		k := key{r.Accounting.AcctUniqueID, micros(r.Accounting.AcctStartTime)}
		m := byKey[k]
		if m == nil {
			m = &session{acct: *r.Accounting, given: []int{i}}
			byKey[k], list = m, append(list, m)
		} else if merge(&m.acct, r.Accounting) {
			m.given = append(m.given, i)
		}
	}
	return list
}

func mergeSessions(tx *sql.Tx, users *resolver, sessions []*session, news []bool) error {
	if len(sessions) == 0 {
		return nil
	}
	upsert, err := tx.Prepare(mergeSQL())
	if err != nil {
		return err
	}
	defer upsert.Close()
	for _, m := range sessions {
		if m.acct.UserID, err = users.id(m.acct.UserID, m.acct.Username); err != nil {
			return err
		}
		done, err := upsert.Exec(values(users.scope.Own(), &m.acct)...)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		for _, i := range m.given {
			news[i] = n > 0
		}
	}
	return nil
}

type userRef struct {
	id   int64
	name string
}

// resolver finds whom a gateway means: by id when the user is of its organisations, else by name.
type resolver struct {
	tx    *sql.Tx
	scope Scope
	ids   map[userRef]int64 // asked before
}

// id is 0 when there is no such user.
func (u *resolver) id(id int64, name string) (int64, error) {
	ref := userRef{id, name}
	if known, ok := u.ids[ref]; ok {
		return known, nil
	}
	var found int64
	err := sql.ErrNoRows
	if id != 0 {
		err = u.tx.QueryRow("SELECT id FROM users WHERE id = ? AND "+u.scope.in("organization_id"), id).Scan(&found)
	}
	if err == sql.ErrNoRows && name != "" {
		found, _, err = findUser(context.Background(), u.tx, u.scope, name)
	}
	if err != nil && err != sql.ErrNoRows {
		return 0, err
	}
	u.ids[ref] = found
	return found, nil
}
