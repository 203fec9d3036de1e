package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// AuditEntry is one change in the audit log.
type AuditEntry struct {
	ID           int64
	Organization int64
	Seq          int64 // in the organisation's chain, from 1 without gaps
	At           time.Time
	Actor        string // "token 7", "user p_…", "gateway lobby", "command root", "centre"
	Role         string
	Address      string
	Request      string
	Action       string // create, update, delete
	Object       string
	ObjectID     string          // a number, or a person's pseudonym
	Changes      json.RawMessage // {"field": [before, after]}
}

// chainBegin stands for the hash of the entry before the first.
func chainBegin() []byte { return make([]byte, sha256.Size) }

// hash is the entry's place in the chain: SHA-256 of the hash before and of the entry as a JSON array.
func (e *AuditEntry) hash(before []byte) []byte {
	text, _ := json.Marshal([]any{e.Organization, e.Seq, micros(e.At), e.Actor, e.Role, e.Address, e.Request, // strings and numbers
		e.Action, e.Object, e.ObjectID, string(e.Changes)})
	sum := sha256.Sum256(append(bytes.Clone(before), text...))
	return sum[:]
}

// AuditFilter narrows a reading of the audit log. Zero fields do not.
type AuditFilter struct {
	User           int64 // changes of what belongs to this user
	Object         string
	ObjectID       string
	Actor          string
	From, To       time.Time // both inclusive
	MatchesNothing bool
}

// Audit reads the audit log, the newest entries first; a scope of nil is all of it. more tells whether there is something beyond the
// page.
func (s *Store) Audit(ctx context.Context, scope Scope, f AuditFilter, p Page) (list []AuditEntry, more bool, err error) {
	q := keyset{d: s.d, table: "audit_log", time: "at", id: "id", columns: auditColumns}
	if f.User != 0 {
		var key []byte
		err := s.err("looking for a person's key", s.read().QueryRowContext(ctx, "SELECT key FROM audit_persons WHERE user_id = ?", f.User).Scan(&key))
		if err != nil && err != ErrNotFound {
			return nil, false, err
		}
		f.ObjectID, f.MatchesNothing = pseudonym(key), f.MatchesNothing || err != nil
	}
	if f.MatchesNothing {
		return []AuditEntry{}, false, nil
	}
	switch {
	case scope == nil:
		q.index = "audit_log_time"
		q.and("1 = 1")
	case f.ObjectID != "":
		q.within(scope, "", "audit_log_object")
	default:
		q.within(scope, "audit_log_organization", "audit_log_time")
	}
	for _, c := range []struct{ column, value string }{{"object", f.Object}, {"object_id", f.ObjectID}, {"actor", f.Actor}} {
		if c.value != "" {
			q.and("t."+c.column+" = ?", c.value)
		}
	}
	q.between("t.at", f.From, f.To)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, func(row scanner) (AuditEntry, error) {
		e, _, err := scanAudit(row)
		return e, err
	})
	list, more = cutPage(p, list)
	return list, more, s.err("reading audit log", err)
}

const auditColumns = `t.id, t.organization_id, t.seq, t.at, t.actor, t.role, t.address, t.request, t.action, t.object, t.object_id,
	t.changes, t.hash`

func scanAudit(row scanner) (e AuditEntry, hash []byte, err error) {
	var at int64
	var changes string
	err = row.Scan(&e.ID, &e.Organization, &e.Seq, &at, &e.Actor, &e.Role, &e.Address, &e.Request, &e.Action, &e.Object, &e.ObjectID,
		&changes, &hash)
	e.At, e.Changes = time.UnixMicro(at).UTC(), json.RawMessage(changes)
	return e, hash, err
}

// AuditChain is the state of one organisation's chain.
type AuditChain struct {
	Organization int64
	Entries      int64
	Head         []byte // the hash of the last entry: whoever has written it down can tell a chain that was made anew
	Broken       int64  // the seq from which on the chain is not what was written; 0: it is whole
	Fault        string
}

// VerifyAudit reads all chains, or that of one organisation, and computes their hashes anew.
func (s *Store) VerifyAudit(ctx context.Context, organization int64) (chains []AuditChain, err error) {
	err = s.snapshot(ctx, func(q querier) error {
		chains, err = auditHeads(ctx, q, organization)
		if err != nil {
			return err
		}
		for i := range chains {
			if err := chains[i].verify(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	return chains, s.err("verifying audit log", err)
}

// auditHeads are all chains, also one whose head is missing.
func auditHeads(ctx context.Context, q querier, organization int64) ([]AuditChain, error) {
	const find = `SELECT o.id, coalesce(h.seq, 0), h.hash
		FROM (SELECT organization_id AS id FROM audit_heads UNION SELECT organization_id FROM audit_log) o
		LEFT JOIN audit_heads h ON h.organization_id = o.id WHERE CAST(? AS BIGINT) IN (0, o.id) ORDER BY o.id`
	rows, err := q.QueryContext(ctx, find, organization)
	return collect(rows, err, func(row scanner) (c AuditChain, err error) {
		err = row.Scan(&c.Organization, &c.Entries, &c.Head)
		return c, err
	})
}

func (c *AuditChain) verify(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, "SELECT "+auditColumns+" FROM audit_log t WHERE t.organization_id = ? ORDER BY t.seq", c.Organization)
	if err != nil {
		return err
	}
	defer rows.Close()
	last, seq := chainBegin(), int64(0)
	for rows.Next() {
		e, hash, err := scanAudit(rows)
		if err != nil {
			return err
		}
		seq++
		last = e.hash(last)
		switch {
		case e.Seq != seq:
			c.Broken, c.Fault = seq, fmt.Sprintf("entry %d is missing", seq)
			return nil
		case !bytes.Equal(hash, last):
			c.Broken, c.Fault = seq, fmt.Sprintf("entry %d, or one before it, has been changed", seq)
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if seq != c.Entries || !bytes.Equal(last, c.Head) {
		c.Broken, c.Fault = seq+1, fmt.Sprintf("the chain should end with entry %d", c.Entries)
	}
	return nil
}
