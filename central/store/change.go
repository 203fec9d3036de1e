package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

type kind string

const (
	userKind    kind = "user"
	profileKind kind = "profile"
	planKind    kind = "plan"
	voucherKind kind = "voucher"
)

const feedPage = 500 // most changes in one answer

// changed moves an object to the end of the feed. It runs in the transaction of the change itself.
func changed(tx *dbTx, k kind, id, organization int64) error {
	// A reader that has seen number 7 will not look for 6 again: numbers must be committed in their order.
	if lock := tx.d.feedLock(); lock != "" {
		if _, err := tx.Exec(lock); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DELETE FROM changes WHERE kind = ? AND object_id = ?", k, id); err != nil {
		return err
	}
	_, err := tx.Exec("INSERT INTO changes (kind, object_id, organization_id) VALUES (?, ?, ?)", k, id, organization)
	return err
}

// changedSome moves many objects to the end of the feed: those that from, the rest of a SELECT of id and organization_id with
// one argument, finds.
func changedSome(tx *dbTx, k kind, from string, arg int64) error {
	if lock := tx.d.feedLock(); lock != "" {
		if _, err := tx.Exec(lock); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DELETE FROM changes WHERE kind = ? AND object_id IN (SELECT id FROM "+from+")", k, arg); err != nil {
		return err
	}
	_, err := tx.Exec("INSERT INTO changes (kind, object_id, organization_id) SELECT CAST(? AS TEXT), id, organization_id FROM "+from+" ORDER BY id", k, arg)
	return err
}

// changedUsers moves users to the end of the feed.
func changedUsers(tx *dbTx, ids []int64) error {
	if lock := tx.d.feedLock(); lock != "" {
		if _, err := tx.Exec(lock); err != nil {
			return err
		}
	}
	condition, args := among(tx.d, "object_id", ids)
	if _, err := tx.Exec("DELETE FROM changes WHERE kind = ? AND "+condition, append([]any{userKind}, args...)...); err != nil {
		return err
	}
	condition, args = among(tx.d, "id", ids)
	_, err := tx.Exec("INSERT INTO changes (kind, object_id, organization_id) SELECT CAST(? AS TEXT), id, organization_id FROM users WHERE "+
		condition+" ORDER BY id", append([]any{userKind}, args...)...)
	return err
}

// Changed returns a channel that is closed at the next change of a user or a profile. Take it before reading.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.woken
}

// wake tells whoever waits that a write has ended well.
func (s *Store) wake(err error) {
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.woken)
	s.woken = make(chan struct{})
}

// Watch wakes those who wait for changes that another process has made, until ctx ends.
func (s *Store) Watch(ctx context.Context) error {
	return s.db.watch(ctx, func() { s.wake(nil) })
}

func feedHead(ctx context.Context, q querier) (head int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM changes").Scan(&head)
	return head, err
}

// Feed is a stretch of the change feed for one gateway.
type Feed struct {
	Epoch   string // of this database; another one's cursors mean nothing here
	Head    int64  // where the next reading goes on
	More    bool
	Changes []edge.Change
}

// FeedEpoch names this database's feed.
func (s *Store) FeedEpoch(ctx context.Context) (string, error) {
	epoch, err := s.meta(ctx, s.read(), feedEpoch)
	return epoch, s.err("reading feed epoch", err)
}

// Changes reads what changed after since and concerns the gateway: all profiles, plans and vouchers of its organisations, and
// the accounts that it has seen. All of it is read at one moment. since beyond the feed's end is ErrNotFound.
func (s *Store) Changes(ctx context.Context, g Gateway, since int64) (f Feed, err error) {
	err = s.snapshot(ctx, func(q querier) error {
		if f.Head, err = feedHead(ctx, q); err != nil {
			return err
		}
		if since > f.Head {
			return ErrNotFound
		}
		entries, err := feedEntries(ctx, q, g, since)
		if err != nil {
			return err
		}
		if f.More = len(entries) > feedPage; f.More {
			entries = entries[:feedPage]
			f.Head = entries[feedPage-1].seq
		}
		f.Changes = make([]edge.Change, len(entries))
		for i, e := range entries {
			if e.kind == gatewayKind { // see below
				continue
			}
			if f.Changes[i], err = e.change(ctx, s, q, g); err != nil {
				return err
			}
		}
		if err := s.edgeVouchers(ctx, q, g, entries, f.Changes); err != nil {
			return err
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.kind == gatewayKind })
		if i < 0 {
			return nil
		}
		wanted, err := s.wantedOf(ctx, q, g, since)
		f.Changes = slices.Replace(f.Changes, i, i+1, wanted...)
		return err
	})
	return f, s.err("reading changes", err)
}

type entry struct {
	seq, id int64
	kind    kind
}

func feedEntries(ctx context.Context, q querier, g Gateway, since int64) ([]entry, error) {
	find := `SELECT c.seq, c.kind, c.object_id FROM changes c WHERE c.seq > ? AND CASE c.kind
			WHEN 'profile' THEN ` + g.Scope.in("c.organization_id") + `
			WHEN 'plan' THEN ` + g.Scope.in("c.organization_id") + `
			WHEN 'voucher' THEN ` + g.Scope.in("c.organization_id") + `
			WHEN 'gateway' THEN c.object_id = ?
			ELSE EXISTS (SELECT 1 FROM gateway_users s WHERE s.gateway_id = ? AND s.user_id = c.object_id) END
		ORDER BY c.seq LIMIT ?`
	rows, err := q.QueryContext(ctx, find, since, g.ID, g.ID, feedPage+1)
	return collect(rows, err, func(row scanner) (e entry, err error) {
		err = row.Scan(&e.seq, &e.kind, &e.id)
		return e, err
	})
}

