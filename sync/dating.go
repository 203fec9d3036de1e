package gwsync

import (
	"context"
	"fmt"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// dates turns stamps into wall time (DESIGN D8).
//
// The same stamp always gets the same date, because the centre finds a session by its start time: a stamp that carries a
// wall time keeps it, whatever the clock says later (and whatever this build believes); any other is dated by the anchor
// of its boot, and an anchor is saved once and never improved. Session.StartedAt is one stamp in all records of a
// session, so its Start, sent with a wall time, and its Stop, after the clock jumped, agree.
type dates struct {
	clock      clock.Clock
	outbox     Outbox
	believable time.Time
	zeros      map[string]time.Time // of boots with an anchor, as the outbox gave it back
	none       map[string]bool      // boots without one, since begin
}

// begin saves the anchor of this boot once the clock is believable, and reports whether there is one.
func (d *dates) begin(ctx context.Context) (bool, error) {
	clear(d.none)
	boot := d.clock.BootID()
	if _, ok, err := d.zero(ctx, boot); ok || err != nil {
		return ok, err
	}
	now, mono := d.clock.Now(), d.clock.Mono()
	if now.Before(d.believable) {
		return false, nil
	}
	return true, d.save(ctx, boot, now.Add(-mono))
}

// bind gives an anchor to every other boot that the entries need one of. The outbox has none when the clock never became
// believable in that boot, or only in its last seconds. Then a stamp of that boot that carries a wall time serves; failing that,
// the latest moment known of it is put where the present boot began, the last instant at which it can have happened:
// order and distances within the boot stay true, the date is at most late. It waits for begin.
func (d *dates) bind(ctx context.Context, entries []sessions.OutboxEntry) error {
	here, ok, err := d.zero(ctx, d.clock.BootID())
	if !ok || err != nil {
		return err
	}
	for boot, zero := range zerosOf(entries, here) {
		_, ok, err := d.zero(ctx, boot)
		if err == nil && !ok {
			err = d.save(ctx, boot, zero)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zerosOf works out when the boots began that the entries have an undated stamp of, if they ended before the moment here.
func zerosOf(entries []sessions.OutboxEntry, here time.Time) map[string]time.Time {
	bound := map[string]time.Time{}
	exact := map[string]time.Time{}
	for _, s := range stamps(entries) {
		if !s.Wall.IsZero() {
			exact[s.BootID] = s.Wall.Add(-s.Mono)
		} else if zero := here.Add(-s.Mono); bound[s.BootID].IsZero() || zero.Before(bound[s.BootID]) {
			bound[s.BootID] = zero
		}
	}
	for boot := range bound {
		if zero, ok := exact[boot]; ok {
			bound[boot] = zero
		}
	}
	return bound
}

// date returns the stamp's wall time in UTC to the microsecond, which is what databases keep; false when it has to wait.
func (d *dates) date(ctx context.Context, s sessions.Stamp) (time.Time, bool, error) {
	if !s.Wall.IsZero() {
		return s.Wall.UTC().Truncate(time.Microsecond), true, nil
	}
	zero, ok, err := d.zero(ctx, s.BootID)
	return zero.Add(s.Mono).UTC().Truncate(time.Microsecond), ok, err
}

func (d *dates) zero(ctx context.Context, boot string) (time.Time, bool, error) {
	if z, ok := d.zeros[boot]; ok {
		return z, true, nil
	}
	if d.none[boot] {
		return time.Time{}, false, nil
	}
	a, ok, err := d.outbox.Anchor(ctx, boot)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("reading anchor: %w", err)
	}
	if d.none[boot] = !ok; ok {
		d.zeros[boot] = a.Zero
	}
	return a.Zero, ok, nil
}

// save keeps an anchor and lets zero read it back, so that rounding in the outbox shows now and not after a restart.
func (d *dates) save(ctx context.Context, boot string, zero time.Time) error {
	a := sessions.Anchor{BootID: boot, Zero: zero.UTC().Truncate(time.Microsecond)}
	if err := d.outbox.SaveAnchor(ctx, a); err != nil {
		return fmt.Errorf("saving anchor: %w", err)
	}
	delete(d.none, boot)
	return nil
}

// stamps are those that have to be dated before the entries can go.
func stamps(entries []sessions.OutboxEntry) []sessions.Stamp {
	var all []sessions.Stamp
	for _, e := range entries {
		if t := e.Transaction; t != nil {
			all = append(all, t.At)
		}
		if r := e.Accounting; r != nil {
			all = append(all, r.At, r.Session.StartedAt)
			if r.Session.StoppedAt != nil {
				all = append(all, *r.Session.StoppedAt)
			}
		}
	}
	return all
}
