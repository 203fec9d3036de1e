package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"

	"gatehouse/central/store"
)

var shortNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func migrate(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("migrate")
	if err := f.parse(args); err != nil {
		return err
	}
	return store.Migrate(ctx, *f.database)
}

func createOrganization(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("org create")
	shortName, name, parent := f.String("short-name", "", ""), f.String("name", "", ""), f.String("parent", "", "")
	if err := f.parse(args, "short-name", "name"); err != nil {
		return err
	}
	if !shortNameForm.MatchString(*shortName) {
		return fmt.Errorf("%w: --short-name %s is not made of letters, digits, - and _, beginning with a letter or digit", errUsage, *shortName)
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	id, err := db.CreateOrganization(ctx, *shortName, *name, *parent)
	var taken *store.DuplicateError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no organisation %s to be the parent", *parent)
	case errors.As(err, &taken):
		return fmt.Errorf("there is an organisation %s already", *shortName)
	case err != nil:
		return err
	}
	fmt.Fprintln(out, id)
	return nil
}

func printVersion(_ context.Context, _ []string, out io.Writer) error {
	fmt.Fprintln(out, "gatehouse-central", version, runtime.Version())
	return nil
}

// organizationID finds an organisation for a verb.
func organizationID(ctx context.Context, db *store.Store, shortName string) (int64, error) {
	id, err := db.OrganizationNamed(ctx, shortName)
	if errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("there is no organisation %s", shortName)
	}
	return id, err
}
