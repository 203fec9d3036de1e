package store

import (
	"context"
	"encoding/json"
	"time"

	"gatehouse/api/admin"
)

// Webhook is a webhook with its secret as it is kept.
type Webhook struct {
	admin.Webhook
	Sealed  []byte `json:"-"`
	Version int64  `json:"-"`
}

const webhookColumns = "id, organization_id, name, url, events, secret, is_active, version, created, updated"

func scanWebhook(row scanner) (w Webhook, err error) {
	var events string
	var created, updated int64
	err = row.Scan(&w.ID, &w.Organization, &w.Name, &w.URL, &events, &w.Sealed, &w.IsActive, &w.Version, &created, &updated)
	if err != nil {
		return w, err
	}
	w.Created, w.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return w, json.Unmarshal([]byte(events), &w.Events)
}

// Webhooks lists webhooks of the scope, newest first. more tells whether there is something beyond the page.
func (s *Store) Webhooks(ctx context.Context, scope Scope, p Page) (list []Webhook, more bool, err error) {
	q := keyset{d: s.d, table: "webhooks", index: "webhooks_organization", time: "created", id: "id", columns: webhookColumns}
	q.and(scope.in("t.organization_id"))
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanWebhook)
	list, more = cutPage(p, list)
	return list, more, s.err("listing webhooks", err)
}

// Webhook is one webhook of the scope.
func (s *Store) Webhook(ctx context.Context, scope Scope, id int64) (Webhook, error) {
	w, err := webhook(ctx, s.read(), scope, id)
	return w, s.err("reading webhook", err)
}

