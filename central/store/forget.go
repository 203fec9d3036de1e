package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"
)

// What comes late about a person who has been erased must not bring the person back: it is recognised by the number that the
// user had, which nobody gets again, or by a name that the user had, of which a keyed hash is left.

// mention is where a record names a user.
type mention struct {
	given    int64  // the number in the record
	resolved *int64 // whom we take it for
	name     string
	at       time.Time
	forget   func(pseudonym string)
}

func (b *batch) mentions() []mention {
	var list []mention
	for _, m := range b.sessions {
		list = append(list, mention{m.acct.UserID, &m.acct.UserID, m.acct.Username, m.acct.AcctStartTime, m.forget})
	}
	for _, t := range b.transactions {
		list = append(list, mention{t.UserID, &t.UserID, t.Username, t.DateTime, t.forget})
	}
	return list
}

func (m *session) forget(pseudonym string) {
	m.acct.UserID, m.acct.Username, m.acct.CallingStationID, m.acct.FramedIPAddress = 0, pseudonym, "", ""
}

func (t *transaction) forget(pseudonym string) {
	t.UserID, t.Username, t.MAC, t.RemoteIP, t.PageURL, t.UserAgent, t.Message = 0, pseudonym, "", "", "", "", ""
}

// erased is one person who was erased, under one of the names that the person had.
type erased struct {
	user      int64
	pseudonym string
	requested int64
	hash      string
}

// forgetErased takes persons who were erased out of a batch whose users are resolved. A name alone is enough only for what
// happened before the erasure: afterwards it may be somebody else's.
func forgetErased(tx *dbTx, scope Scope, mentions []mention) error {
	var some bool
	if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM erasures)").Scan(&some); err != nil || !some {
		return err
	}
	key, err := erasureKeyOf(tx)
	if err != nil {
		return err
	}
	var ids []int64
	var hashes [][]byte
	for _, m := range mentions {
		if m.given != 0 {
			ids = append(ids, m.given)
		} else if m.name != "" {
			hashes = append(hashes, nameHash(key, m.name))
		}
	}
	byID, byName, err := findErased(tx, scope, distinct(ids), hashes)
	if err != nil {
		return err
	}
	for _, m := range mentions {
		if e, ok := byID[m.given]; ok && m.given != 0 {
			m.forget(e.pseudonym)
			continue
		}
		if m.given != 0 {
			continue
		}
		e, ok := byName[string(nameHash(key, m.name))]
		if !ok || micros(m.at) >= e.requested {
			continue
		}
		other, err := joinedBefore(tx, *m.resolved, m.at)
		if err != nil {
			return err
		}
		if !other {
			m.forget(e.pseudonym)
		}
	}
	return nil
}

func findErased(tx *dbTx, scope Scope, ids []int64, hashes [][]byte) (byID map[int64]erased, byName map[string]erased, err error) {
	byID, byName = make(map[int64]erased), make(map[string]erased)
	const columns = "SELECT e.user_id, e.pseudonym, e.requested, "
	scan := func(row scanner) (e erased, err error) {
		var hash []byte
		err = row.Scan(&e.user, &e.pseudonym, &e.requested, &hash)
		e.hash = string(hash)
		return e, err
	}
	condition, args := among(tx.d, "e.user_id", ids)
	rows, err := tx.Query(columns+"NULL FROM erasures e WHERE "+condition+" AND "+scope.in("e.organization_id"), args...)
	list, err := collect(rows, err, scan)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range list {
		byID[e.user] = e
	}
	condition, args = among(tx.d, "n.name_hash", hashes)
	rows, err = tx.Query(columns+"n.name_hash FROM erased_names n JOIN erasures e ON e.id = n.erasure_id WHERE "+condition+" AND "+
		scope.in("n.organization_id")+" ORDER BY e.id", args...)
	list, err = collect(rows, err, scan)
	for _, e := range list {
		byName[e.hash] = e
	}
	return byID, byName, err
}

// joinedBefore tells whether a user was there at a time: then a name that an erased person had is that user's as well.
func joinedBefore(tx *dbTx, user int64, at time.Time) (yes bool, err error) {
	if user == 0 {
		return false, nil
	}
	err = tx.QueryRow("SELECT EXISTS (SELECT 1 FROM users WHERE id = ? AND date_joined <= ?)", user, micros(at)).Scan(&yes)
	return yes, err
}

func erasureKeyOf(tx *dbTx) (key []byte, err error) {
	err = tx.QueryRow("SELECT value FROM meta WHERE key = ?", erasureKey).Scan(&key)
	return key, err
}

func nameHash(key []byte, name string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(name))
	return m.Sum(nil)
}
