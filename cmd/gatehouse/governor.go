package main

import (
	"context"
	"encoding/json"
	"errors"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// errReconfigured ends a daemon that is to begin anew with other settings. Rules stay in the kernel, and no session notices.
var errReconfigured = errors.New("the centre has set something else")

// governor does what the centre wants of this gateway.
type governor struct{ g *gateway }

// Obey carries out an order.
func (c governor) Obey(ctx context.Context, o sessions.Order) error { return c.g.manager.Obey(ctx, o) }

// Configure takes settings over if they are right.
func (c governor) Configure(_ context.Context, version int64, next json.RawMessage) error {
	fresh, err := c.g.Settings.take(c.g.File, version, next)
	if err != nil {
		return err
	}
	if _, why := c.g.Settings.looked(); why != "" {
		c.g.Logger.Warn("the centre's settings are refused; the last good ones stay", "version", version, "why", why)
	}
	if fresh {
		c.g.Logger.Info("beginning anew with the centre's settings", "version", version)
		select {
		case c.g.reconfigured <- struct{}{}:
		default:
		}
	}
	return nil
}

// awaitSettings ends the daemon when there are others.
func (g *gateway) awaitSettings(ctx context.Context) error {
	if err := g.Settings.serves(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-g.reconfigured:
		return errReconfigured
	}
}

// Status is what the centre is told.
func (c governor) Status(ctx context.Context) (edge.Status, error) {
	backlog, err := c.g.journal.Depth(ctx)
	if err != nil {
		return edge.Status{}, err
	}
	st := edge.Status{
		Version: versionName(), BootID: c.g.clock.BootID(), UptimeSeconds: int64((c.g.clock.Mono() - c.g.began).Seconds()),
		Sessions: len(c.g.manager.Sessions()), Backlog: backlog,
	}
	st.ConfigurationVersion, st.ConfigurationError = c.g.Settings.looked()
	if now := c.g.clock.Now(); !now.Before(believable()) {
		st.Clock = now.UnixMicro()
	}
	return st, nil
}
