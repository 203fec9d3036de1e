package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Actor is who writes. It comes with the context of a write, and goes into the audit log.
type Actor struct {
	Kind    string // one of the kinds below
	ID      int64  // of the token or the user
	Name    string // of who runs a command
	Role    Role
	Request string // id of the request
	Address string // that it came from
}

// The kinds of an Actor. One without a kind is the centre itself.
const (
	ActorToken   = "token"
	ActorUser    = "user"
	ActorCommand = "command"
	ActorGateway = "gateway" // by its name
	ActorSponsor = "sponsor" // by the address that a link was sent to
	actorSelf    = "centre"
)

type actorKey struct{}

// WithActor says who does what is written with the context.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) Actor {
	a, ok := ctx.Value(actorKey{}).(Actor)
	if !ok {
		a.Kind = actorSelf
	}
	return a
}

// audited is a change that the audit log is to hold once its transaction has done everything else.
type audited struct {
	organization     int64
	action, object   string
	objectID, change string
}

// audit notes a change of the object with this id, whose kind is a noun like "profile": before and after are what JSON shows of
// it, nil before it was made and after it was deleted. secrets are the names of fields that are in neither and were set.
func (t *dbTx) audit(object string, id, organization int64, before, after any, secrets ...string) error {
	return t.note(object, strconv.FormatInt(id, 10), organization, before, after, secrets, mask)
}

// auditPerson is audit for what belongs to a user: who it is and what identifies a person become pseudonyms.
func (t *dbTx) auditPerson(object string, user, organization int64, before, after any, secrets ...string) error {
	key, err := personKey(t, user)
	if err != nil {
		return err
	}
	return t.note(object, pseudonym(key), organization, before, after, secrets, func(field string, value any) any {
		if value = mask(field, value); value == nil || value == masked || slices.Contains(impersonal(), field) {
			return value
		}
		text, _ := json.Marshal(value) // came from JSON
		return "h_" + keyed(key, field+"="+string(text))
	})
}

func (t *dbTx) note(object, id string, organization int64, before, after any, secrets []string, hide func(string, any) any) error {
	change, err := difference(before, after, secrets, hide)
	if err != nil {
		return err
	}
	action := "update"
	switch {
	case before == nil:
		action = "create"
	case after == nil:
		action = "delete"
	}
	t.audits = append(t.audits, audited{organization, action, object, id, change})
	return nil
}

// impersonal are the fields of users that say nothing of who it is.
func impersonal() []string {
	return []string{"is_active", "organization", "organization_id", "expiration", "profile", "user_time", "seconds", "accept_terms",
		"api_role", "status"}
}

const (
	masked     = "***"
	maxAudited = 1000 // octets of a value's JSON; of a longer one there is the digest
)

// mask hides what a field's name says is secret, and shortens what is long.
func mask(field string, value any) any {
	if value == nil {
		return nil
	}
	if secretField(field) {
		return masked
	}
	value = maskWithin(value)
	if text, _ := json.Marshal(value); len(text) > maxAudited {
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return value
}

func maskWithin(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = maskWithin(v[i])
		}
	case map[string]any:
		name, _ := v["attribute"].(string) // RADIUS: Cleartext-Password, Tunnel-Password
		for k := range v {
			v[k] = mask(k, v[k])
			if k == "value" && (strings.Contains(name, "Password") || strings.Contains(name, "Secret")) {
				v[k] = masked
			}
		}
	}
	return value
}

