package store

import (
	"context"
	"time"

	"gatehouse/api/admin"
)

const (
	keepDeliveries = 7 * 24 * time.Hour // that are over, for replay
	forgetPage     = 1000
)

// Parcel is a delivery that this process is to try now.
type Parcel struct {
	ID, Attempt int64
	Deadline    time.Time
	EventID     string
	Kind        string
	Body        string
	Webhook     Webhook
}

// DueWebhooks are the active webhooks that something waits for.
func (s *Store) DueWebhooks(ctx context.Context) ([]int64, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT w.id FROM webhooks w WHERE w.is_active AND EXISTS (SELECT 1 FROM webhook_deliveries d
		WHERE d.webhook_id = w.id AND d.state = '`+admin.DeliveryWaiting+`' AND d.next_at <= ?) ORDER BY w.id`, micros(s.now()))
	ids, err := collect(rows, err, scanID)
	return ids, s.err("looking for deliveries", err)
}

// TakeParcels takes at most so many due deliveries of a webhook for this process. They are due again after the time given, in
// case it dies over them.
func (s *Store) TakeParcels(ctx context.Context, webhookID int64, most int, life time.Duration) (list []Parcel, err error) {
	err = s.write(ctx, "taking deliveries", func(tx *dbTx) error {
		list = nil
		w, err := scanWebhook(tx.QueryRow("SELECT "+webhookColumns+" FROM webhooks WHERE id = ?", webhookID))
		if err != nil {
			return err
		}
		skip := "" // SQLite has one writer
		if tx.d.postgres() {
			skip = " FOR UPDATE SKIP LOCKED"
		}
		now := s.now()
		rows, err := tx.Query(`UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = ? WHERE id IN (
				SELECT id FROM webhook_deliveries WHERE webhook_id = ? AND state = '`+admin.DeliveryWaiting+`' AND next_at <= ?
				ORDER BY next_at, id LIMIT ?`+skip+`)
			RETURNING id, attempts, deadline, event_id`, micros(now.Add(life)), webhookID, micros(now), most)
		taken, err := collect(rows, err, func(row scanner) (p Parcel, err error) {
			var deadline int64
			err = row.Scan(&p.ID, &p.Attempt, &deadline, &p.EventID)
			p.Deadline, p.Webhook = time.UnixMicro(deadline), w
			return p, err
		})
		if err != nil {
			return err
		}
		for _, p := range taken {
			if err := tx.QueryRow("SELECT kind, body FROM webhook_events WHERE id = ?", p.EventID).Scan(&p.Kind, &p.Body); err != nil {
				return err
			}
			list = append(list, p)
		}
		return nil
	})
	return list, err
}

// SettleParcel notes how an attempt ended. A zero next with a failure means that it was the last.
func (s *Store) SettleParcel(ctx context.Context, p Parcel, delivered bool, status int, failure string, next time.Time) error {
	state := admin.Delivered
	switch {
	case !delivered && next.IsZero():
		state = admin.DeliveryDead
	case !delivered:
		state = admin.DeliveryWaiting
	}
	now := s.now()
	if next.IsZero() {
		next = now
	}
	return s.write(ctx, "noting delivery", func(tx *dbTx) error {
		_, err := tx.Exec(`UPDATE webhook_deliveries SET state = ?, next_at = ?, last_at = ?, last_status = ?, last_error = ?
			WHERE id = ? AND attempts = ? AND state = '`+admin.DeliveryWaiting+`'`,
			state, micros(next), micros(now), number(int64(status)), text(failure), p.ID, p.Attempt)
		return err
	})
}

// ForgetDeliveries gives up what nobody has tried until its deadline, and deletes what has been over for a week. more tells
// whether there is more to do.
func (s *Store) ForgetDeliveries(ctx context.Context, lease *Lease) (more bool, err error) {
	err = s.write(ctx, "forgetting deliveries", func(tx *dbTx) error {
		if err := lease.hold(tx); err != nil {
			return err
		}
		now := s.now()
		if _, err := tx.Exec(`UPDATE webhook_deliveries SET state = '`+admin.DeliveryDead+`', last_error = coalesce(last_error, 'The webhook was off.')
			WHERE state = '`+admin.DeliveryWaiting+`' AND deadline < ? AND next_at < ?`, micros(now), micros(now)); err != nil {
			return err
		}
		before := micros(now.Add(-keepDeliveries))
		deliveries, err := tx.affected(`DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries
			WHERE created < ? AND state <> '`+admin.DeliveryWaiting+`' ORDER BY created, id LIMIT ?)`, before, forgetPage)
		if err != nil {
			return err
		}
		events, err := tx.affected(`DELETE FROM webhook_events WHERE id IN (SELECT e.id FROM webhook_events e WHERE e.at < ?
			AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id) ORDER BY e.at, e.id LIMIT ?)`, before, forgetPage)
		more = deliveries == forgetPage || events == forgetPage
		return err
	})
	return more, err
}
