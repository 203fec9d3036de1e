package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// The states in which a proof is kept. Ready: who decides from elsewhere has said yes, and nobody was let in by it yet.
const (
	ProofPending = "pending"
	ProofReady   = "ready"
	ProofGiven   = "given"
	ProofDenied  = "denied"
)

// keepProofs is how long a proof is counted.
const keepProofs = 48 * time.Hour

// Proof is one that was begun.
type Proof struct {
	ID                   int64
	Organization         int64
	Gateway              int64
	Zone, Station        string
	Method               string
	Channel, Contact     string // where a message goes; empty: none is sent
	Locale               string
	State                string
	Code                 []byte          // hash of what the guest was sent; nil: nothing is asked
	Tries                int             // left, of the code
	Body                 json.RawMessage // the method's own
	Created, Expires     time.Time
	ticketHash, linkHash []byte
}

// ProofLimit is how many proofs may be begun within a time that have the same Contact, Station or Channel, whichever of these it
// has. One that only has Gateway counts those of the proof's gateway and channel.
type ProofLimit struct {
	Contact, Station, Channel, Gateway bool
	Most                               int
	Within                             time.Duration
}

// ProofLimitError says that a limit is reached, and when it will not be any more.
type ProofLimitError struct{ Wait time.Duration }

// Error implements error.
func (e *ProofLimitError) Error() string {
	return fmt.Sprintf("too many proofs: another one in %v", e.Wait)
}

