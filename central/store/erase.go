package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// EraseJob is the name of the job whose turn EraseMore wants.
const EraseJob = "erasure"

const (
	eraseBatch = 500 // rows of one transaction
	// eraseAgain is for how long after the request the last step is repeated: a batch of records that began before it may
	// commit after our first look.
	eraseAgain = time.Minute
)

// Erasure is the forgetting of one person, who has been deleted as a user.
type Erasure struct {
	ID, UserID, Organization int64
	Requested                time.Time
	Finished                 *time.Time // nil: rows are still being changed
	Rows                     int64      // that have been changed so far
	Step, Steps              int        // which is being done, of how many
}

const erasureColumns = "e.id, e.user_id, e.organization_id, e.requested, e.finished, e.changed_rows, e.step"

func scanErasure(row scanner) (e Erasure, err error) {
	var requested int64
	var finished *int64
	err = row.Scan(&e.ID, &e.UserID, &e.Organization, &requested, &finished, &e.Rows, &e.Step)
	e.Requested, e.Steps = time.UnixMicro(requested).UTC(), len(eraseSteps())
	if finished != nil {
		e.Finished = new(time.UnixMicro(*finished).UTC())
	}
	return e, err
}

// Erasure returns what has become of the erasure of a user of the scope.
func (s *Store) Erasure(ctx context.Context, scope Scope, user int64) (Erasure, error) {
	q := "SELECT " + erasureColumns + " FROM erasures e WHERE e.user_id = ? AND " + scope.in("e.organization_id")
	e, err := scanErasure(s.read().QueryRowContext(ctx, q, user))
	return e, s.err("reading erasure", err)
}

// ErasePerson deletes a user of the scope with all that belongs to it, tells gateways to forget the person, destroys the key
// of the person's pseudonyms in the audit log, and begins to make sessions and transactions nobody's: EraseMore does that. Doing
// it again returns the erasure that there is.
func (s *Store) ErasePerson(ctx context.Context, scope Scope, user int64) (e Erasure, err error) {
	err = s.write(ctx, "erasing person", func(tx *dbTx) (err error) {
		q := "SELECT " + erasureColumns + " FROM erasures e WHERE e.user_id = ? AND " + scope.in("e.organization_id")
		if e, err = scanErasure(tx.QueryRow(q, user)); err != sql.ErrNoRows {
			return err
		}
		var name string
		var organization int64
		find := "SELECT username, organization_id FROM users WHERE id = ? AND " + scope.in("organization_id")
		if err := tx.QueryRow(find, user).Scan(&name, &organization); err != nil {
			return err
		}
		if err := guard(tx, user); err != nil {
			return err
		}
		const insert = `INSERT INTO erasures (organization_id, user_id, pseudonym, requested, step, position, changed_rows)
			VALUES (?, ?, ?, ?, 0, 0, 0) RETURNING id`
		pseudonym := "erased-" + strings.ToLower(rand.Text()[:16])
		var id int64
		if err := tx.QueryRow(insert, organization, user, pseudonym, micros(s.now())).Scan(&id); err != nil {
			return err
		}
		if err := keepErasedName(tx, id, organization, name); err != nil {
			return err
		}
		if err := deletePerson(tx, user, organization, name); err != nil {
			return err
		}
		if err := s.tellDeleted(tx, user, organization); err != nil {
			return err
		}
		if err := s.eraseAtGateways(tx, user, name); err != nil {
			return err
		}
		if err := tx.audit("erasure", id, organization, nil, map[string]any{"status": "requested"}); err != nil {
			return err
		}
		e, err = scanErasure(tx.QueryRow("SELECT "+erasureColumns+" FROM erasures e WHERE e.id = ?", id))
		return err
	})
	s.wake(err)
	return e, err
}

// deletePerson deletes what is the user's alone. Logs of devices go with the devices, user_extra with the user; the ledger of
// time stays, under a number that is nobody's. A device that was said to be the user's, and not proven to be, stays without the name.
func deletePerson(tx *dbTx, user, organization int64, name string) error {
	const unname = "UPDATE devices SET username = NULL, user_external_id = NULL, user_class = NULL WHERE username = ? AND organization_id = ? AND user_id IS NULL"
	if _, err := tx.Exec(unname, name, organization); err != nil {
		return err
	}
	for _, q := range []string{
		"DELETE FROM connection_days WHERE (organization_id, device_id) IN (SELECT organization_id, id FROM devices WHERE user_id = ?)",
		"DELETE FROM devices WHERE user_id = ?",
		"DELETE FROM pass_codes WHERE user_id = ?",
		"DELETE FROM wallets WHERE user_id = ?",
		"DELETE FROM proofs WHERE user_id = ?",
		"DELETE FROM webhook_events WHERE user_id = ?",
		"DELETE FROM users WHERE id = ?",
	} {
		if _, err := tx.Exec(q, user); err != nil {
			return err
		}
	}
	if err := changed(tx, userKind, user, organization); err != nil {
		return err
	}
	return forgetPerson(tx, user)
}

