package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/sessions"
)

const planColumns = `t.id, t.organization_id, t.name, t.description, t.time_seconds, t.elapsed, t.data_octets, t.rate_up, t.rate_down,
	t.devices, t.idle_seconds, t.valid_seconds, t.valid_until, t.price, t.zones, t.extendable, t.created, t.updated, t.version`

func scanPlan(row scanner) (admin.Plan, error) {
	p := admin.Plan{TimeMode: admin.TimeRunning}
	var elapsed bool
	var zones string
	var until *int64
	var created, updated int64
	err := row.Scan(&p.ID, &p.Organization, &p.Name, &p.Description, &p.TimeSeconds, &elapsed, &p.DataOctets, &p.RateUp, &p.RateDown,
		&p.Devices, &p.IdleTimeout, &p.ValidSeconds, &until, &p.Price, &zones, &p.Extendable, &created, &updated, &p.Version)
	if err != nil {
		return p, err
	}
	if elapsed {
		p.TimeMode = admin.TimeElapsed
	}
	p.ValidUntil, p.Created, p.Updated = timeOf(until), *timeOf(&created), *timeOf(&updated)
	return p, json.Unmarshal([]byte(zones), &p.Zones)
}

// timeOf is a stored moment; nil stays nil.
func timeOf(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	return new(time.UnixMicro(*micros).UTC())
}

// Plans lists plans, the newest first. more tells whether there is something beyond the page.
func (s *Store) Plans(ctx context.Context, scope Scope, organization int64, p Page) (list []admin.Plan, more bool, err error) {
	q := keyset{d: s.d, table: "plans", index: "plans_organization", time: "created", id: "id", columns: planColumns}
	q.and(scope.in("t.organization_id"))
	q.equal("t.organization_id", organization)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanPlan)
	list, more = cutPage(p, list)
	return list, more, s.err("listing plans", err)
}

// Plan returns one plan of the scope.
func (s *Store) Plan(ctx context.Context, scope Scope, id int64) (admin.Plan, error) {
	p, err := plan(ctx, s.read(), scope, id)
	return p, s.err("reading plan", err)
}

func plan(ctx context.Context, q querier, scope Scope, id int64) (admin.Plan, error) {
	find := "SELECT " + planColumns + " FROM plans t WHERE t.id = ? AND " + scope.in("t.organization_id")
	return scanPlan(q.QueryRowContext(ctx, find, id))
}

// PlanNamed returns the plan of the scope's own organisation that has this name.
func (s *Store) PlanNamed(ctx context.Context, scope Scope, name string) (admin.Plan, error) {
	const find = "SELECT " + planColumns + " FROM plans t WHERE t.organization_id = ? AND t.name = ?"
	p, err := scanPlan(s.read().QueryRowContext(ctx, find, scope.Own(), name))
	return p, s.err("reading plan", err)
}

// CreatePlan makes a plan in the organisation that p names. A *DuplicateError says that there is one of this name.
func (s *Store) CreatePlan(ctx context.Context, p admin.Plan) (made admin.Plan, err error) {
	err = s.write(ctx, "creating plan", func(tx *dbTx) error {
		now := micros(s.now())
		const insert = `INSERT INTO plans (name, description, time_seconds, elapsed, data_octets, rate_up, rate_down, devices,
				idle_seconds, valid_seconds, valid_until, price, zones, extendable, updated, organization_id, created, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (organization_id, name) DO NOTHING RETURNING id`
		var id int64
		row := tx.QueryRow(insert, append(planValues(p, now), p.Organization, now)...)
		if err := taken("name", row.Scan(&id)); err != nil {
			return err
		}
		if made, err = plan(tx.ctx, tx, Scope{p.Organization}, id); err != nil {
			return err
		}
		if err := changed(tx, planKind, id, p.Organization); err != nil {
			return err
		}
		return tx.audit("plan", id, p.Organization, nil, made)
	})
	s.wake(err)
	return made, err
}

func planValues(p admin.Plan, now int64) []any {
	zones, _ := json.Marshal(p.Zones) // a list of texts
	return []any{p.Name, p.Description, p.TimeSeconds, p.TimeMode == admin.TimeElapsed, p.DataOctets, p.RateUp, p.RateDown, p.Devices,
		p.IdleTimeout, p.ValidSeconds, moment(p.ValidUntil), p.Price, string(zones), p.Extendable, now}
}

