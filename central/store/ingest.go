package store

import (
	"cmp"
	"context"
	"slices"
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

// secondOf is the second that an id was made in, in microseconds since 1970: what it names began in it.
func secondOf(id int64) int64 { return (id>>sequenceBits + epoch2020.Unix()) * 1e6 }

// Ingest merges records of a gateway whose token has this scope into the scope's own organisation, all in one transaction,
// and returns once that is on disk. news tells per record whether the database knows more by it. The records must be
// valid: times within FirstTime and LastTime, counters that fit 63 bits.
func (s *Store) Ingest(ctx context.Context, scope Scope, records []edge.Record) (news []bool, err error) {
	times := make([]time.Time, 0, len(records))
	for _, r := range records {
		if r.Accounting != nil {
			times = append(times, r.Accounting.AcctStartTime)
		} else {
			times = append(times, r.Transaction.DateTime)
		}
	}
	for {
		if err := s.db.prepare(ctx, times); err != nil {
			return nil, s.err("making room for records", err)
		}
		if news, err = s.merge(ctx, scope, records); err == nil || !s.db.unprepared(err) {
			return news, err
		}
	}
}

func (s *Store) merge(ctx context.Context, scope Scope, records []edge.Record) (news []bool, err error) {
	var told bool // whether gateways have something to hear
	err = s.write(ctx, "merging records", func(tx *dbTx) error {
		b, err := newBatch(tx, scope, records)
		if err != nil {
			return err
		}
		if err := s.db.insertTransactions(tx, b); err != nil {
			return err
		}
		if err := noteLogins(tx, b); err != nil {
			return err
		}
		news = b.news
		told, err = s.mergeSessions(tx, scope, b)
		return err
	})
	if told {
		s.wake(err)
	}
	return news, err
}

// mergeSessions merges the sessions of a batch, with all that follows from them. told is whether gateways have something to
// hear.
func (s *Store) mergeSessions(tx *dbTx, scope Scope, b *batch) (told bool, err error) {
	list, err := subscribers(tx, b.organization)
	if err != nil {
		return false, err
	}
	events, err := sessionEvents(tx, b, list)
	if err != nil {
		return false, err
	}
	if err := s.db.mergeSessions(tx, b); err != nil {
		return false, err
	}
	if err := s.tellAll(tx, list, events); err != nil {
		return false, err
	}
	vouchers, err := s.settleVouchers(tx, scope, b.sessions)
	if err != nil {
		return false, err
	}
	balances, err := s.spendTime(tx, b)
	if err != nil {
		return false, err
	}
	counted, err := tellElsewhere(tx, b)
	if err != nil {
		return false, err
	}
	return vouchers || balances || counted, markDirty(tx, b)
}

// batch is what one request brings, made ready for the tables.
type batch struct {
	organization int64
	sessions     []*session     // ordered by key, so that two batches never wait for each other crosswise
	transactions []*transaction // those with new texts of user agents first resolved
	news         []bool         // per record
}

// session is what one batch says of one session, and which of its records said something new.
type session struct {
	acct    edge.Accounting // UserID is one of our users, or 0
	gateway int64           // that the record names; 0: none of ours
	given   []int           // indexes of records
}

// transaction is one line of the transaction log.
type transaction struct {
	edge.Transaction        // UserID is one of our users, or 0
	agent            *int64 // user_agents
	page             int64  // portal_logins
	given            int    // index of the record
}

func newBatch(tx *dbTx, scope Scope, records []edge.Record) (*batch, error) {
	b := &batch{organization: scope.Own(), sessions: groupBySession(records), news: make([]bool, len(records))}
	slices.SortFunc(b.sessions, func(x, y *session) int {
		return cmp.Or(cmp.Compare(x.acct.AcctUniqueID, y.acct.AcctUniqueID), x.acct.AcctStartTime.Compare(y.acct.AcctStartTime))
	})
	seen := make(map[string]bool)
	for i, r := range records {
		if r.Transaction != nil && !seen[r.Transaction.ID] {
			seen[r.Transaction.ID] = true
			b.transactions = append(b.transactions, &transaction{Transaction: *r.Transaction, given: i})
		}
	}
	slices.SortFunc(b.transactions, func(x, y *transaction) int { return cmp.Compare(x.ID, y.ID) })
	mentions := b.mentions()
	if err := b.resolveUsers(tx, scope); err != nil {
		return nil, err
	}
	if err := forgetErased(tx, scope, mentions); err != nil {
		return nil, err
	}
	if err := b.resolvePlaces(tx, scope); err != nil {
		return nil, err
	}
	if err := b.resolveGateways(tx); err != nil {
		return nil, err
	}
	return b, b.resolveAgents(tx)
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

type userRef struct {
	id    int64
	name  string
	group string // short name of the first profile
}

// resolveUsers finds whom the gateway means: by id when the user is of its organisations, else by name, and of one name
// the user of its own organisation. A session's group is the first profile that the user has now.
func (b *batch) resolveUsers(tx *dbTx, scope Scope) error {
	var ids []int64
	var names []string
	each := func(do func(id *int64, name string)) {
		for _, m := range b.sessions {
			do(&m.acct.UserID, m.acct.Username)
		}
		for _, t := range b.transactions {
			do(&t.UserID, t.Username)
		}
	}
	each(func(id *int64, name string) {
		if *id != 0 {
			ids = append(ids, *id)
		}
		if name != "" {
			names = append(names, name)
		}
	})
	byID, err := usersAmong(tx, scope, "id", distinct(ids))
	if err != nil {
		return err
	}
	byName, err := usersAmong(tx, scope, "username", distinct(names))
	if err != nil {
		return err
	}
	ours, groups := make(map[int64]bool), make(map[int64]string)
	for _, u := range byID {
		ours[u.id], groups[u.id] = true, u.group
	}
	named := make(map[string]int64)
	for _, u := range byName {
		if named[u.name] == 0 {
			named[u.name], groups[u.id] = u.id, u.group
		}
	}
	each(func(id *int64, name string) {
		if !ours[*id] {
			*id = named[name]
		}
	})
	for _, m := range b.sessions {
		m.acct.GroupName = cmp.Or(m.acct.GroupName, groups[m.acct.UserID])
	}
	return nil
}

// resolveGateways finds which of the organisation's gateways the sessions are of.
func (b *batch) resolveGateways(tx *dbTx) error {
	var names []string
	for _, m := range b.sessions {
		if m.acct.NASIdentifier != "" {
			names = append(names, m.acct.NASIdentifier)
		}
	}
	if len(names) == 0 {
		return nil
	}
	condition, args := among(tx.d, "nas_identifier", distinct(names))
	rows, err := tx.Query("SELECT id, nas_identifier FROM gateways WHERE organization_id = ? AND "+condition, append([]any{b.organization}, args...)...)
	ids := make(map[string]int64)
	_, err = collect(rows, err, func(row scanner) (name string, err error) {
		var id int64
		err = row.Scan(&id, &name)
		ids[name] = id
		return name, err
	})
	for _, m := range b.sessions {
		m.gateway = ids[m.acct.NASIdentifier]
	}
	return err
}

func usersAmong[T any](tx *dbTx, scope Scope, column string, values []T) ([]userRef, error) {
	if len(values) == 0 {
		return nil, nil
	}
	condition, args := among(tx.d, "u."+column, values)
	rows, err := tx.Query(`SELECT u.id, u.username, coalesce(p.short_name, '') FROM users u
			LEFT JOIN user_profiles a ON a.user_id = u.id AND a.position = 0 LEFT JOIN profiles p ON p.id = a.profile_id
		WHERE `+condition+" AND "+scope.in("u.organization_id")+
		" ORDER BY CASE WHEN u.organization_id = ? THEN 0 ELSE 1 END, u.organization_id", append(args, scope.Own())...)
	return collect(rows, err, func(row scanner) (u userRef, err error) {
		err = row.Scan(&u.id, &u.name, &u.group)
		return u, err
	})
}

func distinct[T cmp.Ordered](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

func (b *batch) resolveAgents(tx *dbTx) error {
	var texts []string
	for _, t := range b.transactions {
		if t.UserAgent != "" {
			texts = append(texts, t.UserAgent)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	texts = distinct(texts)
	condition, args := among(tx.d, "text", texts)
	rows, err := tx.Query("SELECT id, text FROM user_agents WHERE "+condition, args...)
	known, err := collect(rows, err, func(row scanner) (a userRef, err error) {
		err = row.Scan(&a.id, &a.name)
		return a, err
	})
	if err != nil {
		return err
	}
	ids := make(map[string]*int64)
	for _, a := range known {
		ids[a.name] = &a.id
	}
	for _, text := range texts {
		if ids[text] != nil {
			continue
		}
		var id int64
		const insert = "INSERT INTO user_agents (text) VALUES (?) ON CONFLICT (text) DO UPDATE SET text = excluded.text RETURNING id"
		if err := tx.QueryRow(insert, text).Scan(&id); err != nil {
			return err
		}
		ids[text] = &id
	}
	for _, t := range b.transactions {
		t.agent = ids[t.UserAgent]
	}
	return nil
}

// noteLogins remembers when the users of the batch's new logins logged in first and last.
func noteLogins(tx *dbTx, b *batch) error {
	type span struct{ first, last int64 }
	seen := make(map[int64]span)
	for _, t := range b.transactions {
		if !b.news[t.given] || t.UserID == 0 || t.Type != "ui" && t.Type != "ai" {
			continue
		}
		at := micros(t.DateTime)
		s, ok := seen[t.UserID]
		if !ok {
			s = span{at, at}
		}
		seen[t.UserID] = span{min(s.first, at), max(s.last, at)}
	}
	ids := make([]int64, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := noteLogin(tx, id, seen[id].first, seen[id].last); err != nil {
			return err
		}
	}
	return nil
}
