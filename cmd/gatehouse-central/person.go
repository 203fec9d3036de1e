package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"gatehouse/central/store"
)

// person finds whom a verb is about: --user is a user name of the organisation or a number.
func person(ctx context.Context, db *store.Store, org, name string) (scope store.Scope, user int64, err error) {
	organization, err := organizationID(ctx, db, org)
	if err != nil {
		return nil, 0, err
	}
	scope = store.Scope{organization}
	user, err = db.UserID(ctx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		if user, err = strconv.ParseInt(name, 10, 64); err != nil {
			return nil, 0, fmt.Errorf("%s has no user %s", org, name)
		}
	}
	return scope, user, err
}

func exportPerson(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("person export")
	org, name := f.String("org", "", ""), f.String("user", "", "")
	if err := f.parse(args, "org", "user"); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	scope, user, err := person(ctx, db, *org, *name)
	if err != nil {
		return err
	}
	err = db.ExportPerson(ctx, scope, user, out)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s has no user %s", *org, *name)
	}
	return err
}

// erasePerson asks for the erasure and does it, unless a process that serves does.
func erasePerson(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("person erase")
	org, name := f.String("org", "", ""), f.String("user", "", "")
	if err := f.parse(args, "org", "user"); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	scope, user, err := person(ctx, db, *org, *name)
	if err != nil {
		return err
	}
	e, err := db.ErasePerson(ctx, scope, user)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s has no user %s", *org, *name)
	}
	if err != nil {
		return err
	}
	lease := db.Lease(store.EraseJob)
	for more := true; more && err == nil; {
		more, err = db.EraseMore(ctx, lease)
	}
	if errors.Is(err, store.ErrNotOurs) {
		fmt.Fprintln(out, "deleted; the centre that serves is making sessions and transactions nobody's")
		return nil
	}
	if err = errors.Join(err, lease.Release(ctx)); err != nil {
		return err
	}
	if e, err = db.Erasure(ctx, scope, user); err != nil {
		return err
	}
	fmt.Fprintf(out, "deleted; %d sessions and transactions are nobody's\n", e.Rows)
	if e.Finished == nil {
		fmt.Fprintln(out, "the centre looks once more for late ones when it serves next, a minute after this")
	}
	return nil
}

// exportRows writes all users, sessions or transactions of an organisation and those below it.
func exportRows(kind string) verb {
	return func(ctx context.Context, args []string, out io.Writer) error {
		f := newFlags("export " + kind)
		org, form, to := f.String("org", "", ""), f.String("format", "csv", ""), f.String("to", "", "")
		var from, until time.Time
		f.Func("from", "", day(&from))
		f.Func("until", "", day(&until))
		if err := f.parse(args, "org"); err != nil {
			return err
		}
		if kind == "users" && (!from.IsZero() || !until.IsZero()) {
			return fmt.Errorf("%w: users are exported whole, without --from and --until", errUsage)
		}
		db, err := f.open(ctx)
		if err != nil {
			return err
		}
		defer db.Close()
		organization, err := organizationID(ctx, db, *org)
		if err != nil {
			return err
		}
		scope, err := db.Subtree(ctx, organization)
		if err != nil {
			return err
		}
		target := out
		if *to != "" {
			file, err := os.OpenFile(*to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer file.Close()
			target = file
		}
		w, err := newRowWriter(*form, target)
		if err != nil {
			return err
		}
		if err := db.Dump(ctx, scope, kind, from, until, w.row); err != nil {
			return err
		}
		return w.end()
	}
}

// day reads a date as its beginning, or a time, for a flag.
func day(to *time.Time) func(string) error {
	return func(text string) (err error) {
		if *to, err = time.Parse(time.DateOnly, text); err != nil {
			*to, err = time.Parse(time.RFC3339, text)
		}
		if err != nil {
			err = errors.New("want a date like 2026-03-01 or a time like 2026-03-01T12:00:00Z")
		}
		return err
	}
}