// ChangePlan changes a plan of the scope as change says, or not at all when change has an error. All vouchers of the plan
// change with it.
func (s *Store) ChangePlan(ctx context.Context, scope Scope, id int64, change func(*admin.Plan) error) (saved admin.Plan, err error) {
	err = s.write(ctx, "changing plan", func(tx *dbTx) error {
		if err := tx.lock("plans", "id = ?", id); err != nil {
			return err
		}
		p, err := plan(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		before := p
		if err := change(&p); err != nil {
			return err
		}
		var taken int64
		err = tx.QueryRow("SELECT id FROM plans WHERE organization_id = ? AND name = ? AND id <> ?", p.Organization, p.Name, id).Scan(&taken)
		if err != sql.ErrNoRows {
			return orElse(err, &DuplicateError{Field: "name"})
		}
		const update = `UPDATE plans SET name = ?, description = ?, time_seconds = ?, elapsed = ?, data_octets = ?, rate_up = ?,
				rate_down = ?, devices = ?, idle_seconds = ?, valid_seconds = ?, valid_until = ?, price = ?, zones = ?, extendable = ?,
				updated = ?, version = version + 1 WHERE id = ?`
		if _, err := tx.Exec(update, append(planValues(p, micros(s.now())), id)...); err != nil {
			return err
		}
		if saved, err = plan(tx.ctx, tx, scope, id); err != nil {
			return err
		}
		if err := changed(tx, planKind, id, p.Organization); err != nil {
			return err
		}
		return tx.audit("plan", id, p.Organization, before, saved)
	})
	s.wake(err)
	return saved, err
}

// InUseError says that something cannot go while others need it.
type InUseError struct{ By string }

// Error implements error.
func (e *InUseError) Error() string { return "there are " + e.By + " of it" }

// DeletePlan removes a plan of the scope; check sees it before. An *InUseError says that vouchers or accounts have it.
func (s *Store) DeletePlan(ctx context.Context, scope Scope, id int64, check func(admin.Plan) error) error {
	err := s.write(ctx, "deleting plan", func(tx *dbTx) error {
		if err := tx.lock("plans", "id = ?", id); err != nil {
			return err
		}
		p, err := plan(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := check(p); err != nil {
			return err
		}
		for _, user := range []struct{ table, what string }{{"voucher_batches", "vouchers"}, {"users", "accounts"}} {
			var used bool
			if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM "+user.table+" WHERE plan_id = ?)", id).Scan(&used); err != nil {
				return err
			}
			if used {
				return &InUseError{By: user.what}
			}
		}
		if _, err := tx.Exec("DELETE FROM plans WHERE id = ?", id); err != nil {
			return err
		}
		if err := changed(tx, planKind, id, p.Organization); err != nil {
			return err
		}
		return tx.audit("plan", id, p.Organization, p, nil)
	})
	s.wake(err)
	return err
}

// edgePlan is a plan as gateways need it.
func edgePlan(p admin.Plan) *edge.Plan {
	return &edge.Plan{ID: p.ID, Name: p.Name, TimeSeconds: p.TimeSeconds, Elapsed: p.TimeMode == admin.TimeElapsed, DataOctets: p.DataOctets,
		RateUp: p.RateUp, RateDown: p.RateDown, Devices: p.Devices, IdleTimeout: p.IdleTimeout, ValidSeconds: p.ValidSeconds,
		ValidUntil: p.ValidUntil, Zones: p.Zones, Extendable: p.Extendable}
}

// rules is what the voucher rules need to know of a plan.
func rules(p admin.Plan) sessions.Plan {
	r := sessions.Plan{ID: p.ID, Name: p.Name, Elapsed: p.TimeMode == admin.TimeElapsed, Zones: p.Zones, Extendable: p.Extendable}
	if p.TimeSeconds != nil {
		r.Time = time.Duration(*p.TimeSeconds) * time.Second
	}
	if p.DataOctets != nil {
		r.Data = sessions.Bytes(*p.DataOctets)
	}
	if p.ValidSeconds != nil {
		r.ValidFor = time.Duration(*p.ValidSeconds) * time.Second
	}
	if p.ValidUntil != nil {
		r.ValidUntil = *p.ValidUntil
	}
	return r
}