func secretField(name string) bool {
	name = strings.ToLower(name)
	for _, end := range []string{"password", "passphrase", "secret", "token", "hash", "key"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return name == "code" || name == "codes" || name == "pass_code"
}

// difference is a JSON object of the fields that differ: {"name": [before, after]}.
func difference(before, after any, secrets []string, hide func(string, any) any) (string, error) {
	was, err := fieldsOf(before)
	if err != nil {
		return "", err
	}
	is, err := fieldsOf(after)
	if err != nil {
		return "", err
	}
	diff := make(map[string][2]any)
	for name, v := range was {
		if !sameJSON(v, is[name]) {
			diff[name] = [2]any{v, is[name]}
		}
	}
	for name, v := range is {
		if _, both := was[name]; !both && v != nil {
			diff[name] = [2]any{nil, v}
		}
	}
	for name, pair := range diff {
		diff[name] = [2]any{hide(name, pair[0]), hide(name, pair[1])}
	}
	for _, name := range secrets {
		diff[name] = [2]any{masked, masked}
	}
	text, err := json.Marshal(diff) // with its keys sorted
	return string(text), err
}

func fieldsOf(v any) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber()
	err = numbers.Decode(&fields)
	return fields, err
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a) // came from JSON
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// personKey is the key of a user's pseudonyms.
func personKey(t *dbTx, user int64) (key []byte, err error) {
	const make = "INSERT INTO audit_persons (user_id, key) VALUES (?, ?) ON CONFLICT DO NOTHING"
	if _, err := t.Exec(make, user, []byte(rand.Text())); err != nil {
		return nil, err
	}
	err = t.QueryRow("SELECT key FROM audit_persons WHERE user_id = ?", user).Scan(&key)
	return key, err
}

// forgetPerson destroys the key of a user's pseudonyms: what the audit log has of the user can no longer be told from what it has
// of others, and its chain is as it was.
func forgetPerson(t *dbTx, user int64) error {
	_, err := t.Exec("DELETE FROM audit_persons WHERE user_id = ?", user)
	return err
}

func pseudonym(key []byte) string { return "p_" + keyed(key, "person") }

func keyed(key []byte, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil)[:10])
}

// secretSet is for the secrets of audit: the name when a value was given.
func secretSet(name string, value *string) []string {
	if value == nil {
		return nil
	}
	return []string{name}
}

// keepAudits adds what the transaction has noted to the chains of its organisations. It is the last that a transaction does: from
// here to its end other writers of the same organisation wait.
func (t *dbTx) keepAudits(now time.Time) error {
	if len(t.audits) == 0 {
		return nil
	}
	slices.SortStableFunc(t.audits, func(x, y audited) int { return cmp.Compare(x.organization, y.organization) }) // no deadlocks
	a := t.actor
	actor, err := a.text(t)
	if err != nil {
		return err
	}
	for list := t.audits; len(list) > 0; {
		n := 1
		for n < len(list) && list[n].organization == list[0].organization {
			n++
		}
		entries := make([]AuditEntry, n)
		for i, x := range list[:n] {
			entries[i] = AuditEntry{Organization: x.organization, At: now, Actor: actor, Role: string(a.Role), Address: a.Address,
				Request: a.Request, Action: x.action, Object: x.object, ObjectID: x.objectID, Changes: json.RawMessage(x.change)}
		}
		if err := t.chain(entries); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// chain adds entries of one organisation.
func (t *dbTx) chain(entries []AuditEntry) error {
	const claim = `INSERT INTO audit_heads (organization_id, seq, hash) VALUES (?, ?, ?)
		ON CONFLICT (organization_id) DO UPDATE SET seq = audit_heads.seq + excluded.seq RETURNING seq, hash`
	organization, n := entries[0].Organization, int64(len(entries))
	var last int64
	var hash []byte
	if err := t.QueryRow(claim, organization, n, chainBegin()).Scan(&last, &hash); err != nil {
		return err
	}
	const add = `INSERT INTO audit_log (organization_id, seq, at, actor, role, address, request, action, object, object_id, changes, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	for i := range entries {
		e := &entries[i]
		e.Seq = last - n + 1 + int64(i)
		hash = e.hash(hash)
		if _, err := t.Exec(add, organization, e.Seq, micros(e.At), e.Actor, e.Role, e.Address, e.Request, e.Action, e.Object,
			e.ObjectID, string(e.Changes), hash); err != nil {
			return err
		}
	}
	_, err := t.Exec("UPDATE audit_heads SET hash = ? WHERE organization_id = ?", hash, organization)
	return err
}

// text is how the log names who it was; a user by pseudonym.
func (a Actor) text(t *dbTx) (string, error) {
	switch a.Kind {
	case ActorToken:
		return ActorToken + " " + strconv.FormatInt(a.ID, 10), nil
	case ActorUser:
		key, err := personKey(t, a.ID)
		return ActorUser + " " + pseudonym(key), err
	case ActorCommand:
		return ActorCommand + " " + a.Name, nil
	case ActorSponsor, ActorGateway:
		return a.Kind + " " + a.Name, nil
	}
	return a.Kind, nil
}