// wantedOf is what is wanted of the gateway itself: all that it has to do, and settings that it has not looked at.
func (s *Store) wantedOf(ctx context.Context, q querier, g Gateway, since int64) ([]edge.Change, error) {
	list, err := openEvents(ctx, q, g.ID, s.now())
	if err != nil {
		return nil, err
	}
	c, err := unseenSettings(ctx, q, g.ID, since == 0)
	if c != nil {
		list = append(list, edge.Change{Configuration: c})
	}
	return list, err
}

// change is the object as it is now; one that is gone, or has left the gateway's organisations, is a tombstone.
func (e entry) change(ctx context.Context, s *Store, q querier, g Gateway) (edge.Change, error) {
	switch e.kind {
	case voucherKind: // see edgeVouchers
		return edge.Change{}, nil
	case planKind:
		p, err := plan(ctx, q, g.Scope, e.id)
		if err == sql.ErrNoRows {
			return edge.Change{DeletedPlan: e.id}, nil
		}
		return edge.Change{Plan: edgePlan(p)}, err
	case profileKind:
		p, err := scanProfile(q.QueryRowContext(ctx, "SELECT "+profileColumns+" FROM profiles p WHERE p.id = ?", e.id))
		if err == sql.ErrNoRows {
			return edge.Change{DeletedProfile: e.id}, nil
		}
		return edge.Change{Profile: edgeProfile(p)}, err
	}
	a, err := s.account(ctx, q, g, e.id)
	if err == sql.ErrNoRows {
		return edge.Change{DeletedUserID: e.id}, nil
	}
	return edge.Change{Account: &a}, err
}

func edgeProfile(p gate.AaaProfile) *edge.Profile {
	return &edge.Profile{ID: p.ID, ShortName: p.ShortName,
		ReplyAttribute: edgeAttributes(p.ReplyAttribute), CheckAttribute: edgeAttributes(p.CheckAttribute)}
}

func edgeAttributes(attrs []gate.Attr) []edge.Attribute {
	list := make([]edge.Attribute, len(attrs))
	for i, a := range attrs {
		list[i] = edge.Attribute(a)
	}
	return list
}

// account is a user as a gateway needs it.
func (s *Store) account(ctx context.Context, q querier, g Gateway, id int64) (edge.Account, error) {
	find := "SELECT " + userColumns(q.speaks()) + " FROM users u WHERE u.id = ? AND " + g.Scope.in("u.organization_id")
	u, err := scanUser(q.QueryRowContext(ctx, find, id))
	if err != nil {
		return edge.Account{}, err
	}
	a := edge.Account{UserID: id, Username: u.Username, Active: u.IsActive, Profiles: u.Profile}
	if u.Klass != nil {
		a.Class = *u.Klass
	}
	if u.Expiration != nil {
		a.Expiration = &u.Expiration.Time
	}
	var profileIDs string
	rest := "SELECT coalesce(plan_id, 0), credential_version, (SELECT " + q.speaks().jsonArray("profile_id", "position") + ` FROM user_profiles WHERE user_id = ?1)
		FROM users WHERE id = ?1`
	if err := q.QueryRowContext(ctx, rest, id).Scan(&a.PlanID, &a.CredentialVersion, &profileIDs); err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(profileIDs), &a.ProfileIDs); err != nil {
		return a, err
	}
	if a.TimeBalance, err = timeBalance(ctx, q, g, id); err != nil {
		return a, err
	}
	a.Elsewhere, err = s.elsewhere(ctx, q, g, id)
	return a, err
}

// SeeAccount returns an account of the gateway's organisations and notes, in the same transaction, that the gateway has
// seen it and will hear of its changes from now on; one that pays with time is lent some. It returns ErrNotFound when the account is gone or its credential
// is no longer of the version that was checked.
func (s *Store) SeeAccount(ctx context.Context, g Gateway, c Credential) (a edge.Account, err error) {
	seen, pays, err := s.seen(ctx, g, c.UserID)
	if err != nil {
		return a, s.err("looking for account", err)
	}
	if seen && !pays { // no write: what changes after this reading is in the feed
		a, err = s.account(ctx, s.read(), g, c.UserID)
		err = s.err("reading account", err)
	} else {
		var told bool
		err = s.write(ctx, "noting that a gateway has seen an account", func(tx *dbTx) (err error) {
			if told, err = s.lend(tx, g, c.UserID); err != nil {
				return err
			}
			if a, err = s.account(tx.ctx, tx, g, c.UserID); err != nil {
				return err
			}
			_, err = tx.Exec("INSERT INTO gateway_users (gateway_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", g.ID, c.UserID)
			return err
		})
		if told {
			s.wake(err)
		}
	}
	if err == nil && a.CredentialVersion != c.Version {
		err = ErrNotFound
	}
	return a, err
}

func (s *Store) seen(ctx context.Context, g Gateway, user int64) (seen, pays bool, err error) {
	const q = `SELECT EXISTS (SELECT 1 FROM gateway_users WHERE gateway_id = ? AND user_id = ?),
		EXISTS (SELECT 1 FROM wallets WHERE user_id = ?)`
	err = s.read().QueryRowContext(ctx, q, g.ID, user, user).Scan(&seen, &pays)
	return seen, pays, err
}
