package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"gatehouse/central/store"
)

// flags are the flags of one verb; all have --database.
type flags struct {
	*flag.FlagSet
	database *string
}

func newFlags(name string) flags {
	f := flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.database = f.String("database", "", "URL of the database")
	return f
}

// parse reads args and wants every one of the flags named to be given.
func (f flags) parse(args []string, needed ...string) error { return f.parseWith(args, 0, needed...) }

// parseWith wants so many operands behind the flags, too.
func (f flags) parseWith(args []string, operands int, needed ...string) error {
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case f.NArg() > operands:
		return fmt.Errorf("%w: %q is not a flag", errUsage, f.Arg(operands))
	case f.NArg() < operands:
		return fmt.Errorf("%w: the name of a file is missing behind the flags", errUsage)
	}
	for _, name := range append([]string{"database"}, needed...) {
		if f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%w: --%s is missing", errUsage, name)
		}
	}
	return nil
}

// open opens the database that --database names; it must exist.
func (f flags) open(ctx context.Context) (*store.Store, error) {
	return store.Open(ctx, store.Config{URL: *f.database})
}