func keepErasedName(tx *dbTx, erasure, organization int64, name string) error {
	key, err := erasureKeyOf(tx)
	if err != nil || name == "" {
		return err
	}
	_, err = tx.Exec(`INSERT INTO erased_names (name_hash, erasure_id, organization_id, name) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		nameHash(key, name), erasure, organization, name)
	return err
}

// eraseStep changes some rows of one table that name a person, and those that follow the next time.
type eraseStep struct {
	table, id, at string
	set           string // ?1 is the pseudonym
	names         string // the column with a name that the person had
	walk          bool   // by name, a day at a time; else by the user's number
}

// eraseSteps: first what has the user's number, by which the names are learned that the person had before, then what has
// only such a name.
func eraseSteps() []eraseStep {
	const session = "username = ?1, user_id = NULL, callingstationid = NULL, framedipaddress = NULL"
	const transaction = `username = ?1, user_id = NULL, email = NULL, external_id = NULL, remote_ip = NULL, mac = NULL, page_url = NULL,
		message = NULL, user_agent_id = NULL`
	return []eraseStep{
		{table: "portal_logins", id: "id", set: "uid = ?1, user_id = NULL, mac = '', ip = '', original_url = NULL"},
		{table: "aaa_accounting", id: "radacctid", set: session, names: "username"},
		{table: "txlog_portal", id: "id", set: transaction, names: "username"},
		{table: "aaa_accounting", id: "radacctid", at: "acctstarttime", set: session, walk: true},
		{table: "txlog_portal", id: "id", at: "datetime", set: transaction, walk: true},
	}
}

// erasureJob is an erasure that is not finished, as the job sees it.
type erasureJob struct {
	Erasure
	pseudonym string
	position  int64
}

// EraseMore changes some rows of an erasure that is not finished. It returns false when there is nothing to do at the moment.
func (s *Store) EraseMore(ctx context.Context, lease *Lease) (more bool, err error) {
	var j erasureJob
	q := "SELECT " + erasureColumns + ", e.pseudonym, e.position FROM erasures e WHERE e.finished IS NULL AND (e.step < ? OR e.requested < ?) ORDER BY e.id LIMIT 1"
	steps := eraseSteps()
	row := s.read().QueryRowContext(ctx, q, len(steps), micros(s.now().Add(-eraseAgain)))
	j.Erasure, err = scanErasure(scanFunc(func(dest ...any) error { return row.Scan(append(dest, &j.pseudonym, &j.position)...) }))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, s.err("looking for erasures", err)
	}
	return true, s.write(ctx, "erasing person", func(tx *dbTx) error {
		if err := lease.hold(tx); err != nil {
			return err
		}
		if j.Step >= len(steps) {
			return s.finishErasure(tx, j, steps)
		}
		step, position := steps[j.Step], j.position
		n, err := int64(0), error(nil)
		done := false
		if step.walk {
			n, position, done, err = s.eraseWalk(tx, j, step)
		} else {
			n, err = eraseNumbered(tx, j, step)
			done = n < eraseBatch
		}
		if err != nil {
			return err
		}
		next := j.Step
		if done {
			next, position = next+1, 0
		}
		_, err = tx.Exec("UPDATE erasures SET step = ?, position = ?, changed_rows = changed_rows + ? WHERE id = ?", next, position, n, j.ID)
		return err
	})
}

// scanFunc is a scanner made of a function.
type scanFunc func(dest ...any) error

// Scan implements scanner.
func (f scanFunc) Scan(dest ...any) error { return f(dest...) }

// eraseNumbered changes rows with the user's number, and learns by them which names the person had before.
func eraseNumbered(tx *dbTx, j erasureJob, step eraseStep) (n int64, err error) {
	if step.names != "" {
		rows, err := tx.Query("SELECT DISTINCT "+step.names+" FROM "+step.table+" WHERE user_id = ? AND "+step.names+" IS NOT NULL", j.UserID)
		names, err := collect(rows, err, func(row scanner) (name string, err error) { err = row.Scan(&name); return name, err })
		if err != nil {
			return 0, err
		}
		for _, name := range names {
			if err := keepErasedName(tx, j.ID, j.Organization, name); err != nil {
				return 0, err
			}
		}
	}
	return tx.affected("UPDATE "+step.table+" SET "+step.set+" WHERE "+step.id+" IN (SELECT "+step.id+" FROM "+step.table+
		" WHERE user_id = ?2 LIMIT ?3)", j.pseudonym, j.UserID, eraseBatch)
}

// eraseWalk changes rows of one day that have a name of the person and no user. position is the next day that has rows.
func (s *Store) eraseWalk(tx *dbTx, j erasureJob, step eraseStep) (n, position int64, done bool, err error) {
	var from *int64
	const first = "SELECT min(%[1]s) FROM %[2]s WHERE organization_id = ? AND %[1]s >= ? AND %[1]s < ?"
	find := strings.NewReplacer("%[1]s", step.at, "%[2]s", step.table).Replace(first)
	if err := tx.QueryRow(find, j.Organization, j.position, micros(j.Requested)).Scan(&from); err != nil || from == nil {
		return 0, 0, true, err
	}
	position = (*from/dayLength + 1) * dayLength
	n, err = tx.affected("UPDATE "+step.table+" SET "+step.set+" WHERE organization_id = ?2 AND "+step.at+" >= ?3 AND "+step.at+" < ?4 AND user_id IS NULL "+
		"AND username IN (SELECT name FROM erased_names WHERE erasure_id = ?5)", j.pseudonym, j.Organization, *from, min(position, micros(j.Requested)), j.ID)
	return n, position, false, err
}

// finishErasure looks once more for rows that have come late, and forgets the name where there are none.
func (s *Store) finishErasure(tx *dbTx, j erasureJob, steps []eraseStep) error {
	var n int64
	for _, step := range steps {
		if step.walk {
			continue
		}
		late, err := eraseNumbered(tx, j, step)
		if err != nil {
			return err
		}
		n += late
	}
	if n > 0 {
		_, err := tx.Exec("UPDATE erasures SET changed_rows = changed_rows + ? WHERE id = ?", n, j.ID)
		return err
	}
	if _, err := tx.Exec("UPDATE erased_names SET name = NULL WHERE erasure_id = ?", j.ID); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE erasures SET finished = ? WHERE id = ?", micros(s.now()), j.ID); err != nil {
		return err
	}
	return tx.audit("erasure", j.ID, j.Organization, map[string]any{"status": "requested"}, map[string]any{"status": "finished"})
}