func webhook(ctx context.Context, q querier, scope Scope, id int64) (Webhook, error) {
	return scanWebhook(q.QueryRowContext(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE id = ? AND "+scope.in("organization_id"), id))
}

// SaveWebhook changes the webhook of the scope with this id as change says, or makes a new one when id is 0, and returns it as
// stored. It returns ErrNotFound when there is no such webhook, and what change returns. change must be quick, may run more
// than once, and must not use the store.
func (s *Store) SaveWebhook(ctx context.Context, scope Scope, id int64, change func(*Webhook) error) (saved Webhook, err error) {
	err = s.write(ctx, "saving webhook", func(tx *dbTx) error {
		w, before := Webhook{}, any(nil)
		w.Organization, w.Events, w.IsActive = scope.Own(), []string{}, true
		if id != 0 {
			if err := tx.lock("webhooks", "id = ?", id); err != nil {
				return err
			}
			var err error
			if w, err = webhook(tx.ctx, tx, scope, id); err != nil {
				return err
			}
			before = w.Webhook
		}
		was := string(w.Sealed)
		if err := change(&w); err != nil {
			return err
		}
		var err error
		if saved, err = s.putWebhook(tx, w); err != nil {
			return err
		}
		var secrets []string
		if string(saved.Sealed) != was {
			secrets = []string{"secret"}
		}
		return tx.audit("webhook", saved.ID, saved.Organization, before, saved.Webhook, secrets...)
	})
	return saved, err
}

func (s *Store) putWebhook(tx *dbTx, w Webhook) (Webhook, error) {
	events, err := json.Marshal(w.Events)
	if err != nil {
		return w, err
	}
	now := micros(s.now())
	set := []any{w.Organization, w.Name, w.URL, string(events), w.Sealed, w.IsActive, now}
	q, args := `INSERT INTO webhooks (organization_id, name, url, events, secret, is_active, updated, created, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)`, append(set, now)
	if w.ID != 0 {
		q = `UPDATE webhooks SET organization_id = ?, name = ?, url = ?, events = ?, secret = ?, is_active = ?, updated = ?,
			version = version + 1 WHERE id = ?`
		args = append(set, w.ID)
	}
	return scanWebhook(tx.QueryRow(q+" RETURNING "+webhookColumns, args...))
}

// DeleteWebhook removes a webhook of the scope with all that was on its way; check may refuse.
func (s *Store) DeleteWebhook(ctx context.Context, scope Scope, id int64, check func(Webhook) error) error {
	return s.write(ctx, "deleting webhook", func(tx *dbTx) error {
		if err := tx.lock("webhooks", "id = ?", id); err != nil {
			return err
		}
		w, err := webhook(tx.ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := check(w); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM webhooks WHERE id = ?", id); err != nil {
			return err
		}
		return tx.audit("webhook", id, w.Organization, w.Webhook, nil)
	})
}

const deliveryColumns = "t.id, t.event_id, e.kind, t.state, t.attempts, t.created, t.next_at, t.last_at, t.last_status, t.last_error"

func scanDelivery(row scanner) (d admin.WebhookDelivery, err error) {
	var created, next int64
	var last *int64
	err = row.Scan(&d.ID, &d.EventID, &d.Event, &d.State, &d.Attempts, &created, &next, &last, &d.LastStatus, &d.LastError)
	d.Created = time.UnixMicro(created).UTC()
	if d.State == admin.DeliveryWaiting {
		d.NextAt = new(time.UnixMicro(next).UTC())
	}
	if last != nil {
		d.LastAt = new(time.UnixMicro(*last).UTC())
	}
	return d, err
}

// Deliveries lists what is or was on its way to a webhook of the scope, newest first; state, when not empty, narrows the list.
func (s *Store) Deliveries(ctx context.Context, scope Scope, webhookID int64, state string, p Page) (list []admin.WebhookDelivery, more bool, err error) {
	if _, err := s.Webhook(ctx, scope, webhookID); err != nil {
		return nil, false, err
	}
	q := keyset{d: s.d, table: "webhook_deliveries", index: "webhook_deliveries_list", time: "created", id: "id",
		columns: "t.id, t.event_id, (SELECT e.kind FROM webhook_events e WHERE e.id = t.event_id), t.state, t.attempts, t.created, t.next_at, t.last_at, t.last_status, t.last_error"}
	q.and("t.webhook_id = ?", webhookID)
	if state != "" {
		q.and("t.state = ?", state)
	}
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanDelivery)
	list, more = cutPage(p, list)
	return list, more, s.err("listing deliveries", err)
}

// Replay has a delivery to a webhook of the scope tried anew, whatever became of it, under the same event id.
func (s *Store) Replay(ctx context.Context, scope Scope, webhookID, id int64) (d admin.WebhookDelivery, err error) {
	err = s.write(ctx, "replaying delivery", func(tx *dbTx) error {
		w, err := webhook(tx.ctx, tx, scope, webhookID)
		if err != nil {
			return err
		}
		now := s.now()
		n, err := tx.affected("UPDATE webhook_deliveries SET state = ?, next_at = ?, deadline = ? WHERE id = ? AND webhook_id = ?",
			admin.DeliveryWaiting, micros(now), micros(now.Add(deliverFor)), id, webhookID)
		if err != nil || n == 0 {
			return orElse(err, ErrNotFound)
		}
		if d, err = delivery(tx, id); err != nil {
			return err
		}
		return tx.audit("webhook", webhookID, w.Organization, map[string]any{"replayed": nil}, map[string]any{"replayed": d.EventID})
	})
	return d, err
}

func delivery(tx *dbTx, id int64) (admin.WebhookDelivery, error) {
	return scanDelivery(tx.QueryRow("SELECT "+deliveryColumns+" FROM webhook_deliveries t JOIN webhook_events e ON e.id = t.event_id WHERE t.id = ?", id))
}

// TestWebhook sends an event of the kind admin.WebhookTest to a webhook of the scope, and to nobody else.
func (s *Store) TestWebhook(ctx context.Context, scope Scope, webhookID int64) (d admin.WebhookDelivery, err error) {
	err = s.write(ctx, "testing webhook", func(tx *dbTx) error {
		w, err := webhook(tx.ctx, tx, scope, webhookID)
		if err != nil {
			return err
		}
		event, _, err := s.putEvent(tx, event{kind: admin.WebhookTest, organization: w.Organization, data: struct{}{}})
		if err != nil {
			return err
		}
		id, err := s.putDelivery(tx, webhookID, event)
		if err != nil {
			return err
		}
		if d, err = delivery(tx, id); err != nil {
			return err
		}
		return tx.audit("webhook", webhookID, w.Organization, map[string]any{"tested": nil}, map[string]any{"tested": d.EventID})
	})
	return d, err
}