// BeginProof keeps a proof within limits. ticket is what the gateway asks with, link what Decide takes; only their hashes are kept.
// A *ProofLimitError says that there are too many.
func (s *Store) BeginProof(ctx context.Context, g Gateway, p Proof, ticket, link string, limits []ProofLimit) error {
	p.Gateway, p.Organization, p.ticketHash = g.ID, g.Scope.Own(), digest(ticket)
	if link != "" {
		p.linkHash = digest(link)
	}
	return s.write(ctx, "beginning proof", func(tx *dbTx) error {
		now := s.now()
		// Others of the organisation wait: no two of them are both the last that the limits allow.
		if _, err := tx.Exec("UPDATE organizations SET name = name WHERE id = ?", p.Organization); err != nil {
			return err
		}
		for _, l := range limits {
			if wait, err := l.wait(tx, p, now); err != nil || wait > 0 {
				return orElse(err, &ProofLimitError{wait})
			}
		}
		const insert = `INSERT INTO proofs (ticket_hash, link_hash, code_hash, organization_id, gateway_id, zone, station, method, channel,
			contact, locale, state, tries, body, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		_, err := tx.Exec(insert, p.ticketHash, p.linkHash, p.Code, p.Organization, p.Gateway, p.Zone, p.Station, p.Method, p.Channel,
			p.Contact, p.Locale, p.State, p.Tries, string(p.Body), micros(now), micros(p.Expires))
		return err
	})
}

// ForgetProofs deletes proofs that count no more, and of those that are over what people said of themselves: it does not outlive its
// use. Call it every now and then.
func (s *Store) ForgetProofs(ctx context.Context) error {
	return s.write(ctx, "forgetting proofs", func(tx *dbTx) error {
		now := s.now()
		if _, err := tx.Exec("DELETE FROM proofs WHERE created <= ?", micros(now.Add(-keepProofs))); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE proofs SET body = '' WHERE expires <= ? AND body <> ''", micros(now))
		return err
	})
}

// wait is how long until the proof would be within the limit.
func (l ProofLimit) wait(tx *dbTx, p Proof, now time.Time) (time.Duration, error) {
	find, args := "SELECT created FROM proofs WHERE organization_id = ? AND created > ?", []any{p.Organization, micros(now.Add(-l.Within))}
	for _, c := range []struct {
		counts bool
		column string
		value  any
	}{{l.Contact, "contact", p.Contact}, {l.Station, "station", p.Station}, {l.Channel || l.Gateway, "channel", p.Channel}, {l.Gateway, "gateway_id", p.Gateway}} {
		if c.counts {
			find, args = find+" AND "+c.column+" = ?", append(args, c.value)
		}
	}
	var created int64
	err := tx.QueryRow(find+" ORDER BY created DESC LIMIT 1 OFFSET ?", append(args, l.Most-1)...).Scan(&created)
	if err == sql.ErrNoRows {
		return 0, nil
	}
	return time.UnixMicro(created).Add(l.Within).Sub(now), err
}

// AbandonProof ends a proof whose message could not be sent. It still counts.
func (s *Store) AbandonProof(ctx context.Context, ticket string) error {
	return s.write(ctx, "abandoning proof", func(tx *dbTx) error {
		_, err := tx.Exec("UPDATE proofs SET state = ?, body = '' WHERE ticket_hash = ?", ProofDenied, digest(ticket))
		return err
	})
}

const proofColumns = "id, organization_id, gateway_id, zone, station, method, channel, contact, locale, state, code_hash, tries, body, created, expires"

func scanProof(row scanner) (p Proof, err error) {
	var body string
	var created, expires int64
	err = row.Scan(&p.ID, &p.Organization, &p.Gateway, &p.Zone, &p.Station, &p.Method, &p.Channel, &p.Contact, &p.Locale, &p.State,
		&p.Code, &p.Tries, &body, &created, &expires)
	p.Body, p.Created, p.Expires = json.RawMessage(body), *timeOf(&created), *timeOf(&expires)
	return p, err
}

// ProofByLink is the proof that link decides, while it is pending. ErrNotFound: there is none, or its time is over.
func (s *Store) ProofByLink(ctx context.Context, link string) (Proof, error) {
	p, err := s.proofByLink(ctx, s.read(), link)
	return p, s.err("reading proof", err)
}

func (s *Store) proofByLink(ctx context.Context, q querier, link string) (Proof, error) {
	const find = "SELECT " + proofColumns + " FROM proofs WHERE link_hash = ? AND state = ? AND expires > ?"
	return scanProof(q.QueryRowContext(ctx, find, digest(link), ProofPending, micros(s.now())))
}

// DecideProof changes the State and the Body of the pending proof that link decides, and so that link decides nothing any more.
// decide must be quick and must not use the store.
func (s *Store) DecideProof(ctx context.Context, link string, decide func(*Proof) error) error {
	return s.write(ctx, "deciding proof", func(tx *dbTx) error {
		p, err := s.proofByLink(tx.ctx, tx, link)
		if err != nil {
			return err
		}
		if err := decide(&p); err != nil {
			return err
		}
		n, err := tx.affected("UPDATE proofs SET state = ?, body = ?, link_hash = NULL WHERE id = ? AND state = ?", p.State, string(p.Body), p.ID, ProofPending)
		if err != nil || n == 0 {
			return orElse(err, ErrNotFound)
		}
		return tx.audit("proof", p.ID, p.Organization, nil, map[string]any{"method": p.Method, "state": p.State})
	})
}

// SettleProof writes how a proof came out that DecideProof has left pending: its State, Body, Code and Tries.
func (s *Store) SettleProof(ctx context.Context, p Proof) error {
	return s.write(ctx, "settling proof", func(tx *dbTx) error {
		n, err := tx.affected("UPDATE proofs SET state = ?, body = ?, code_hash = ?, tries = ? WHERE id = ? AND state = ? AND link_hash IS NULL",
			p.State, string(p.Body), p.Code, p.Tries, p.ID, ProofPending)
		if err != nil || n == 0 {
			return orElse(err, ErrNotFound)
		}
		return nil
	})
}

// ProofAsk is a gateway's question about a proof.
type ProofAsk struct {
	Ticket        string
	Zone, Station string
	Code          []byte // hash of what was typed; nil: nothing was
	Peek          bool   // see edge.ProofCheck
}

// Person is whose account a proof gives: it is made if the organisation of the gateway has none of this name. Change is told whether
// it was made, Extra what is known of the person besides; nil: nothing new.
type Person struct {
	Username string
	Password *string // hash of the new one; nil: as it is
	Change   func(u *gate.User, made bool)
	Extra    func(*gate.UserExtra)
}

// CheckProof answers a gateway's question. Once the proof is given, which it is once, person says of whom it is, and the account
// comes along; the gateway hears of its changes from then on. person must be quick and must not use the store.
func (s *Store) CheckProof(ctx context.Context, g Gateway, ask ProofAsk, person func(Proof) (Person, error)) (r edge.ProofResult, err error) {
	err = s.write(ctx, "checking proof", func(tx *dbTx) error {
		p, err := s.lockProof(tx, g, ask)
		if err == sql.ErrNoRows {
			r = edge.ProofResult{State: edge.ProofExpired}
			return nil
		}
		if err != nil {
			return err
		}
		if r = p.judge(ask, s.now()); r.State == edge.ProofWrong {
			_, err = tx.Exec("UPDATE proofs SET tries = ? WHERE id = ?", r.Tries, p.ID)
			return err
		}
		if r.State != edge.ProofGiven {
			return nil
		}
		who, err := person(p)
		if err != nil {
			return err
		}
		a, err := s.admit(tx, g, who)
		if err != nil {
			return err
		}
		r.Account = &a
		_, err = tx.Exec("UPDATE proofs SET state = ?, body = '', user_id = ? WHERE id = ?", ProofGiven, a.UserID, p.ID)
		return err
	})
	if r.Account != nil {
		s.wake(err)
	}
	return r, err
}

// lockProof reads the proof that is asked for, and has others who ask for it wait: no two of them may each take a try, or be let in.
func (s *Store) lockProof(tx *dbTx, g Gateway, ask ProofAsk) (Proof, error) {
	const find = "UPDATE proofs SET tries = tries WHERE ticket_hash = ? AND gateway_id = ? AND zone = ? AND station = ? RETURNING " + proofColumns
	return scanProof(tx.QueryRow(find, digest(ask.Ticket), g.ID, ask.Zone, ask.Station))
}

// judge is what a question finds.
func (p *Proof) judge(ask ProofAsk, now time.Time) edge.ProofResult {
	switch {
	case p.State == ProofDenied:
		return edge.ProofResult{State: edge.ProofDenied}
	case p.State == ProofGiven || !now.Before(p.Expires) || p.Code != nil && p.Tries <= 0:
		return edge.ProofResult{State: edge.ProofExpired}
	case p.State == ProofReady && ask.Peek:
		return edge.ProofResult{State: edge.ProofReady}
	case p.State == ProofReady:
		return edge.ProofResult{State: edge.ProofGiven}
	case p.Code == nil || ask.Code == nil || ask.Peek:
		return edge.ProofResult{State: edge.ProofPending, Tries: p.Tries}
	case subtle.ConstantTimeCompare(p.Code, ask.Code) == 1:
		return edge.ProofResult{State: edge.ProofGiven}
	}
	return edge.ProofResult{State: edge.ProofWrong, Tries: p.Tries - 1}
}

// admit finds or makes the account of a person who has proven who he is.
func (s *Store) admit(tx *dbTx, g Gateway, who Person) (a edge.Account, err error) {
	id, _, err := findUser(tx.ctx, tx, g.Scope[:1], who.Username)
	if err != nil && err != sql.ErrNoRows {
		return a, err
	}
	if made := id == 0; made || who.Password != nil || who.Extra != nil {
		u, err := s.saveUser(tx, g.Scope[:1], id, func(u *gate.User) {
			if made {
				*u = gate.User{Username: who.Username, Organization: new(g.Scope.Own()), IsActive: true}
			}
			if who.Change != nil {
				who.Change(u, made)
			}
		}, who.Password)
		if err != nil {
			return a, err
		}
		id = u.ID
	}
	if who.Extra != nil {
		if err := s.addExtra(tx, g.Scope[:1], id, who.Extra); err != nil {
			return a, err
		}
	}
	if _, err := s.lend(tx, g, id); err != nil {
		return a, err
	}
	if _, err := tx.Exec("INSERT INTO gateway_users (gateway_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", g.ID, id); err != nil {
		return a, err
	}
	return s.account(tx.ctx, tx, g, id)
}

// addExtra adds to what is known of a person.
func (s *Store) addExtra(tx *dbTx, scope Scope, user int64, change func(*gate.UserExtra)) error {
	var id int64
	err := tx.QueryRow("SELECT id FROM user_extra WHERE parent = ? ORDER BY id LIMIT 1", user).Scan(&id)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	_, err = saveUserExtra(tx, scope, id, func(e *gate.UserExtra) { change(e); e.Parent = user })
	return err
}
