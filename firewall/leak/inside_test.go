package leak_test

import (
	"context"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// inside is an enforcer whose programs run on a host.
type inside struct {
	sessions.Enforcer
	host *lab.Host
}

func (i inside) Reconcile(ctx context.Context, want []sessions.Grant) error {
	return i.host.Do(func() error { return i.Enforcer.Reconcile(ctx, want) })
}

func (i inside) Admit(ctx context.Context, grants ...sessions.Grant) error {
	return i.host.Do(func() error { return i.Enforcer.Admit(ctx, grants...) })
}

func (i inside) Cut(ctx context.Context, stations ...sessions.Station) (readings []sessions.Reading, err error) {
	err = i.host.Do(func() (err error) { readings, err = i.Enforcer.Cut(ctx, stations...); return err })
	return readings, err
}

func (i inside) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	return i.host.Do(func() error { return i.Enforcer.SetBlocked(ctx, stations) })
}

func (i inside) Release(ctx context.Context, stations ...sessions.Station) error {
	return i.host.Do(func() error { return i.Enforcer.Release(ctx, stations...) })
}

func (i inside) Usage(ctx context.Context) (readings []sessions.Reading, err error) {
	err = i.host.Do(func() (err error) { readings, err = i.Enforcer.Usage(ctx); return err })
	return readings, err
}
